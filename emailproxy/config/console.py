"""What do the options of the console say? ``console_listen`` and its relatives in ``[emailproxy]``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from emailproxy.config.certificates import check_pair
from emailproxy.config.channel import DEFAULT_PLACE, Channel, Place
from emailproxy.config.options import Reader, is_host, is_loopback
from emailproxy.secret import Secret

__all__ = ["CONSOLE_OPTIONS", "read_channel"]

CONSOLE_OPTIONS: Final = frozenset(
    {"console_listen", "console_token", "console_certificate_path", "console_key_path", "metrics_listen"}
)

LEAST_TOKEN: Final = 16
"""Characters: who may try ten a minute does not find 16 random ones, and a password that a person likes is no token."""
MOST_TOKEN: Final = 512
"""It travels in a header, and heads of requests end at 16 KiB."""
LONGEST_PATH: Final = 100
"""Octets of a Unix socket's path: systems have room for 104 to 108 (sun_path in unix(7))."""

_FORMS: Final = "write HOST:PORT such as 127.0.0.1:8025, unix:PATH, or off"


def read_channel(reader: Reader) -> Channel:
    """Where the console listens and who may come in, checked."""
    written = reader.text("console_listen") is not None
    listen = _place(reader, "console_listen") if written else DEFAULT_PLACE
    secured = check_pair(reader, "console_certificate_path", "console_key_path")
    plain = reader.text("console_certificate_path") is None or reader.placeholder("console_certificate_path")
    if listen is not None and listen.path is None and plain and not is_loopback(listen.host):
        reader.fault(
            "console_listen",
            f"{listen.host} is not this machine alone, and without TLS everybody on the way reads the token",
            "add console_certificate_path and console_key_path, or listen on 127.0.0.1 behind a reverse proxy",
        )
    metrics = _place(reader, "metrics_listen")
    if metrics is not None and metrics == listen and metrics.port != 0:
        reader.fault("metrics_listen", "the console listens there", "give it another port, or remove this option")
    return Channel(
        listen=listen,
        written=written,
        token=_token(reader),
        certificate_path=reader.path("console_certificate_path") if secured else None,
        key_path=reader.path("console_key_path") if secured else None,
        metrics=metrics,
    )


def _place(reader: Reader, name: str) -> Place | None:
    """An address to listen on; None for ``off``, for nothing, and after a fault."""
    text = reader.text(name)
    if text is None or text.casefold() == "off":
        return None
    if text.startswith("unix:"):
        return _socket(reader, name, text.removeprefix("unix:"))
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not bracketed):
        reader.fault(name, "this is no address to listen on", _FORMS)
        return None
    host = host[1:-1] if bracketed else host
    if not is_host(host):
        reader.fault(name, "its host is no address", _FORMS)
        return None
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        reader.fault(name, "its port is not a number up to 65535", _FORMS)
        return None
    return Place(host, int(port))


def _socket(reader: Reader, name: str, text: str) -> Place | None:
    if sys.platform == "win32":
        reader.fault(name, "there are no such sockets on this system", "write HOST:PORT")
        return None
    path = Path(text).expanduser() if text.startswith("~") else Path(text)
    if not text or "\0" in text or len(str(path).encode()) > LONGEST_PATH:
        problem = f"this is no path of a socket (up to {LONGEST_PATH} octets)"
        reader.fault(name, problem, "write unix:/run/emailproxy.sock")
        return None
    return Place(path=path)


def _token(reader: Reader) -> Secret | None:
    text = reader.text("console_token")
    if text is None or reader.placeholder("console_token"):
        return None
    if not LEAST_TOKEN <= len(text) <= MOST_TOKEN:
        reader.fault(
            "console_token",
            f"it has not between {LEAST_TOKEN} and {MOST_TOKEN} characters",
            "write 32 random ones or more, or remove it: a token is made at the first start",
        )
        return None
    if not (text.isascii() and text.isprintable()) or " " in text:
        reader.fault("console_token", "it has characters that no header can carry", "write letters and digits of ASCII")
        return None
    return Secret(text)
