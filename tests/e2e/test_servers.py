"""What do clients hear when the mail server is away, not trusted, or refuses; and what does a stranger cost?"""

from __future__ import annotations

import base64
import dataclasses
import imaplib
import poplib
import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trustme

from .clients import connect_imap, connect_pop, connect_smtp
from .conftest import StartProxy
from .processes import free_ports
from .proxy import PASSWORD, Accounts, Proxy, plain_listeners
from .world import World

USER = "servers@example.test"


def assert_temporary(proxy: Proxy) -> None:
    """IMAP, POP3 and SMTP clients are told to come back, and that it is not their password."""
    with connect_imap(proxy) as imap, pytest.raises(imaplib.IMAP4.error, match=r"\[UNAVAILABLE\]"):
        imap.login(USER, PASSWORD)
    with connect_pop(proxy) as pop:
        pop.user(USER)
        with pytest.raises(poplib.error_proto, match=r"\[SYS/TEMP\]"):
            pop.pass_(PASSWORD)
    with connect_smtp(proxy) as smtp:
        with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
            smtp.login(USER, PASSWORD)
        assert refusal.value.smtp_code == 454


def test_a_server_that_is_away_is_temporary(start_proxy: StartProxy, accounts: Accounts) -> None:
    listeners = [
        dataclasses.replace(listener, server_port=port)
        for listener, port in zip(plain_listeners(), free_ports(3), strict=True)
    ]
    assert_temporary(start_proxy({USER: accounts.authorised(USER)}, listeners=listeners))


def test_a_server_with_an_unknown_certificate_gets_no_token(
    start_proxy: StartProxy, accounts: Accounts, world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Only the authority in SSL_CERT_FILE is trusted, for implicit TLS and STARTTLS alike."""
    stranger = tmp_path_factory.mktemp("stranger") / "authority.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    logins = world.dovecot.process.output().count("Login: ")
    proxy = start_proxy({USER: accounts.authorised(USER)}, environment={"SSL_CERT_FILE": str(stranger)})
    with connect_imap(proxy) as imap, pytest.raises(imaplib.IMAP4.error, match=r"\[(UNAVAILABLE|CONTACTADMIN)\]"):
        imap.login(USER, PASSWORD)
    with connect_smtp(proxy) as smtp, pytest.raises(smtplib.SMTPAuthenticationError):
        smtp.login(USER, PASSWORD)
    proxy.running.wait_for("(?i)certificate")
    assert world.dovecot.process.output().count("Login: ") == logins


def test_a_server_that_refuses_for_good(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    """The token is somebody else's: one refresh, one more try, and then the truth; no JSON reaches the client."""
    proxy = start_proxy({USER: accounts.authorised("somebody.else@example.test")})
    world.oauth.reset()
    with connect_imap(proxy) as imap, pytest.raises(imaplib.IMAP4.error) as refusal:
        imap.login(USER, PASSWORD)
    assert world.oauth.requests() == {"total": 1, "refresh_token": 1}
    assert "AUTHENTICATIONFAILED" not in str(refusal.value)
    assert "status" not in str(refusal.value)


def test_a_stranger_costs_no_upstream_connection(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    said = len(world.dovecot.process.output())
    proxy = start_proxy({USER: accounts.authorised(USER)}, settings={"delete_account_token_on_password_error": "False"})
    for listener in proxy.listeners:
        # The start-up look at each server's capabilities is over.
        proxy.running.wait_for(rf"localhost:{proxy.upstream_port(listener)} offers")
    for protocol in ("imap", "pop3", "submission"):
        world.dovecot.process.wait_for(f"{protocol}-login: Info: ", after=said)  # and Dovecot has logged its end
    time.sleep(0.5)  # a second line, if there is one
    before = world.dovecot.process.output().count("-login: Info:")
    for _ in range(3):
        with connect_imap(proxy) as imap, pytest.raises(imaplib.IMAP4.error):
            imap.login(USER, "not it")
        with connect_smtp(proxy) as smtp:
            smtp.ehlo()
        with connect_pop(proxy) as pop:
            pop.capa()
    for port in (proxy.port("IMAP"), proxy.port("SMTP")):
        with socket.create_connection(("127.0.0.1", port), 10) as scanner:
            scanner.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n\x16\x03\x01\r\n")
            scanner.recv(4096)
    assert world.dovecot.process.output().count("-login: Info:") == before


@pytest.mark.parametrize("protocol", ["IMAP", "POP", "SMTP"])
def test_plain_text_behind_starttls_ends_the_session(proxy: Proxy, user: str, protocol: str) -> None:
    """Command injection: what arrives with the STARTTLS was not protected by it."""
    starttls = {"IMAP": b"a STARTTLS\r\nb NOOP\r\n", "POP": b"STLS\r\nCAPA\r\n", "SMTP": b"STARTTLS\r\nEHLO x\r\n"}
    with socket.create_connection(("127.0.0.1", proxy.port(protocol, "starttls")), 10) as connection:
        connection.recv(4096)
        if protocol == "SMTP":
            connection.sendall(b"EHLO here\r\n")
            connection.recv(4096)
        connection.sendall(starttls[protocol])
        answer = b""
        while part := connection.recv(4096):
            answer += part
    assert b"OK" not in answer
    assert not answer.startswith(b"220")


# -- passwords that are not ASCII


def test_a_password_beyond_ascii(start_proxy: StartProxy, accounts: Accounts) -> None:
    """The same octets from every mechanism, so that the tokens open."""
    password = "пароль mit ü und 🗝"
    proxy = start_proxy({USER: accounts.authorised(USER, password=password)})
    with connect_imap(proxy) as imap:
        imap.authenticate("PLAIN", lambda _: f"\0{USER}\0{password}".encode())
        imap.logout()
    with connect_imap(proxy) as imap:
        octets = password.encode()
        imap.send(b"a LOGIN %b {%d+}\r\n%b\r\n" % (USER.encode(), len(octets), octets))
        while not (line := imap.readline()).startswith(b"a "):
            pass
        assert line.startswith(b"a OK")
    with connect_smtp(proxy) as smtp:
        smtp.ehlo()
        response = base64.b64encode(f"\0{USER}\0{password}".encode()).decode()
        assert smtp.docmd("AUTH", f"PLAIN {response}")[0] == 235
    with connect_pop(proxy) as pop:
        pop.encoding = "utf-8"
        pop.user(USER)
        assert pop.pass_(password).startswith(b"+OK")


# -- OAuth through an HTTP proxy


@contextmanager
def connect_proxy() -> Iterator[tuple[int, list[str]]]:
    """An HTTP proxy that knows CONNECT (RFC 9110 section 9.3.6): its port, and what it was asked for."""
    asked: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while octets := source.recv(65536):
                target.sendall(octets)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve(client: socket.socket) -> None:
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            target = head.split(b" ")[1].decode()
            asked.append(target)
            host, _, port = target.rpartition(":")
            with socket.create_connection((host, int(port))) as server:
                client.sendall(b"HTTP/1.1 200 fine\r\n\r\n")
                back = threading.Thread(target=pump, args=(server, client))
                back.start()
                pump(client, server)
                back.join()

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_https_proxy_applies_to_token_requests(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    with connect_proxy() as (port, asked):
        proxy = start_proxy(
            {USER: accounts.authorised(USER, lifetime=-100)},
            environment={"https_proxy": f"http://127.0.0.1:{port}", "no_proxy": ""},
        )
        with connect_imap(proxy) as imap:
            imap.login(USER, PASSWORD)
            imap.logout()
        proxy.stop()
    assert asked == [f"localhost:{world.oauth.https_port}"]
