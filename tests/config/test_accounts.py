"""Account sections: how a token is got, what templates add, and what is a mistake."""

from __future__ import annotations

import pytest

from emailproxy.config import Account
from emailproxy.config.flows import FLOWS
from emailproxy.config.model import RefreshTokens, SealedSecret
from emailproxy.secret import Secret

from .conftest import ACCOUNT, SERVER, Load

CATCH_ALL = "[emailproxy]\nallow_catch_all_accounts = True\n"


def account(section: str = "ada@example.com", /, **options: object) -> str:
    values = {
        "token_url": "https://login.example.com/token",
        "oauth2_scope": "mail",
        "client_id": "id",
        **options,
    }
    lines = [f"{name} = {value}" for name, value in values.items() if value is not None]
    return "\n".join([f"[{section}]", *lines, ""])


def only(loaded: Load, text: str) -> Account:
    (found,) = loaded(SERVER + text).good.accounts.values()
    return found


class TestFlow:
    @pytest.mark.parametrize("flow", sorted(set(FLOWS) - {"service_account"}))
    def test_known(self, loaded: Load, flow: str) -> None:
        endpoint = "https://login.example.com/x" if flow in ("authorization_code", "device") else None
        text = account(oauth2_flow=flow, permission_url=endpoint, client_secret="s", redirect_uri="http://localhost")
        outcome = loaded(SERVER + text)
        assert outcome.good.accounts["ada@example.com"].oauth2_flow == flow
        assert outcome.warnings == ()

    def test_default_with_a_permission_url(self, loaded: Load) -> None:
        assert only(loaded, ACCOUNT).oauth2_flow == "authorization_code"

    def test_required_without(self, loaded: Load) -> None:
        section, option, text = loaded(SERVER + account()).fault()
        assert (section, option) == ("ada@example.com", "permission_url")
        assert "oauth2_flow is required" in text

    def test_that_needs_a_permission_url(self, loaded: Load) -> None:
        outcome = loaded(SERVER + account(oauth2_flow="authorization_code", redirect_uri="http://localhost"))
        assert outcome.fault()[1] == "permission_url"

    @pytest.mark.parametrize(
        ("flow", "near"),
        [
            ("authorisation_code", "authorization_code"),
            ("client-credentials", "client_credentials"),
            ("Password", "password"),
            ("device_code", "device"),
        ],
    )
    def test_mistyped(self, loaded: Load, flow: str, near: str) -> None:
        for endpoint in (None, "https://login.example.com/authorize"):
            section, option, text = loaded(SERVER + account(oauth2_flow=flow, permission_url=endpoint)).fault()
            assert (section, option) == ("ada@example.com", "oauth2_flow")
            assert text == f"{flow} is no flow that is known; did you mean {near}?"

    def test_unknown(self, loaded: Load) -> None:
        assert "the flows are authorization_code, device, " in loaded(SERVER + account(oauth2_flow="xyz")).fault()[2]

    def test_permission_url_decides_as_in_the_classic_proxy(self, loaded: Load) -> None:
        outcome = loaded(SERVER + ACCOUNT + "oauth2_flow = client_credentials\n")
        assert outcome.good.accounts["ada@example.com"].oauth2_flow == "authorization_code"
        assert "has no effect beside a permission_url" in outcome.warning()[2]


class TestRequired:
    @pytest.mark.parametrize("option", ["token_url", "client_id", "oauth2_scope"])
    def test_missing(self, loaded: Load, option: str) -> None:
        assert loaded(SERVER + account(oauth2_flow="password", **{option: None})).fault()[:2] == (
            "ada@example.com",
            option,
        )

    def test_resource_alone_with_the_password_flow(self, loaded: Load) -> None:
        found = only(
            loaded, account(oauth2_flow="password", oauth2_scope=None, oauth2_resource="https://r.example.com")
        )
        assert (found.oauth2_scope, found.oauth2_resource) == (None, "https://r.example.com")

    def test_resource_alone_with_another_flow(self, loaded: Load) -> None:
        text = account(oauth2_flow="client_credentials", oauth2_scope=None, oauth2_resource="r")
        assert loaded(SERVER + text).fault()[1] == "oauth2_scope"

    def test_redirect_uri_is_missed_with_a_warning(self, loaded: Load) -> None:
        outcome = loaded(SERVER + ACCOUNT.replace("redirect_uri = http://localhost:8080\n", ""))
        assert outcome.warning()[1] == "redirect_uri"

    def test_service_account_needs_its_key(self, loaded: Load) -> None:
        text = account(oauth2_flow="service_account", client_id="key")
        assert loaded(SERVER + text).fault()[1] == "client_secret"


class TestAddresses:
    @pytest.mark.parametrize("option", ["token_url", "permission_url"])
    @pytest.mark.parametrize(
        "value", ["login.example.com/token", "ftp://login.example.com", "https://", "https://a:b/", "x"]
    )
    def test_no_url(self, loaded: Load, option: str, value: str) -> None:
        text = account(**{"permission_url": "https://x.example.com", "redirect_uri": "http://localhost", option: value})
        assert loaded(SERVER + text).fault()[:2] == ("ada@example.com", option)

    def test_what_a_url_may_hide_is_not_repeated(self, loaded: Load) -> None:
        text = account(oauth2_flow="password", token_url="ftp://user:s3cret@example.com/x?key=s3cret#s3cret")
        assert "ftp://example.com/x is not an http" in loaded(SERVER + text).fault()[2]

    def test_plain_http_elsewhere_is_a_warning(self, loaded: Load) -> None:
        outcome = loaded(SERVER + account(oauth2_flow="password", token_url="http://login.example.com/token"))
        assert outcome.warning()[:2] == ("ada@example.com", "token_url")

    @pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:80"])
    def test_plain_http_here_is_none(self, loaded: Load, host: str) -> None:
        text = account(oauth2_flow="password", token_url=f"http://{host}/token")
        assert loaded(SERVER + text).good.warnings == ()

    @pytest.mark.parametrize(
        "uri",
        [
            "http://localhost",
            "https://[::1]:8/x",
            "urn:ietf:wg:oauth:2.0:oob",
            "com.example.app:/done",
            "http://127.0.0.1:9/",
        ],
    )
    def test_redirect_uri(self, loaded: Load, uri: str) -> None:
        assert only(loaded, ACCOUNT.replace("http://localhost:8080", uri)).redirect_uri == uri

    @pytest.mark.parametrize("uri", ["localhost:8080", "http://", "http://localhost:99999", "8080", "http://a b/"])
    def test_no_redirect_uri(self, loaded: Load, uri: str) -> None:
        assert loaded(SERVER + ACCOUNT.replace("http://localhost:8080", uri)).fault()[1] == "redirect_uri"

    def test_redirect_listen_address(self, loaded: Load) -> None:
        found = only(loaded, ACCOUNT + "redirect_listen_address = http://10.0.0.5:8080\n")
        assert found.redirect_listen_address == "http://10.0.0.5:8080"
        outcome = loaded(SERVER + ACCOUNT + "redirect_listen_address = 10.0.0.5:8080\n")
        assert outcome.fault()[1] == "redirect_listen_address"


class TestCatchAll:
    def test_account_over_domain_over_all(self, loaded: Load) -> None:
        text = (
            CATCH_ALL
            + account("@", oauth2_flow="password", client_secret="all", use_pkce="True")
            + "[@Example.com]\nclient_id = domain\nclient_secret = domain\n"
            + "[ada@example.com]\nclient_id = own\n"
        )
        config = loaded(SERVER + text).good
        ada, bob, eve = (config.account(f"{user}") for user in ("ada@example.com", "Bob@Example.com", "eve@x.org"))
        assert ada is not None
        assert bob is not None
        assert eve is not None
        assert [one.client_id for one in (ada, bob, eve)] == ["own", "domain", "id"]
        secrets = [one.client_secret for one in (ada, bob, eve)]
        assert secrets == [Secret("domain"), Secret("domain"), Secret("all")]
        assert [one.use_pkce for one in (ada, bob, eve)] == [True, True, True]
        assert [(one.name, one.section) for one in (ada, bob, eve)] == [
            ("ada@example.com", "ada@example.com"),
            ("bob@example.com", "@Example.com"),
            ("eve@x.org", "@"),
        ]

    def test_section_of_a_caught_account_with_cached_options_only(self, loaded: Load) -> None:
        cached = "[ada@example.com]\nrefresh_token = x\ntoken_salt = y\n"
        config = loaded(SERVER + CATCH_ALL + account("@example.com", oauth2_flow="password") + cached).good
        assert config.accounts["ada@example.com"].token_url == "https://login.example.com/token"
        assert config.warnings == ()

    def test_such_a_section_without_a_template_is_a_warning(self, loaded: Load) -> None:
        outcome = loaded(SERVER + ACCOUNT + "[bob@example.com]\nrefresh_token = x\n")
        assert outcome.warning()[0] == "bob@example.com"
        assert "bob@example.com" not in outcome.good.accounts

    def test_switched_off(self, loaded: Load) -> None:
        outcome = loaded(SERVER + ACCOUNT + account("@example.com", oauth2_flow="password"))
        assert "allow_catch_all_accounts is off" in outcome.warning()[2]
        assert outcome.good.account("bob@example.com") is None

    def test_a_template_may_be_a_part(self, loaded: Load) -> None:
        text = "[@]\ntoken_url = https://login.example.com/token\n[ada@example.com]\n"
        text += "oauth2_flow = password\nclient_id = id\noauth2_scope = mail\n"
        outcome = loaded(SERVER + CATCH_ALL + text)
        assert list(outcome.good.accounts) == ["ada@example.com"]
        assert outcome.good.templates == {}
        assert outcome.warning()[0] == "@"
        assert "add client_id" in outcome.warning()[2]

    def test_a_mistake_in_a_template_is_told_once_and_there(self, loaded: Load) -> None:
        text = (
            account("@", oauth2_flow="password", token_url="nowhere")
            + "[a@x.org]\nclient_id=a\n[b@x.org]\nclient_id=b\n"
        )
        assert loaded(SERVER + CATCH_ALL + text).fault()[:2] == ("@", "token_url")


class TestNames:
    def test_mistyped_option(self, loaded: Load) -> None:
        section, option, text = loaded(SERVER + ACCOUNT + "redirect_url = http://localhost\n").fault()
        assert (section, option) == ("ada@example.com", "redirect_url")
        assert text == "there is no such option; did you mean redirect_uri?"

    def test_unknown_option(self, loaded: Load) -> None:
        assert loaded(SERVER + ACCOUNT + "colour = blue\n").warning()[1] == "colour"

    def test_cached_options_are_known_and_not_read(self, loaded: Load) -> None:
        text = "".join(
            f"{name} = whatever\n"
            for name in ("token_salt", "token_iterations", "access_token", "access_token_expiry", "refresh_token")
        )
        assert loaded(SERVER + ACCOUNT + text + "client_secret_encrypted = x\nlast_activity = y\n").good.warnings == ()

    def test_two_spellings_of_one_mailbox(self, loaded: Load) -> None:
        outcome = loaded(SERVER + ACCOUNT + ACCOUNT.replace("ada@", "Ada@"))
        assert outcome.warning()[0] == "Ada@example.com"

    def test_an_account_by_its_options_alone(self, loaded: Load) -> None:
        outcome = loaded(SERVER + ACCOUNT + account("ada", oauth2_flow="password"))
        assert "no mail address as its name" in outcome.warning()[2]

    @pytest.mark.parametrize(
        "option", ["client_id", "client_secret", "token_url", "permission_url", "redirect_uri", "jwt_key_path"]
    )
    def test_placeholder(self, loaded: Load, option: str) -> None:
        values = {"permission_url": "https://login.example.com/a", "redirect_uri": "http://localhost"}
        outcome = loaded(SERVER + account(**{**values, option: "*** your value ***"}))
        assert outcome.warning()[:2] == ("ada@example.com", option)


class TestInheritedSecret:
    SEALED = "token_salt = c2FsdA==\ntoken_iterations = 870000\nclient_secret_encrypted = gAAAAA-secret\n"
    FLOW = "oauth2_flow = client_credentials\n"

    def test_of_the_domain(self, loaded: Load) -> None:
        good = loaded(
            SERVER + CATCH_ALL + account("@Example.com") + self.FLOW + self.SEALED + account() + self.FLOW
        ).good
        expected = SealedSecret("gAAAAA-secret", "c2FsdA==", 870_000)
        assert good.accounts["ada@example.com"].inherited_secret == expected
        caught = good.account("bob@example.com")
        assert caught is not None
        assert caught.inherited_secret == expected

    def test_of_everybody_and_old(self, loaded: Load) -> None:
        sealed = self.SEALED.replace("token_iterations = 870000\n", "")
        good = loaded(SERVER + CATCH_ALL + account("@") + self.FLOW + sealed).good
        caught = good.account("bob@example.com")
        assert caught is not None
        assert caught.inherited_secret == SealedSecret("gAAAAA-secret", "c2FsdA==", 100_000)

    def test_not_an_account_s_own(self, loaded: Load) -> None:
        """That is in its record, which a store keeps."""
        good = loaded(SERVER + CATCH_ALL + account() + self.FLOW + self.SEALED).good
        assert good.accounts["ada@example.com"].inherited_secret is None

    def test_not_of_another_domain(self, loaded: Load) -> None:
        text = account("@example.org") + self.FLOW + self.SEALED + account() + self.FLOW
        assert loaded(SERVER + CATCH_ALL + text).good.accounts["ada@example.com"].inherited_secret is None

    def test_not_without_catch_all(self, loaded: Load) -> None:
        text = account("@example.com") + self.FLOW + self.SEALED + account() + self.FLOW
        assert loaded(SERVER + text).good.accounts["ada@example.com"].inherited_secret is None

    def test_without_its_salt(self, loaded: Load) -> None:
        outcome = loaded(SERVER + CATCH_ALL + account("@") + self.FLOW + "client_secret_encrypted = gAAAAA-secret\n")
        section, option, text = outcome.warning()
        assert (section, option) == ("@", "client_secret_encrypted")
        assert "token_salt" in text
        assert outcome.good.templates["@"].inherited_secret is None

    def test_with_a_count_that_is_none(self, loaded: Load) -> None:
        outcome = loaded(SERVER + CATCH_ALL + account("@") + self.FLOW + self.SEALED.replace("870000", "many"))
        assert outcome.fault()[:2] == ("@", "token_iterations")

    def test_is_not_printed(self, loaded: Load) -> None:
        good = loaded(SERVER + CATCH_ALL + account("@") + self.FLOW + self.SEALED).good
        assert "gAAAAA-secret" not in repr(good)


class TestRefreshTokens:
    def test_default_is_what_is_known_of_the_provider(self, loaded: Load) -> None:
        assert only(loaded, ACCOUNT).refresh_tokens is RefreshTokens.ROTATING
        text = account(oauth2_flow="password", token_url="https://login.microsoftonline.com/common/oauth2/v2.0/token")
        assert only(loaded, text).refresh_tokens is RefreshTokens.REUSABLE

    @pytest.mark.parametrize("value", ["reusable", "rotating", "single_use", "Single_Use"])
    def test_said(self, loaded: Load, value: str) -> None:
        text = account(oauth2_flow="password", token_url="https://api.fastmail.com/oauth/refresh", refresh_tokens=value)
        assert only(loaded, text).refresh_tokens is RefreshTokens(value.lower())

    def test_unknown(self, loaded: Load) -> None:
        section, option, text = loaded(SERVER + ACCOUNT + "refresh_tokens = once\n").fault()
        assert (section, option) == ("ada@example.com", "refresh_tokens")
        assert "reusable, rotating, single_use" in text

    def test_inherited(self, loaded: Load) -> None:
        template = account("@example.com", oauth2_flow="password", refresh_tokens="single_use")
        own = "[ada@example.com]\nclient_id = another\n"
        assert only(loaded, CATCH_ALL + template + own).refresh_tokens is RefreshTokens.SINGLE_USE
        outcome = loaded(SERVER + CATCH_ALL + template + own + "refresh_tokens = reusable\n")
        assert outcome.good.accounts["ada@example.com"].refresh_tokens is RefreshTokens.REUSABLE
