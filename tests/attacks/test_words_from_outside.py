"""CR, LF and worse in everything that comes from outside: no second command, header, log line or page element."""

from __future__ import annotations

import logging
from base64 import b64encode
from typing import Any

import httpx2
import pytest
import trio

from emailproxy.failures import Failure, FailureKind
from emailproxy.oauth.consent import Outcome, OutcomeKind
from emailproxy.oauth.pages import page
from emailproxy.protocols.events import (
    NEED_DATA,
    CredentialsReceived,
    LoggedIn,
    LoginRefused,
    ProofReceived,
    TokenReceived,
    UpstreamFailed,
)
from emailproxy.protocols.exchanges import Exchanges, ExternalExchange, ScramExchange
from emailproxy.protocols.imap import DownstreamImap, UpstreamImap
from emailproxy.protocols.pop3 import DownstreamPop3, UpstreamPop3
from emailproxy.protocols.sasl import UpstreamLogin
from emailproxy.protocols.smtp import DownstreamSmtp, UpstreamSmtp
from emailproxy.secret import Secret
from tests.clocks import PatientClock
from tests.oauth.support import failure, grant, sealed_record, token, world

EVIL = "x\r\nA1 DELETE INBOX\r\nINFO all is well\x00\x1b[2J"
EXCHANGES: Exchanges = {
    "SCRAM-SHA-256": lambda: ScramExchange("nonce", lambda _: bytes(16)),
    "EXTERNAL": ExternalExchange,
}


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


def evil_logins() -> list[tuple[Any, bytes]]:
    """A machine, and a login whose user name would start a new line."""
    user = "ada\r\nbob"
    imap = lambda: DownstreamImap(capabilities=(), starttls=False, pass_tokens=True, exchanges=EXCHANGES)  # noqa: E731
    pop3 = lambda: DownstreamPop3(capabilities=(), starttls=False, pass_tokens=True, exchanges=EXCHANGES)  # noqa: E731
    smtp = lambda: DownstreamSmtp(  # noqa: E731
        capabilities=(), starttls=False, hostname="mx", pass_tokens=True, exchanges=EXCHANGES
    )
    responses = {
        "PLAIN": f"\0{user}\0password",
        "XOAUTH2": f"user={user}\1auth=Bearer token\1\1",
        "OAUTHBEARER": f"n,a={user},\1auth=Bearer token\1\1",
        "SCRAM-SHA-256": f"n,,n={user},r=nonce",
        "EXTERNAL": user,
    }
    logins: list[tuple[Any, bytes]] = [
        (imap, b"1 LOGIN {8+}\r\nada\r\nbob password\r\n"),
        (imap, b'1 LOGIN "ada\rbob" password\r\n'),
        (pop3, b"USER ada\rbob\r\nPASS password\r\n"),
        (imap, f"1 AUTHENTICATE LOGIN\r\n{b64(user)}\r\n{b64('password')}\r\n".encode()),
        (pop3, f"AUTH LOGIN\r\n{b64(user)}\r\n{b64('password')}\r\n".encode()),
        (smtp, f"EHLO x\r\nAUTH LOGIN\r\n{b64(user)}\r\n{b64('password')}\r\n".encode()),
    ]
    for mechanism, response in responses.items():
        logins += [
            (imap, f"1 AUTHENTICATE {mechanism} {b64(response)}\r\n\r\n".encode()),
            (pop3, f"AUTH {mechanism} {b64(response)}\r\n\r\n".encode()),
            (smtp, f"EHLO x\r\nAUTH {mechanism} {b64(response)}\r\n\r\n".encode()),
        ]
    return logins


@pytest.mark.parametrize("number", range(len(evil_logins())))
def test_no_user_name_has_a_line_break(number: int) -> None:
    make, said = evil_logins()[number]
    machine = make()
    machine.receive_data(said)
    for _ in range(20):
        event = machine.next_event()
        assert not isinstance(event, (CredentialsReceived, TokenReceived, ProofReceived)), "such a name went on"
        for line in machine.data_to_send().split(b"\r\n"):
            assert b"\r" not in line
            assert b"bob" not in line
        if event is NEED_DATA:
            break


@pytest.mark.parametrize(
    "machine",
    [
        lambda login: UpstreamImap(login=login, starttls=False, client_id=b"NIL"),
        lambda login: UpstreamPop3(login=login, starttls=False),
        lambda login: UpstreamSmtp(login=login, starttls=False, client_name=EVIL),
    ],
    ids=["IMAP", "POP3", "SMTP"],
)
def test_what_a_client_calls_itself_starts_no_command_at_the_server(machine: Any) -> None:
    us = machine(UpstreamLogin("ada@example.com", Secret("token"), "mail.example.com", 993))
    us.receive_data(
        b"* OK hi\r\n"
        if isinstance(us, UpstreamImap)
        else b"+OK\r\n"
        if isinstance(us, UpstreamPop3)
        else b"220 hi\r\n"
    )
    us.next_event()
    said = us.data_to_send()
    assert b"DELETE" not in said
    assert said.count(b"\r\n") == 1


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (UpstreamImap, b"* OK hi\r\n* BYE x\rINFO all is well\x1b[2J\x00\r\n"),
        (UpstreamPop3, b"-ERR x\rINFO all is well\x1b[2J\x00\r\n"),
        (UpstreamSmtp, b"554 x\rINFO all is well\x1b[2J\x00\r\n"),
    ],
)
def test_what_a_server_says_is_one_printable_line_for_the_log(machine: Any, said: bytes) -> None:
    login = UpstreamLogin("ada@example.com", Secret("token"), "mail.example.com", 993)
    mores: dict[Any, dict[str, Any]] = {UpstreamImap: {"client_id": b"NIL"}, UpstreamSmtp: {"client_name": "x"}}
    more = mores.get(machine, {})
    us = machine(login=login, starttls=False, **more)
    us.receive_data(said)
    for _ in range(10):
        event = us.next_event()
        us.data_to_send()
        if isinstance(event, (UpstreamFailed, LoginRefused)):
            assert (event.detail if isinstance(event, UpstreamFailed) else event.reply).isprintable()
            return
    raise AssertionError("the server's refusal was not noticed")


def test_a_servers_words_to_the_client_are_one_line() -> None:
    machine = DownstreamImap(capabilities=(), starttls=False)
    machine.receive_data(b"1 LOGIN ada password\r\n")
    machine.next_event()
    machine.data_to_send()
    machine.accept(LoggedIn((EVIL,)))
    assert machine.data_to_send().count(b"\r\n") == 1
    machine = DownstreamImap(capabilities=(), starttls=False)
    machine.receive_data(b"1 LOGIN ada password\r\n")
    machine.next_event()
    machine.data_to_send()
    machine.refuse(Failure(FailureKind.TEMPORARY, EVIL, "detail"))
    assert machine.data_to_send().count(b"\r\n") == 1


@pytest.mark.parametrize("field", ["error", "error_description", "suberror", "error_uri"])
async def test_a_providers_words_are_one_line_in_the_log_and_none_to_the_client(
    autojump_clock: PatientClock, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = httpx2.Response(400, json={"error": "invalid_grant", field: EVIL})
    async with world(answer, record=sealed_record()) as w, trio.open_nursery() as nursery:

        async def log_in() -> None:
            with trio.move_on_after(5):
                told = await failure(w)
                assert "all is well" not in told.failure.text

        nursery.start_soon(log_in)
        await trio.sleep(6)
    for record in caplog.records:
        assert "\r" not in record.getMessage()
        assert "\n" not in record.getMessage()
        assert "\x1b" not in record.getMessage()


BAD_TOKENS = {
    "a line break": "token\r\nA1 DELETE INBOX",
    "a new field": "token\x01\x01user=bob",
    "NUL": "token\x00",
    "not ASCII": "tokén",
    "a number": 7,
    "a list": ["token"],
    "nothing": "",
    "null": None,
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param(field, value, id=f"{field}: {name}")
        for field in ("access_token", "refresh_token")
        for name, value in BAD_TOKENS.items()
        # What is no text at all counts as no refresh token, which is common.
        if field == "access_token" or (isinstance(value, str) and value)
    ],
)
async def test_a_malformed_token_is_neither_used_nor_kept(
    autojump_clock: PatientClock, field: str, value: object
) -> None:
    tokens = {"access_token": "good", "token_type": "Bearer", "expires_in": 3600, field: value}
    before = sealed_record()
    async with world(*[httpx2.Response(200, json=tokens)] * 2, record=before) as w:
        told = (await failure(w)).failure
        assert told.kind is FailureKind.TEMPORARY
        assert w.records.record == before


async def test_a_large_token_is_used(autojump_clock: PatientClock) -> None:
    """Entra's have 2 to 4 thousand characters; what is cut off is an answer of more than a megabyte
    (tests/oauth/test_endpoint.py)."""
    large = "t" * 64_000
    async with world(grant(large), record=sealed_record()) as w:
        assert await token(w) == large


def test_a_page_shows_names_as_text() -> None:
    name = "<script>alert(1)</script>\"'&@example.com"
    shown = page(Outcome(OutcomeKind.AUTHORISED, name, "<b>done</b>"))
    assert "<script>" not in shown[1]
    assert "<b>done" not in shown[1]
