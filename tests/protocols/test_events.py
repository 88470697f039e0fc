"""Does every machine keep the promises of its interface, whatever the protocol?"""

from collections.abc import Callable

import pytest

from emailproxy.protocols.events import (
    NEED_DATA,
    Abused,
    CommandRefused,
    CredentialsReceived,
    Downstream,
    LoggedIn,
    LoggedOut,
    StartTls,
    Upstream,
    UpstreamFailed,
)
from emailproxy.protocols.imap import DownstreamImap, UpstreamImap
from emailproxy.protocols.pop3 import DownstreamPop3, UpstreamPop3
from emailproxy.protocols.smtp import DownstreamSmtp, UpstreamSmtp
from tests.protocols.dialogues.common import ABUSE, LIMIT, LOGIN, PLAIN, STOP, WRONG

DOWNSTREAM = [
    pytest.param(
        lambda: DownstreamImap(capabilities=(), starttls=True),
        f"1 AUTHENTICATE PLAIN {PLAIN}\r\n".encode(),
        b"2 STARTTLS\r\n",
        b"* BYE [LIMIT] Too many connections. (ref 0111)\r\n",
        id="IMAP",
    ),
    pytest.param(
        lambda: DownstreamPop3(capabilities=(), starttls=True),
        f"AUTH PLAIN {PLAIN}\r\n".encode(),
        b"STLS\r\n",
        b"-ERR [SYS/TEMP] Too many connections. (ref 0111)\r\n",
        id="POP3",
    ),
    pytest.param(
        lambda: DownstreamSmtp(capabilities=(), starttls=True, hostname="mx"),
        f"EHLO me\r\nAUTH PLAIN {PLAIN}\r\n".encode(),
        b"STARTTLS\r\n",
        b"421 4.7.0 Too many connections. (ref 0111)\r\n",
        id="SMTP",
    ),
]
downstream = pytest.mark.parametrize(("make", "login", "starttls", "goodbye"), DOWNSTREAM)
Make = Callable[[], Downstream]

UPSTREAM = [
    pytest.param(
        lambda: UpstreamImap(login=LOGIN, starttls=True),
        b"* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n",
        b"A1 OK go\r\n",
        b"A2 CAPABILITY\r\n",
        id="IMAP",
    ),
    pytest.param(
        lambda: UpstreamPop3(login=LOGIN, starttls=True),
        b"+OK\r\n+OK\r\nSTLS\r\n.\r\n",
        b"+OK\r\n",
        b"CAPA\r\n",
        id="POP3",
    ),
    pytest.param(
        lambda: UpstreamSmtp(login=LOGIN, starttls=True, client_name="me"),
        b"220 hi\r\n250-mx\r\n250 STARTTLS\r\n",
        b"220 go\r\n",
        b"EHLO me\r\n",
        id="SMTP",
    ),
]
upstream = pytest.mark.parametrize(("make", "hello", "go", "again"), UPSTREAM)


def waiting(make: Make, said: bytes) -> Downstream:
    """A machine that has told of credentials."""
    machine = make()
    machine.receive_data(said)
    assert isinstance(machine.next_event(), CredentialsReceived)
    machine.data_to_send()
    return machine


@downstream
def test_the_greeting_is_there_from_the_start(make: Make, login: bytes, starttls: bytes, goodbye: bytes) -> None:
    machine = make()
    assert b"emailproxy ready" in machine.data_to_send()
    assert machine.data_to_send() == b""
    assert machine.next_event() is NEED_DATA


@downstream
def test_a_goodbye_can_be_the_greeting(make: Make, login: bytes, starttls: bytes, goodbye: bytes) -> None:
    machine = make()
    machine.abort(LIMIT)
    assert machine.data_to_send() == goodbye
    assert machine.next_event() == LoggedOut(by_command=False)


@downstream
def test_data_is_kept_while_credentials_wait(make: Make, login: bytes, starttls: bytes, goodbye: bytes) -> None:
    machine = waiting(make, login + b"abc")
    assert (machine.buffered, machine.trailing_data) == (3, b"")
    for count in range(4, 10):
        machine.receive_data(b"x")
        assert machine.next_event() is NEED_DATA
        assert machine.buffered == count
    machine.receive_data(b"")
    assert machine.next_event() is NEED_DATA
    machine.accept(LoggedIn(("hi",)))
    assert machine.trailing_data == b"abcxxxxxx"
    assert machine.trailing_data == b"abcxxxxxx", "looking does not take"
    assert machine.next_event() is NEED_DATA
    assert b"hi\r\n" in machine.data_to_send()


@downstream
def test_a_refusal_lets_the_client_go_on(make: Make, login: bytes, starttls: bytes, goodbye: bytes) -> None:
    machine = waiting(make, login)
    for _ in range(50):
        machine.refuse(WRONG)
        assert b"(ref 7F3A)\r\n" in machine.data_to_send()
        machine.receive_data(login)
        assert isinstance(machine.next_event(), CredentialsReceived)


@downstream
def test_plain_text_during_the_handshake_is_abuse(make: Make, login: bytes, starttls: bytes, goodbye: bytes) -> None:
    machine = make()
    machine.receive_data(starttls)
    assert machine.next_event() == StartTls()
    assert (machine.buffered, machine.next_event()) == (0, NEED_DATA)
    machine.receive_data(login)
    assert isinstance(machine.next_event(), Abused)


@downstream
def test_plain_text_never_counts_as_sent_in_tls(make: Make, login: bytes, starttls: bytes, goodbye: bytes) -> None:
    machine = make()
    machine.receive_data(starttls)
    assert machine.next_event() == StartTls()
    machine.receive_data(login)
    machine.secured()
    assert (machine.buffered, machine.next_event()) == (0, NEED_DATA)


@downstream
def test_the_end_is_the_end(make: Make, login: bytes, starttls: bytes, goodbye: bytes) -> None:
    machine = make()
    machine.receive_data(b"x" * 10_000)
    event = machine.next_event()
    assert isinstance(event, Abused)
    machine.abort(ABUSE)
    assert b"(ref BAD0)" in machine.data_to_send()
    machine.receive_data(login)
    machine.abort(STOP)
    assert (machine.next_event(), machine.data_to_send(), machine.buffered) == (event, b"", 0)


def test_what_the_client_says_of_itself_is_passed_on() -> None:
    imap = DownstreamImap(capabilities=(), starttls=True)
    smtp = DownstreamSmtp(capabilities=(), starttls=True, hostname="mx")
    for command, client_id in [
        (b"1 NOOP\r\n", None),
        (b'1 ID ("name" {3+}\r\na"b "v" nil)\r\n', b'("name" "a\\"b" "v" NIL)'),
        (b"1 ID NIL\r\n", None),
        (b'1 ID ("a" "' + b"x" * 5000 + b'")\r\n', None),
        (b'1 ID ("a" "b")\r\n', b'("a" "b")'),
        (b"1 ID ()\r\n", None),
        (b'1 ID ("a" "b")\r\n1 ID (broken\r\n', b'("a" "b")'),
    ]:
        imap.receive_data(command)
        while isinstance(imap.next_event(), CommandRefused):
            pass
        assert imap.client_id == client_id
    for argument, client_name in [
        (b"[192.0.2.1]", "[192.0.2.1]"),
        (b"my laptop", None),
        (b"caf\xc3\xa9", None),
        (b"x" * 256, None),
        (b"x" * 255, "x" * 255),
    ]:
        smtp.receive_data(b"EHLO " + argument + b"\r\n")
        assert smtp.next_event() is NEED_DATA
        assert b"250 STARTTLS" in smtp.data_to_send()
        assert smtp.client_name == client_name
    imap.receive_data(b"1 STARTTLS\r\n")
    smtp.receive_data(b"STARTTLS\r\n")
    assert imap.next_event() == smtp.next_event() == StartTls()
    imap.secured()
    smtp.secured()
    assert (imap.client_id, smtp.client_name) == (None, None), "what was said before TLS is forgotten"


@upstream
def test_after_the_handshake_the_server_is_asked_again(
    make: Callable[[], Upstream], hello: bytes, go: bytes, again: bytes
) -> None:
    machine = make()
    machine.receive_data(hello)
    assert machine.next_event() is NEED_DATA
    assert any("STLS" in line or "STARTTLS" in line for line in machine.capabilities)
    machine.receive_data(go)
    assert machine.next_event() == StartTls()
    machine.data_to_send()
    machine.receive_data(b"injected\r\n")
    machine.secured()
    assert (machine.next_event(), machine.data_to_send()) == (NEED_DATA, again)


@upstream
def test_plain_text_during_the_handshake_is_failure(
    make: Callable[[], Upstream], hello: bytes, go: bytes, again: bytes
) -> None:
    machine = make()
    machine.receive_data(hello)
    assert machine.next_event() is NEED_DATA
    machine.receive_data(go)
    assert machine.next_event() == StartTls()
    machine.receive_data(b"x")
    event = machine.next_event()
    assert isinstance(event, UpstreamFailed)
    assert "data behind ST" in event.detail
    machine.receive_data(hello)
    assert machine.next_event() == event
    assert machine.trailing_data == b""


@pytest.mark.parametrize(
    ("machine", "said", "rest"),
    [
        (
            UpstreamImap(login=LOGIN, starttls=False),
            b"* OK [CAPABILITY A] x\r\nA1 OK [CAPABILITY B] x\r\n",
            b"* 1 EXISTS",
        ),
        (UpstreamPop3(login=LOGIN, starttls=False), b"+OK\r\n-ERR\r\n+OK x\r\n", b"+OK"),
        (UpstreamSmtp(login=LOGIN, starttls=False, client_name="x"), b"220 x\r\n250 x\r\n235 x\r\n", b"250"),
    ],
)
def test_what_follows_the_login_is_kept(machine: Upstream, said: bytes, rest: bytes) -> None:
    machine.receive_data(said + rest)
    assert isinstance(machine.next_event(), LoggedIn)
    assert machine.next_event() is NEED_DATA
    machine.receive_data(b"!")
    assert machine.next_event() is NEED_DATA
    assert machine.trailing_data == rest + b"!"
