"""What is the token, if the configuration does not say? In a file beside it, made at the first start."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import stat
import sys
import tempfile
from pathlib import Path
from typing import Final

from emailproxy.failures import ProxyError
from emailproxy.runfiles import run_file
from emailproxy.secret import Secret

__all__ = ["TokenFileError", "made_token", "read_token", "token_path"]

log = logging.getLogger("emailproxy.console")

OCTETS: Final = 32
"""Random ones of a token: nobody guesses 256 bits."""
MAX_SIZE: Final = 4096
"""Octets that are read: a token has 43."""


class TokenFileError(ProxyError):
    """The token cannot be read, or made; the message says why and what to do."""


def token_path(config: Path) -> Path:
    """Where the token of the proxy with the configuration `config` is kept."""
    return run_file(config, ".console-token")


def read_token(config: Path) -> Secret | None:
    """The token beside `config`; None if there is none yet. Blocks.

    Raises:
        TokenFileError: it cannot be read.
    """
    path = token_path(config)
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(MAX_SIZE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TokenFileError(f"{path} cannot be read: {error.strerror}; let the proxy's user read it") from None
    if sys.platform != "win32" and stat.S_IMODE(mode) & 0o077:
        log.warning("%s can be read by others than its owner; chmod 600 it, and remove it if they are strangers", path)
    token = text.strip()
    if len(token) < OCTETS or len(text) > MAX_SIZE or not token.isascii():
        raise TokenFileError(f"{path} holds no token; remove it, and a new one is made at the next start")
    return Secret(token.decode())


def made_token(config: Path) -> Secret:
    """The token beside `config`, which is made if there is none. Blocks.

    Raises:
        TokenFileError: it can neither be read nor made.
    """
    found = read_token(config)
    if found is not None:
        return found
    path = token_path(config)
    token = secrets.token_urlsafe(OCTETS)
    try:
        # Mode 0600 from its beginning, and whole when it gets its name: another proxy may look at the same moment.
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(token + "\n")
            try:
                os.link(name, path)
            except FileExistsError:
                return made_token(config)  # another proxy was faster
            except OSError:  # a file system without hard links
                Path(name).replace(path)
        finally:
            with contextlib.suppress(OSError):
                Path(name).unlink()
    except OSError as error:
        raise TokenFileError(
            f"{path} cannot be made: {error.strerror}; let the proxy's user write there, or set console_token"
        ) from None
    log.info("the console's token is in %s", path)
    return Secret(token)
