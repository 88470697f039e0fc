"""Where does the console of a running proxy listen, and what lets us in?"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from emailproxy.config import load_channel
from emailproxy.config.accepting import first_certificate
from emailproxy.config.channel import Channel, Place
from emailproxy.config.options import is_loopback
from emailproxy.console.tokenfile import TokenFileError, read_token, token_path
from emailproxy.references.base import Fetched
from emailproxy.remote.errors import BadAddressError, NotRunningError
from emailproxy.secret import Secret

__all__ = ["ConsolePlace", "configured_place", "place_at"]

ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where a listener on all addresses is reached from here
MAX_TOKEN: Final = 4096
"""Octets that are read of a token file: a token has 43."""


@dataclass(frozen=True, slots=True)
class ConsolePlace:
    """A console."""

    host: str
    port: int
    token: Secret
    path: Path | None = None
    """Of a Unix socket; then `host` is only a name."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """What paths are added to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls is not None else 'http'}://{host}:{self.port}"

    @property
    def netloc(self) -> str:
        """For the header Host."""
        return self.url.partition("://")[2]

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path is not None else self.url


def configured_place(config: Path, token_file: Path | None = None) -> ConsolePlace:
    """The console of the proxy that runs with the configuration file `config`. Blocks.

    Args:
        config: the configuration file.
        token_file: has the token, instead of what the configuration says.

    Raises:
        ConfigError: the configuration cannot be read.
        NotRunningError: it wants no console, or no proxy has run yet.
        BadAddressError: there is no token.
    """
    channel = load_channel(config)
    if channel.listen is None:
        raise NotRunningError(f"{config} says console_listen = off, so no proxy that runs with it can be asked")
    token = _token(config, channel, token_file)
    return _at(channel.listen, token, _pinned(channel.certificate_path))


def place_at(url: str, config: Path, token_file: Path | None = None) -> ConsolePlace:
    """The console at `url`: ``https://HOST:PORT``, ``http://127.0.0.1:PORT`` or ``unix:PATH``. Blocks.

    Args:
        url: where.
        config: the configuration file, beside which the token is, unless `token_file` has it.
        token_file: has the token.

    Raises:
        ConfigError: the configuration is to say the token, and cannot be read.
        BadAddressError: this is no address, or there is no token.
    """
    if url.startswith("unix:"):
        path = Path(url.removeprefix("unix:")).expanduser()
        return ConsolePlace("localhost", 80, _token(config, None, token_file), path)
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1 or parts.path not in ("", "/"):
        raise BadAddressError("--url takes https://HOST:PORT, http://127.0.0.1:PORT or unix:PATH")
    if parts.username or parts.query or parts.fragment:
        raise BadAddressError("--url takes no user, query or fragment; the token comes from --token-file")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise BadAddressError(
            f"everybody on the way to {parts.hostname} would read the token; use https, or a tunnel: "
            "ssh -L 8025:localhost:8025 HOST, and --url http://127.0.0.1:8025"
        )
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    default = 443 if tls is not None else 80
    return ConsolePlace(parts.hostname, port or default, _token(config, None, token_file), tls=tls)


def _at(listen: Place, token: Secret, tls: ssl.SSLContext | None) -> ConsolePlace:
    if listen.path is not None:
        return ConsolePlace("localhost", 80, token, listen.path, tls)
    return ConsolePlace(ANYWHERE.get(listen.host, listen.host), listen.port, token, tls=tls)


def _token(config: Path, channel: Channel | None, token_file: Path | None) -> Secret:
    if token_file is not None:
        try:
            with token_file.open("rb") as file:
                text = file.read(MAX_TOKEN).strip()
        except OSError as error:
            raise BadAddressError(f"{token_file}: {error.strerror}") from None
        if not text or not text.isascii() or b"\n" in text:
            raise BadAddressError(f"{token_file} holds no token")
        return Secret.from_octets(text)
    if channel is None and config.exists():
        channel = load_channel(config)
    if channel is not None and channel.token is not None:
        return channel.token
    try:
        token = read_token(config)
    except TokenFileError as error:
        raise BadAddressError(str(error)) from None
    if token is None:
        raise NotRunningError(
            f"there is no {token_path(config)}, which a proxy with the extra console makes when it starts"
        )
    return token


def _pinned(source: Path | Fetched | None) -> ssl.SSLContext | None:
    """TLS that trusts the console's own certificate and nothing else, whatever names are in it."""
    if source is None:
        return None
    try:
        pem = source.value.octets if isinstance(source, Fetched) else source.read_bytes()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=first_certificate(pem))
    except (OSError, ValueError) as error:  # includes ssl.SSLError
        raise BadAddressError(f"console_certificate_path cannot be read: {error}") from None
    return context
