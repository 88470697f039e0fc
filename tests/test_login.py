"""Credentials, a token, a connection: who is asked what in which order, and what the operator reads on failure."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
import trio
import trustme

from emailproxy.config import Account, Config, MailProtocol, MailServer, Server, Settings
from emailproxy.connection import Scratch
from emailproxy.failures import Failure, FailureKind, LoginFailed
from emailproxy.login import LOGIN_WAITS, Services, log_in
from emailproxy.oauth.tokens import AccessToken
from emailproxy.protocols.events import Credentials
from emailproxy.protocols.proofs import Proof
from emailproxy.secret import Secret
from emailproxy.throttle import Throttle
from emailproxy.tls import UpstreamTls
from emailproxy.upstream import ClientHello, UpstreamServers
from tests.clocks import PatientClock

from .scripted import ScriptedServer, serving

ACCOUNT = Account("user@example.com", "user@example.com", "password", "https://example.com/token")
CREDENTIALS = Credentials("USER@example.com", Secret("pass"), "LOGIN")
SERVER = Server("IMAP-1993", MailProtocol.IMAP, 1993, "127.0.0.1", 1)

Script = Callable[[AccessToken | None], str]


class ScriptedTokens:
    """Gives the token that `script` names for the refused one; remembers what was asked."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[tuple[str, Secret, str | None, str]] = []
        self.held: str | None = None

    def at_hand(
        self, account: Account, password: Secret, *, client: str = "", server: Server | None = None
    ) -> AccessToken | None:
        return AccessToken(Secret(self.held), 1e12) if self.held is not None else None

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
        self.asked.append((account.name, password, None if refused is None else refused.value.reveal(), client))
        name = self.script(refused)
        if name == "never":
            await trio.sleep_forever()
        return AccessToken(Secret(name), 1e12)


def services(tokens: ScriptedTokens, context: ssl.SSLContext | None = None, **settings: float) -> Services:
    config = Config(Path("emailproxy.config"), (), {ACCOUNT.name: ACCOUNT}, settings=Settings(**settings))  # type: ignore[arg-type]
    return Services(lambda: config, tokens, UpstreamServers(UpstreamTls(context), Scratch()), Throttle())


async def failure(shared: Services, server: Server, credentials: Credentials = CREDENTIALS) -> tuple[FailureKind, str]:
    with pytest.raises(LoginFailed) as caught:
        await log_in(shared, server, credentials, ClientHello(), "192.0.2.7:4711")
    found = caught.value.failure
    assert found.text.isascii()
    assert found.detail not in found.text
    return found.kind, found.detail


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def contexts(ca: trustme.CA) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    ca.configure_trust(client)
    return client, server


async def test_the_account_names_the_mailbox_and_the_broker_hears_of_the_client(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    tokens = ScriptedTokens(lambda _: "good-token")
    async with serving(MailProtocol.IMAP, contexts[1]) as scripted:
        account, joined = await log_in(
            services(tokens, contexts[0]), scripted.configured(), CREDENTIALS, ClientHello(), "192.0.2.7:4711"
        )
        joined.connection.close()
        assert account is ACCOUNT
        assert scripted.users == ["user=user@example.com"], "the account's spelling, not the client's"
    assert tokens.asked == [("user@example.com", Secret("pass"), None, "192.0.2.7:4711")]


async def test_a_refused_token_is_replaced_once(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    tokens = ScriptedTokens(lambda refused: "second" if refused else "first")
    async with serving(MailProtocol.IMAP, contexts[1]) as scripted:
        kind, detail = await failure(services(tokens, contexts[0]), scripted.configured())
    assert kind is FailureKind.MISCONFIGURED
    assert "a fresh token was refused too" in detail
    assert "NO AUTHENTICATE failed." in detail or "AUTHENTICATE failed." in detail
    assert [asked[2] for asked in tokens.asked] == [None, "first"]


@pytest.mark.parametrize(
    ("flow", "reply", "advice"),
    [
        ("password", "NO AUTHENTICATE failed.", "IMAP.AccessAsUser.All"),
        ("client_credentials", "NO AUTHENTICATE failed.", "New-ServicePrincipal"),
        ("password", "NO Computer says no", "check oauth2_scope"),
        ("password", "BAD Request is throttled. Suggested Backoff Time: 89117 milliseconds", "wait as long as it says"),
        ("password", "NO [UNAVAILABLE] Busy", "trying later may help"),
    ],
)
async def test_the_operator_is_told_what_to_do(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], flow: str, reply: str, advice: str
) -> None:
    def change(server: ScriptedServer) -> None:
        server.refusal = reply

    shared = services(ScriptedTokens(lambda refused: "second" if refused else "first"), contexts[0])
    config = replace(shared.config(), accounts={ACCOUNT.name: replace(ACCOUNT, oauth2_flow=flow)})
    async with serving(MailProtocol.IMAP, contexts[1], change) as scripted:
        _, detail = await failure(replace(shared, config=lambda: config), scripted.configured())
    said, _, told = detail.partition(" -> ")
    assert reply.split(" ", 1)[1][:20] in said
    assert advice in told


async def test_a_token_at_hand_spares_the_question_until_it_is_refused(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    tokens = ScriptedTokens(lambda _: "good-token")
    tokens.held = "good-token"
    async with serving(MailProtocol.IMAP, contexts[1]) as scripted:
        shared = services(tokens, contexts[0])
        _, joined = await log_in(shared, scripted.configured(), CREDENTIALS, ClientHello(), "192.0.2.7:4711")
        joined.connection.close()
        assert not tokens.asked
        tokens.held = "revoked"
        _, joined = await log_in(shared, scripted.configured(), CREDENTIALS, ClientHello(), "192.0.2.7:4711")
        joined.connection.close()
    assert [asked[2] for asked in tokens.asked] == ["revoked"]


async def test_a_busy_server_costs_no_second_token(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    def change(server: ScriptedServer) -> None:
        server.refusal = "NO [UNAVAILABLE] later"

    tokens = ScriptedTokens(lambda _: "bad")
    async with serving(MailProtocol.IMAP, contexts[1], change) as scripted:
        kind, _ = await failure(services(tokens, contexts[0]), scripted.configured())
    assert kind is FailureKind.TEMPORARY
    assert len(tokens.asked) == 1


async def test_an_unknown_account_asks_nobody() -> None:
    tokens = ScriptedTokens(lambda _: "x")
    kind, detail = await failure(services(tokens), SERVER, Credentials("nobody@example.com", Secret("x"), "LOGIN"))
    assert kind is FailureKind.WRONG_CREDENTIALS
    assert "nobody@example.com" in detail
    assert not tokens.asked


async def test_whether_another_identity_is_refused_does_not_depend_on_the_account() -> None:
    tokens = ScriptedTokens(lambda _: "x")
    told = [
        await failure(services(tokens), SERVER, Credentials(user, Secret("x"), "AUTH PLAIN", "boss@example.com"))
        for user in ("user@example.com", "nobody@example.com")
    ]
    assert told[0] == told[1]


async def test_another_identity_asks_nobody() -> None:
    tokens = ScriptedTokens(lambda _: "x")
    kind, detail = await failure(
        services(tokens), SERVER, Credentials("user@example.com", Secret("x"), "AUTH PLAIN", "boss@example.com")
    )
    assert kind is FailureKind.MISCONFIGURED
    assert "authorisation identity" in detail
    assert not tokens.asked


@pytest.mark.parametrize("protocol", list(MailProtocol))
async def test_how_long_a_login_waits(protocol: MailProtocol, autojump_clock: PatientClock) -> None:
    tokens = ScriptedTokens(lambda _: "never")
    server = Server(f"{protocol.value}-1", protocol, 1, "127.0.0.1", 1)
    kind, detail = await failure(services(tokens), server)
    assert kind is FailureKind.TEMPORARY
    assert f"within {LOGIN_WAITS[protocol]:g} s" in detail
    assert trio.current_time() == pytest.approx(LOGIN_WAITS[protocol])
    await failure(services(tokens, login_wait=2.5), server)
    assert trio.current_time() == pytest.approx(LOGIN_WAITS[protocol] + 2.5)


async def test_a_mail_server_that_is_away() -> None:
    kind, detail = await failure(services(ScriptedTokens(lambda _: "x")), SERVER)
    assert kind is FailureKind.TEMPORARY
    assert "127.0.0.1:1 cannot be reached" in detail


# --- where, and as whom ---------------------------------------------------------------------------------------------


def routed(account: Account, context: ssl.SSLContext | None = None) -> Services:
    shared = services(ScriptedTokens(lambda _: "good-token"), context)
    config = Config(Path("emailproxy.config"), (), {account.name: account})
    return replace(shared, config=lambda: config)


def destination(scripted: ScriptedServer) -> MailServer:
    server = scripted.configured().mail_server
    assert server is not None
    return server


@pytest.mark.parametrize("protocol", list(MailProtocol))
async def test_the_mail_server_hears_the_name_that_its_protocol_has(
    protocol: MailProtocol, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    account = replace(
        ACCOUNT, upstream_user="delegate@example.com", protocol_users=((MailProtocol.IMAP, "shared@example.com"),)
    )
    async with serving(protocol, contexts[1]) as scripted:
        found, joined = await log_in(
            routed(account, contexts[0]), scripted.configured(), CREDENTIALS, ClientHello(), "192.0.2.7:4711"
        )
        joined.connection.close()
        assert found is account
        name = "shared" if protocol is MailProtocol.IMAP else "delegate"
        assert scripted.users == [f"user={name}@example.com"]


async def test_an_alias_is_the_account(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    account = replace(ACCOUNT, login_aliases=("scan",))
    async with serving(MailProtocol.IMAP, contexts[1]) as scripted:
        shared = routed(account, contexts[0])
        credentials = Credentials("SCAN", Secret("pass"), "LOGIN")
        _, joined = await log_in(shared, scripted.configured(), credentials, ClientHello(), "192.0.2.7:4711")
        joined.connection.close()
        assert scripted.users == ["user=user@example.com"]
    assert isinstance(shared.tokens, ScriptedTokens)
    assert [asked[0] for asked in shared.tokens.asked] == ["user@example.com"]


@pytest.mark.parametrize("elsewhere", ["127.0.0.1", None])
async def test_the_accounts_own_server_goes_before_the_ports(
    elsewhere: str | None, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    async with serving(MailProtocol.IMAP, contexts[1]) as scripted:
        port = scripted.configured(server_address=elsewhere, server_port=1 if elsewhere else None)
        shared = routed(replace(ACCOUNT, servers=(destination(scripted),)), contexts[0])
        _, joined = await log_in(shared, port, CREDENTIALS, ClientHello(), "192.0.2.7:4711")
        joined.connection.close()


async def test_an_account_without_a_server_is_refused_with_what_to_add(autojump_clock: PatientClock) -> None:
    account = replace(ACCOUNT, servers=(MailServer(MailProtocol.SMTP, "smtp.example.com", 465),))
    port = Server("IMAP-1993", MailProtocol.IMAP, 1993, None, None)
    kind, detail = await failure(routed(account), port)
    assert kind is FailureKind.MISCONFIGURED
    assert (
        detail == "[IMAP-1993] has no server_address, and [user@example.com] neither imap_server nor provider; add one"
    )


async def test_only_a_right_password_learns_that_there_is_no_server() -> None:
    class Wrong(ScriptedTokens):
        async def token(self, *args: object, **options: object) -> AccessToken:
            await trio.lowlevel.checkpoint()
            raise LoginFailed(Failure(FailureKind.WRONG_CREDENTIALS, "No.", "wrong"))

    shared = replace(routed(ACCOUNT), tokens=Wrong(lambda _: ""))
    kind, _ = await failure(shared, Server("IMAP-1993", MailProtocol.IMAP, 1993, None, None))
    assert kind is FailureKind.WRONG_CREDENTIALS
