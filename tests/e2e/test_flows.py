"""Does an account of every flow get its first token, from a person or without one?"""

from __future__ import annotations

import imaplib
import urllib.parse
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.patience import HANG

from .clients import connect_imap, connect_smtp, message
from .conftest import StartProxy
from .oauth_server import CLIENT_SECRET, DEVICE_GRANT, PERSON_PASSWORD
from .proxy import PASSWORD, Accounts, Proxy
from .robot import PASSPHRASE
from .world import World

USER = "person@example.test"


def log_in(proxy: Proxy, user: str = USER, password: str = PASSWORD) -> bytes:
    """One IMAP session; the server's words for OK."""
    with connect_imap(proxy) as client:
        _, words = client.login(user, password)
        assert client.select("INBOX")[0] == "OK"
        client.logout()
        answer: bytes = words[0]
        return answer


def announced(proxy: Proxy, user: str = USER, *, after: int = 0) -> str:
    """The URL that a person is asked to open."""
    return proxy.running.wait_for(rf"account {user} needs authorisation: open (\S+)", after=after)[1]


# -- authorization code


@pytest.mark.parametrize(
    "flags", [(), ("--local-server-auth",), ("--local-server-auth", "--external-auth")], ids=" ".join
)
@pytest.mark.parametrize("pkce", [False, True], ids=["no PKCE", "PKCE"])
def test_authorization_code_with_a_local_listener(
    start_proxy: StartProxy, accounts: Accounts, world: World, flags: tuple[str, ...], pkce: bool
) -> None:
    """The login waits while a person consents in a browser; the next one needs nobody."""
    more = {"client_id": "mail-pkce", "use_pkce": "True"} if pkce else {}
    proxy = start_proxy({USER: accounts.interactive(**more)}, *flags)
    with ThreadPoolExecutor(1) as thread:
        login = thread.submit(log_in, proxy)
        url = announced(proxy)
        parameters = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
        assert ("code_challenge" in parameters) is pkce
        assert len(parameters["state"][0]) >= 16
        page = world.oauth.browser().authorise(url, USER)
        assert page.status == 200
        # The success page is shown only after the code was exchanged.
        assert world.oauth.requests()["authorization_code"] == 1
        login.result(HANG)
    log_in(proxy)
    assert world.oauth.requests() == {"total": 1, "authorization_code": 1}
    record = proxy.record(USER)
    assert record["token_iterations"] == "1200000"
    assert {"access_token", "refresh_token", "token_salt"} <= set(record)
    proxy.stop()
    proxy.start(*flags)
    log_in(proxy)
    assert world.oauth.requests()["total"] == 1


def test_a_failed_exchange_is_said_on_the_page(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    proxy = start_proxy({USER: accounts.interactive()}, settings={"login_wait": "2"})
    with ThreadPoolExecutor(1) as thread:
        login: Future[bytes] = thread.submit(log_in, proxy)
        url = announced(proxy)
        world.oauth.mood(
            failure={"status": 400, "body": '{"error":"invalid_grant"}', "contentType": "application/json"}
        )
        page = world.oauth.browser().authorise(url, USER)
        assert page.status >= 400 or "success" not in page.text.lower()
        with pytest.raises(imaplib.IMAP4.error):
            login.result(HANG)


def test_a_person_who_refuses_is_believed(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    proxy = start_proxy({USER: accounts.interactive()}, settings={"login_wait": "2"})
    with ThreadPoolExecutor(1) as thread:
        login: Future[bytes] = thread.submit(log_in, proxy)
        page = world.oauth.browser().authorise(announced(proxy), USER, refuse=True)
        assert "success" not in page.text.lower()
        with pytest.raises(imaplib.IMAP4.error, match=r"UNAVAILABLE|CONTACTADMIN"):
            login.result(HANG)
    assert "access_token" not in proxy.record(USER)


def test_a_redirect_with_a_wrong_state_does_not_end_the_flow(
    start_proxy: StartProxy, accounts: Accounts, world: World
) -> None:
    options = accounts.interactive()
    proxy = start_proxy({USER: options})
    with ThreadPoolExecutor(1) as thread:
        login = thread.submit(log_in, proxy)
        url = announced(proxy)
        stranger = world.oauth.browser()
        for path in ("?code=stolen&state=guessed", "?error=access_denied&state=guessed", "?code=stolen"):
            assert stranger.authorise(options["redirect_uri"] + path, "nobody").status >= 400
        for probe in ("", "favicon.ico", "robots.txt"):
            stranger.authorise(options["redirect_uri"] + probe, "nobody")
        assert world.oauth.browser().authorise(url, USER).status == 200
        login.result(HANG)


def test_ten_connections_wait_for_one_consent(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    proxy = start_proxy({USER: accounts.interactive()})
    with ThreadPoolExecutor(10) as threads:
        logins = [threads.submit(log_in, proxy) for _ in range(10)]
        url = announced(proxy)
        assert world.oauth.browser().authorise(url, USER).status == 200
        for login in logins:
            login.result(HANG)
    assert proxy.running.output().count("needs authorisation") == 1
    assert world.oauth.requests() == {"total": 1, "authorization_code": 1}


def test_a_login_waits_only_so_long_and_the_consent_stays_open(
    start_proxy: StartProxy, accounts: Accounts, world: World
) -> None:
    proxy = start_proxy({USER: accounts.interactive()}, settings={"login_wait": "1"})
    with pytest.raises(imaplib.IMAP4.error, match=r"\[UNAVAILABLE\]"):
        log_in(proxy)
    assert world.oauth.browser().authorise(announced(proxy), USER).status == 200
    log_in(proxy)


def test_authorization_code_with_a_pasted_redirect(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    options = accounts.interactive()
    proxy = start_proxy({USER: options}, "--external-auth", terminal=True)
    with ThreadPoolExecutor(1) as thread:
        login = thread.submit(log_in, proxy)
        page = world.oauth.browser().authorise(announced(proxy), USER, stop_before=options["redirect_uri"])
        proxy.running.type_line(page.url)
        login.result(HANG)
    log_in(proxy)
    assert world.oauth.requests() == {"total": 1, "authorization_code": 1}


def test_a_public_client_uses_pkce_without_being_told(
    start_proxy: StartProxy, accounts: Accounts, world: World
) -> None:
    options = accounts.interactive(client_id="public-pkce")
    del options["client_secret"]
    proxy = start_proxy({USER: options})
    with ThreadPoolExecutor(1) as thread:
        login = thread.submit(log_in, proxy)
        url = announced(proxy)
        assert "code_challenge_method=S256" in url
        assert world.oauth.browser().authorise(url, USER).status == 200
        login.result(HANG)


# -- a device code


def test_device_code(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    """The person enters the code by following the complete address; a provider in a hurry is asked more seldom."""
    proxy = start_proxy({USER: accounts.device()})
    with ThreadPoolExecutor(1) as thread:
        login = thread.submit(log_in, proxy)
        url = announced(proxy)
        assert "user_code=" in url
        proxy.running.wait_for(r"compare the code [A-Z]{4}-[A-Z]{4}, or enter it at ")
        world.oauth.mood(
            failure={"status": 400, "body": '{"error":"slow_down"}', "contentType": "application/json", "times": 1}
        )
        assert world.oauth.browser().authorise(url, USER).status == 200
        login.result(60)
    assert world.oauth.requests()[DEVICE_GRANT] == 1
    before = world.oauth.requests()["total"]
    log_in(proxy)
    proxy.stop()
    proxy.start()
    log_in(proxy)
    assert world.oauth.requests()["total"] == before
    assert {"access_token", "refresh_token", "token_salt"} <= set(proxy.record(USER))


def test_a_device_code_outlives_the_login_and_needs_nobodys_terminal(
    start_proxy: StartProxy, accounts: Accounts, world: World
) -> None:
    proxy = start_proxy({USER: accounts.device()}, "--external-auth", settings={"login_wait": "1"})
    with pytest.raises(imaplib.IMAP4.error, match=r"\[UNAVAILABLE\]"):
        log_in(proxy)
    assert world.oauth.browser().authorise(announced(proxy), USER).status == 200
    proxy.running.wait_for(f"account {USER} is authorised", HANG)
    log_in(proxy)


def test_a_person_who_refuses_a_device_code(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    proxy = start_proxy({USER: accounts.device()}, settings={"login_wait": "30"})
    with ThreadPoolExecutor(1) as thread:
        login: Future[bytes] = thread.submit(log_in, proxy)
        world.oauth.browser().authorise(announced(proxy), USER, refuse=True)
        with pytest.raises(imaplib.IMAP4.error, match=r"\[UNAVAILABLE\]"):
            login.result(HANG)
    proxy.running.wait_for("denied: access_denied")
    assert "access_token" not in proxy.record(USER)


# -- without a person


def test_client_credentials(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    user = "daemon@example.test"
    proxy = start_proxy({user: accounts.client_credentials()})
    log_in(proxy, user)
    subject, text = message(user, user)
    with connect_smtp(proxy) as client:
        client.login(user, PASSWORD)
        client.sendmail(user, [user], text)
        client.quit()
    assert any(subject.encode() in one for one in world.dovecot.messages(user))
    assert world.oauth.requests() == {"total": 1, "client_credentials": 1}
    with pytest.raises(imaplib.IMAP4.error, match=r"\[AUTHENTICATIONFAILED\]"):
        log_in(proxy, user, "not it")


def test_client_credentials_with_the_login_password_as_secret(
    start_proxy: StartProxy, accounts: Accounts, world: World
) -> None:
    user = "scanner@example.test"
    proxy = start_proxy(
        {user: accounts.client_credentials("scanner", None)},
        settings={"use_login_password_as_client_credentials_secret": "True"},
    )
    log_in(proxy, user, "the-login-password-is-the-secret")
    assert world.oauth.requests() == {"total": 1, "client_credentials": 1}


def test_the_client_secret_is_sealed_on_first_use(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    user = "daemon@example.test"
    proxy = start_proxy({user: accounts.client_credentials()}, settings={"encrypt_client_secret_on_first_use": "True"})
    log_in(proxy, user)
    assert "client_secret_encrypted" in proxy.record(user)
    assert CLIENT_SECRET not in proxy.path.read_text()
    proxy.stop()
    world.oauth.mood(lifetime=5)
    proxy.start()
    log_in(proxy, user)
    log_in(proxy, user)


def test_a_refused_client_is_for_the_administrator(start_proxy: StartProxy, accounts: Accounts) -> None:
    user = "daemon@example.test"
    proxy = start_proxy({user: accounts.client_credentials(secret="an old secret")})
    with pytest.raises(imaplib.IMAP4.error, match=r"\[CONTACTADMIN\]"):
        log_in(proxy, user)


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
@pytest.mark.parametrize("form", ["two files", "PKCS #12"])
def test_a_certificate(start_proxy: StartProxy, accounts: Accounts, world: World, algorithm: str, form: str) -> None:
    """``private_key_jwt``: the server verifies the signature, the audience, and that no assertion comes twice."""
    user, robot = "robot@example.test", world.oauth.robot
    options = {
        **accounts.client_credentials(f"robot-{algorithm}", None),
        "jwt_certificate_path": str(robot.pfx if form == "PKCS #12" else robot.certificate),
        **({} if form == "PKCS #12" else {"jwt_key_path": str(robot.key)}),
        "jwt_key_passphrase": "env:ROBOT_PASSPHRASE",
        "jwt_algorithm": algorithm,
    }
    proxy = start_proxy({user: options}, "--debug", environment={"ROBOT_PASSPHRASE": PASSPHRASE})
    log_in(proxy, user)
    log_in(proxy, user)
    assert world.oauth.requests() == {"total": 1, "client_credentials": 1}
    assert PASSPHRASE not in proxy.running.output()
    assert "eyJ" not in proxy.running.output(), "an assertion"
    record = proxy.record(user)
    assert "refresh_token" not in record
    assert "client_secret_encrypted" not in record


def test_another_algorithm_than_was_registered(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    user, robot = "robot@example.test", world.oauth.robot
    options = {
        **accounts.client_credentials("robot-PS256", None),
        "jwt_certificate_path": str(robot.pfx),
        "jwt_key_passphrase": "env:ROBOT_PASSPHRASE",
    }
    proxy = start_proxy({user: options}, environment={"ROBOT_PASSPHRASE": PASSPHRASE})
    with pytest.raises(imaplib.IMAP4.error, match=r"\[CONTACTADMIN\]"):
        log_in(proxy, user)


def test_a_person_and_a_certificate(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    """The code and the refresh token are exchanged with assertions too."""
    options = accounts.interactive(
        client_id="robot-person",
        jwt_certificate_path=str(world.oauth.robot.pfx),
        jwt_key_passphrase="env:ROBOT_PASSPHRASE",
    )
    del options["client_secret"]
    proxy = start_proxy({USER: options}, environment={"ROBOT_PASSPHRASE": PASSPHRASE})
    world.oauth.mood(lifetime=300)  # to be refreshed with the next login
    with ThreadPoolExecutor(1) as thread:
        login = thread.submit(log_in, proxy)
        assert world.oauth.browser().authorise(announced(proxy), USER).status == 200
        login.result(HANG)
    log_in(proxy)
    requests = world.oauth.requests()
    assert requests["authorization_code"] == 1
    assert requests["refresh_token"] >= 1


def test_a_projected_token(start_proxy: StartProxy, accounts: Accounts, world: World, tmp_path: Path) -> None:
    """Somebody else proves who the application is, in a file that is read when a token is needed."""
    user, path = "robot@example.test", tmp_path / "projected"
    options = {**accounts.client_credentials("robot-RS256", None), "client_assertion": f"file:{path}"}
    proxy = start_proxy({user: options}, "--debug")
    with pytest.raises(imaplib.IMAP4.error, match=r"\[CONTACTADMIN\]"):
        log_in(proxy, user)
    assert not world.oauth.requests()
    token = world.oauth.robot.projected("robot-RS256", world.oauth.token_url)
    path.write_text(token)
    log_in(proxy, user)
    assert world.oauth.requests() == {"total": 1, "client_credentials": 1}
    assert token not in proxy.running.output()


def test_password_grant(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    proxy = start_proxy({USER: accounts.password()})
    log_in(proxy, USER, PERSON_PASSWORD)
    log_in(proxy, USER, PERSON_PASSWORD)
    assert world.oauth.requests() == {"total": 1, "password": 1}
    with pytest.raises(imaplib.IMAP4.error, match=r"\[AUTHENTICATIONFAILED\]"):
        log_in(proxy, "person@example.test", "not it")


def test_password_grant_with_a_wrong_password_at_first(
    start_proxy: StartProxy, accounts: Accounts, world: World
) -> None:
    proxy = start_proxy({USER: accounts.password()})
    with pytest.raises(imaplib.IMAP4.error, match=r"\[AUTHENTICATIONFAILED\]"):
        log_in(proxy, USER, "not it")
    log_in(proxy, USER, PERSON_PASSWORD)


# -- catch-all accounts


def test_catch_all_accounts(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    """One template for a domain, one for the rest; each user has tokens of their own."""
    domain = accounts.password(client_id="mail-pkce")
    everybody = accounts.password()
    proxy = start_proxy({"@caught.test": domain, "@": everybody}, settings={"allow_catch_all_accounts": "True"})
    for user in ("a@caught.test", "b@caught.test", "c@other.test"):
        log_in(proxy, user, PERSON_PASSWORD)
        record = proxy.record(user)
        assert "access_token" in record
        assert "token_url" not in record
    assert "access_token" not in proxy.record("@caught.test")
    proxy.stop()
    proxy.start()
    log_in(proxy, "a@caught.test", PERSON_PASSWORD)
    assert world.oauth.requests() == {"total": 3, "password": 3}


def test_catch_all_is_off_by_default(start_proxy: StartProxy, accounts: Accounts) -> None:
    proxy = start_proxy({"@caught.test": accounts.password(), USER: accounts.password()})
    with pytest.raises(imaplib.IMAP4.error, match=r"\[AUTHENTICATIONFAILED\]"):
        log_in(proxy, "a@caught.test", PERSON_PASSWORD)
