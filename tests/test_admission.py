"""Clients that prove instead of sending, from the socket to the broker: who gets in, and what strangers can tell."""

from __future__ import annotations

import hashlib
import itertools
import ssl
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from emailproxy.audience import Audiences
from emailproxy.config import Account, ClientCertificates, Config, MailProtocol, Settings
from emailproxy.config.model import DefaultAccount
from emailproxy.connection import Scratch
from emailproxy.login import Services
from emailproxy.oauth.app_passwords import AppPassword
from emailproxy.protocols.proofs import ScramVerifier, scram_salt
from emailproxy.store.base import Record
from emailproxy.throttle import Throttle
from emailproxy.tls import UpstreamTls, downstream_context
from emailproxy.upstream import UpstreamServers

from .oauth.managing_support import KEY, MANAGED, PHONE, PRINTER, entry, managed_record
from .oauth.support import ACCOUNT, World, grant, sealed_record, unattended, world
from .scram_client import ScramClient, cram_answer
from .scripted import serving
from .test_session import Client, connected

IMAP, POP, SMTP = MailProtocol.IMAP, MailProtocol.POP, MailProtocol.SMTP
BOTH = ("SCRAM-SHA-256", "CRAM-MD5")
USER = ACCOUNT.name
OTHER = replace(ACCOUNT, name="other@example.com", section="other@example.com")


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
    context: ssl.SSLContext | None = None,
    secure: Callable[[Client], Awaitable[None]] | None = None,
    answers: Sequence[Any] = (),
    worlds: list[World] | None = None,
    **options: object,
) -> AsyncIterator[Client]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(tls)
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)
    async with serving(protocol, tls) as scripted, world(*answers, record=record, settings=settings) as w:
        if worlds is not None:
            worlds.append(w)
        known = {one.name: one for one in (account, OTHER)}
        config = Config(Path("emailproxy.config"), (), known, settings=settings)
        services = Services(
            lambda: config,
            w.broker,
            UpstreamServers(UpstreamTls(trusting), Scratch()),
            Throttle(),
            Audiences(),
            itertools.count(),
        )
        server = scripted.configured(**{"auth_mechanisms": BOTH, **options})
        async with connected(server, services, context) as client:
            if secure is not None:
                await secure(client)
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


# -- certificates

CLIENTS = ClientCertificates(Path("unused"))
APPLICATION = unattended("client_credentials")


class Authority:
    """A CA for clients' certificates, and a listener's TLS that trusts it."""

    def __init__(self, folder: Path, *, required: bool = False) -> None:
        self._ca = trustme.CA()
        self._server = trustme.CA()
        self._folder = folder
        leaf = self._server.issue_cert("localhost")
        leaf.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        self._ca.cert_pem.write_to_path(folder / "clients.pem")
        self.context = downstream_context(
            folder / "server.pem", None, "1.2", client_authority=folder / "clients.pem", client_required=required
        )

    def shown_by(
        self, *identities: str, common_name: str | None = None, by: trustme.CA | None = None, version: str = "1.3"
    ) -> Callable[[Client], Awaitable[None]]:
        """How a client secures its connection that has a certificate for `identities`; without any: none."""
        context = ssl.create_default_context()
        self._server.configure_trust(context)
        context.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
        if identities or common_name:
            leaf = (by or self._ca).issue_cert(*(identities or ("x",)), common_name=common_name)
            leaf.configure_cert(context)
            self.fingerprint = hashlib.sha256(
                ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
            ).hexdigest()

        async def secure(client: Client) -> None:
            await client.connection.start_tls(lambda i, o: context.wrap_bio(i, o, server_hostname="localhost"))

        return secure


EXTERNAL = {IMAP: "1 AUTHENTICATE EXTERNAL", POP: "AUTH EXTERNAL", SMTP: "AUTH EXTERNAL"}


@pytest.mark.parametrize("protocol", list(MailProtocol))
@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_a_certificate_opens_the_account_whose_address_it_bears(
    ca: trustme.CA, tmp_path: Path, protocol: MailProtocol, version: str
) -> None:
    us = Authority(tmp_path)
    _, _, ok, _ = WORDS[protocol]
    async with client_of(
        ca, protocol, context=us.context, secure=us.shown_by(USER.upper(), version=version), client_certificates=CLIENTS
    ) as client:
        await client.say(f"{EXTERNAL[protocol]} =\r\n")
        assert (await client.line()).startswith(ok)
        await client.say("NOOP\r\n")
        assert await client.line() == "NOOP"


async def test_with_starttls_it_is_offered_when_it_was_shown(ca: trustme.CA, tmp_path: Path) -> None:
    us = Authority(tmp_path)
    async with client_of(
        ca, IMAP, context=us.context, local_starttls=True, client_certificates=CLIENTS, auth_mechanisms=()
    ) as client:
        await client.say("1 CAPABILITY\r\n")
        assert "EXTERNAL" not in await client.line()
        await client.line()
        await client.say("1 AUTHENTICATE EXTERNAL =\r\n")
        assert (await client.line()).startswith("1 NO Unsupported")
        await client.say("1 STARTTLS\r\n")
        await client.until("1 OK")
        await us.shown_by(USER)(client)
        await client.say("1 CAPABILITY\r\n")
        assert "AUTH=EXTERNAL" in await client.line()
        await client.line()
        await client.say(f"1 AUTHENTICATE EXTERNAL {b64encode(USER.encode()).decode()}\r\n")
        assert (await client.line()).startswith("1 OK")


async def test_without_a_certificate_there_is_nothing_to_refer_to(ca: trustme.CA, tmp_path: Path) -> None:
    us = Authority(tmp_path)
    async with client_of(ca, IMAP, context=us.context, secure=us.shown_by(), client_certificates=CLIENTS) as client:
        await client.say("1 AUTHENTICATE EXTERNAL =\r\n")
        assert (await client.line()).startswith("1 NO Unsupported")
        await client.say(f"1 LOGIN {USER} {PHONE.reveal()}\r\n")
        assert (await client.line()).startswith("1 OK"), "certificates are optional"


@pytest.mark.parametrize("identities", [(), (USER,)], ids=["none", "another authority's"])
async def test_who_must_show_one_and_has_none_of_ours_is_turned_away(
    ca: trustme.CA, tmp_path: Path, identities: tuple[str, ...]
) -> None:
    us = Authority(tmp_path, required=True)
    strange = us.shown_by(*identities, by=trustme.CA())
    with pytest.RaisesGroup(pytest.RaisesExc((OSError, EOFError)), flatten_subgroups=True):
        async with client_of(
            ca, IMAP, context=us.context, secure=strange, client_certificates=replace(CLIENTS, required=True)
        ):
            raise AssertionError("let in")


async def test_who_must_show_one_must_start_tls_first(ca: trustme.CA, tmp_path: Path) -> None:
    us = Authority(tmp_path, required=True)
    async with client_of(
        ca,
        IMAP,
        context=us.context,
        local_starttls=True,
        client_certificates=replace(CLIENTS, required=True),
    ) as client:
        await client.say(f"1 LOGIN {USER} {PHONE.reveal()}\r\n")
        assert (await client.line()).startswith("1 NO [CONTACTADMIN] A client certificate is needed")
        assert (await scram(client, IMAP, USER, PHONE.reveal())).startswith("1 NO [CONTACTADMIN]")
        await client.say("1 STARTTLS\r\n")
        await client.until("1 OK")
        await us.shown_by("somebody.else@example.com")(client)
        await client.say(f"1 LOGIN {USER} {PHONE.reveal()}\r\n")
        assert (await client.line()).startswith("1 OK"), "the certificate is required besides the password"


@pytest.mark.parametrize("how", ["name", "common name", "fingerprint"])
async def test_the_listener_may_name_the_account_of_a_certificate(ca: trustme.CA, tmp_path: Path, how: str) -> None:
    us = Authority(tmp_path)
    secure = us.shown_by("Lobby.example.com", common_name="copier 7")
    key = {"name": "lobby.example.com", "common name": "copier 7", "fingerprint": f"sha256:{us.fingerprint}"}[how]
    clients = replace(CLIENTS, accounts=((key, USER),))
    async with client_of(ca, SMTP, context=us.context, secure=secure, client_certificates=clients) as client:
        await client.say("AUTH EXTERNAL\r\n")
        assert await client.line() == "334 "
        await client.say("\r\n")
        assert (await client.line()).startswith("235")


@pytest.mark.parametrize(
    ("identities", "asked"),
    [
        (("bob@example.com",), ""),
        (("bob@example.com",), USER),
        ((USER,), "bob@example.com"),
        (("x.org",), USER),
        ((USER,), OTHER.name),
        ((OTHER.name,), USER),
    ],
)
async def test_a_certificate_opens_no_other_account(
    ca: trustme.CA,
    tmp_path: Path,
    identities: tuple[str, ...],
    asked: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("emailproxy.session.GRID", 0.01)
    us = Authority(tmp_path)
    async with client_of(
        ca, IMAP, context=us.context, secure=us.shown_by(*identities), client_certificates=CLIENTS
    ) as client:
        await client.say(f"1 AUTHENTICATE EXTERNAL {b64encode(asked.encode()).decode() or '='}\r\n")
        assert (await client.line()).startswith("1 NO [AUTHENTICATIONFAILED]")
        assert "the certificate of " in caplog.text


async def test_an_account_may_begin_with_a_certificate(ca: trustme.CA, tmp_path: Path) -> None:
    """Nobody has a password for it; the service key seals what its application gets."""
    us = Authority(tmp_path)
    worlds: list[World] = []
    async with client_of(
        ca,
        IMAP,
        None,
        account=APPLICATION,
        answers=[grant("good-token")],
        worlds=worlds,
        context=us.context,
        secure=us.shown_by(USER),
        client_certificates=CLIENTS,
    ) as client:
        await client.say("1 AUTHENTICATE EXTERNAL =\r\n")
        assert (await client.line()).startswith("1 OK")
        record = worlds[0].records.record
        assert record.sealed_by == KEY.identifier
        assert record.app_passwords is None


async def test_an_account_that_a_mail_password_seals_is_not_opened(
    ca: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    us = Authority(tmp_path)
    async with client_of(
        ca, IMAP, sealed_record(), context=us.context, secure=us.shown_by(USER), client_certificates=CLIENTS
    ) as client:
        await client.say("1 AUTHENTICATE EXTERNAL =\r\n")
        assert (await client.line()).startswith("1 NO [CONTACTADMIN]")
        assert f"emailproxy passwords migrate {USER}" in caplog.text


# -- who cannot log in at all

NETWORK = (DefaultAccount(ip_network("192.0.2.0/24"), USER),)
"""Where the client of these tests is: 192.0.2.7."""
MAIL = "MAIL FROM:<scanner@example.com> SIZE=100"


async def test_mail_without_a_login_goes_to_the_server_as_it_came(
    ca: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with client_of(ca, SMTP, managed_record(access="good-token", expires_in=LONG), default_accounts=NETWORK) as c:
        await c.say(f"NOOP\r\n{MAIL}\r\nRCPT TO:<a@example.com>\r\nDATA\r\n.")
        assert await c.line() == "250 2.0.0 OK"
        assert [await c.line() for _ in range(3)] == [MAIL, "RCPT TO:<a@example.com>", "DATA"], "the server's echo"
        await c.say("\r\n")
        assert await c.line() == "."
        [line] = [record for record in caplog.records if getattr(record, "mechanism", None)]
        assert (line.account, line.mechanism, line.outcome) == (USER, "default account", "ok")  # type: ignore[attr-defined]


async def test_elsewhere_and_without_a_greeting_it_is_refused_as_ever(ca: trustme.CA) -> None:
    away = (DefaultAccount(ip_network("198.51.100.0/24"), USER),)
    async with client_of(ca, SMTP, default_accounts=away) as client:
        await client.say(f"{MAIL}\r\n")
        assert await client.line() == "530 5.7.0 Authentication required"


async def test_a_device_that_says_helo_and_one_that_logs_in_all_the_same(ca: trustme.CA) -> None:
    async with client_of(ca, SMTP, default_accounts=NETWORK) as client:
        await client.say(f"HELO printer\r\n{MAIL}\r\n")
        assert (await client.line()).startswith("250 ")
        assert await client.line() == MAIL
    async with client_of(ca, SMTP, default_accounts=NETWORK) as client:
        assert (await scram(client, SMTP, USER, PHONE.reveal())).startswith("235")
        await client.say(f"{MAIL}\r\n")
        assert await client.line() == MAIL


async def test_whoever_sends_without_end_is_stopped(ca: trustme.CA) -> None:
    async with client_of(ca, SMTP, default_accounts=NETWORK) as client:
        while client.services.allowance.take("192.0.2.7"):
            pass
        await client.say(f"{MAIL}\r\n{MAIL}\r\n")
        assert (await client.line()).startswith("451 4.7.0 Too many connections without a login")
        assert (await client.line()).startswith("451 4.7.0 ")
        assert (await scram(client, SMTP, USER, PHONE.reveal())).startswith("235"), "who logs in is not concerned"


async def test_an_account_of_a_person_waits_for_consent(ca: trustme.CA) -> None:
    async with client_of(
        ca, SMTP, None, settings=replace(MANAGED, login_wait=0.05), default_accounts=NETWORK
    ) as client:
        await client.say(f"{MAIL}\r\n")
        assert (await client.line()).startswith("451 4.7.0 No token for this account yet")


@pytest.mark.parametrize("port", [1, None])
async def test_failures_are_answered_in_the_words_of_mail(ca: trustme.CA, port: int | None) -> None:
    record = managed_record(access="good-token", expires_in=LONG) if port else sealed_record()
    options: dict[str, Any] = {"server_port": port} if port else {}
    async with client_of(ca, SMTP, record, default_accounts=NETWORK, **options) as client:
        await client.say(f"{MAIL}\r\nRSET\r\n")
        assert (await client.line()).startswith("451 4.7.0 The mail server cannot be" if port else "554 5.3.5 ")
        assert await client.line() == "250 2.0.0 OK"
