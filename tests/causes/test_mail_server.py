"""Each row about mail servers: a server that says those words, a login there, and the advice that comes out."""

from __future__ import annotations

import ssl

import pytest
import trustme

from emailproxy.causes.base import Meaning
from emailproxy.causes.mail_server import MAIL_SERVER, Row, Token, refusal_cause, unknown_refusal
from emailproxy.config import MailProtocol, MailServer
from emailproxy.doctor.findings import ProblemError
from emailproxy.doctor.logins import RefusedError, try_login
from emailproxy.secret import Secret
from emailproxy.tls import UpstreamTls
from tests.scripted import ScriptedServer, serving

BAD = Secret("bad-token-of-nobody")
CASES = [(row, protocol) for row in MAIL_SERVER for protocol in sorted(row.protocols)]


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_tls(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def tls(ca: trustme.CA) -> UpstreamTls:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return UpstreamTls(context)


def reply(protocol: str, words: str) -> str:
    """The words as this protocol's refusal."""
    return {"IMAP": "NO ", "POP": "-ERR ", "SMTP": "535 "}[protocol] + words


async def refused(row: Row, protocol: str, server_tls: ssl.SSLContext, tls: UpstreamTls) -> ProblemError:
    def change(server: ScriptedServer) -> None:
        server.refusal = reply(protocol, f"{row.cause.said}. {BAD.reveal()} [SERVER01]")

    async with serving(MailProtocol(protocol), server_tls, change) as scripted:
        server = MailServer(MailProtocol(protocol), "localhost", scripted.port)
        with pytest.raises(ProblemError) as caught:
            await try_login(server, "ada@example.com", BAD, row.token or Token.PERSON, tls)
        return caught.value


@pytest.mark.parametrize(
    ("row", "protocol"), CASES, ids=lambda value: value if isinstance(value, str) else value.cause.name
)
async def test_the_advice_comes_out(row: Row, protocol: str, server_tls: ssl.SSLContext, tls: UpstreamTls) -> None:
    problem = await refused(row, protocol, server_tls, tls)
    assert problem.cause is row.cause
    assert problem.advice == row.cause.advice
    assert row.cause.said in problem.told
    assert BAD.reveal() not in problem.told
    if row.cause.meaning is Meaning.TEMPORARY:
        assert not isinstance(problem, RefusedError), "another token would not help"


def test_every_row_can_be_told_apart_and_has_a_source() -> None:
    assert len({row.cause.name for row in MAIL_SERVER}) == len(MAIL_SERVER)
    for row in MAIL_SERVER:
        assert row.cause.source
        assert row.cause.said
        assert not row.cause.advice.endswith(".")


@pytest.mark.parametrize(
    ("protocol", "words", "token", "name"),
    [
        # As published, with all that stood around them.
        ("IMAP", "A002 NO AUTHENTICATE failed.", Token.PERSON, "exchange-imap-person"),
        ("IMAP", "A002 NO AUTHENTICATE failed.", Token.APPLICATION, "exchange-imap-application"),
        ("IMAP", "00000003 BAD User is authenticated but not connected.", Token.PERSON, "exchange-other-mailbox"),
        ("IMAP", "3 BAD User is authenticated but not connected.", Token.APPLICATION, "exchange-no-mailbox-permission"),
        (
            "IMAP",
            "BAD Request is throttled. Suggested Backoff Time: 89117 milliseconds",
            Token.PERSON,
            "exchange-throttled",
        ),
        ("IMAP", "* BYE Session invalidated - AccessTokenExpired", Token.PERSON, "exchange-token-expired"),
        ("IMAP", "A1 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)", Token.PERSON, "gmail-refused"),
        ("IMAP", "A1 NO Invalid SASL argument. qk7if1705226pac.117", Token.PERSON, "gmail-malformed"),
        (
            "POP",
            "Authentication failure: unknown user name or bad password.",
            Token.APPLICATION,
            "exchange-pop-application",
        ),
        ("POP", "Server Unavailable. 21", Token.PERSON, "exchange-pop-unavailable"),
        ("SMTP", "535 5.7.3 Authentication unsuccessful [NT0PR01CA0010]", Token.PERSON, "exchange-smtp-person"),
        (
            "SMTP",
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit ...",
            Token.PERSON,
            "smtp-auth-off-for-tenant",
        ),
        (
            "SMTP",
            "535 5.7.8 Username and Password not accepted. Learn more at 5.7.8  https://support.google.com/mail/",
            Token.PERSON,
            "gmail-smtp-refused",
        ),
        (
            "SMTP",
            "550 5.7.30 Basic authentication is not supported for Client Submission.",
            Token.PERSON,
            "exchange-saw-a-password",
        ),
        ("SMTP", "535 5.7.0 (#AUTH005) Too many bad auth attempts.", Token.PERSON, "yahoo-too-many-attempts"),
        ("SMTP", "500 5.5.2 Line too long", Token.PERSON, "token-line-too-long"),
        ("SMTP", "555 5.5.2 Syntax error, command line too long", Token.PERSON, "token-line-too-long"),
    ],
)
def test_published_replies(protocol: str, words: str, token: Token, name: str) -> None:
    cause = refusal_cause(protocol, words, token)
    assert cause is not None
    assert cause.name == name


async def test_words_that_nobody_knows(server_tls: ssl.SSLContext, tls: UpstreamTls) -> None:
    def change(server: ScriptedServer) -> None:
        server.refusal = "NO Computer says no"

    async with serving(MailProtocol.IMAP, server_tls, change) as scripted:
        server = MailServer(MailProtocol.IMAP, "localhost", scripted.port)
        with pytest.raises(RefusedError, match="Computer says no") as caught:
            await try_login(server, "ada@example.com", BAD, Token.PERSON, tls)
    assert caught.value.cause is None
    assert caught.value.advice == unknown_refusal(temporary=False)
    assert "later" in unknown_refusal(temporary=True)
