"""Who is told what happens to accounts? ``notify_command`` and ``notify_url``."""

from __future__ import annotations

import shutil
from pathlib import Path

from emailproxy.config.deferred import split_words
from emailproxy.config.options import PLACEHOLDER, Reader, is_loopback, split_url
from emailproxy.secret import Secret

__all__ = ["read_notify_command", "read_notify_url"]


def read_notify_command(reader: Reader) -> tuple[str, ...] | None:
    """The command and its arguments, taken apart as a shell would, without running one."""
    text = reader.text("notify_command")
    if text is None or PLACEHOLDER in text:
        return None
    try:
        words = split_words(text)
    except ValueError:
        reader.fault("notify_command", "a quotation mark is not closed", "write, for instance, /usr/local/bin/tell me")
        return None
    if not words or not words[0] or "\0" in text:
        reader.fault("notify_command", "there is no command in it", "write, for instance, /usr/local/bin/tell me")
        return None
    program = str(Path(words[0]).expanduser()) if words[0].startswith("~") else words[0]
    if shutil.which(program) is None:
        reader.warn("notify_command", "its first word is no program that can be run", "write the program's whole path")
    return (program, *words[1:])


def read_notify_url(reader: Reader) -> Secret | None:
    """The web hook's address, which is a secret like a password: no message shows it."""
    text = reader.text("notify_url")
    if text is None or PLACEHOLDER in text:
        return None
    parts = split_url(text)
    if parts is None or not parts.hostname or parts.scheme not in ("http", "https"):
        reader.fault("notify_url", "this is no http or https URL", "write https://HOST/PATH")
        return None
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        reader.fault("notify_url", "it is not encrypted, and addresses to sign in at travel there", "use https")
        return None
    return Secret(text)
