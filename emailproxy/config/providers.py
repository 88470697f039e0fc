"""What is known of the mail providers? One table: servers, endpoints, scopes, and how their refresh tokens behave.

``provider = NAME`` in an account or a server fills in from here what the file leaves out (`emailproxy.config.presets`),
the samples are printed from it, and a token endpoint that somebody wrote out is recognised by its host. Addresses and
scopes are what the providers (or, for Fastmail, Yahoo and AOL, the mail clients they work with) publish.

On refresh tokens: what is at stake with single use is the whole authorisation, and with reusable ones only a write more
than needed; so a provider that nobody has looked at counts as ROTATING, which is right for both others but for the
turns that SINGLE_USE takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from emailproxy.config.model import MailProtocol, MailServer, RefreshTokens

__all__ = ["DOMAIN", "KNOWN", "Provider", "refresh_tokens_of"]

DOMAIN: Final = "{domain}"
"""The default for a tenant that is the domain of the account's address."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider."""

    title: str
    servers: tuple[MailServer, ...]
    flows: Mapping[str, Mapping[str, str]]
    """For each flow that it has: account options and their values, in which ``{tenant}`` is to be replaced."""
    refresh_tokens: RefreshTokens
    tenants: Mapping[str, str] = field(default_factory=dict)
    """The tenant for each flow if none is given: a name, `DOMAIN`, or "" if there can be none. Empty: no tenants."""
    token_hosts: tuple[str, ...] = ()
    """Other hosts of its token endpoints than those in `flows`."""


def _servers(imap: str, smtp: str, *, submission: int, pop: str | None = None) -> tuple[MailServer, ...]:
    """The usual ports; SMTP with STARTTLS on 587 and with TLS on 465."""
    return (
        MailServer(MailProtocol.IMAP, imap, 993),
        MailServer(MailProtocol.POP, pop or imap, 995),
        MailServer(MailProtocol.SMTP, smtp, submission, starttls=submission == 587),
    )


_LOCAL: Final = "http://localhost:8080"
"""A redirect that Microsoft and Google accept on any port, as RFC 8252 (section 7.3) asks of them."""


def _entra(login: str, resource: str, application: str) -> dict[str, dict[str, str]]:
    """Microsoft's flows in the cloud whose directory is at `login`; `application` is the scope without a person."""
    base = f"https://{login}/{{tenant}}/oauth2/v2.0"
    scopes = ("IMAP.AccessAsUser.All", "POP.AccessAsUser.All", "SMTP.Send")
    delegated = " ".join([*(f"https://{resource}/{scope}" for scope in scopes), "offline_access"])
    token = {"token_url": f"{base}/token"}
    return {
        "authorization_code": token
        | {
            "permission_url": f"{base}/authorize",
            "oauth2_scope": delegated,
            "redirect_uri": _LOCAL,
        },
        "device": token | {"device_authorization_url": f"{base}/devicecode", "oauth2_scope": delegated},
        "password": token | {"oauth2_scope": delegated},
        "client_credentials": token | {"oauth2_scope": f"https://{application}/.default"},
    }


_WORK: Final = MappingProxyType(
    # A password grant has no way to find the tenant of a guest or a personal account, an application's own none at all:
    # learn.microsoft.com/entra/identity-platform/v2-oauth-ropc and v2-oauth2-client-creds-grant-flow. Any verified
    # domain of a tenant names it.
    {
        "authorization_code": "common",
        "device": "organizations",
        "password": "organizations",
        "client_credentials": DOMAIN,
    }
)
_NATIONAL: Final = MappingProxyType({**_WORK, "authorization_code": "organizations"})

_GOOGLE: Final = {
    "authorization_code": {
        "permission_url": "https://accounts.google.com/o/oauth2/v2/auth",
        "token_url": "https://oauth2.googleapis.com/token",
        "oauth2_scope": "https://mail.google.com/",
        "redirect_uri": _LOCAL,
        "use_pkce": "True",
    }
}
_GMAIL: Final = _servers("imap.gmail.com", "smtp.gmail.com", submission=465, pop="pop.gmail.com")
# No new one with a refresh; it stays valid until it is revoked or unused for six months:
# developers.google.com/identity/protocols/oauth2 ("Refresh token expiration").
_GOOGLE_HOSTS: Final = ("accounts.google.com", "www.googleapis.com")


def _yahoo(login: str) -> dict[str, dict[str, str]]:
    return {
        "authorization_code": {
            "permission_url": f"https://{login}/oauth2/request_auth",
            "token_url": f"https://{login}/oauth2/get_token",
            "oauth2_scope": "mail-w",
        }
    }


_PASSWORD_21VIANET: Final = {
    "token_url": "https://login.partner.microsoftonline.cn/{tenant}/oauth2/token",
    "oauth2_resource": "https://partner.outlook.cn/",
}
"""Its password grant takes a resource in place of a scope."""

# "Refresh tokens aren't revoked when used to acquire new access tokens", though each answer of Microsoft brings a new
# one: learn.microsoft.com/entra/identity-platform/refresh-tokens. The national clouds run the same service.
KNOWN: Final[Mapping[str, Provider]] = MappingProxyType(
    {
        "office365": Provider(
            "Office 365 (Microsoft 365 for work or school)",
            _servers("outlook.office365.com", "smtp.office365.com", submission=587),
            _entra("login.microsoftonline.com", "outlook.office.com", "outlook.office365.com"),
            RefreshTokens.REUSABLE,
            _WORK,
        ),
        "outlook": Provider(
            "Outlook.com (Hotmail, Live, MSN: personal accounts)",
            _servers("outlook.office365.com", "smtp-mail.outlook.com", submission=587),
            {
                flow: options
                for flow, options in _entra("login.microsoftonline.com", "outlook.office.com", "").items()
                if flow in ("authorization_code", "device")
            },
            RefreshTokens.REUSABLE,
            {"authorization_code": "consumers", "device": "consumers"},
            ("login.live.com",),
        ),
        "gmail": Provider(
            "Gmail (personal accounts)", _GMAIL, _GOOGLE, RefreshTokens.REUSABLE, token_hosts=_GOOGLE_HOSTS
        ),
        "workspace": Provider(
            "Google Workspace",
            _GMAIL,
            {
                **_GOOGLE,
                "service_account": {
                    "token_url": "https://oauth2.googleapis.com/token",
                    "oauth2_scope": "https://mail.google.com/",
                },
            },
            RefreshTokens.REUSABLE,
            token_hosts=_GOOGLE_HOSTS,
        ),
        "fastmail": Provider(
            "Fastmail",
            _servers("imap.fastmail.com", "smtp.fastmail.com", submission=465, pop="pop.fastmail.com"),
            {
                "authorization_code": {
                    "permission_url": "https://api.fastmail.com/oauth/authorize",
                    "token_url": "https://api.fastmail.com/oauth/refresh",
                    "oauth2_scope": "https://www.fastmail.com/dev/protocol-imap "
                    "https://www.fastmail.com/dev/protocol-pop https://www.fastmail.com/dev/protocol-smtp",
                    "use_pkce": "True",
                }
            },
            # Each use brings a new one, and using an old one again ends the grant: by the documentation of two clients
            # that speak JMAP with it. Fastmail's own pages do not say; if it is wrong, it costs two writes for a
            # refresh.
            RefreshTokens.SINGLE_USE,
            token_hosts=("www.fastmail.com",),
        ),
        # "Persistent token. Use the same refresh token every time":
        # developer.yahoo.com/brightroll/dsp/api/docs/authentication/tokens, the same endpoint. AOL belongs to Yahoo.
        "yahoo": Provider(
            "Yahoo Mail",
            _servers("imap.mail.yahoo.com", "smtp.mail.yahoo.com", submission=465, pop="pop.mail.yahoo.com"),
            _yahoo("api.login.yahoo.com"),
            RefreshTokens.REUSABLE,
        ),
        "aol": Provider(
            "AOL Mail",
            _servers("imap.aol.com", "smtp.aol.com", submission=465, pop="pop.aol.com"),
            _yahoo("api.login.aol.com"),
            RefreshTokens.REUSABLE,
        ),
        "21vianet": Provider(
            "Office 365 operated by 21Vianet (China)",
            _servers("partner.outlook.cn", "smtp.partner.outlook.cn", submission=587),
            _entra("login.partner.microsoftonline.cn", "partner.outlook.cn", "partner.outlook.cn")
            | {"password": _PASSWORD_21VIANET},
            RefreshTokens.REUSABLE,
            _NATIONAL,
            ("login.chinacloudapi.cn",),
        ),
        "us-gov": Provider(
            "Office 365 for the government of the United States (GCC High)",
            _servers("outlook.office365.us", "smtp.office365.us", submission=587),
            _entra("login.microsoftonline.us", "outlook.office365.us", "outlook.office365.us"),
            RefreshTokens.REUSABLE,
            _NATIONAL,
        ),
    }
)


def _hosts() -> Iterator[tuple[str, RefreshTokens]]:
    for provider in KNOWN.values():
        for host in provider.token_hosts:
            yield host, provider.refresh_tokens
        for options in provider.flows.values():
            yield _host(options["token_url"]), provider.refresh_tokens


def _host(url: str) -> str:
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    return (host or "").rstrip(".")


_BY_HOST: Final[Mapping[str, RefreshTokens]] = MappingProxyType(dict(_hosts()))


def refresh_tokens_of(token_url: str) -> RefreshTokens:
    """What is known of the provider at `token_url`, which may be malformed; ROTATING if nothing is."""
    return _BY_HOST.get(_host(token_url), RefreshTokens.ROTATING)
