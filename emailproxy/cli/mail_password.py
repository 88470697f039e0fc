"""How does a command get an account's mail password? From a file or a person who types it unseen; never an argument."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Final

import click

from emailproxy.failures import ProxyError
from emailproxy.oauth.foreign import foreign
from emailproxy.secret import Secret

__all__ = ["PasswordError", "has_terminal", "mail_password", "password_option"]

MAX_FILE: Final = 64 * 1024
"""Octets that are read of a file: a password has a hundred."""


password_option = click.option(
    "--password-file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Read the mail password from the first line of this file; - is standard input. [default: ask]",
)
"""The same for every command that needs a mail password."""


class PasswordError(ProxyError):
    """There is none; the message says why and what to do."""


def has_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def mail_password(account: str, file: Path | None, *, confirm: bool | str = False) -> Secret:
    """The mail password of `account`. Blocks.

    Args:
        account: whose.
        file: its first line is the password; ``-`` is standard input; None: ask.
        confirm: ask twice, where a mistyped one would not be noticed; the words of the second question.

    Raises:
        PasswordError: there is none.
    """
    if file is not None:
        try:
            with nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb") as source:
                octets = source.readline(MAX_FILE)  # no more: whoever writes may not close it
        except OSError as error:
            raise PasswordError(f"{file}: {error.strerror}") from None
        line = octets.splitlines()[0] if octets else b""
        if not line:
            raise PasswordError(f"{file}: the first line is empty; it must be the mail password")
        return Secret.from_octets(line)
    if not has_terminal():
        raise PasswordError("there is no terminal to ask for the mail password; give --password-file")
    text: str = click.prompt(
        f"Mail password of {foreign(account)}", hide_input=True, confirmation_prompt=confirm, err=True
    )
    return Secret(text)
