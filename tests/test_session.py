"""One mail connection from greeting to goodbye, against a scripted mail server over real TLS."""

from __future__ import annotations

import base64
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
import trio
import trustme

from emailproxy.config import Account, Config, MailProtocol, Server, Settings
from emailproxy.connection import Connection, Scratch
from emailproxy.failures import Failure, FailureKind, LoginFailed
from emailproxy.login import Services
from emailproxy.oauth.tokens import AccessToken
from emailproxy.protocols.proofs import Proof
from emailproxy.relay import QUIET
from emailproxy.secret import Secret
from emailproxy.session import ATTEMPTS, CLIENT_LIMIT, RESTING, Session
from emailproxy.throttle import LOCK_AFTER, Throttle
from emailproxy.tls import UpstreamTls
from emailproxy.upstream import UpstreamServers
from tests.clocks import PatientClock
from tests.patience import eventually

from .scripted import ScriptedServer, serving

IMAP, POP, SMTP = MailProtocol.IMAP, MailProtocol.POP, MailProtocol.SMTP
ACCOUNT = Account("user@example.com", "user@example.com", "authorization_code", "https://example.com/token")
PLAIN = base64.b64encode(b"\0user@example.com\0pass").decode()
LOGINS = {
    IMAP: "a1 LOGIN user@example.com pass\r\n",
    POP: f"AUTH PLAIN {PLAIN}\r\n",
    SMTP: f"EHLO client\r\nAUTH PLAIN {PLAIN}\r\n",
}


class FakeTokens:
    """Hands out `tokens` in order to the right password."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = [AccessToken(Secret(token), 1e12) for token in tokens]
        self.refused: list[AccessToken | None] = []
        self.never = False
        self.failure: FailureKind | None = None

    def at_hand(
        self, account: Account, password: Secret, *, client: str = "", server: Server | None = None
    ) -> AccessToken | None:
        return None

    async def prove(self, account: Account, proof: Proof, *, client: str, server: Server) -> tuple[Secret, bytes]:
        await trio.lowlevel.checkpoint()
        raise LoginFailed(Failure(FailureKind.WRONG_CREDENTIALS, "Wrong.", "no proof is right"))

    def vouch(self, account: Account) -> Secret:
        return Secret("pass")

    async def refuse_unknown(self, user: str, password: Secret, *, client: str = "") -> NoReturn:
        await trio.lowlevel.checkpoint()
        raise LoginFailed(Failure(FailureKind.WRONG_CREDENTIALS, "Wrong.", f"no account {user}"))

    async def token(
        self,
        account: Account,
        password: Secret,
        *,
        refused: AccessToken | None = None,
        client: str = "",
        server: Server | None = None,
    ) -> AccessToken:
        await trio.lowlevel.checkpoint()
        self.refused.append(refused)
        if self.never:
            await trio.sleep_forever()
        if self.failure is not None:
            raise LoginFailed(Failure(self.failure, "No.", "the whole story"))
        if password != Secret("pass"):
            raise LoginFailed(Failure(FailureKind.WRONG_CREDENTIALS, "Wrong password.", "did not unseal"))
        return self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_tls(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def client_tls(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


class Client:
    """A mail client's end of the connection."""

    def __init__(self, connection: Connection, session: Session, services: Services) -> None:
        self.connection = connection
        self.session = session
        self.services = services
        self.buffer = b""

    async def say(self, text: str) -> None:
        await self.connection.send(text.encode())

    async def line(self) -> str:
        while b"\r\n" not in self.buffer:
            data = await self.connection.receive()
            if not data:
                raise EOFError(f"closed by the proxy; unread: {self.buffer!r}")
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line.decode()

    async def until(self, *starts: str) -> str:
        while not (line := await self.line()).startswith(starts):
            pass
        return line


def services(
    upstream: UpstreamServers, tokens: FakeTokens, throttle: Throttle | None = None, **settings: object
) -> Services:
    config = Config(Path("emailproxy.config"), (), {ACCOUNT.name: ACCOUNT}, settings=Settings(**settings))  # type: ignore[arg-type]
    return Services(lambda: config, tokens, upstream, throttle or Throttle())


@asynccontextmanager
async def connected(server: Server, shared: Services, context: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    far, near = socket.socketpair()
    far.setblocking(False)
    near.setblocking(False)
    client = Connection(far, Scratch())
    session = Session(Connection(near, Scratch()), ("192.0.2.7", 4711), server, context, shared)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.run)
            yield Client(client, session, shared)
            client.close()
    finally:
        client.close()


@asynccontextmanager
async def logged_out(
    protocol: MailProtocol,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    tokens: FakeTokens | None = None,
    change: Callable[[ScriptedServer], None] = lambda _: None,
    throttle: Throttle | None = None,
    **settings: object,
) -> AsyncIterator[tuple[Client, ScriptedServer]]:
    async with serving(protocol, server_tls, change) as server:
        shared = services(
            UpstreamServers(UpstreamTls(client_tls), Scratch()),
            tokens or FakeTokens("good-token"),
            throttle,
            **settings,
        )
        async with connected(server.configured(), shared) as client:
            yield client, server


@pytest.mark.parametrize("protocol", list(MailProtocol))
@pytest.mark.parametrize("starttls", [False, True])
async def test_login_and_relay(
    protocol: MailProtocol, starttls: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    def change(server: ScriptedServer) -> None:
        server.starttls = starttls

    async with logged_out(protocol, server_tls, client_tls, change=change) as (client, server):
        await client.say(LOGINS[protocol])
        reply = await client.until("a1 ", "+OK welcome", "235")
        assert reply in {"a1 OK [CAPABILITY IMAP4rev1 IDLE MOVE] welcome", "+OK welcome", "235 2.7.0 welcome"}
        await client.say("NOOP\r\n")
        assert await client.line() == "NOOP"
        assert server.users == ["user=user@example.com"]
        assert client.session.logged_in


@pytest.mark.parametrize("protocol", list(MailProtocol))
async def test_what_is_pipelined_behind_the_login_arrives_in_order_and_exactly(
    protocol: MailProtocol, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    tail = "\0binary\xff\r\n{5}\r\nhello" + "x" * 20_000 + "\r\nhalf a li"
    async with logged_out(protocol, server_tls, client_tls) as (client, server):
        await client.say(LOGINS[protocol] + tail)
        await client.until("a1 OK", "+OK welcome", "235")
        await client.say("ne\r\n")
        expected = tail.encode() + b"ne\r\n"
        while len(client.buffer) < len(expected):
            client.buffer += await client.connection.receive()
        assert client.buffer == server.echoed == expected


@pytest.mark.parametrize("protocol", list(MailProtocol))
async def test_a_connection_that_never_logs_in_costs_no_upstream_connection(
    protocol: MailProtocol, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with logged_out(protocol, server_tls, client_tls) as (client, server):
        await client.say({IMAP: "a NOOP\r\nb LOGOUT\r\n", POP: "CAPA\r\nQUIT\r\n", SMTP: "NOOP\r\nQUIT\r\n"}[protocol])
        await client.until("b OK", ".", "221")
        with pytest.raises(EOFError):
            while True:
                await client.line()
        assert server.connections == 0


@pytest.mark.parametrize(
    ("protocol", "wrong", "answer", "right", "accepted"),
    [
        (
            IMAP,
            "a LOGIN user@example.com wrong",
            "a NO [AUTHENTICATIONFAILED] ",
            "b LOGIN user@example.com pass",
            "b OK",
        ),
        (
            POP,
            "USER user@example.com\r\nPASS wrong",
            "-ERR [AUTH] ",
            "USER user@example.com\r\nPASS pass",
            "+OK welcome",
        ),
        (SMTP, "EHLO x\r\nAUTH PLAIN AHVzZXJAZXhhbXBsZS5jb20Ad3Jvbmc=", "535 5.7.8 ", f"AUTH PLAIN {PLAIN}", "235 "),
    ],
)
async def test_a_wrong_password_leaves_the_client_connected(
    protocol: MailProtocol, wrong: str, answer: str, right: str, accepted: str,
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    async with logged_out(protocol, server_tls, client_tls) as (client, server):
        await client.say(wrong + "\r\n")
        reply = await client.until(answer)
        assert "(ref " in reply
        assert server.connections == 0
        reference = reply.rpartition("(ref ")[2][:4]
        assert any(
            reference in record.getMessage() and "did not unseal" in record.getMessage() for record in caplog.records
        )
        await client.say(right + "\r\n")
        await client.until(accepted)


async def test_too_many_wrong_passwords_end_the_connection(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, autojump_clock: PatientClock
) -> None:
    async with logged_out(IMAP, server_tls, client_tls) as (client, _):
        for number in range(ATTEMPTS):
            await client.say(f"a{number} LOGIN user@example.com wrong\r\n")
        assert (await client.until("* BYE")).startswith("* BYE [LIMIT] Too many failed logins.")
        assert trio.current_time() >= 0.5 + 1 + 2, "failures from one address slow down"
        with pytest.raises(EOFError):
            await client.line()


FAILURES = [
    (FailureKind.WRONG_CREDENTIALS, "a NO [AUTHENTICATIONFAILED] No. (ref "),
    (FailureKind.TEMPORARY, "a NO [UNAVAILABLE] No. (ref "),
    (FailureKind.MISCONFIGURED, "a NO [CONTACTADMIN] No. (ref "),
]


@pytest.mark.parametrize(("kind", "answer"), FAILURES)
async def test_what_the_broker_says_becomes_the_protocols_words(
    kind: FailureKind, answer: str, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    tokens = FakeTokens("x")
    tokens.failure = kind
    async with logged_out(IMAP, server_tls, client_tls, tokens) as (client, server):
        await client.say("a LOGIN user@example.com pass\r\n")
        assert (await client.until("a ")).startswith(answer)
        assert server.connections == 0


@pytest.mark.parametrize(("user", "password"), [("nobody@example.com", "pass"), ("user@example.com", "wrong")])
async def test_no_such_user_and_a_wrong_password_are_refused_alike_at_a_whole_second(
    user: str, password: str, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with logged_out(IMAP, server_tls, client_tls) as (client, server):
        began = trio.current_time()
        await client.say(f"a LOGIN {user} {password}\r\n")
        assert (await client.until("a ")).startswith("a NO [AUTHENTICATIONFAILED] ")
        assert 1.0 <= trio.current_time() - began < 1.5
        assert server.connections == 0


async def test_who_goes_on_failing_is_hardly_looked_at(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, autojump_clock: PatientClock
) -> None:
    throttle = Throttle()
    for _ in range(LOCK_AFTER):
        throttle.failed("192.0.2.7", "user@example.com")
    async with logged_out(IMAP, server_tls, client_tls, throttle=throttle) as (client, server):
        await client.say("a LOGIN user@example.com pass\r\n")
        assert (await client.until("a ")).startswith("a NO [UNAVAILABLE] Too many failed logins"), "not called wrong"
        assert server.connections == 0


@pytest.mark.parametrize(
    ("identity", "accepted"), [("user@example.com", True), ("", True), ("other@example.com", False)]
)
async def test_an_authorisation_identity(
    identity: str, accepted: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with logged_out(IMAP, server_tls, client_tls) as (client, _):
        response = base64.b64encode(f"{identity}\0user@example.com\0pass".encode()).decode()
        await client.say(f"a AUTHENTICATE PLAIN {response}\r\n")
        assert (await client.until("a ")).startswith("a OK" if accepted else "a NO [CONTACTADMIN]")


@pytest.mark.parametrize("protocol", list(MailProtocol))
async def test_a_refused_token_is_replaced_before_the_client_hears_of_it(
    protocol: MailProtocol, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    tokens = FakeTokens("revoked", "good-token")
    async with logged_out(protocol, server_tls, client_tls, tokens) as (client, server):
        await client.say(LOGINS[protocol])
        await client.until("a1 OK", "+OK welcome", "235")
        assert server.connections == 2
        assert [token and token.value.reveal() for token in tokens.refused] == [None, "revoked"]


@pytest.mark.parametrize(
    ("protocol", "refusal", "answer"),
    [
        (IMAP, None, "a1 NO [CONTACTADMIN] "),
        (POP, None, "-ERR [SYS/PERM] "),
        (SMTP, None, "554 5.3.5 "),
        (SMTP, "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled", "554 5.3.5 "),
        (SMTP, "432 4.3.2 Concurrent connections limit exceeded.", "454 4.7.0 "),
        (POP, "-ERR [SYS/TEMP] later", "-ERR [SYS/TEMP] "),
        (IMAP, "NO [UNAVAILABLE] later", "a1 NO [UNAVAILABLE] "),
    ],
)
async def test_a_server_that_goes_on_refusing(
    protocol: MailProtocol, refusal: str | None, answer: str, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def change(server: ScriptedServer) -> None:
        server.refusal = refusal
        server.tokens = set()

    async with logged_out(protocol, server_tls, client_tls, FakeTokens("bad", "worse"), change) as (client, server):
        await client.say(LOGINS[protocol])
        reply = await client.until("a1 ", "-ERR", "4", "5")
        assert reply.startswith(answer)
        assert "SmtpClientAuthentication" not in reply, "the provider's words are for the operator"
        assert server.live == 0 or await _gone(server)
    if refusal and "disabled" in refusal:
        assert "SmtpClientAuthentication is disabled" in caplog.text


async def _gone(server: ScriptedServer) -> bool:
    await eventually(lambda: not server.live)
    return True


async def test_a_mail_server_that_is_down(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    shared = services(UpstreamServers(UpstreamTls(client_tls), Scratch()), FakeTokens("good-token"))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        server = Server("IMAP-2000", IMAP, 2000, "127.0.0.1", closed.getsockname()[1])
        async with connected(server, shared) as client:
            await client.say("a LOGIN user@example.com pass\r\n")
            assert (await client.until("a ")).startswith("a NO [UNAVAILABLE] The mail server cannot be reached")
            await client.say("b NOOP\r\n")
            assert (await client.until("b ")).startswith("b OK")


async def test_a_mail_server_with_another_name(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with serving(IMAP, server_tls) as server:
        shared = services(UpstreamServers(UpstreamTls(client_tls), Scratch()), FakeTokens("good-token"))
        async with connected(server.configured(server_address="127.0.0.1"), shared) as client:
            await client.say("a LOGIN user@example.com pass\r\n")
            assert (await client.until("a ")).startswith("a NO [UNAVAILABLE]")
        assert server.heard == [], "no octet before the certificate is verified"


@pytest.mark.parametrize(("protocol", "wait", "answer"), [(IMAP, 60, "a1 NO [UNAVAILABLE]"), (SMTP, 30, "454 4.7.0")])
async def test_a_login_that_waits_for_consent_hears_later(
    protocol: MailProtocol, wait: float, answer: str, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext,
    autojump_clock: PatientClock,
) -> None:  # fmt: skip
    tokens = FakeTokens("x")
    tokens.never = True
    async with logged_out(protocol, server_tls, client_tls, tokens) as (client, _):
        started = trio.current_time()
        await client.say(LOGINS[protocol])
        assert (await client.until("a1", "4", "5")).startswith(answer)
        assert trio.current_time() - started == pytest.approx(wait, abs=1)


async def test_login_wait_can_be_set(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, autojump_clock: PatientClock
) -> None:
    tokens = FakeTokens("x")
    tokens.never = True
    async with logged_out(IMAP, server_tls, client_tls, tokens, login_wait=5.0) as (client, _):
        await client.say("a LOGIN user@example.com pass\r\n")
        await client.until("a NO [UNAVAILABLE]")
        assert trio.current_time() == pytest.approx(5, abs=1)


@pytest.mark.parametrize(
    ("protocol", "answer"), [(IMAP, "* BYE [LIMIT]"), (POP, "-ERR [SYS/TEMP]"), (SMTP, "421 4.7.0")]
)
@pytest.mark.parametrize("drip", [False, True])
async def test_a_client_that_never_logs_in_is_let_go(
    protocol: MailProtocol, answer: str, drip: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext,
    autojump_clock: PatientClock,
) -> None:  # fmt: skip
    async with logged_out(protocol, server_tls, client_tls) as (client, _), trio.open_nursery() as nursery:

        async def one_octet_at_a_time() -> None:
            while True:
                await trio.sleep(21)
                await client.say("a")

        if drip:
            nursery.start_soon(one_octet_at_a_time)
        await client.until(answer)
        assert trio.current_time() == pytest.approx(CLIENT_LIMIT, abs=1)
        nursery.cancel_scope.cancel()


async def test_tls_from_the_first_octet(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with serving(IMAP, server_tls) as server:
        shared = services(UpstreamServers(UpstreamTls(client_tls), Scratch()), FakeTokens("good-token"))
        async with connected(server.configured(), shared, server_tls) as client:
            await client.connection.start_tls(lambda i, o: client_tls.wrap_bio(i, o, server_hostname="localhost"))
            assert "STARTTLS" not in await client.until("* OK")
            await client.say("a LOGIN user@example.com pass\r\nb NOOP\r\n")
            await client.until("a OK")
            assert await client.line() == "b NOOP"


@pytest.mark.parametrize(
    ("protocol", "command", "answer"),
    [(IMAP, "a STARTTLS\r\n", "a OK"), (POP, "STLS\r\n", "+OK"), (SMTP, "STARTTLS\r\n", "220 ")],
)
async def test_starttls_towards_the_client(
    protocol: MailProtocol, command: str, answer: str, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with serving(protocol, server_tls) as server:
        shared = services(UpstreamServers(UpstreamTls(client_tls), Scratch()), FakeTokens("good-token"))
        async with connected(server.configured(local_starttls=True), shared, server_tls) as client:
            await client.line()
            if protocol is SMTP:
                await client.say("EHLO x\r\n")
                await client.until("250 ")
            await client.say(command)
            await client.until(answer)
            await client.connection.start_tls(lambda i, o: client_tls.wrap_bio(i, o, server_hostname="localhost"))
            await client.say(LOGINS[protocol])
            await client.until("a1 OK", "+OK welcome", "235")
            await client.say("hello\r\n")
            assert await client.line() == "hello"


async def test_data_behind_starttls_is_an_attack(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with serving(IMAP, server_tls) as server:
        shared = services(UpstreamServers(UpstreamTls(client_tls), Scratch()), FakeTokens("good-token"))
        async with connected(server.configured(local_starttls=True), shared, server_tls) as client:
            await client.say("a STARTTLS\r\nb LOGIN user@example.com pass\r\n")
            assert (await client.until("* BYE", "a ")).startswith("* BYE [CLIENTBUG]")


async def test_plain_text_on_a_tls_port_is_a_log_line(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(IMAP, server_tls) as server:
        shared = services(UpstreamServers(UpstreamTls(client_tls), Scratch()), FakeTokens("good-token"))
        async with connected(server.configured(), shared, server_tls) as client:
            await client.say("a LOGIN user@example.com pass\r\n")
            while await client.connection.receive():
                pass
    assert "TLS with the client failed" in caplog.text


async def test_one_line_for_each_login(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with logged_out(IMAP, server_tls, client_tls) as (client, _):
        await client.say("a LOGIN user@example.com wrong\r\nb LOGIN user@example.com pass\r\n")
        await client.until("b OK")
    lines = [record for record in caplog.records if " login account=" in record.getMessage()]
    assert [(r.account, r.client, r.protocol, r.outcome) for r in lines] == [  # type: ignore[attr-defined]
        ("user@example.com", "192.0.2.7:4711", "IMAP", "wrong credentials"),
        ("user@example.com", "192.0.2.7:4711", "IMAP", "ok"),
    ]
    assert all(record.milliseconds >= 0 for record in lines)  # type: ignore[attr-defined]
    assert "good-token" not in caplog.text
    assert "pass" not in caplog.text.replace("password", "")


async def test_what_is_refused_before_login_is_logged_with_client_and_reason(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    """A printer that skips its login, or knows CRAM-MD5 only, can be found by its address."""
    caplog.set_level(logging.INFO)
    async with logged_out(SMTP, server_tls, client_tls) as (client, _):
        await client.say("EHLO printer\r\nAUTH CRAM-MD5\r\nMAIL FROM:<a@example.com>\r\n")
        await client.until("530")
    said = [record.getMessage() for record in caplog.records if "was refused" in record.getMessage()]
    assert said == [
        "SMTP-2000 192.0.2.7:4711: AUTH was refused: 5.5.4 Unsupported mechanism; use one of PLAIN, LOGIN",
        "SMTP-2000 192.0.2.7:4711: MAIL was refused: 5.7.0 Authentication required",
    ]


async def test_debug_shows_the_dialogue_without_credentials(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "emailproxy")
    logging.getLogger("emailproxy.content").setLevel(logging.WARNING)
    async with logged_out(IMAP, server_tls, client_tls) as (client, _):
        await client.say("a LOGIN user@example.com pass\r\n")
        await client.until("a OK")
        await client.say("b private mail\r\n")
        await client.line()
    assert "192.0.2.7:4711 -> a LOGIN [credentials removed]" in caplog.text
    assert "AUTHENTICATE XOAUTH2 [credentials removed]" in caplog.text
    assert "-> [16 octets]" in caplog.text
    assert "private mail" not in caplog.text
    assert "good-token" not in caplog.text


async def test_goodbye_before_and_after_login(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    failure = Failure(FailureKind.SHUTTING_DOWN, "Shutting down.", "shutdown")
    async with logged_out(IMAP, server_tls, client_tls) as (client, _):
        await client.until("* OK")
        client.session.end(failure)
        assert (await client.line()).startswith("* BYE [UNAVAILABLE] Shutting down.")
    async with logged_out(IMAP, server_tls, client_tls) as (client, _):
        await client.say("a LOGIN user@example.com pass\r\n")
        await client.until("a OK")
        await trio.sleep(1.1)
        client.session.end(failure)
        assert (await client.line()).startswith("* BYE [UNAVAILABLE] Shutting down.")


async def test_the_clients_id_and_name_reach_the_server(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with logged_out(IMAP, server_tls, client_tls) as (client, server):
        await client.say('a ID ("name" "printer")\r\nb LOGIN user@example.com pass\r\n')
        await client.until("b OK")
        assert any(b'ID ("name" "printer")' in line for line in server.heard)
    async with logged_out(SMTP, server_tls, client_tls) as (client, server):
        await client.say(f"HELO printer.example\r\nAUTH PLAIN {PLAIN}\r\n")
        await client.until("235")
        assert b"EHLO printer.example" in server.heard


async def test_a_client_that_leaves_while_it_waits_leaves_nothing_behind(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with logged_out(IMAP, server_tls, client_tls) as (client, server):
        await client.say("a LOGIN user@example.com pass\r\n")
        client.connection.close()
        await trio.sleep(0.05)
        assert await _gone(server)


# --- a token of the client's own -------------------------------------------------------------------------------------

ERROR = base64.b64encode(b'{"status":"401","schemes":"bearer"}').decode()


def brought(token: str, user: str = "stranger@example.org") -> str:
    return base64.b64encode(f"user={user}\x01auth=Bearer {token}\x01\x01".encode()).decode()


@asynccontextmanager
async def passing(
    protocol: MailProtocol, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, **options: object
) -> AsyncIterator[tuple[Client, ScriptedServer]]:
    tokens = FakeTokens("good-token")
    tokens.failure = FailureKind.MISCONFIGURED  # whoever asks the broker fails
    async with serving(protocol, server_tls) as server:
        shared = services(UpstreamServers(UpstreamTls(client_tls), Scratch()), tokens)
        async with connected(server.configured(pass_tokens=True, **options), shared) as client:
            if protocol is SMTP:
                await client.say("EHLO client\r\n")
            yield client, server
        assert not tokens.refused, "no broker takes part"


COMMANDS = {IMAP: "a1 AUTHENTICATE XOAUTH2 ", POP: "AUTH XOAUTH2 ", SMTP: "AUTH XOAUTH2 "}


@pytest.mark.parametrize("protocol", list(MailProtocol))
async def test_a_clients_own_token_goes_to_the_mail_server(
    protocol: MailProtocol, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with passing(protocol, server_tls, client_tls) as (client, server):
        await client.say(COMMANDS[protocol] + brought("good-token") + "\r\nNOOP\r\n")
        await client.until("a1 OK", "+OK welcome", "235")
        assert await client.line() == "NOOP"
        assert server.users == ["user=stranger@example.org"]
    (record,) = (record for record in caplog.records if getattr(record, "mechanism", None) == "AUTH XOAUTH2")
    assert "login account=stranger@example.org" in record.getMessage()
    assert "good-token" not in caplog.text
    assert brought("good-token") not in caplog.text


@pytest.mark.parametrize(
    ("protocol", "challenge", "refusal"),
    [
        (IMAP, f"+ {ERROR}", "a1 NO [AUTHENTICATIONFAILED] The mail server does not accept this token. (ref "),
        (POP, f"+ {ERROR}", "-ERR [AUTH] The mail server does not accept this token. (ref "),
        (SMTP, f"334 {ERROR}", "535 5.7.8 The mail server does not accept this token. (ref "),
    ],
)
async def test_the_servers_refusal_comes_back_as_one(
    protocol: MailProtocol, challenge: str, refusal: str, ca: trustme.CA, client_tls: ssl.SSLContext,
    autojump_clock: PatientClock, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    # Not by name: a look-up runs in a thread, which a jumping clock does not wait for.
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(server_tls)
    async with passing(protocol, server_tls, client_tls, server_address="127.0.0.1") as (client, server):
        for connections in (1, 2):  # not once more than the client asks for
            await client.say(COMMANDS[protocol] + brought("stale-token") + "\r\n")
            await client.until(challenge)
            await client.say("\r\n")
            assert (await client.line()).startswith(refusal)
            assert server.connections == connections
        await client.say(COMMANDS[protocol] + brought("good-token") + "\r\n")
        await client.until("a1 OK", "+OK welcome", "235")
    assert "the token that the client brought was refused: the server said" in caplog.text
    assert "stale-token" not in caplog.text


async def test_a_busy_or_absent_server_is_told_as_such(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with passing(IMAP, server_tls, client_tls) as (client, server):
        server.refusal = "NO [UNAVAILABLE] later"
        await client.say(COMMANDS[IMAP] + brought("stale-token") + "\r\n")
        assert (await client.until("+", "a1")).startswith("a1 NO [UNAVAILABLE] The mail server is busy")
    async with passing(IMAP, server_tls, client_tls, server_port=1) as (client, _):
        await client.say(COMMANDS[IMAP] + brought("good-token") + "\r\n")
        assert (await client.until("+", "a1")).startswith("a1 NO [UNAVAILABLE] The mail server cannot be reached")


async def test_the_account_of_that_name_says_where_to(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with serving(IMAP, server_tls) as server:
        destination = server.configured().mail_server
        assert destination is not None
        account = replace(ACCOUNT, servers=(destination,), upstream_user="other@example.com")
        config = Config(Path("emailproxy.config"), (), {account.name: account})
        upstreams = UpstreamServers(UpstreamTls(client_tls), Scratch())
        shared = Services(lambda: config, FakeTokens("x"), upstreams, Throttle())
        anywhere = server.configured(pass_tokens=True, server_address=None, server_port=None)
        async with connected(anywhere, shared) as client:
            await client.say(COMMANDS[IMAP] + brought("good-token") + "\r\n")
            await client.until(f"+ {ERROR}")
            assert server.connections == 0, "nobody knows where a stranger's token belongs"
            await client.say("\r\n" + COMMANDS[IMAP] + brought("good-token", "USER@example.com") + "\r\n")
            await client.until("a1 OK")
            assert server.users == ["user=USER@example.com"], "as it came"


@pytest.mark.parametrize("protocol", list(MailProtocol))
async def test_off_unless_the_listener_says_so(
    protocol: MailProtocol, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async with logged_out(protocol, server_tls, client_tls) as (client, server):
        if protocol is SMTP:
            await client.say("EHLO client\r\n")
        await client.say(COMMANDS[protocol] + brought("good-token") + "\r\n")
        assert "Unsupported mechanism" in await client.until("a1 NO", "-ERR", "504")
        assert server.connections == 0


@pytest.fixture
def patient_clock() -> PatientClock:
    return PatientClock()


async def test_resting_is_who_has_nothing_under_way(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, patient_clock: PatientClock
) -> None:
    def change(server: ScriptedServer) -> None:
        server.thinking = 0.1

    async with logged_out(IMAP, server_tls, client_tls, change=change) as (client, _):
        await trio.sleep(RESTING + 1)
        assert not client.session.is_resting(), "no login yet"
        await client.say(LOGINS[IMAP])
        await client.until("a1 OK")
        await trio.sleep(RESTING - 1)
        assert not client.session.is_resting()
        await trio.sleep(1.5)
        assert client.session.is_resting()
        await client.say("b1 OK echoed\r\n")  # the scripted server says what it hears
        await client.until("b1 OK")
        await trio.sleep(QUIET - 0.5)
        assert not client.session.is_resting()
        await trio.sleep(0.6)
        assert client.session.is_resting(), "a command was answered"
        await client.say("* 1 FETCH (BODY[] {3}\r\n")
        await client.until("* 1")
        await trio.sleep(QUIET + 0.1)
        assert not client.session.is_resting(), "more may come"


async def test_a_message_on_its_way_is_never_resting(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, patient_clock: PatientClock
) -> None:
    async with logged_out(SMTP, server_tls, client_tls) as (client, _):
        await client.say(LOGINS[SMTP])
        await client.until("235")
        await trio.sleep(1)
        assert not client.session.is_resting()  # now it listens
        await client.say("MAIL FROM:<a@example.com>\r\n")
        await client.until("MAIL")
        await trio.sleep(100)
        assert not client.session.is_resting()
