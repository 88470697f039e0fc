"""Do imaplib, poplib and smtplib log in by every method they know, over every kind of encryption?"""

from __future__ import annotations

import base64
import imaplib
import poplib
import smtplib

import pytest

from .clients import connect_imap, connect_pop, connect_smtp, message
from .proxy import PASSWORD, SECURITIES, Proxy, Security
from .world import World

each_security = pytest.mark.parametrize("security", SECURITIES)


# -- IMAP


@each_security
def test_imap_login(proxy: Proxy, user: str, security: Security) -> None:
    with connect_imap(proxy, security) as client:
        status, _ = client.login(user, PASSWORD)
        assert status == "OK"
        assert client.select("INBOX")[0] == "OK"


@each_security
def test_imap_authenticate_plain(proxy: Proxy, user: str, security: Security) -> None:
    with connect_imap(proxy, security) as client:
        client.authenticate("PLAIN", lambda _: f"\0{user}\0{PASSWORD}".encode())
        assert client.select("INBOX")[0] == "OK"


@each_security
def test_imap_authenticate_login(proxy: Proxy, user: str, security: Security) -> None:
    with connect_imap(proxy, security) as client:
        answers = iter([user.encode(), PASSWORD.encode()])
        client.authenticate("LOGIN", lambda _: next(answers))
        assert client.select("INBOX")[0] == "OK"


def test_imap_authenticate_plain_with_an_initial_response(proxy: Proxy, user: str) -> None:
    with connect_imap(proxy) as client:
        assert "SASL-IR" in client.capabilities
        response = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
        client.send(f"x AUTHENTICATE PLAIN {response}\r\n".encode())
        line = client.readline()
        while line.startswith(b"*"):
            line = client.readline()
        assert line.startswith(b"x OK")


def test_imap_login_with_literals(proxy: Proxy, user: str) -> None:
    with connect_imap(proxy) as client:
        client.send(f"x LOGIN {{{len(user)}}}\r\n".encode())
        assert client.readline().startswith(b"+")
        client.send(f"{user} {{{len(PASSWORD)}+}}\r\n{PASSWORD}\r\n".encode())
        line = client.readline()
        while line.startswith(b"*"):
            line = client.readline()
        assert line.startswith(b"x OK")


def test_imap_refuses_cram_md5_and_the_connection_goes_on(proxy: Proxy, user: str) -> None:
    with connect_imap(proxy) as client:
        assert not any("CRAM" in capability for capability in client.capabilities)
        with pytest.raises(imaplib.IMAP4.error):
            client.login_cram_md5(user, PASSWORD)
        assert client.login(user, PASSWORD)[0] == "OK"


def test_imap_capabilities_after_login_are_the_servers(proxy: Proxy, user: str, world: World) -> None:
    with world.dovecot.mailbox(user) as direct:
        _, expected = direct.capability()
    with connect_imap(proxy) as client:
        client.login(user, PASSWORD)
        _, seen = client.capability()
        assert seen[-1] == expected[-1]


def test_imap_does_not_offer_what_the_proxy_cannot_do(proxy: Proxy) -> None:
    with connect_imap(proxy) as client:
        offered = set(client.capabilities)
        assert {"AUTH=PLAIN", "IMAP4REV1"} <= offered
        assert offered.isdisjoint({"AUTH=XOAUTH2", "AUTH=OAUTHBEARER", "LOGINDISABLED", "STARTTLS"})
        assert client.noop()[0] == "OK"


def test_imap_takes_an_id_before_login(proxy: Proxy, user: str) -> None:
    with connect_imap(proxy) as client:
        imaplib.Commands["ID"] = ("NONAUTH", "AUTH", "SELECTED")
        status, _ = client._simple_command("ID", '("name" "a test" "version" "1")')
        assert status == "OK"
        assert client.login(user, PASSWORD)[0] == "OK"


# -- POP3


def pop_command(client: poplib.POP3, line: str) -> bytes:
    """Send any line; poplib itself knows no AUTH."""
    client._putcmd(line)  # type: ignore[attr-defined]
    answer: bytes = client._getresp()  # type: ignore[attr-defined]
    return answer


@each_security
def test_pop_user_and_pass(proxy: Proxy, user: str, security: Security) -> None:
    with connect_pop(proxy, security) as client:
        client.user(user)
        assert client.pass_(PASSWORD).startswith(b"+OK")
        client.stat()


@each_security
def test_pop_auth_plain(proxy: Proxy, user: str, security: Security) -> None:
    with connect_pop(proxy, security) as client:
        response = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
        assert pop_command(client, "AUTH PLAIN").startswith(b"+")
        assert pop_command(client, response).startswith(b"+OK")
        client.stat()


@each_security
def test_pop_auth_login(proxy: Proxy, user: str, security: Security) -> None:
    with connect_pop(proxy, security) as client:
        assert pop_command(client, "AUTH LOGIN").startswith(b"+")
        assert pop_command(client, base64.b64encode(user.encode()).decode()).startswith(b"+")
        assert pop_command(client, base64.b64encode(PASSWORD.encode()).decode()).startswith(b"+OK")
        client.stat()


def test_pop_auth_plain_with_an_initial_response(proxy: Proxy, user: str) -> None:
    with connect_pop(proxy) as client:
        response = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
        assert pop_command(client, f"AUTH PLAIN {response}").startswith(b"+OK")


def test_pop_lists_its_own_mechanisms(proxy: Proxy) -> None:
    with connect_pop(proxy) as client:
        capabilities = client.capa()
        assert set(capabilities["SASL"]) == {"PLAIN", "LOGIN"}
        assert "USER" in capabilities


def test_pop_refuses_apop_and_the_connection_goes_on(proxy: Proxy, user: str) -> None:
    with connect_pop(proxy) as client:
        with pytest.raises(poplib.error_proto):
            pop_command(client, f"APOP {user} c4c9334bac560ecc979e58001b3e22fb")
        client.user(user)
        assert client.pass_(PASSWORD).startswith(b"+OK")


# -- SMTP


@each_security
def test_smtp_login_delivers(proxy: Proxy, user: str, box: str, security: Security, world: World) -> None:
    subject, text = message(user, box)
    with connect_smtp(proxy, security) as client:
        code, _ = client.login(user, PASSWORD)
        assert code == 235
        assert client.sendmail(user, [box], text) == {}
    [received] = world.dovecot.messages(box)
    assert received.endswith(text.split(b"\r\n\r\n", 1)[1])
    assert subject.encode() in received


@each_security
@pytest.mark.parametrize("initial_response", [True, False])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_smtp_mechanisms(proxy: Proxy, user: str, security: Security, mechanism: str, initial_response: bool) -> None:
    with connect_smtp(proxy, security) as client:
        client.ehlo()
        client.user, client.password = user, PASSWORD
        answer = {"PLAIN": client.auth_plain, "LOGIN": client.auth_login}[mechanism]
        code, _ = client.auth(mechanism, answer, initial_response_ok=initial_response)
        assert code == 235
        assert client.mail(user)[0] == 250


def test_smtp_auth_after_helo(proxy: Proxy, user: str) -> None:
    with connect_smtp(proxy) as client:
        client.helo()
        response = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
        assert client.docmd("AUTH", f"PLAIN {response}")[0] == 235
        assert client.mail(user)[0] == 250


def test_smtp_offers_its_own_mechanisms_and_the_servers_extensions(proxy: Proxy) -> None:
    with connect_smtp(proxy) as client:
        client.ehlo()
        assert set(client.esmtp_features["auth"].split()) == {"PLAIN", "LOGIN"}
        assert "starttls" not in client.esmtp_features


def test_smtp_refuses_cram_md5_and_the_connection_goes_on(proxy: Proxy, user: str) -> None:
    with connect_smtp(proxy) as client:
        client.ehlo()
        client.user, client.password = user, PASSWORD
        with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
            client.auth("CRAM-MD5", client.auth_cram_md5, initial_response_ok=False)
        assert refusal.value.smtp_code == 504
        assert client.login(user, PASSWORD)[0] == 235


def test_smtp_mail_before_login_is_530(proxy: Proxy, user: str) -> None:
    with connect_smtp(proxy) as client:
        client.ehlo()
        assert client.docmd("MAIL", f"FROM:<{user}>")[0] == 530
        assert client.login(user, PASSWORD)[0] == 235
