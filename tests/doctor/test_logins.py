"""The look behind a login: servers that say yes, and then no."""

from __future__ import annotations

import ssl

import pytest
import trio
import trustme

from emailproxy.causes.mail_server import Token
from emailproxy.config import MailProtocol, MailServer
from emailproxy.doctor.findings import ProblemError
from emailproxy.doctor.logins import RefusedError, try_login
from emailproxy.secret import Secret
from emailproxy.tls import UpstreamTls
from tests.patience import eventually

TOKEN = Secret("a-token-that-is-long-enough-to-be-recognised")

IMAP = [
    (None, b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready\r\n"),
    (b"AUTHENTICATE", b"A1 OK [CAPABILITY IMAP4rev1] AUTHENTICATE completed.\r\n"),
]
POP = [
    (None, b"+OK ready\r\n"),
    (b"CAPA", b"+OK\r\nSASL XOAUTH2\r\n.\r\n"),
    (b"AUTH XOAUTH2", b"+ \r\n"),
    (b"", b"+OK welcome\r\n"),
]


async def logged_in(
    protocol: MailProtocol, script: list[tuple[bytes | None, bytes]], token: Token = Token.PERSON
) -> tuple[str, list[bytes]]:
    """Log in to a server that says these things; what the doctor found, and what the server heard."""
    ca = trustme.CA()
    heard: list[bytes] = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(tls)
    context = ssl.create_default_context()
    ca.configure_trust(context)

    async def serve(stream: trio.SocketStream) -> None:
        secured = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
        for expected, answer in script:
            if expected is not None:
                heard.append(bytes(await secured.receive_some()))
                assert expected in heard[-1]
            await secured.send_all(answer)
        heard.append(bytes(await secured.receive_some()))

    problem: ProblemError | None = None
    told = ""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        server = MailServer(protocol, "localhost", listeners[0].socket.getsockname()[1])
        try:
            told = (await try_login(server, "ada@example.com", TOKEN, token, UpstreamTls(context))).told
            await eventually(
                lambda: len(heard) >= len(script)
            )  # the greeting answers nothing, the goodbye is not answered
        except ProblemError as error:
            problem = error
        nursery.cancel_scope.cancel()
    if problem is not None:
        raise problem
    return told, heard


async def test_a_look_and_a_goodbye() -> None:
    status = (b"D1 STATUS INBOX (MESSAGES)", b"* STATUS INBOX (MESSAGES 3)\r\n* 3 EXISTS\r\nD1 OK done\r\n")
    told, heard = await logged_in(MailProtocol.IMAP, [*IMAP, status])
    assert told == "logged in; the server said 'AUTHENTICATE completed.'"
    assert heard[-1] == b"D2 LOGOUT\r\n"
    told, heard = await logged_in(MailProtocol.POP, [*POP, (b"STAT", b"+OK 3 120\r\n")])
    assert told == "logged in; the server said 'welcome'"
    assert heard[-1] == b"QUIT\r\n"


@pytest.mark.parametrize(
    ("token", "name"), [(Token.APPLICATION, "exchange-no-mailbox-permission"), (Token.PERSON, "exchange-other-mailbox")]
)
async def test_authenticated_but_not_connected(token: Token, name: str) -> None:
    answer = b"D1 BAD User is authenticated but not connected.\r\n* BYE Connection closed. 14\r\n"
    with pytest.raises(ProblemError, match="logged in, but") as caught:
        await logged_in(MailProtocol.IMAP, [*IMAP, (b"STATUS", answer)], token)
    assert caught.value.cause is not None
    assert caught.value.cause.name == name
    assert not isinstance(caught.value, RefusedError), "another token would change nothing"


async def test_pop_that_is_switched_off() -> None:
    answer = b"-ERR [SYS/PERM] Your account is not enabled for POP access. Please visit your Gmail settings page\r\n"
    with pytest.raises(ProblemError) as caught:
        await logged_in(MailProtocol.POP, [*POP, (b"STAT", answer)])
    assert caught.value.cause is not None
    assert caught.value.cause.name == "gmail-pop-off"


@pytest.mark.parametrize(
    "answer",
    [b"* BYE go away\r\n", b"D1 NO nothing here\r\n", b"* 1 EXISTS\r\n" * 200, b"x" * 70_000 + b"\r\n"],
)
async def test_odd_answers(answer: bytes) -> None:
    with pytest.raises(ProblemError) as caught:
        await logged_in(
            MailProtocol.IMAP, [*IMAP, (b"STATUS", answer)] if answer else [*IMAP, (b"D1", b"D1 NO no\r\n")]
        )
    assert caught.value.told.isprintable()


async def test_a_server_that_quotes_the_token() -> None:
    with pytest.raises(ProblemError) as caught:
        await logged_in(MailProtocol.IMAP, [*IMAP, (b"STATUS", b"D1 NO " + TOKEN.octets + b" is odd\r\n")])
    assert TOKEN.reveal() not in caught.value.told
    assert TOKEN.reveal()[:20] not in caught.value.told
