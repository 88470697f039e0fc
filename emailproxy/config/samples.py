"""What does a configuration for a well-known provider look like? The text that ``emailproxy sample-config`` prints.

The short form names the provider (`emailproxy.config.presets`); the full one writes out what that stands for, as the
classic proxy wants it, and reads the same. Client ids are left as placeholders: they belong to whoever registers the
application.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from emailproxy.config.model import MailServer
from emailproxy.config.presets import DEFAULT_FLOW, TENANT
from emailproxy.config.providers import KNOWN, Provider

__all__ = ["PROVIDERS", "sample"]


@dataclass(frozen=True, slots=True)
class _Sample:
    """What a sample says besides what is known of the provider."""

    address: str
    ports: int
    """Its local ports are this many thousands above the provider's; a range for each, so that all fit in one file."""
    notes: str
    """Printed above the account as comments."""
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
# `provider` stands for addresses, scopes and ports: `emailproxy sample-config --full` writes them out.
"""

_MICROSOFT: Final = """\
Register an application in the Microsoft Entra admin centre (App registrations), as a public client with the redirect
URI http://localhost, and give it the delegated permissions IMAP.AccessAsUser.All, POP.AccessAsUser.All and SMTP.Send.
A public client has no secret: remove the line client_secret, unless your registration has one."""

_OWN_TENANT: Final = """
If your organisation allows only its own applications, its tenant id belongs into the URLs: tenant = ID, or in place of
the name there. An administrator may have to allow authenticated SMTP for the mailbox. For a shared mailbox name the
section by the shared address, and authorise as a person who has access to it."""

_GOOGLE: Final = """\
Create a project in the Google Cloud console, and in it an OAuth client of the type `Desktop app`; add yourself as a
test user, or publish the application. The tokens of an unpublished application end after seven days. Google gives a
desktop application a secret, and wants it."""

_SAMPLES: Final[Mapping[str, _Sample]] = MappingProxyType(
    {
        "office365": _Sample(
            "you@office365.example.com",
            1,
            _MICROSOFT + _OWN_TENANT,
            more="""\
Without a person, for a service that an administrator has given access to the mailbox (application permissions
IMAP.AccessAsApp, POP.AccessAsApp, SMTP.SendAsApp, and New-ServicePrincipal in Exchange Online): no permission_url, and

[service@office365.example.com]
provider = office365
oauth2_flow = client_credentials
tenant = *** your tenant id ***
client_id = *** your client id ***
client_secret = *** your client secret ***""",
        ),
        "outlook": _Sample(
            "you@outlook.com",
            2,
            _MICROSOFT
            + """
The registration must admit personal Microsoft accounts. IMAP and POP are off in a new mailbox: switch them on in the
settings of Outlook.com (Mail, Forwarding and IMAP).""",
        ),
        "gmail": _Sample("you@gmail.com", 3, _GOOGLE),
        "workspace": _Sample(
            "you@workspace.example.com",
            9,
            _GOOGLE
            + """
An application of the user type `Internal` needs no test users, and its tokens do not end after seven days.""",
        ),
        "fastmail": _Sample(
            "you@fastmail.com",
            4,
            """\
Fastmail registers OAuth clients by hand (see its developer pages) and gives them no secret; PKCE takes its place. Its
refresh tokens are for single use, and to use one twice ends the authorisation: several proxies may share an account
only if they share a store (`--cache-store`), where they take turns.""",
            secret="",
        ),
        "yahoo": _Sample(
            "you@yahoo.com",
            5,
            """\
Yahoo gives the scope for mail only to applications that it has approved. The redirect URI must be the one that was
registered with the client id.""",
        ),
        "aol": _Sample(
            "you@aol.com",
            6,
            """\
AOL belongs to Yahoo, and the same holds: the scope for mail is for approved applications, and the redirect URI must be
the registered one.""",
        ),
        "21vianet": _Sample(
            "you@21vianet.example.cn",
            7,
            """\
A cloud of its own, with its own portal, directory and names: a registration in the global cloud is unknown here.
Register the application there as a public client with the redirect URI http://localhost; if your registration has no
secret, remove the line client_secret.""",
            more="""\
With the real password of the account instead of a browser, where the organisation allows it; this flow takes a resource
in place of a scope, which the provider's preset knows:

[other@21vianet.example.cn]
provider = 21vianet
oauth2_flow = password
client_id = *** your client id ***""",
        ),
        "us-gov": _Sample(
            "you@agency.example.us",
            8,
            """\
A cloud of its own (GCC High), with its own portal: a registration in the commercial cloud is unknown here. GCC without
`High` is in the commercial cloud, and office365 is right for it.
"""
            + _MICROSOFT,
        ),
    }
)

PROVIDERS: Final[Mapping[str, str]] = MappingProxyType({name: KNOWN[name].title for name in _SAMPLES})
"""The names that `sample` knows, with what they stand for."""


def sample(provider: str | None = None, *, full: bool = False) -> str:
    """A commented configuration for `provider`, or one with all of them side by side.

    It is valid as it stands, but for its placeholders.

    Args:
        provider: one of `PROVIDERS`.
        full: write out what the provider's name stands for.

    Raises:
        ValueError: there is no such provider; the message names those there are.
    """
    if provider is not None and provider not in _SAMPLES:
        raise ValueError(f"there is no sample for {provider!r}; there are {', '.join(_SAMPLES)}")
    names = [provider] if provider is not None else list(_SAMPLES)
    return "\n\n".join([_PREFACE, *(_section(name, KNOWN[name], _SAMPLES[name], full=full) for name in names)])


_ELSEWHERE: Final = "# Or where it is kept: client_secret = azure:VAULT/secrets/NAME (or aws:, gcp:, file:, env:)"


def _section(name: str, provider: Provider, entry: _Sample, *, full: bool) -> str:
    rule = "# " + "-" * 118
    blocks = [f"{rule}\n# {provider.title}\n{rule}"]
    blocks += ["\n".join(_server(name, server, entry.ports * 1000, full=full)) for server in provider.servers]
    lines = [_commented(entry.notes), f"[{entry.address}]", *_account(name, provider, full=full)]
    lines += ["client_id = *** your client id ***", *([entry.secret, _ELSEWHERE] if entry.secret else [])]
    blocks.append("\n".join(lines))
    if entry.more:
        blocks.append(_commented(entry.more))
    return "\n\n".join(blocks) + "\n"


def _server(name: str, server: MailServer, above: int, *, full: bool) -> Iterator[str]:
    yield f"[{server.protocol.value}-{above + server.port}]"
    yield "local_address = localhost"
    if not full:
        yield f"provider = {name}"
        return
    yield f"server_address = {server.address}"
    yield f"server_port = {server.port}"
    if server.starttls:
        yield "server_starttls = True"


def _account(name: str, provider: Provider, *, full: bool) -> Iterator[str]:
    options = provider.flows[DEFAULT_FLOW]
    if full:
        for option in ("permission_url", "token_url", "oauth2_scope"):
            yield f"{option} = {options[option].replace(TENANT, provider.tenants.get(DEFAULT_FLOW, ''))}"
    else:
        yield f"provider = {name}"
    if full or "redirect_uri" not in options:
        yield "redirect_uri = http://localhost:8080"
    if full and "use_pkce" in options:
        yield f"use_pkce = {options['use_pkce']}"


def _commented(text: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in text.splitlines())
