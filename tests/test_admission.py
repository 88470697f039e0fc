"""Clients that prove instead of sending, from the socket to the broker: who gets in, and what strangers can tell."""

from __future__ import annotations

import itertools
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trustme

from emailproxy.audience import Audiences
from emailproxy.config import Account, Config, MailProtocol, Server, Settings
from emailproxy.connection import Scratch
from emailproxy.login import Services
from emailproxy.oauth.app_passwords import AppPassword
from emailproxy.protocols.proofs import ScramVerifier, scram_salt
from emailproxy.store.base import Record
from emailproxy.throttle import Throttle
from emailproxy.tls import UpstreamTls
from emailproxy.upstream import UpstreamServers

from .oauth.managing_support import MANAGED, PHONE, PRINTER, entry, managed_record
from .oauth.support import ACCOUNT, sealed_record, world
from .scram_client import ScramClient, cram_answer
from .scripted import serving
from .test_session import Client, connected

IMAP, POP, SMTP = MailProtocol.IMAP, MailProtocol.POP, MailProtocol.SMTP
BOTH = ("SCRAM-SHA-256", "CRAM-MD5")
USER = ACCOUNT.name


def provable(name: str = "phone", **more: object) -> AppPassword:
    return entry(PHONE, name, scram=ScramVerifier.of(PHONE, scram_salt(USER)), plain=PHONE, **more)


LONG = 10**8
"""Seconds: the clock of these tests is the real one, which begins somewhere."""
RECORD = managed_record(provable(), entry(PRINTER, "printer"), access="good-token", expires_in=LONG)


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def client_of(
    ca: trustme.CA,
    protocol: MailProtocol = IMAP,
    record: Record | None = RECORD,
    settings: Settings = MANAGED,
    account: Account = ACCOUNT,
    **options: object,
) -> AsyncIterator[Client]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(tls)
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)
    async with serving(protocol, tls) as scripted, world(record=record, settings=settings) as w:
        config = Config(Path("emailproxy.config"), (), {account.name: account}, settings=settings)
        services = Services(
            lambda: config,
            w.broker,
            UpstreamServers(UpstreamTls(trusting), Scratch()),
            Throttle(),
            Audiences(),
            itertools.count(),
        )
        server = scripted.configured(**{"auth_mechanisms": BOTH, **options})
        async with connected(server, services) as client:
            await client.line()  # the greeting
            if protocol is SMTP:
                await client.say("EHLO here\r\n")
                await client.until("250 ")
            yield client


WORDS = {
    IMAP: ("1 AUTHENTICATE", "+ ", "1 OK", "1 NO"),
    POP: ("AUTH", "+ ", "+OK", "-ERR"),
    SMTP: ("AUTH", "334 ", "235", "535"),
}


async def scram(client: Client, protocol: MailProtocol, user: str, password: str) -> str:
    """What the exchange ends with."""
    auth, go_on, _, _ = WORDS[protocol]
    us = ScramClient(user, password)
    await client.say(f"{auth} SCRAM-SHA-256 {us.first}\r\n")
    challenge = await client.until(go_on)
    await client.say(us.final(challenge.removeprefix(go_on)) + "\r\n")
    answer = await client.line()
    if answer.startswith(go_on):
        assert us.believes(answer.removeprefix(go_on)), "a client that checks who the server is would leave"
        await client.say("\r\n")
        answer = await client.line()
    return answer


async def cram(client: Client, protocol: MailProtocol, user: str, password: str) -> str:
    auth, go_on, _, _ = WORDS[protocol]
    await client.say(f"{auth} CRAM-MD5\r\n")
    challenge = (await client.until(go_on)).removeprefix(go_on)
    await client.say(cram_answer(user, password, challenge) + "\r\n")
    return await client.line()


@pytest.mark.parametrize("protocol", list(MailProtocol))
@pytest.mark.parametrize("exchange", [scram, cram])
async def test_whoever_has_the_password_gets_in_and_nobody_else(
    ca: trustme.CA, protocol: MailProtocol, exchange: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emailproxy.session.GRID", 0.01)
    _, _, ok, no = WORDS[protocol]
    async with client_of(ca, protocol) as client:
        for user, password in (
            (USER, "xyzdefghijkmnpqr"),  # the printer's, which was not made for this
            (USER, "abcdefghijkmnpqq"),
            ("nobody@example.com", PHONE.reveal()),
        ):
            assert (await exchange(client, protocol, user, password)).startswith(no)  # type: ignore[operator]
        assert (await exchange(client, protocol, USER.upper(), PHONE.reveal())).startswith(ok)  # type: ignore[operator]
        await client.say("NOOP\r\n")
        assert await client.line() == "NOOP"


async def test_the_limits_of_an_app_password_count_for_its_proofs(
    ca: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emailproxy.session.GRID", 0.01)
    record = managed_record(provable(protocols=("SMTP",)), access="good-token", expires_in=LONG)
    async with client_of(ca, IMAP, record) as client:
        assert (await scram(client, IMAP, USER, PHONE.reveal())).startswith("1 NO [AUTHENTICATIONFAILED]")
        assert (await cram(client, IMAP, USER, PHONE.reveal())).startswith("1 NO [AUTHENTICATIONFAILED]")
    async with client_of(ca, SMTP, record) as client:
        assert (await scram(client, SMTP, USER, PHONE.reveal())).startswith("235")


@pytest.mark.parametrize("record", [RECORD, None, sealed_record()], ids=["managed", "new", "compatible"])
async def test_nobody_can_tell_who_has_an_account_or_of_what_kind(
    ca: trustme.CA, record: Record | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The challenge and the refusal have the same form, and the salt of a name never changes."""
    monkeypatch.setattr("emailproxy.session.GRID", 0.01)
    heard: dict[str, set[tuple[str, int]]] = {}
    salts: dict[str, set[str]] = {}
    async with client_of(ca, IMAP, record) as client:
        for user in (USER, "nobody@example.com") * 2:
            await client.say(f"1 AUTHENTICATE SCRAM-SHA-256 {ScramClient(user, 'x').first}\r\n")
            challenge = (await client.until("+ ")).removeprefix("+ ")
            salts.setdefault(user, set()).add(b64decode(challenge).decode().split(",")[1])
            await client.say(ScramClient(user, "x").final(challenge) + "\r\n")
            answer = await client.line()
            heard.setdefault(user, set()).add((answer.partition(" (ref")[0], len(challenge)))
    assert heard[USER] == heard["nobody@example.com"]
    assert len(salts[USER]) == len(salts["nobody@example.com"]) == 1
    assert salts[USER] != salts["nobody@example.com"]


async def test_nothing_is_offered_unless_the_listener_says_so(ca: trustme.CA) -> None:
    async with client_of(ca, IMAP, auth_mechanisms=()) as client:
        await client.say("1 CAPABILITY\r\n")
        assert "SCRAM" not in await client.line()
        await client.line()
        await client.say(f"1 AUTHENTICATE SCRAM-SHA-256 {ScramClient(USER, PHONE.reveal()).first}\r\n")
        assert (await client.line()).startswith("1 NO Unsupported mechanism")


async def test_an_answer_to_another_challenge_is_worth_nothing(ca: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replayed: every challenge has a nonce of its own."""
    monkeypatch.setattr("emailproxy.session.GRID", 0.01)
    async with client_of(ca, IMAP) as client:
        us = ScramClient(USER, PHONE.reveal())
        await client.say(f"1 AUTHENTICATE SCRAM-SHA-256 {us.first}\r\n")
        overheard = us.final((await client.until("+ ")).removeprefix("+ "))
        await client.say("*\r\n")
        await client.until("1 BAD")
        await client.say(f"2 AUTHENTICATE SCRAM-SHA-256 {us.first}\r\n")
        await client.until("+ ")
        await client.say(overheard + "\r\n")
        assert (await client.line()).startswith("2 BAD Malformed")
        await client.say("3 AUTHENTICATE CRAM-MD5\r\n")
        first = (await client.until("+ ")).removeprefix("+ ")
        await client.say("*\r\n")
        await client.until("3 BAD")
        await client.say("1 AUTHENTICATE CRAM-MD5\r\n")
        assert (await client.until("+ ")).removeprefix("+ ") != first
        await client.say(cram_answer(USER, PHONE.reveal(), first) + "\r\n")
        assert (await client.line()).startswith("1 NO [AUTHENTICATIONFAILED]")


async def test_guesses_are_throttled_like_any_and_an_alias_is_the_account(
    ca: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emailproxy.session.GRID", 0.01)
    aliased = replace(ACCOUNT, login_aliases=("phone",))
    async with client_of(ca, IMAP, account=aliased) as client:
        assert (await scram(client, IMAP, "phone", PHONE.reveal())).startswith("1 OK")
    async with client_of(ca, IMAP) as client:
        throttle = client.services.throttle
        for _ in range(20):
            throttle.failed("192.0.2.7", USER)
        assert (await scram(client, IMAP, USER, PHONE.reveal())).startswith("1 NO [UNAVAILABLE]")


async def test_whoever_proved_it_may_still_be_unlucky_with_the_server(ca: trustme.CA) -> None:
    async with client_of(ca, IMAP, server_port=1) as client:
        assert (await scram(client, IMAP, USER, PHONE.reveal())).startswith("1 NO [UNAVAILABLE]")
        await trio.lowlevel.checkpoint()


def test_a_listener_without_mechanisms_costs_nothing() -> None:
    assert Server("IMAP-1", IMAP, 1, "x", 1).auth_mechanisms == ()
