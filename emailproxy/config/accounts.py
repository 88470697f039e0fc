"""Which accounts does a configuration know? Sections named by a mail address, catch-all templates merged in.

A value is looked for in the account's own section, then in ``[@its-domain]``, then in ``[@]``; the templates count only
with ``allow_catch_all_accounts``. What the proxy caches (tokens, salt) belongs to the store and is not read here, with
one exception: a template may hold a sealed client secret, and its salt, for the accounts that it completes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from emailproxy.assertions.issuers import Issuers
from emailproxy.config.alike import Alike
from emailproxy.config.flows import (
    FLOW_OPTIONS,
    check_flow_values,
    effective_flow,
    read_device_authorization_url,
    read_flow,
    read_use_pkce,
)
from emailproxy.config.model import Account, RefreshTokens, SealedSecret
from emailproxy.config.options import PLACEHOLDER, Findings, Option, Reader, split_url
from emailproxy.config.presets import OF_PROVIDER, PRESET_OPTIONS, completed_account
from emailproxy.config.proof import PROOF_OPTIONS, read_certificate, read_client_assertion
from emailproxy.config.providers import refresh_tokens_of
from emailproxy.config.routes import ROUTE_OPTIONS, check_aliases, inherited, read_route
from emailproxy.config.servers import DOCUMENTATION
from emailproxy.config.service_account import read_service_account
from emailproxy.config.syntax import Section
from emailproxy.secret import Secret

__all__ = ["ACCOUNT_OPTIONS", "CACHED_OPTIONS", "read_accounts"]

ACCOUNT_OPTIONS: Final = frozenset(
    {
        "permission_url",
        "token_url",
        "oauth2_scope",
        "oauth2_resource",
        "redirect_uri",
        "redirect_listen_address",
        "client_id",
        "client_secret",
        "refresh_tokens",
        *PROOF_OPTIONS,
    }
    | FLOW_OPTIONS
    | PRESET_OPTIONS
    | ROUTE_OPTIONS
)
CACHED_OPTIONS: Final = frozenset(
    {
        "token_salt",
        "token_iterations",
        "access_token",
        "access_token_expiry",
        "refresh_token",
        "client_secret_encrypted",
        "last_activity",
        "lease_owner",
        "lease_until",
        "sealed_by",
        "app_passwords",
        "app_passwords_used",
    }
)
"""What the proxy writes into an account's section (`emailproxy.store.base.CACHED_OPTIONS`; a test compares the two)."""

_KNOWN: Final = ACCOUNT_OPTIONS | CACHED_OPTIONS | DOCUMENTATION

LEGACY_ITERATIONS: Final = 100_000
"""What sealed a value that has no ``token_iterations`` beside it."""


def read_accounts(
    sections: Mapping[str, Section], *, catch_all: bool, findings: Findings, issuers: Issuers
) -> tuple[dict[str, Account], dict[str, Account]]:
    """Accounts and templates by section name.

    A template that lacks something serves only to complete other sections and is not among the templates.
    """
    named = [section for section in sections.values() if "@" in section.name]
    templates = {section.name.casefold(): section for section in named if section.name.startswith("@")}
    accounts: dict[str, Account] = {}
    caught: dict[str, Account] = {}
    spellings: dict[str, str] = {}
    alike = Alike(catch_all=catch_all)
    for section in named:
        kind = alike.kind(section)
        account = alike.account(kind, section.name)
        if account is not None:
            _check_spelling(section.name, spellings, findings)
            accounts[section.name] = account
            continue
        said = findings.said
        findings.check_names(section.name, section.own, _KNOWN)
        is_template = section.name.startswith("@")
        if is_template and not catch_all:
            findings.warn(
                section.name,
                None,
                "is a catch-all template, and allow_catch_all_accounts is off",
                "write allow_catch_all_accounts = True into [emailproxy], or remove the section",
            )
            continue
        options = _merged(section, templates if catch_all else {}, findings)
        if not is_template and section.own <= CACHED_OPTIONS | DOCUMENTATION and _incomplete(options):
            findings.warn(
                section.name,
                None,
                "holds only what the proxy cached, and no catch-all template completes it",
                "add its options, switch allow_catch_all_accounts on, or remove the section",
            )
            continue
        quiet = said == findings.said
        _check_spelling(section.name, spellings, findings)
        said = findings.said
        if is_template and _incomplete(options):
            # Checked as far as it goes: the sections it completes are checked whole.
            _check_values(Reader(section.name, options, findings), options)
            findings.warn(
                section.name, None, "is not complete by itself and catches nobody", f"add {_incomplete(options)}"
            )
            continue
        account = _read_account(section.name, options, findings, issuers)
        if account is not None:
            if catch_all:
                account = replace(account, inherited_secret=_inherited_secret(section.name, templates, findings))
            (caught if is_template else accounts)[section.name] = account
            if quiet and said == findings.said:
                alike.remember(kind, account)
    check_aliases(accounts, findings)
    for section in sections.values():
        if "@" not in section.name and {"token_url", "client_id"} & section.own:
            findings.warn(
                section.name, None, "has an account's options but no mail address as its name", "name it [user@domain]"
            )
    return accounts, caught


def _merged(section: Section, templates: Mapping[str, Section], findings: Findings) -> dict[str, Option]:
    """The section's options over its domain's over the global ones, and below them all what its provider fills in.

    Cached options come only from the section itself.
    """
    merged: dict[str, Option] = {}
    for source in (*_templates_of(section.name, templates), section):
        if source.options.get("provider", "").strip():
            merged = {name: option for name, option in merged.items() if name not in OF_PROVIDER}
        for name in source.options:
            if name in ACCOUNT_OPTIONS and (source is section or inherited(name)):
                merged[name] = Option.of(source, name, source.name if name in source.own else section.name)
    return completed_account(section.name, merged, Reader(section.name, merged, findings))


def _templates_of(name: str, templates: Mapping[str, Section]) -> list[Section]:
    """Those that complete the section `name`, the global one first."""
    found = (templates.get("@"), templates.get("@" + name.rpartition("@")[2].casefold()))
    return [section for section in found if section is not None]


def _inherited_secret(name: str, templates: Mapping[str, Section], findings: Findings) -> SealedSecret | None:
    """The client secret that the templates of the section `name` hold, sealed."""
    options = {
        option: Option(text, source.name)
        for source in _templates_of(name, templates)
        for option, text in source.options.items()
        if option in CACHED_OPTIONS
    }
    reader = Reader(name, options, findings)
    value, salt = reader.text("client_secret_encrypted"), reader.text("token_salt")
    if value is None:
        return None
    if salt is None:
        reader.warn(
            "client_secret_encrypted", "without token_salt it cannot be opened", "write it there, or remove this"
        )
        return None
    return SealedSecret(value, salt, reader.integer("token_iterations", LEGACY_ITERATIONS, least=1))


def _incomplete(options: Mapping[str, Option]) -> str | None:
    """The first required option that is absent; None if all are there."""

    def given(name: str) -> bool:
        return name in options and bool(options[name].text.strip())

    for name in ("token_url", "client_id"):
        if not given(name):
            return name
    if not given("permission_url") and not given("oauth2_flow"):
        return "permission_url or oauth2_flow"
    password = given("oauth2_flow") and options["oauth2_flow"].text.strip() == "password"
    by_resource = password and given("oauth2_resource")
    return None if given("oauth2_scope") or by_resource else "oauth2_scope"


def _check_spelling(name: str, spellings: dict[str, str], findings: Findings) -> None:
    other = spellings.setdefault(name.casefold(), name)
    if other != name:
        findings.warn(
            name, None, f"differs from [{other}] only in case, and mailboxes are compared without", "keep one of them"
        )


def _check_values(reader: Reader, options: Mapping[str, Option]) -> None:
    """What can be said about each value without knowing the others."""
    for name in sorted(ACCOUNT_OPTIONS & set(options)):
        if reader.placeholder(name):
            reader.warn(name, "this is still the sample's text", "write your own value, or remove an optional line")
    reader.url("token_url")
    reader.url("permission_url")
    check_flow_values(reader)
    _check_redirect(reader)
    _read_refresh_tokens(reader)


def _read_account(name: str, options: Mapping[str, Option], findings: Findings, issuers: Issuers) -> Account | None:
    before = len(findings.faults)
    reader = Reader(name, options, findings)
    _check_values(reader, options)

    token_url = reader.required("token_url", "add the provider's token endpoint")
    client_id = reader.required("client_id", "add the client id that the provider gave you")
    permission_url = reader.text("permission_url")
    flow = read_flow(reader)
    if permission_url is None and flow is None and reader.text("oauth2_flow") is None:
        reader.fault(
            "permission_url",
            "without it, oauth2_flow is required",
            "add the provider's authorisation endpoint, or oauth2_flow = client_credentials or password",
        )
    if permission_url is None and flow == "authorization_code":
        reader.required("permission_url", f"add the endpoint that the flow {flow} begins at")
    if permission_url is not None:
        flow = effective_flow(reader, flow)
    device_authorization_url = read_device_authorization_url(reader) if flow == "device" else None
    if not (flow == "password" and reader.text("oauth2_resource")):
        reader.required("oauth2_scope", "add the scope that the provider wants for mail")
    if flow == "authorization_code" and reader.text("redirect_uri") is None:
        reader.warn(
            "redirect_uri", "without it nobody can authorise this account", "add redirect_uri = http://localhost"
        )
    certificate, issuer = read_certificate(reader), read_client_assertion(reader, issuers)
    signer = read_service_account(reader, issuers) if flow == "service_account" else None

    secret = reader.text("client_secret")
    if len(findings.faults) > before or token_url is None or client_id is None or flow is None:
        return None
    account = Account(
        name=name,
        section=name,
        oauth2_flow=flow,
        token_url=token_url,
        client_id=reader.reference("client_id") or client_id,
        client_secret=reader.reference("client_secret") or (Secret(secret) if secret is not None else None),
        permission_url=permission_url,
        oauth2_scope=reader.text("oauth2_scope"),
        oauth2_resource=reader.text("oauth2_resource"),
        redirect_uri=reader.text("redirect_uri"),
        redirect_listen_address=reader.text("redirect_listen_address"),
        use_pkce=read_use_pkce(reader),
        device_authorization_url=device_authorization_url,
        certificate=certificate,
        client_assertion=issuer,
        signer=signer,
        refresh_tokens=_read_refresh_tokens(reader),
    )
    return read_route(reader, account) if len(findings.faults) == before else None


def _read_refresh_tokens(reader: Reader) -> RefreshTokens:
    if reader.text("refresh_tokens") is None:
        return refresh_tokens_of(reader.text("token_url") or "")
    return RefreshTokens(reader.choice("refresh_tokens", [kind.value for kind in RefreshTokens]))


def _check_redirect(reader: Reader) -> None:
    uri = reader.text("redirect_uri")
    if uri is not None and PLACEHOLDER not in uri:
        parts = split_url(uri)
        web = parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname)
        # Native apps: a private-use scheme has a dot in it (RFC 8252 section 7.1), and the old out-of-band URN.
        native = parts is not None and ("." in parts.scheme or uri.startswith("urn:ietf:wg:oauth:2.0:oob"))
        if not (web or native):
            reader.fault("redirect_uri", "this is no redirect URI", "write, for instance, http://localhost:8080")
    address = reader.text("redirect_listen_address")
    if address is not None and PLACEHOLDER not in address:
        parts = split_url(address)
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
            reader.fault(
                "redirect_listen_address",
                "this is no address to listen at",
                "write, for instance, http://10.0.0.5:8080",
            )
