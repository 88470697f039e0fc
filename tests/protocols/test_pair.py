"""Do the two machines of a protocol fit each other? A client, both machines and a server, with no network between."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Generator
from typing import Any

import pytest

from emailproxy.protocols.events import NEED_DATA, CredentialsReceived, LoggedIn, LoginRefused, StartTls
from emailproxy.protocols.imap import DownstreamImap, UpstreamImap
from emailproxy.protocols.pop3 import DownstreamPop3, UpstreamPop3
from emailproxy.protocols.smtp import DownstreamSmtp, UpstreamSmtp
from tests.protocols.dialogues.common import LOGIN, PLAIN, USER, WRONG, XOAUTH2, b64

Server = Generator[bytes, bytes, None]
"""Yields what it says; is sent the client's next line."""


def imap_server(accepts: bool) -> Server:
    line = yield b"* OK ready\r\n"
    while True:
        tag, verb, *rest = line.split(b" ")
        match verb:
            case b"CAPABILITY":
                line = yield b"* CAPABILITY IMAP4rev1 SASL-IR ID AUTH=XOAUTH2\r\n" + tag + b" OK done\r\n"
            case b"ID":
                assert rest == [b'("name"', b'"Mail")']
                line = yield b"* ID NIL\r\n" + tag + b" OK done\r\n"
            case b"AUTHENTICATE":
                assert rest == [b"XOAUTH2", XOAUTH2.encode()]
                if not accepts:
                    assert (yield b"+ " + b64encode(b'{"status":"401"}') + b"\r\n") == b""
                line = yield tag + (b" OK welcome\r\n" if accepts else b" NO sorry\r\n")
            case b"NOOP":
                line = yield tag + b" OK it is me\r\n"


def pop3_server(accepts: bool) -> Server:
    assert (yield b"+OK ready\r\n") == b"CAPA"
    assert (yield b"+OK\r\nTOP\r\nSASL XOAUTH2\r\n.\r\n") == b"AUTH XOAUTH2"
    assert (yield b"+ \r\n") == XOAUTH2.encode()
    if not accepts:
        assert (yield b"+ " + b64encode(b'{"status":"401"}') + b"\r\n") == b""
    line = yield b"+OK welcome\r\n" if accepts else b"-ERR sorry\r\n"
    assert line == b"NOOP"
    yield b"+OK it is me\r\n"


def smtp_server(accepts: bool) -> Server:
    assert (yield b"220 ready\r\n") == b"EHLO laptop"
    assert (yield b"250-hi\r\n250-SIZE 1\r\n250 AUTH XOAUTH2\r\n") == b"AUTH XOAUTH2"
    assert (yield b"334 \r\n") == XOAUTH2.encode()
    if not accepts:
        assert (yield b"334 " + b64encode(b'{"status":"401"}') + b"\r\n") == b""
    line = yield b"235 2.7.0 welcome\r\n" if accepts else b"535 5.7.8 sorry\r\n"
    assert line == b"NOOP"
    yield b"250 it is me\r\n"


class Wire:
    """One dialogue from both ends, driven as `emailproxy.session` drives it."""

    def __init__(self, downstream: Any, upstream: Callable[[Any], Any], server: Server) -> None:
        self.downstream, self._upstream, self._server = downstream, upstream, server
        self.refusal: LoginRefused | None = None

    def say(self, octets: bytes) -> bytes:
        """What the client hears after it said `octets`."""
        if octets:
            self.downstream.receive_data(octets)
        heard = bytearray()
        while True:
            event = self.downstream.next_event()
            heard += self.downstream.data_to_send()
            match event:
                case CredentialsReceived(credentials):
                    assert credentials.user == USER
                    outcome = self._log_in()
                    if isinstance(outcome, LoggedIn):
                        self.downstream.accept(outcome)
                        heard += self.downstream.data_to_send()
                        for line in self.downstream.trailing_data.splitlines():
                            heard += self._server.send(line)
                        return bytes(heard)
                    self.refusal = outcome
                    self.downstream.refuse(WRONG)
                case StartTls():
                    self.downstream.secured()
                case _:
                    assert event is NEED_DATA, event
                    return bytes(heard)

    def _log_in(self) -> LoggedIn | LoginRefused:
        upstream = self._upstream(self.downstream)
        said = next(self._server)
        while True:
            upstream.receive_data(said)
            while (event := upstream.next_event()) is NEED_DATA:
                said = b""
                for line in upstream.data_to_send().splitlines():
                    said += self._server.send(line)
                assert said, "both sides wait"
                upstream.receive_data(said)
            assert isinstance(event, (LoggedIn, LoginRefused)), event
            return event


def imap() -> tuple[Any, Any]:
    return (
        DownstreamImap(capabilities=("ID",), starttls=True),
        lambda down: UpstreamImap(login=LOGIN, starttls=False, client_id=down.client_id),
    )


def pop3() -> tuple[Any, Any]:
    return DownstreamPop3(capabilities=(), starttls=True), lambda _: UpstreamPop3(login=LOGIN, starttls=False)


def smtp() -> tuple[Any, Any]:
    return (
        DownstreamSmtp(capabilities=(), starttls=True, hostname="mx"),
        lambda down: UpstreamSmtp(login=LOGIN, starttls=False, client_name=down.client_name),
    )


IMAP_ID = b'0 ID ("name" "Mail")\r\n'
CASES = [
    pytest.param(imap, imap_server, IMAP_ID, f"1 LOGIN {USER} tiger", b"2 NOOP\r\n", id="IMAP LOGIN"),
    pytest.param(
        imap, imap_server, b"s STARTTLS\r\n", f"1 AUTHENTICATE PLAIN {PLAIN}", b"2 NOOP\r\n", id="IMAP TLS PLAIN"
    ),
    pytest.param(
        imap, imap_server, b"", f"1 AUTHENTICATE LOGIN {b64(USER)}\r\n{b64('t')}", b"2 NOOP\r\n", id="IMAP LOGIN SASL"
    ),
    pytest.param(pop3, pop3_server, b"STLS\r\n", f"USER {USER}\r\nPASS tiger", b"NOOP\r\n", id="POP3 TLS USER"),
    pytest.param(pop3, pop3_server, b"CAPA\r\n", f"AUTH PLAIN {PLAIN}", b"NOOP\r\n", id="POP3 PLAIN"),
    pytest.param(
        smtp, smtp_server, b"STARTTLS\r\n", f"EHLO laptop\r\nAUTH PLAIN {PLAIN}", b"NOOP\r\n", id="SMTP TLS PLAIN"
    ),
    pytest.param(
        smtp, smtp_server, b"HELO laptop\r\n", f"AUTH LOGIN {b64(USER)}\r\n{b64('t')}", b"NOOP\r\n", id="SMTP LOGIN"
    ),
]


@pytest.mark.parametrize(("machines", "server", "before", "login", "after"), CASES)
def test_login_and_what_follows(machines: Any, server: Any, before: bytes, login: str, after: bytes) -> None:
    downstream, upstream = machines()
    wire = Wire(downstream, upstream, server(accepts=True))
    assert b"ready" in wire.say(b"")
    if before:
        assert wire.say(before)
    heard = wire.say(login.encode() + b"\r\n" + after)
    assert b"welcome\r\n" in heard
    assert heard.endswith(b"it is me\r\n")
    assert b"eyJ" not in heard, "a challenge of the server's mechanism reached the client"


@pytest.mark.parametrize(("machines", "server", "before", "login", "after"), CASES)
def test_refusal_is_explained_to_the_operator_only(
    machines: Any, server: Any, before: bytes, login: str, after: bytes
) -> None:
    downstream, upstream = machines()
    wire = Wire(downstream, upstream, server(accepts=False))
    wire.say(b"")
    if before:
        wire.say(before)
    heard = wire.say(login.encode() + b"\r\n")
    assert b"Wrong user name or password. (ref 7F3A)\r\n" in heard
    assert b"sorry" not in heard
    assert b"eyJ" not in heard
    assert wire.refusal is not None
    assert "sorry" in wire.refusal.reply
    assert wire.refusal.challenge == '{"status":"401"}'
    assert wire.say(after), "the client may go on"
