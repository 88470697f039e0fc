"""Do accounts reach the servers that they name, under the names they have there? And clients with their own tokens?"""

from __future__ import annotations

import base64
import dataclasses
import imaplib
import poplib
import smtplib

import pytest

from .clients import connect_imap, connect_pop, connect_smtp, message
from .conftest import StartProxy
from .proxy import PASSWORD, Accounts, Proxy, plain_listeners
from .world import World

ADA, BOB = "ada.routed@example.test", "bob.routed@example.test"
OTHER_PASSWORD = "the door phone's own"


def inbox(proxy: Proxy, user: str, password: str = PASSWORD) -> list[bytes]:
    """Every message that this login sees."""
    with connect_imap(proxy) as client:
        client.login(user, password)
        client.select("INBOX")
        _, numbers = client.search(None, "ALL")
        found = [client.fetch(number.decode(), "(BODY.PEEK[])")[1][0] for number in numbers[0].split()]
        return [part[1] for part in found if isinstance(part, tuple)]


def token_response(user: str, token: str, mechanism: str) -> bytes:
    if mechanism == "OAUTHBEARER":
        return f"n,a={user},\x01host=localhost\x01auth=Bearer {token}\x01\x01".encode()
    return f"user={user}\x01auth=Bearer {token}\x01\x01".encode()


# -- one port, several servers


def test_one_port_for_accounts_of_different_servers(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    """TLS at once for Ada and STARTTLS for Bob, on other ports; the proxy has one for each protocol."""
    ports = world.dovecot.ports
    sections = {
        ADA: accounts.authorised(
            ADA,
            imap_server=f"localhost:{ports['imaps']}",
            pop_server=f"localhost:{ports['pops']}",
            smtp_server=f"localhost:{ports['smtps']}",
        ),
        BOB: accounts.authorised(
            BOB,
            imap_server=f"localhost:{ports['imap']}",
            imap_starttls="True",
            pop_server=f"localhost:{ports['pop']}",
            pop_starttls="True",
            smtp_server=f"localhost:{ports['smtp']}",
            smtp_starttls="True",
        ),
    }
    listeners = [dataclasses.replace(listener, anywhere=True) for listener in plain_listeners()]
    proxy = start_proxy(sections, "--debug", listeners=listeners)
    for user in (ADA, BOB):
        world.dovecot.deliver(user, f"Subject: for {user}\r\n\r\nhello\r\n".encode())
        (seen,) = inbox(proxy, user)
        assert f"for {user}".encode() in seen
        with connect_pop(proxy) as pop:
            pop.user(user)
            pop.pass_(PASSWORD)
            assert pop.stat()[0] == 1
            pop.quit()
        with connect_smtp(proxy) as smtp:
            smtp.login(user, PASSWORD)
            smtp.quit()
    for name in ("imaps", "pops", "smtps", "imap", "pop", "smtp"):
        # That debug is on shows where each dialogue took place.
        proxy.running.wait_for(f"localhost:{ports[name]}")


def test_an_account_without_a_server_hears_it_after_the_right_password(
    start_proxy: StartProxy, accounts: Accounts, world: World
) -> None:
    sections = {
        ADA: accounts.authorised(ADA),
        BOB: accounts.authorised(BOB, imap_server=f"localhost:{world.dovecot.ports['imaps']}"),
    }
    listeners = [dataclasses.replace(plain_listeners()[0], anywhere=True)]
    proxy = start_proxy(sections, listeners=listeners, settings={"delete_account_token_on_password_error": "False"})
    inbox(proxy, BOB)
    with connect_imap(proxy) as client, pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        client.login(ADA, "not it")
    with connect_imap(proxy) as client, pytest.raises(imaplib.IMAP4.error, match="CONTACTADMIN"):
        client.login(ADA, PASSWORD)
    proxy.running.wait_for(rf"has no server_address, and \[{ADA}\] neither imap_server nor provider; add one")


# -- names


def test_an_upstream_user_with_several_names_and_passwords(
    start_proxy: StartProxy, accounts: Accounts, world: World
) -> None:
    """Two sections with a password each, and an alias, are one mailbox."""
    box = "upstream.user@example.test"
    sections = {
        "scanner@office.local": accounts.authorised(box, upstream_user=box, login_alias="scan, COPIER"),
        "door@office.local": accounts.authorised(box, password=OTHER_PASSWORD, upstream_user=box),
    }
    world.dovecot.deliver(box, b"Subject: shared\r\n\r\nhello\r\n")
    settings = {"delete_account_token_on_password_error": "False"}
    proxy = start_proxy(sections, settings=settings)
    for user in ("scanner@office.local", "SCAN", "copier"):
        assert len(inbox(proxy, user)) == 1
    assert len(inbox(proxy, "door@office.local", OTHER_PASSWORD)) == 1
    for user, password in (("scan", OTHER_PASSWORD), ("door@office.local", PASSWORD)):
        with connect_imap(proxy) as client, pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            client.login(user, password)
    # Two authorisations under two names, and none under an alias or the mailbox's name.
    assert proxy.record("scanner@office.local")["refresh_token"] != proxy.record("door@office.local")["refresh_token"]
    assert f"[{box}]" not in proxy.path.read_text()
    assert "[scan]" not in proxy.path.read_text()


def test_another_name_for_one_protocol(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    """S9: the token opens the delegate's mailbox only, and only SMTP goes by that name."""
    shared, delegate = "shared.box@example.test", "delegate@example.test"
    proxy = start_proxy({shared: accounts.authorised(delegate, upstream_user_smtp=delegate)})
    with connect_smtp(proxy) as smtp:
        smtp.login(shared, PASSWORD)
        smtp.sendmail(shared, [delegate], message(delegate)[1])
        smtp.quit()
    world.dovecot.process.wait_for(f"user=<{delegate}>")
    with connect_imap(proxy) as imap, pytest.raises(imaplib.IMAP4.error, match="CONTACTADMIN"):
        imap.login(shared, PASSWORD)  # this server knows no delegation


# -- a token of the client's own


@pytest.fixture
def passing(start_proxy: StartProxy, accounts: Accounts) -> Proxy:
    listeners = [dataclasses.replace(listener, pass_tokens=True) for listener in plain_listeners()]
    return start_proxy({BOB: accounts.authorised(BOB)}, "--debug", listeners=listeners)


def pop_command(pop: poplib.POP3, line: str) -> None:
    """What poplib has no method for. Raises error_proto unless the answer is +OK."""
    pop._shortcmd(line)  # type: ignore[attr-defined]


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_clients_own_token(passing: Proxy, world: World, mechanism: str) -> None:
    """ADA has no section here."""
    token = world.oauth.password_grant(ADA)["access_token"]
    world.oauth.reset()
    good, bad = (token_response(ADA, one, mechanism) for one in (token, "no-" + token))
    with connect_imap(passing) as imap:
        assert f"AUTH={mechanism}" in imap.capabilities
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            imap.authenticate(mechanism, lambda challenge: b"\x01" if challenge else bad)
        imap.authenticate(mechanism, lambda _: good)
        assert imap.select("INBOX")[0] == "OK"
    with connect_pop(passing) as pop:
        assert mechanism in pop.capa()["SASL"]
        pop_command(pop, f"AUTH {mechanism} {base64.b64encode(good).decode()}")
        pop.quit()
    with connect_smtp(passing) as smtp:
        smtp.ehlo()
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            smtp.auth(mechanism, lambda challenge=None: "\x01" if challenge else bad.decode())
        assert refused.value.smtp_code == 535
        smtp.auth(mechanism, lambda _=None: good.decode())
        smtp.quit()
    assert not world.oauth.requests().get("total"), "nobody asked for another one"
    with connect_pop(passing) as pop:
        pop.user(BOB)
        pop.pass_(PASSWORD)
        pop.quit()


def test_nothing_is_passed_by_default(proxy: Proxy, user: str, world: World) -> None:
    token = world.oauth.password_grant(user)["access_token"]
    with connect_imap(proxy) as imap, pytest.raises(imaplib.IMAP4.error, match="Unsupported mechanism"):
        imap.authenticate("XOAUTH2", lambda _: token_response(user, token, "XOAUTH2"))
    with connect_pop(proxy) as pop, pytest.raises(poplib.error_proto, match="Unsupported mechanism"):
        pop_command(pop, "AUTH XOAUTH2")
