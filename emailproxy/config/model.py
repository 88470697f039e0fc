"""What does a configuration say? Servers to offer, accounts to log in, and switches, checked and frozen."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from emailproxy.config.sealkey import SealKey
from emailproxy.references.base import Fetched, Reference, Use
from emailproxy.secret import Secret

__all__ = ["Account", "Config", "Fault", "MailProtocol", "RefreshTokens", "SealedSecret", "Server", "Settings"]


class MailProtocol(enum.Enum):
    """The three protocols, by the names that configuration sections use."""

    IMAP = "IMAP"
    POP = "POP"
    SMTP = "SMTP"


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake in the configuration: where it is, what it is, and what would be right."""

    file: str
    section: str | None
    option: str | None
    problem: str
    """One clause, with the offending value where it is no secret: ``port 70000 is outside 1-65535``."""
    remedy: str
    """What to write instead."""

    def __str__(self) -> str:
        where = self.file
        if self.section is not None:
            where += f" [{self.section}]"
        if self.option is not None:
            where += f" {self.option}"
        return f"{where}: {self.problem}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class Server:
    """One local port and the mail server it stands for."""

    section: str
    """The section's name, e.g. ``IMAP-1993``."""
    protocol: MailProtocol
    local_port: int
    server_address: str
    server_port: int
    local_address: str | None = None
    """None: every interface, IPv4 and IPv6."""
    server_starttls: bool = False
    """Upstream speaks STARTTLS/STLS first; otherwise TLS from the first octet."""
    local_starttls: bool = False
    """Downstream is offered STARTTLS/STLS; otherwise TLS from the first octet if there is a certificate."""
    local_certificate_path: Path | Fetched | None = None
    """A file, or the PEM itself where the configuration refers to it."""
    local_key_path: Path | Fetched | None = None
    min_tls: str = "1.2"
    """The oldest TLS version that a mail client may use, ``1.0`` to ``1.3``; never concerns the mail server."""
    sasl_ir: bool = True
    """IMAP: send the token with AUTHENTICATE where the server offers SASL-IR; False: always in two steps."""

    @property
    def local_tls(self) -> bool:
        """Whether the mail client can use TLS towards us."""
        return self.local_certificate_path is not None


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A client secret that a catch-all template holds for its accounts, sealed with the password that they share."""

    value: str = field(repr=False)
    token_salt: str
    token_iterations: int


class RefreshTokens(enum.Enum):
    """What becomes of a refresh token when it is used."""

    REUSABLE = "reusable"
    """It stays valid, whether or not there is a new one."""
    ROTATING = "rotating"
    """There may be a new one, and then it is dead; whoever uses it again is refused, and no more."""
    SINGLE_USE = "single_use"
    """There is a new one, and whoever uses it again ends the authorisation for everybody."""


@dataclass(frozen=True, slots=True)
class Account:
    """A configured identity and how to get a token for it, catch-all templates already merged in."""

    name: str
    """The user name towards the mail server, and the record's name in the store."""
    section: str
    """The section it comes from; a template (``@example.com`` or ``@``) for a caught account."""
    oauth2_flow: str
    token_url: str
    client_id: str | Reference | None = None
    client_secret: Secret | Reference | None = None
    """A reference is followed at each token request (`emailproxy.oauth.clients`)."""
    permission_url: str | None = None
    oauth2_scope: str | None = None
    oauth2_resource: str | None = None
    redirect_uri: str | None = None
    redirect_listen_address: str | None = None
    use_pkce: bool = False
    jwt_certificate_path: Path | Fetched | None = None
    """A file, or the PEM itself where the configuration refers to it."""
    jwt_key_path: Path | Fetched | None = None
    refresh_tokens: RefreshTokens = RefreshTokens.ROTATING
    inherited_secret: SealedSecret | None = None
    """A template's ``client_secret_encrypted``. The account's own is in its record, and goes before this one."""

    def named(self, name: str) -> Account:
        """This template for the user `name`."""
        return replace(self, name=name)


@dataclass(frozen=True, slots=True)
class Settings:
    """The ``[emailproxy]`` section."""

    delete_account_token_on_password_error: bool = True
    """A wrong password marks the account for a new consent (and never deletes the old tokens)."""
    encrypt_client_secret_on_first_use: bool = False
    use_login_password_as_client_credentials_secret: bool = False
    allow_catch_all_accounts: bool = False
    login_wait: float | None = None
    """Seconds a login waits for a person's consent; None: 60 for IMAP and POP, 30 for SMTP."""
    drain: float = 30.0
    """Seconds that live sessions get when the proxy stops."""
    secret_lifetime: float = 900.0
    """Seconds that what a reference led to is used without asking again."""
    seal_key: SealKey | None = None
    """Seals the tokens of managed accounts."""
    seal_key_previous: SealKey | None = None
    """Opens what it sealed; such a record is sealed anew with `seal_key`."""
    trust_first_login: bool = False
    """An account whose flow needs no person takes the first password that comes, on every listener."""
    max_connections: int = 10_000
    """Connections of one listener at a time: about 400 MB of idle sessions at 40 KiB each."""
    max_connections_per_address: int = 1_000
    """Connections of one client address at a time, loopback excepted: an office behind one address fits."""


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration file, without a fault."""

    path: Path
    servers: tuple[Server, ...]
    accounts: Mapping[str, Account]
    """Accounts with a section of their own, by the section's name."""
    templates: Mapping[str, Account] = field(default_factory=dict)
    """Catch-all templates by section name (``@example.com``, ``@``), a domain's already merged over the global one.

    Empty unless ``allow_catch_all_accounts`` is on.
    """
    settings: Settings = field(default_factory=Settings)
    references: tuple[Use, ...] = ()
    """Where values stand elsewhere."""
    warnings: tuple[Fault, ...] = ()
    """What works but is probably not meant: placeholders, unknown options, plain text on a public address."""
    _folded_accounts: Mapping[str, Account] = field(init=False, repr=False, compare=False)
    _folded_templates: Mapping[str, Account] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Looked up at every login: folded once here, so that thousands of accounts cost no more than one.
        for name, sections in (("_folded_accounts", self.accounts), ("_folded_templates", self.templates)):
            folded: dict[str, Account] = {}
            for section, account in sections.items():
                folded.setdefault(section.casefold(), account)
            object.__setattr__(self, name, MappingProxyType(folded))

    def account(self, user: str) -> Account | None:
        """The account that logs in as `user`: its own section, else its domain's template, else the global one.

        Mailbox names are compared without case, as the providers do. A caught account is named in lower case, so that
        two spellings share one record.
        """
        if user in self.accounts:
            return self.accounts[user]
        folded = user.casefold()
        account = self._folded_accounts.get(folded)
        if account is not None:
            return account
        local, at, domain = folded.rpartition("@")
        if not (local and at and domain):
            return None
        template = self._folded_templates.get(f"@{domain}") or self._folded_templates.get("@")
        return template.named(folded) if template is not None else None
