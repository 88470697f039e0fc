"""What does a configuration say? Servers to offer, accounts to log in, and switches, checked and frozen."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from ipaddress import IPv4Network, IPv6Network, ip_address
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Final

from emailproxy.assertions.base import IssuerAddress
from emailproxy.config.channel import Channel
from emailproxy.config.identity import Certificate
from emailproxy.config.sealkey import SealKey
from emailproxy.references.base import Fetched, Reference, Use
from emailproxy.secret import Secret

__all__ = [
    "Account",
    "ClientCertificates",
    "Config",
    "DefaultAccount",
    "Fault",
    "MailProtocol",
    "MailServer",
    "Network",
    "RefreshTokens",
    "ReloadOnChange",
    "SealedSecret",
    "Server",
    "Settings",
]


class MailProtocol(enum.StrEnum):
    """The three protocols, by the names that configuration sections use. Strings, whose hash costs no Python code."""

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
class MailServer:
    """Where a login goes."""

    protocol: MailProtocol
    address: str
    port: int
    starttls: bool = False
    """It speaks STARTTLS/STLS first; otherwise TLS from the first octet."""
    sasl_ir: bool = True
    """See `Server.sasl_ir`."""

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class ClientCertificates:
    """Whose certificates let mail clients in, and into which accounts."""

    authority: Path | Fetched
    """The CAs that sign them, and maybe their revocation lists."""
    required: bool = False
    """Whether a client without one is turned away."""
    accounts: tuple[tuple[str, str], ...] = ()
    """The account of a certificate by ``sha256:FINGERPRINT`` or by a name in it, folded; others name theirs."""


Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class DefaultAccount:
    """As whom those send mail that are in a network and do not log in."""

    network: Network
    account: str


@dataclass(frozen=True, slots=True)
class Server:
    """One local port and the mail server it stands for, if it is always the same."""

    section: str
    """The section's name, e.g. ``IMAP-1993``."""
    protocol: MailProtocol
    local_port: int
    server_address: str | None
    """None: each account logs in at a server of its own; then `server_port` is None too."""
    server_port: int | None
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
    pass_tokens: bool = False
    """Whether a mail client may bring an access token of its own, which the mail server then judges."""
    auth_mechanisms: tuple[str, ...] = ()
    """Offered besides PLAIN and LOGIN: ``SCRAM-SHA-256``, ``CRAM-MD5``."""
    client_certificates: ClientCertificates | None = None
    """Whose certificates let mail clients in."""
    default_accounts: tuple[DefaultAccount, ...] = ()
    """SMTP: who may send without a login, the narrowest network first."""
    proxy_protocol_from: tuple[Network, ...] = ()
    """Where load balancers are, which introduce their clients by a header; empty: clients come by themselves."""

    mail_server: MailServer | None = field(init=False, repr=False, compare=False)
    """The one that this port stands for; None if the account decides. Made once, as each login asks for it."""

    def __post_init__(self) -> None:
        """Put together what follows from the rest."""
        server = None
        if self.server_address is not None and self.server_port is not None:
            server = MailServer(
                self.protocol, self.server_address, self.server_port, self.server_starttls, self.sasl_ir
            )
        object.__setattr__(self, "mail_server", server)

    def default_account(self, host: str) -> str | None:
        """As whom a client at the address `host` sends mail without a login; None: not at all."""
        if not self.default_accounts:
            return None
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return None
        mapped = address.ipv4_mapped if address.version == 6 else None
        return next((each.account for each in self.default_accounts if (mapped or address) in each.network), None)

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
    """The user name of the mail client, and the record's name in the store."""
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
    use_pkce: bool | None = None
    """None: for public clients, those without a secret."""
    device_authorization_url: str | None = None
    certificate: Certificate | None = None
    """Proves the application's identity in place of a secret."""
    client_assertion: IssuerAddress | None = None
    """Who does that for us, so that there is no secret at all."""
    signer: IssuerAddress | None = None
    """Who signs for a service account of Google whose key nobody has."""
    refresh_tokens: RefreshTokens = RefreshTokens.ROTATING
    inherited_secret: SealedSecret | None = None
    """A template's ``client_secret_encrypted``. The account's own is in its record, and goes before this one."""
    provider: str | None = None
    """The name of the preset it began with (`emailproxy.config.providers`)."""
    login_aliases: tuple[str, ...] = ()
    """Other user names under which a mail client may log in."""
    upstream_user: str | None = None
    """Whose tokens these are at the provider, and the user name towards the mail server; None: `name`."""
    protocol_users: tuple[tuple[MailProtocol, str], ...] = ()
    """The user name towards the mail server where one protocol has another."""
    servers: tuple[MailServer, ...] = ()
    """Where it logs in whatever port the mail client came to; one for a protocol at the most."""
    provider_servers: tuple[MailServer, ...] = ()
    """Where it logs in if neither it nor the port names a server."""

    @property
    def identity(self) -> str:
        """Who signs in at the provider: what ``login_hint``, ``username`` and ``sub`` are to name."""
        return self.upstream_user or self.name

    def user_at(self, protocol: MailProtocol) -> str:
        """The user name towards the mail server of `protocol`."""
        return dict(self.protocol_users).get(protocol, self.identity)

    def mail_server(self, server: Server) -> MailServer | None:
        """Where this account logs in when the mail client came to `server`; None if nobody says.

        Its own server, else the port's, else the provider's: what was written goes before what is only known.
        """

        def first(choices: tuple[MailServer, ...]) -> MailServer | None:
            return next((choice for choice in choices if choice.protocol is server.protocol), None)

        found = first(self.servers) or server.mail_server or first(self.provider_servers)
        if found is None or found.sasl_ir == server.sasl_ir:
            return found
        return replace(found, sasl_ir=server.sasl_ir)

    @property
    def asserts(self) -> bool:
        """Whether its application proves who it is by an assertion, so that no secret of any kind is used."""
        return self.certificate is not None or self.client_assertion is not None or self.signer is not None

    def named(self, name: str) -> Account:
        """This template for the user `name`."""
        return Account(name, self.section, *_all_but_names(self))

    def alike(self, name: str) -> Account:
        """The account of the section `name`, if nothing else is different there."""
        return Account(name, name, *_all_but_names(self))


_all_but_names: Final = attrgetter(*(each.name for each in fields(Account) if each.name not in ("name", "section")))
"""The fields of an account behind the first two. `dataclasses.replace` takes five times as long."""


class ReloadOnChange(enum.Enum):
    """Which files are watched, so that a change needs no signal."""

    NOTHING = "False"
    CERTIFICATES = "certificates"
    """Those of the listeners are read again when they change; the configuration is not."""
    EVERYTHING = "True"
    """The configuration too, and the files that it refers to."""


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
    drain_grace: float = 5.0
    """Of these, the seconds after which a session with nothing under way is told goodbye."""
    reload_on_change: ReloadOnChange = ReloadOnChange.CERTIFICATES
    secret_lifetime: float = 900.0
    """Seconds that what a reference led to is used without asking again."""
    seal_key: SealKey | None = None
    """Seals the tokens of managed accounts."""
    seal_key_previous: SealKey | None = None
    """Opens what it sealed; such a record is sealed anew with `seal_key`."""
    trust_first_login: bool = False
    """An account whose flow needs no person takes the first password that comes, on every listener."""
    notify_command: tuple[str, ...] | None = None
    """Run for each piece of news about an account, which it gets on standard input (`emailproxy.notifying`)."""
    notify_url: Secret | None = None
    """The same by HTTP POST. Whoever knows the address of a web hook may use it, so it is a secret."""
    channel: Channel = field(default_factory=Channel)
    """Where the console listens, and who may come in."""
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
    _routes: tuple[MailServer, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Looked up at every login: folded once here, so that thousands of accounts cost no more than one.
        for name, sections in (("_folded_accounts", self.accounts), ("_folded_templates", self.templates)):
            folded: dict[str, Account] = {}
            for section, account in sections.items():
                without_case = section.casefold()
                # Most names are folded as they are, and need not be kept twice.
                folded.setdefault(section if without_case == section else without_case, account)
            if sections is self.accounts:
                for account in sections.values():
                    for alias in account.login_aliases:
                        folded.setdefault(alias.casefold(), account)
            object.__setattr__(self, name, MappingProxyType(folded))
        object.__setattr__(self, "_routes", self._distinct_routes())

    def mail_servers(self) -> tuple[MailServer, ...]:
        """Each mail server that a login can go to, once."""
        return self._routes

    def _distinct_routes(self) -> tuple[MailServer, ...]:
        found = [server.mail_server for server in self.servers]
        # Thousands of accounts have few servers of their own: only what differs is asked for.
        routes = {
            (account.servers, account.provider_servers): account
            for accounts in (self.accounts, self.templates)
            for account in accounts.values()
        }
        found += [account.mail_server(server) for account in routes.values() for server in self.servers]
        return tuple({(s.protocol, s.address, s.port): s for s in found if s is not None}.values())

    def account(self, user: str) -> Account | None:
        """The account that logs in as `user`: its section or alias, else its domain's template, else the global one.

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
