"""What a provider's name fills in, what goes before it, and what is said when that does not work out."""

from __future__ import annotations

import pytest

from emailproxy.config import MailProtocol, MailServer
from emailproxy.config.model import RefreshTokens
from emailproxy.config.providers import KNOWN

from .conftest import ACCOUNT, SERVER, Load

CATCHING = "[emailproxy]\nallow_catch_all_accounts = True\n"
DEFAULTS = KNOWN["office365"].flows["authorization_code"]
ENTRA = "https://login.microsoftonline.com"


def test_a_name_and_a_client_are_enough(loaded: Load) -> None:
    config = loaded(SERVER + "[ada@example.com]\nprovider = Office365\nclient_id = id\n").good
    assert config.warnings == ()
    account = config.accounts["ada@example.com"]
    assert account.provider == "office365"
    assert account.oauth2_flow == "authorization_code"
    assert account.token_url == f"{ENTRA}/common/oauth2/v2.0/token"
    assert account.permission_url == f"{ENTRA}/common/oauth2/v2.0/authorize"
    assert account.oauth2_scope == DEFAULTS["oauth2_scope"]
    assert account.redirect_uri == "http://localhost:8080"
    assert account.use_pkce is None, "as the client needs it"
    assert account.refresh_tokens is RefreshTokens.REUSABLE


@pytest.mark.parametrize(
    ("options", "token_url"),
    [
        ("", f"{ENTRA}/example.com/oauth2/v2.0/token"),
        ("tenant = contoso.onmicrosoft.com\n", f"{ENTRA}/contoso.onmicrosoft.com/oauth2/v2.0/token"),
        ("upstream_user = reports@contoso.com\n", f"{ENTRA}/contoso.com/oauth2/v2.0/token"),
        ("token_url = https://login.example.com/token\n", "https://login.example.com/token"),
    ],
)
def test_without_a_person_a_credential_is_enough(loaded: Load, options: str, token_url: str) -> None:
    text = f"[ada@example.com]\nprovider = office365\noauth2_flow = client_credentials\nclient_id = id\n{options}"
    config = loaded(SERVER + text + "client_secret = secret\n").good
    assert config.warnings == ()
    account = config.accounts["ada@example.com"]
    assert (account.oauth2_flow, account.permission_url) == ("client_credentials", None)
    assert account.token_url == token_url
    assert account.oauth2_scope == "https://outlook.office365.com/.default"


def test_a_device_code(loaded: Load) -> None:
    text = "[ada@example.com]\nprovider = outlook\noauth2_flow = device\nclient_id = id\n"
    config = loaded(SERVER + text).good
    assert config.warnings == ()
    account = config.accounts["ada@example.com"]
    assert account.device_authorization_url == f"{ENTRA}/consumers/oauth2/v2.0/devicecode"
    assert account.permission_url is None


@pytest.mark.parametrize(
    ("provider", "flow", "path"),
    [
        ("office365", "password", "organizations/oauth2/v2.0/token"),
        ("outlook", "authorization_code", "consumers/oauth2/v2.0/token"),
        ("21vianet", "authorization_code", "organizations/oauth2/v2.0/token"),
        ("21vianet", "password", "organizations/oauth2/token"),
        ("us-gov", "client_credentials", "example.com/oauth2/v2.0/token"),
    ],
)
def test_the_tenant_fits_the_flow(loaded: Load, provider: str, flow: str, path: str) -> None:
    text = f"[ada@example.com]\nprovider = {provider}\noauth2_flow = {flow}\nclient_id = id\n"
    account = loaded(SERVER + text).good.accounts["ada@example.com"]
    assert account.token_url.partition("/")[2].partition("/")[2].partition("/")[2] == path
    chosen = loaded(SERVER + text + "tenant = 0f-1\n").good.accounts["ada@example.com"]
    assert chosen.token_url == account.token_url.replace(path.partition("/")[0], "0f-1")


def test_a_resource_takes_the_scopes_place_unless_there_is_one(loaded: Load) -> None:
    text = "[ada@example.cn]\nprovider = 21vianet\noauth2_flow = password\nclient_id = id\n"
    account = loaded(SERVER + text).good.accounts["ada@example.cn"]
    assert (account.oauth2_scope, account.oauth2_resource) == (None, "https://partner.outlook.cn/")
    account = loaded(SERVER + text + "oauth2_scope = mail\n").good.accounts["ada@example.cn"]
    assert (account.oauth2_scope, account.oauth2_resource) == ("mail", None)


def test_everything_can_be_overridden(loaded: Load) -> None:
    config = loaded(SERVER + ACCOUNT + "provider = fastmail\nuse_pkce = False\nrefresh_tokens = reusable\n").good
    account = config.accounts["ada@example.com"]
    assert account.token_url == "https://login.example.com/token"
    assert account.permission_url == "https://login.example.com/authorize"
    assert account.oauth2_scope == "mail offline_access"
    assert not account.use_pkce
    assert account.refresh_tokens is RefreshTokens.REUSABLE


def test_the_nearest_provider_counts_and_inherits_no_other_ones_addresses(loaded: Load) -> None:
    text = (
        CATCHING
        + SERVER
        + "[@]\nprovider = office365\ntenant = contoso.com\noauth2_scope = mail\nclient_id = id\nredirect_uri = http://localhost:9090\n"
        + "[@gmail.com]\nprovider = gmail\n"
        + "[ada@gmail.com]\nclient_id = other\n"
    )
    config = loaded(text).good
    assert config.warnings == ()
    for user in ("ada@gmail.com", "bob@gmail.com"):
        account = config.account(user)
        assert account is not None
        assert account.provider == "gmail"
        assert account.token_url == "https://oauth2.googleapis.com/token"
        assert account.oauth2_scope == "https://mail.google.com/"
        assert account.redirect_uri == "http://localhost:9090"
    caught = config.account("eve@example.org")
    assert caught is not None
    assert caught.token_url == f"{ENTRA}/contoso.com/oauth2/v2.0/token"


def test_every_domain_its_own_tenant(loaded: Load) -> None:
    """The section for all catches nobody, since it has no domain, but completes the others."""
    text = "[@]\nprovider = office365\noauth2_flow = client_credentials\nclient_id = id\n[@example.com]\n[a@x.org]\n"
    outcome = loaded(CATCHING + SERVER + text)
    config = outcome.good
    assert [warning.section for warning in outcome.warnings] == ["@"]
    assert config.templates["@example.com"].token_url == f"{ENTRA}/example.com/oauth2/v2.0/token"
    assert config.accounts["a@x.org"].token_url == f"{ENTRA}/x.org/oauth2/v2.0/token"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("offcie365", "did you mean office365?"),
        ("Google", "did you mean gmail?"),
        ("hotmail", "did you mean outlook?"),
        ("GCC High", "did you mean us-gov?"),
        ("us_gov", "did you mean us-gov?"),
        ("zimbra-by-hand", "there are office365, outlook, gmail"),
    ],
)
def test_an_unknown_name_is_a_fault_with_the_nearest_known_one(loaded: Load, name: str, remedy: str) -> None:
    for text, section in (
        (SERVER + ACCOUNT + f"provider = {name}\n", "ada@example.com"),
        (SERVER + f"provider = {name}\n" + ACCOUNT, "IMAP-1993"),
    ):
        found, option, told = loaded(text).fault()
        assert (found, option) == (section, "provider")
        assert remedy in told


@pytest.mark.parametrize(
    ("text", "option", "told"),
    [
        ("provider = outlook\noauth2_flow = client_credentials", "oauth2_flow", "not known to work with this provider"),
        ("provider = office365\ntenant = a/b", "tenant", "is no tenant"),
        ("provider = office365\ntenant = a b", "tenant", "is no tenant"),
    ],
)
def test_faults(loaded: Load, text: str, option: str, told: str) -> None:
    faults = loaded(SERVER + f"[ada@example.com]\nclient_id = id\n{text}\n").faults
    assert any(fault.option == option and told in fault.problem for fault in faults), faults


@pytest.mark.parametrize(
    ("text", "told"),
    [("tenant = x.org\n", "no effect without a provider"), ("provider = aol\ntenant = x.org\n", "has no tenants")],
)
def test_a_tenant_without_effect(loaded: Load, text: str, told: str) -> None:
    section, option, problem = loaded(SERVER + ACCOUNT + text).warning()
    assert (section, option) == ("ada@example.com", "tenant")
    assert told in problem


@pytest.mark.parametrize("provider", KNOWN)
@pytest.mark.parametrize("protocol", list(MailProtocol))
def test_a_server_section(loaded: Load, provider: str, protocol: MailProtocol) -> None:
    text = f"[{protocol.value}-1993]\nlocal_address = localhost\nprovider = {provider}\n"
    (server,) = loaded(text + ACCOUNT).good.servers
    assert server.mail_server in KNOWN[provider].servers
    assert server.mail_server is not None
    assert server.mail_server.protocol is protocol


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("server_address = smtp.example.com", ("smtp.example.com", 587, True)),
        ("server_port = 465", ("smtp.office365.com", 465, False)),
        ("starttls = True\nserver_port = 25", ("smtp.office365.com", 25, True)),
        ("server_starttls = True\nserver_port = 2525", ("smtp.office365.com", 2525, True)),
    ],
)
def test_a_server_sections_own_options_stay(loaded: Load, options: str, expected: tuple[str, int, bool]) -> None:
    text = f"[SMTP-1587]\nlocal_address = localhost\nprovider = office365\n{options}\n"
    (server,) = loaded(text + ACCOUNT).good.servers
    assert server.mail_server == MailServer(MailProtocol.SMTP, *expected)
