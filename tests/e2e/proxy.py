"""How do the tests write a configuration, start the proxy on it as a user would, and look into its records?"""

from __future__ import annotations

import base64
import configparser
import functools
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from tests.patience import HANG

from .oauth_server import CLIENT_SECRET, PERSON_PASSWORD
from .processes import Process, free_ports
from .world import World

__all__ = [
    "NEW_ITERATIONS",
    "PASSWORD",
    "Listener",
    "Proxy",
    "Security",
    "all_listeners",
    "plain_listeners",
    "seal",
    "unseal",
]

PASSWORD: Final = 'pass "word" with \\ and %'
"""Needs every kind of quoting on its way: IMAP quoted strings, INI files, command lines."""

NEW_ITERATIONS: Final = 1_200_000
"""What files are sealed with now; fewer would be rotated at the first login."""

_SALT: Final = base64.b64encode(b"sixteen octets..").decode()
"""One salt for every seeded record: the harness derives the key once."""

Security = Literal["plain", "tls", "starttls"]
SECURITIES: Final[tuple[Security, ...]] = ("plain", "tls", "starttls")


@functools.cache
def _fernet(password: str, salt: str, iterations: int) -> Fernet:
    derivation = PBKDF2HMAC(algorithm=SHA256(), length=32, salt=base64.b64decode(salt), iterations=iterations)
    return Fernet(base64.urlsafe_b64encode(derivation.derive(password.encode())))


def seal(text: str, *, password: str = PASSWORD, salt: str = _SALT, iterations: int = NEW_ITERATIONS) -> str:
    """A value as the classic proxy's files hold it."""
    return _fernet(password, salt, iterations).encrypt(text.encode()).decode()


def unseal(options: Mapping[str, str], name: str, *, password: str = PASSWORD) -> str:
    """The plain value of a sealed option of an account's section."""
    iterations = int(options.get("token_iterations") or 100_000)
    return _fernet(password, options["token_salt"], iterations).decrypt(options[name].encode()).decode()


@dataclass(frozen=True, slots=True)
class Listener:
    """One local port: what the mail client meets, and how the proxy reaches the mail server behind it."""

    protocol: Literal["IMAP", "POP", "SMTP"]
    security: Security
    port: int
    upstream_starttls: bool
    server_port: int | None = None
    """Where the mail server is; None: Dovecot."""
    anywhere: bool = False
    """The accounts say where the mail server is."""
    pass_tokens: bool = False
    more: tuple[tuple[str, str], ...] = ()
    """Further options of the section."""

    @property
    def section(self) -> str:
        return f"{self.protocol}-{self.port}"


def plain_listeners() -> list[Listener]:
    """One listener for each protocol, without TLS towards the client."""
    imap, pop, smtp = free_ports(3)
    return [
        Listener("IMAP", "plain", imap, upstream_starttls=False),
        Listener("POP", "plain", pop, upstream_starttls=False),
        Listener("SMTP", "plain", smtp, upstream_starttls=True),
    ]


def all_listeners() -> list[Listener]:
    """Three protocols, each plain, with implicit TLS and with STARTTLS; upstream implicit TLS and STARTTLS in turn."""
    ports = iter(free_ports(9))
    return [
        Listener(protocol, security, next(ports), upstream_starttls=(security == "tls") != (protocol == "SMTP"))
        for protocol in ("IMAP", "POP", "SMTP")
        for security in SECURITIES
    ]


class Proxy:
    """The command ``emailproxy`` in a process of its own, on a configuration file of its own."""

    def __init__(
        self,
        world: World,
        folder: Path,
        *,
        listeners: Sequence[Listener] | None = None,
        accounts: Mapping[str, Mapping[str, str]],
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.world = world
        self.folder = folder
        self.path = folder / "emailproxy.config"
        self.listeners = list(plain_listeners() if listeners is None else listeners)
        self.accounts = {name: dict(options) for name, options in accounts.items()}
        # Tests that want a console say where: its default address is one, and they run side by side.
        self.settings = {"console_listen": "off"} | dict(settings or {})
        self.process: Process | None = None
        self._starts = 0
        self.write()

    # -- the configuration file

    def write(self) -> None:
        """Write the file anew from `listeners`, `accounts` and `settings`."""
        lines = ["# This comment is the person's and must survive.", ""]
        for listener in self.listeners:
            lines += [
                f"[{listener.section}]",
                *(f"{key} = {value}" for key, value in self._server(listener).items()),
                "",
            ]
        for name, options in self.accounts.items():
            lines += [f"[{name}]", *(f"{key} = {value}" for key, value in options.items()), ""]
        lines += ["[emailproxy]", *(f"{key} = {value}" for key, value in self.settings.items()), ""]
        self.path.write_text("\n".join(lines))

    def _server(self, listener: Listener) -> dict[str, str]:
        options = {"local_address": "127.0.0.1"}
        if not listener.anywhere:
            options |= {"server_address": "localhost", "server_port": str(self.upstream_port(listener))}
            if listener.upstream_starttls:
                options["server_starttls"] = "True"
        if listener.pass_tokens:
            options["pass_tokens"] = "True"
        if listener.security != "plain":
            options["local_certificate_path"] = str(self.world.certificate)
            options["local_key_path"] = str(self.world.key)
        if listener.security == "starttls":
            options["local_starttls"] = "True"
        return options | dict(listener.more)

    def upstream_port(self, listener: Listener) -> int:
        """The port of the mail server behind this listener."""
        name = listener.protocol.lower() + ("" if listener.upstream_starttls else "s")
        return listener.server_port or self.world.dovecot.ports[name]

    def record(self, account: str) -> dict[str, str]:
        """The account's section as it is in the file now."""
        parser = configparser.RawConfigParser()
        parser.read(self.path)
        return dict(parser[account])

    # -- the process

    def start(
        self, *arguments: str, environment: Mapping[str, str] | None = None, wait: bool = True, terminal: bool = False
    ) -> None:
        """Run ``emailproxy --no-gui --config-file FILE ARGUMENTS`` and wait until every listener is bound."""
        self._starts += 1
        inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        command: list[str | Path] = [
            Path(sys.executable).parent / "emailproxy",
            "--no-gui",
            "--config-file",
            self.path,
            *arguments,
        ]
        self.process = Process(
            f"emailproxy (start {self._starts})",
            command,
            self.folder / f"emailproxy-{self._starts}.log",
            {**inherited, "SSL_CERT_FILE": str(self.world.authority), **(environment or {})},
            terminal=terminal,
        )
        if wait:
            for listener in self.listeners:
                self.await_listening(listener)

    def await_listening(self, listener: Listener) -> None:
        self.running.wait_for(rf"{re.escape(listener.section)} listening on .*{listener.port}", HANG)

    def await_file(self, path: Path, pattern: str, seconds: float = HANG) -> None:
        """Wait until a log file of the proxy matches."""
        deadline = time.monotonic() + seconds
        while not (path.exists() and re.search(pattern, path.read_text())):
            assert self.running.alive, self.running.tail()
            assert time.monotonic() < deadline, f"{path} does not say {pattern!r}"
            time.sleep(0.05)

    @property
    def running(self) -> Process:
        assert self.process is not None, "the proxy was not started"
        return self.process

    def stop(self) -> None:
        """End it as a service manager would, and look for what no log may hold.

        Raises:
            AssertionError: it did not end with status 0, or said a secret, or printed a traceback.
        """
        if self.process is None:
            return
        self.stop_and_keep()
        self.process = None

    def stop_and_keep(self) -> None:
        """The same, and `running` can still be asked what it said."""
        status = self.running.stop()
        self.assert_clean_log(self.running.output())
        assert status == 0, f"status {status}\n{self.running.tail()}"

    def assert_clean_log(self, text: str) -> None:
        """No secret of ours in this text, and no traceback."""
        assert "Traceback" not in text, text[-6000:]
        secrets = [
            PASSWORD,
            base64.b64encode(PASSWORD.encode()).decode(),
            CLIENT_SECRET,
            PERSON_PASSWORD,
            *self.world.oauth.issued,
        ]
        for secret in secrets:
            assert secret not in text, f"the log holds a secret: {secret[:60]}"

    def port(self, protocol: str, security: Security = "plain") -> int:
        """The port of the first listener of this kind."""
        return next(one.port for one in self.listeners if (one.protocol, one.security) == (protocol, security))


class Accounts:
    """Sections for accounts of every flow at the test's OAuth server."""

    def __init__(self, world: World) -> None:
        self._oauth = world.oauth

    def interactive(self, **more: str) -> dict[str, str]:
        """Authorization code, nobody has consented yet; a redirect port of its own."""
        return {
            "permission_url": self._oauth.permission_url,
            "token_url": self._oauth.token_url,
            "oauth2_scope": "mail",
            "redirect_uri": f"http://localhost:{free_ports(1)[0]}/",
            "client_id": "mail",
            "client_secret": CLIENT_SECRET,
            **more,
        }

    def device(self, **more: str) -> dict[str, str]:
        """A code that is entered elsewhere, nobody has consented yet."""
        return {
            "oauth2_flow": "device",
            "device_authorization_url": self._oauth.device_url,
            "token_url": self._oauth.token_url,
            "oauth2_scope": "mail",
            "client_id": "mail",
            "client_secret": CLIENT_SECRET,
            **more,
        }

    def authorised(
        self,
        user: str,
        *,
        lifetime: int | None = None,
        iterations: int = NEW_ITERATIONS,
        password: str = PASSWORD,
        **more: str,
    ) -> dict[str, str]:
        """The same after a first login with `password`: tokens of `user`, sealed in the classic proxy's format.

        Args:
            user: whose tokens.
            lifetime: seconds after which the record says that the access token ends; None: what the server says.
            iterations: PBKDF2 iterations of the seal.
            password: the mail password.
            more: further options.
        """
        tokens = self._oauth.password_grant(user)
        sealed = {
            name: seal(tokens[name], password=password, iterations=iterations)
            for name in ("access_token", "refresh_token")
        }
        return {
            **self.interactive(),
            "token_salt": _SALT,
            # Files older than the option mean 100,000.
            **({"token_iterations": str(iterations)} if iterations != 100_000 else {}),
            "access_token_expiry": str(now() + (int(tokens["expires_in"]) if lifetime is None else lifetime)),
            "last_activity": str(now()),
            **sealed,
            **more,
        }

    def password(self, **more: str) -> dict[str, str]:
        """The password grant: the login password is the person's at the provider."""
        return {
            "token_url": self._oauth.token_url,
            "oauth2_scope": "mail",
            "oauth2_flow": "password",
            "client_id": "mail",
            "client_secret": CLIENT_SECRET,
            **more,
        }

    def client_credentials(self, client: str = "daemon", secret: str | None = CLIENT_SECRET) -> dict[str, str]:
        """No person at all."""
        return {
            "token_url": self._oauth.token_url,
            "oauth2_scope": "mail",
            "oauth2_flow": "client_credentials",
            "client_id": client,
            **({"client_secret": secret} if secret else {}),
        }


def now() -> int:
    """Unix time, whole seconds."""
    return int(time.time())
