"""What do mail clients see when tokens expire, rotate, are revoked, or cannot be had right now?"""

from __future__ import annotations

import base64
import imaplib
import poplib
import select
import smtplib

import pytest

from .clients import connect_imap, connect_pop, connect_smtp
from .conftest import StartProxy
from .proxy import PASSWORD, Accounts, Proxy, now, unseal
from .world import World

USER = "tokens@example.test"


def log_in(proxy: Proxy, user: str = USER, password: str = PASSWORD) -> None:
    """One IMAP session with a look into the inbox."""
    with connect_imap(proxy) as client:
        client.login(user, password)
        assert client.select("INBOX")[0] == "OK"
        client.logout()


def test_an_expired_token_is_refreshed(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    proxy = start_proxy({USER: accounts.authorised(USER, lifetime=-100)})
    world.oauth.reset()
    log_in(proxy)
    log_in(proxy)
    assert world.oauth.requests() == {"total": 1, "refresh_token": 1}
    record = proxy.record(USER)
    assert int(record["access_token_expiry"]) > now() + 3000
    assert world.oauth.introspect(unseal(record, "access_token"))["active"]
    assert "# This comment is the person's and must survive." in proxy.path.read_text()


def test_a_token_is_refreshed_ahead_of_its_end(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    """600 seconds before, as the classic proxy does."""
    proxy = start_proxy(
        {
            USER: accounts.authorised(USER, lifetime=590),
            "b@example.test": accounts.authorised("b@example.test", lifetime=700),
        }
    )
    world.oauth.reset()
    log_in(proxy)
    assert world.oauth.requests() == {"total": 1, "refresh_token": 1}
    log_in(proxy, "b@example.test")
    assert world.oauth.requests() == {"total": 1, "refresh_token": 1}


def test_rotating_refresh_tokens_are_kept(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    """Every login refreshes, every refresh replaces the refresh token, a restart in between: none is lost."""
    proxy = start_proxy({USER: accounts.authorised(USER, lifetime=-100)})
    world.oauth.mood(rotate=True, lifetime=5)
    seen = {unseal(proxy.record(USER), "refresh_token")}
    for _ in range(3):
        log_in(proxy)
        seen.add(unseal(proxy.record(USER), "refresh_token"))
    proxy.stop()
    proxy.start()
    log_in(proxy)
    seen.add(unseal(proxy.record(USER), "refresh_token"))
    assert len(seen) == 5
    world.oauth.mood(rotate=False)
    log_in(proxy)
    assert unseal(proxy.record(USER), "refresh_token") in seen


@pytest.mark.parametrize("form", ["string", "absent"])
def test_expires_in_may_be_a_string_or_missing(
    start_proxy: StartProxy, accounts: Accounts, world: World, form: str
) -> None:
    proxy = start_proxy({USER: accounts.authorised(USER, lifetime=-100)})
    world.oauth.mood(expiresIn=form)
    log_in(proxy)
    assert abs(int(proxy.record(USER)["access_token_expiry"]) - now() - 3600) < 60


def test_a_revoked_token_is_replaced_unnoticed(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    """The server refuses a token that looks valid; IMAP, POP3 and SMTP clients never hear of it."""
    proxy = start_proxy({USER: accounts.authorised(USER)})
    world.oauth.reset()

    def revoke() -> None:
        world.oauth.revoke(unseal(proxy.record(USER), "access_token"))

    revoke()
    log_in(proxy)
    assert world.oauth.requests() == {"total": 1, "refresh_token": 1}
    revoke()
    with connect_pop(proxy) as pop:
        pop.user(USER)
        assert pop.pass_(PASSWORD).startswith(b"+OK")
        pop.quit()
    revoke()
    with connect_smtp(proxy) as smtp:
        assert smtp.login(USER, PASSWORD)[0] == 235
        smtp.quit()
    assert world.oauth.requests() == {"total": 3, "refresh_token": 3}


@pytest.mark.parametrize(
    "failure",
    [
        {"status": 500},
        {"status": 503, "body": '{"error": "temporarily_unavailable"}', "contentType": "application/json"},
        {"status": 200, "body": "<html>A captive portal", "contentType": "text/html"},
        {"status": 429, "body": "slow down", "contentType": "text/plain"},
    ],
    ids=["500", "503", "not JSON", "429"],
)
def test_a_failing_token_endpoint_is_temporary(
    start_proxy: StartProxy, accounts: Accounts, world: World, failure: dict[str, object]
) -> None:
    proxy = start_proxy({USER: accounts.authorised(USER, lifetime=-100)})
    kept = proxy.record(USER)["refresh_token"]
    world.oauth.mood(failure=failure)
    with connect_imap(proxy) as client, pytest.raises(imaplib.IMAP4.error, match=r"\[UNAVAILABLE\]"):
        client.login(USER, PASSWORD)
    with connect_pop(proxy) as pop:
        pop.user(USER)
        with pytest.raises(poplib.error_proto, match=r"\[SYS/TEMP\]"):
            pop.pass_(PASSWORD)
    with connect_smtp(proxy) as smtp:
        with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
            smtp.login(USER, PASSWORD)
        assert refusal.value.smtp_code == 454
    assert proxy.record(USER)["refresh_token"] == kept
    world.oauth.reset()
    log_in(proxy)


def test_one_hiccup_is_not_noticed(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    proxy = start_proxy({USER: accounts.authorised(USER, lifetime=-100)})
    world.oauth.mood(failure={"status": 502, "times": 1})
    log_in(proxy)


def test_a_slow_token_endpoint_is_waited_for(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    """And nobody else waits with it."""
    proxy = start_proxy(
        {
            USER: accounts.authorised(USER, lifetime=-100),
            "quick@example.test": accounts.authorised("quick@example.test"),
        }
    )
    log_in(proxy, "quick@example.test")
    world.oauth.mood(delay=8000)
    with connect_imap(proxy) as slow:
        response = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
        slow.send(f"a AUTHENTICATE PLAIN {response}\r\n".encode())
        log_in(proxy, "quick@example.test")
        assert select.select([slow.socket()], [], [], 0)[0] == [], "the slow one waits still"
        while not (line := slow.readline()).startswith(b"a "):
            pass
        assert line.startswith(b"a OK")


def test_a_withdrawn_grant_asks_for_a_new_consent(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    """invalid_grant is permanent: the person must authorise again, and the client hears "temporary" until then."""
    options = accounts.authorised(USER, lifetime=-100)
    proxy = start_proxy({USER: options}, "--local-server-auth", settings={"login_wait": "1"})
    world.oauth.revoke(unseal(options, "refresh_token"))
    with connect_imap(proxy) as client, pytest.raises(imaplib.IMAP4.error, match=r"\[UNAVAILABLE\]"):
        client.login(USER, PASSWORD)
    url = proxy.running.wait_for(rf"account {USER} needs authorisation: open (\S+)")[1]
    assert world.oauth.browser().authorise(url, USER).status == 200
    log_in(proxy)
    assert world.oauth.introspect(unseal(proxy.record(USER), "access_token"))["username"] == USER


# -- the mail password


def test_a_wrong_password_is_refused_and_harms_nothing(
    start_proxy: StartProxy, accounts: Accounts, world: World
) -> None:
    proxy = start_proxy({USER: accounts.authorised(USER)}, settings={"delete_account_token_on_password_error": "False"})
    world.oauth.reset()
    before = proxy.record(USER)
    with connect_imap(proxy) as client:
        with pytest.raises(imaplib.IMAP4.error, match=r"\[AUTHENTICATIONFAILED\]"):
            client.login(USER, "not it")
        assert client.login(USER, PASSWORD)[0] == "OK"
        client.logout()
    with connect_imap(proxy) as client, pytest.raises(imaplib.IMAP4.error, match=r"\[AUTHENTICATIONFAILED\]"):
        client.login(USER, "not it either")
    with connect_pop(proxy) as pop:
        pop.user(USER)
        with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
            pop.pass_("not it")
    with connect_smtp(proxy) as smtp:
        with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
            smtp.login(USER, "not it")
        assert refusal.value.smtp_code == 535
        assert b"5.7.8" in refusal.value.smtp_error if isinstance(refusal.value.smtp_error, bytes) else False
    log_in(proxy)
    after = proxy.record(USER)
    assert [after[name] for name in ("access_token", "refresh_token")] == [
        before[name] for name in ("access_token", "refresh_token")
    ]
    assert world.oauth.requests() == {}


def test_a_wrong_password_with_the_destructive_switch_destroys_nothing(
    start_proxy: StartProxy, accounts: Accounts, world: World
) -> None:
    """``delete_account_token_on_password_error`` (the default) asks for a consent; the old tokens stay until then."""
    proxy = start_proxy({USER: accounts.authorised(USER)}, settings={"login_wait": "1"})
    before = proxy.record(USER)
    with connect_imap(proxy) as client, pytest.raises(imaplib.IMAP4.error):
        client.login(USER, "not it")
    assert proxy.record(USER)["refresh_token"] == before["refresh_token"]
    log_in(proxy)


def test_an_unknown_account_looks_like_a_wrong_password(start_proxy: StartProxy, accounts: Accounts) -> None:
    proxy = start_proxy({USER: accounts.authorised(USER)})
    with connect_imap(proxy) as client, pytest.raises(imaplib.IMAP4.error, match=r"\[AUTHENTICATIONFAILED\]"):
        client.login("nobody@example.test", PASSWORD)
    with connect_pop(proxy) as pop:
        pop.user("nobody@example.test")
        with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
            pop.pass_(PASSWORD)
    with connect_smtp(proxy) as smtp:
        with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
            smtp.login("nobody@example.test", PASSWORD)
        assert refusal.value.smtp_code == 535
