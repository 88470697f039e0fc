"""What does a configuration for a well-known provider look like? The text that ``emailproxy sample-config`` prints.

Servers, endpoints and scopes are what the providers (or, for Fastmail, Yahoo and AOL, the mail clients they work with)
publish. Client ids are left as placeholders: they belong to whoever registers the application.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["PROVIDERS", "sample"]


@dataclass(frozen=True, slots=True)
class _Endpoint:
    protocol: str
    local_port: int
    host: str
    port: int
    starttls: bool = False


@dataclass(frozen=True, slots=True)
class _Provider:
    title: str
    address: str
    servers: tuple[_Endpoint, ...]
    permission_url: str
    token_url: str
    scope: str
    notes: str
    """Printed above the account as comments."""
    use_pkce: bool = False
    secret: str = "client_secret = *** your client secret ***"  # noqa: S105 - a placeholder
    more: str = ""
    """Printed below the account as comments: variants to uncomment."""


_PREFACE: Final = """\
# Configuration of emailproxy.
#
# A section [IMAP-1993] opens the local port 1993 for IMAP; POP and SMTP likewise. A section named by a mail address
# says how that account gets its OAuth 2.0 tokens. Point the mail program at localhost and the local port, without TLS,
# with the full address as user name and a password of your choice: it seals the tokens, so use the same one everywhere.
#
# Replace what reads *** your ... ***, then run `emailproxy check`. Every option is explained in docs/configuration.md.
"""

_MICROSOFT_NOTES: Final = """\
Register an application in the Microsoft Entra admin centre (App registrations), as a public client with the redirect
URI http://localhost, and give it the delegated permissions IMAP.AccessAsUser.All, POP.AccessAsUser.All and SMTP.Send.
A public client has no secret: remove the line client_secret, unless your registration has one."""

_PROVIDERS: Final[Mapping[str, _Provider]] = MappingProxyType(
    {
        "office365": _Provider(
            title="Office 365 (Microsoft 365 for work or school)",
            address="you@office365.example.com",
            servers=(
                _Endpoint("IMAP", 1993, "outlook.office365.com", 993),
                _Endpoint("POP", 1995, "outlook.office365.com", 995),
                _Endpoint("SMTP", 1587, "smtp.office365.com", 587, starttls=True),
            ),
            permission_url="https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
            token_url="https://login.microsoftonline.com/common/oauth2/v2.0/token",  # noqa: S106
            scope="https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/POP.AccessAsUser.All "
            "https://outlook.office.com/SMTP.Send offline_access",
            notes=_MICROSOFT_NOTES
            + """
If your organisation allows only its own applications, write its tenant id instead of `common` in both URLs. An
administrator may have to allow authenticated SMTP for the mailbox. For a shared mailbox name the section by the shared
address, and authorise as a person who has access to it.""",
            more="""\
Without a person, for a service that an administrator has given access to the mailbox (application permissions
IMAP.AccessAsApp, POP.AccessAsApp, SMTP.SendAsApp, and New-ServicePrincipal in Exchange Online): no permission_url, and

[service@office365.example.com]
oauth2_flow = client_credentials
token_url = https://login.microsoftonline.com/*** your tenant id ***/oauth2/v2.0/token
oauth2_scope = https://outlook.office365.com/.default
client_id = *** your client id ***
client_secret = *** your client secret ***""",
        ),
        "outlook": _Provider(
            title="Outlook.com (Hotmail, Live, MSN: personal accounts)",
            address="you@outlook.com",
            servers=(
                _Endpoint("IMAP", 2993, "outlook.office365.com", 993),
                _Endpoint("POP", 2995, "outlook.office365.com", 995),
                _Endpoint("SMTP", 2587, "smtp-mail.outlook.com", 587, starttls=True),
            ),
            permission_url="https://login.microsoftonline.com/consumers/oauth2/v2.0/authorize",
            token_url="https://login.microsoftonline.com/consumers/oauth2/v2.0/token",  # noqa: S106
            scope="https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/POP.AccessAsUser.All "
            "https://outlook.office.com/SMTP.Send offline_access",
            notes=_MICROSOFT_NOTES
            + """
The registration must admit personal Microsoft accounts. IMAP and POP are off in a new mailbox: switch them on in the
settings of Outlook.com (Mail, Forwarding and IMAP).""",
        ),
        "gmail": _Provider(
            title="Gmail and Google Workspace",
            address="you@gmail.com",
            servers=(
                _Endpoint("IMAP", 3993, "imap.gmail.com", 993),
                _Endpoint("POP", 3995, "pop.gmail.com", 995),
                _Endpoint("SMTP", 3465, "smtp.gmail.com", 465),
            ),
            permission_url="https://accounts.google.com/o/oauth2/v2/auth",
            token_url="https://oauth2.googleapis.com/token",  # noqa: S106
            scope="https://mail.google.com/",
            notes="""\
Create a project in the Google Cloud console, and in it an OAuth client of the type `Desktop app`; add yourself as a
test user, or publish the application. The tokens of an unpublished application end after seven days. Google gives a
desktop application a secret, and wants it.""",
            use_pkce=True,
        ),
        "fastmail": _Provider(
            title="Fastmail",
            address="you@fastmail.com",
            servers=(
                _Endpoint("IMAP", 4993, "imap.fastmail.com", 993),
                _Endpoint("POP", 4995, "pop.fastmail.com", 995),
                _Endpoint("SMTP", 4465, "smtp.fastmail.com", 465),
            ),
            permission_url="https://api.fastmail.com/oauth/authorize",
            token_url="https://api.fastmail.com/oauth/refresh",  # noqa: S106
            scope="https://www.fastmail.com/dev/protocol-imap https://www.fastmail.com/dev/protocol-pop "
            "https://www.fastmail.com/dev/protocol-smtp",
            notes="""\
Fastmail registers OAuth clients by hand (see its developer pages) and gives them no secret; PKCE takes its place. Its
refresh tokens are for single use, and to use one twice ends the authorisation: several proxies may share an account
only if they share a store (`--cache-store`), where they take turns.""",
            use_pkce=True,
            secret="",
        ),
        "yahoo": _Provider(
            title="Yahoo Mail",
            address="you@yahoo.com",
            servers=(
                _Endpoint("IMAP", 5993, "imap.mail.yahoo.com", 993),
                _Endpoint("POP", 5995, "pop.mail.yahoo.com", 995),
                _Endpoint("SMTP", 5465, "smtp.mail.yahoo.com", 465),
            ),
            permission_url="https://api.login.yahoo.com/oauth2/request_auth",
            token_url="https://api.login.yahoo.com/oauth2/get_token",  # noqa: S106
            scope="mail-w",
            notes="""\
Yahoo gives the scope for mail only to applications that it has approved. The redirect URI must be the one that was
registered with the client id.""",
        ),
        "aol": _Provider(
            title="AOL Mail",
            address="you@aol.com",
            servers=(
                _Endpoint("IMAP", 6993, "imap.aol.com", 993),
                _Endpoint("POP", 6995, "pop.aol.com", 995),
                _Endpoint("SMTP", 6465, "smtp.aol.com", 465),
            ),
            permission_url="https://api.login.aol.com/oauth2/request_auth",
            token_url="https://api.login.aol.com/oauth2/get_token",  # noqa: S106
            scope="mail-w",
            notes="""\
AOL belongs to Yahoo, and the same holds: the scope for mail is for approved applications, and the redirect URI must be
the registered one.""",
        ),
        "21vianet": _Provider(
            title="Office 365 operated by 21Vianet (China)",
            address="you@21vianet.example.cn",
            servers=(
                _Endpoint("IMAP", 7993, "partner.outlook.cn", 993),
                _Endpoint("POP", 7995, "partner.outlook.cn", 995),
                _Endpoint("SMTP", 7587, "smtp.partner.outlook.cn", 587, starttls=True),
            ),
            permission_url="https://login.partner.microsoftonline.cn/organizations/oauth2/v2.0/authorize",
            token_url="https://login.partner.microsoftonline.cn/organizations/oauth2/v2.0/token",  # noqa: S106
            scope="https://partner.outlook.cn/IMAP.AccessAsUser.All https://partner.outlook.cn/POP.AccessAsUser.All "
            "https://partner.outlook.cn/SMTP.Send offline_access",
            notes="""\
A cloud of its own, with its own portal, directory and names: a registration in the global cloud is unknown here.
Register the application there as a public client with the redirect URI http://localhost; if your registration has no
secret, remove the line client_secret.""",
            more="""\
With the real password of the account instead of a browser, where the organisation allows it; this flow takes a resource
in place of a scope:

[other@21vianet.example.cn]
oauth2_flow = password
token_url = https://login.partner.microsoftonline.cn/organizations/oauth2/token
oauth2_resource = https://partner.outlook.cn/
client_id = *** your client id ***""",
        ),
    }
)

PROVIDERS: Final[Mapping[str, str]] = MappingProxyType({slug: entry.title for slug, entry in _PROVIDERS.items()})
"""The names that `sample` knows, with what they stand for."""


def sample(provider: str | None = None) -> str:
    """A commented configuration for `provider`, or one with all of them side by side.

    It is valid as it stands, but for its placeholders.

    Raises:
        ValueError: there is no such provider; the message names those there are.
    """
    if provider is None:
        chosen = list(_PROVIDERS.values())
    elif provider in _PROVIDERS:
        chosen = [_PROVIDERS[provider]]
    else:
        raise ValueError(f"there is no sample for {provider!r}; there are {', '.join(_PROVIDERS)}")
    return "\n\n".join([_PREFACE, *(_section(entry) for entry in chosen)])


_ELSEWHERE: Final = "# Or where it is kept: client_secret = azure:VAULT/secrets/NAME (or aws:, gcp:, file:, env:)"


def _section(entry: _Provider) -> str:
    rule = "# " + "-" * 118
    blocks = [f"{rule}\n# {entry.title}\n{rule}"]
    blocks += [_server(server) for server in entry.servers]
    lines = [_commented(entry.notes), f"[{entry.address}]"]
    lines += [f"permission_url = {entry.permission_url}", f"token_url = {entry.token_url}"]
    lines += [f"oauth2_scope = {entry.scope}", "redirect_uri = http://localhost:8080"]
    lines += ["use_pkce = True"] if entry.use_pkce else []
    lines += ["client_id = *** your client id ***", *([entry.secret, _ELSEWHERE] if entry.secret else [])]
    blocks.append("\n".join(lines))
    if entry.more:
        blocks.append(_commented(entry.more))
    return "\n\n".join(blocks) + "\n"


def _server(server: _Endpoint) -> str:
    lines = [f"[{server.protocol}-{server.local_port}]", "local_address = localhost"]
    lines += [f"server_address = {server.host}", f"server_port = {server.port}"]
    lines += ["server_starttls = True"] if server.starttls else []
    return "\n".join(lines)


def _commented(text: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in text.splitlines())
