"""Who may set the password of an account for which nobody vouches."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
import trio

from emailproxy.config.model import MailProtocol, SealedSecret, Server, Settings
from emailproxy.failures import FailureKind
from emailproxy.oauth.sealing import derive_key
from emailproxy.secret import Secret
from emailproxy.store.document import lasting
from tests.clocks import PatientClock

from .support import FEW, PASSWORD, SALT, WRONG, failure, grant, refusal, sealed_record, token, unattended, world

ACCOUNT = unattended("client_credentials")
PUBLIC = Server("IMAP-1993", MailProtocol.IMAP, 1993, "imap.example.com", 993)
LOCAL = replace(PUBLIC, local_address="127.0.0.1")


async def test_a_public_listener_lets_nobody_be_the_first(autojump_clock: PatientClock) -> None:
    async with world() as w:
        refused = (await failure(w, account=ACCOUNT, server=PUBLIC)).failure
        assert refused.kind is FailureKind.MISCONFIGURED
        assert "trust_first_login = True" in refused.detail
        assert f"emailproxy passwords add {ACCOUNT.name}" in refused.detail
        assert "[IMAP-1993]" in refused.detail
        assert not w.provider.requests
        assert not w.records.stored


@pytest.mark.parametrize(
    ("server", "settings"),
    [
        (LOCAL, Settings()),
        (replace(PUBLIC, local_address="localhost"), Settings()),
        (replace(PUBLIC, local_address="::1"), Settings()),
        (PUBLIC, Settings(trust_first_login=True)),
        (None, Settings()),
    ],
)
async def test_who_may_be_the_first(autojump_clock: PatientClock, server: Server | None, settings: Settings) -> None:
    async with world(grant(), settings=settings) as w:
        assert await token(w, account=ACCOUNT, server=server) == "new-access"


async def test_an_account_with_a_record_has_had_its_first_login(autojump_clock: PatientClock) -> None:
    async with world(grant(), record=sealed_record(refresh=None)) as w:
        assert (await failure(w, WRONG, ACCOUNT, server=PUBLIC)).failure.kind is FailureKind.WRONG_CREDENTIALS
        assert await token(w, account=ACCOUNT, server=PUBLIC) == "new-access"


async def test_after_a_first_login_on_this_machine_the_others_may_come(autojump_clock: PatientClock) -> None:
    async with world(grant()) as w:
        await token(w, account=ACCOUNT, server=LOCAL)
        assert await token(w, account=ACCOUNT, server=PUBLIC) == "new-access"
        assert (await failure(w, WRONG, ACCOUNT, server=PUBLIC)).failure.kind is FailureKind.WRONG_CREDENTIALS


async def test_the_provider_vouches_where_it_checks_the_password(autojump_clock: PatientClock) -> None:
    async with world(grant()) as w:
        assert await token(w, account=unattended("password"), server=PUBLIC) == "new-access"
    settings = Settings(use_login_password_as_client_credentials_secret=True)
    account = replace(ACCOUNT, client_secret=None)
    async with world(refusal("invalid_client"), grant(), settings=settings) as w:
        assert (await failure(w, WRONG, account, server=PUBLIC)).failure.kind is FailureKind.WRONG_CREDENTIALS
        assert await token(w, PASSWORD, account, server=PUBLIC) == "new-access"
        assert w.provider.requests[1]["client_secret"] == PASSWORD.reveal()


async def test_the_password_is_no_secret_beside_a_real_one(autojump_clock: PatientClock) -> None:
    settings = Settings(use_login_password_as_client_credentials_secret=True)
    async with world(settings=settings) as w:
        assert (await failure(w, account=ACCOUNT, server=PUBLIC)).failure.kind is FailureKind.MISCONFIGURED


async def test_a_secret_that_the_password_opens_vouches(autojump_clock: PatientClock) -> None:
    sealed = sealed_record(access="sealed-secret", refresh=None)
    assert sealed.access_token is not None
    assert sealed.token_salt is not None
    inherited = SealedSecret(sealed.access_token, sealed.token_salt, sealed.token_iterations or 0)
    account = replace(ACCOUNT, client_secret=None, inherited_secret=inherited)
    async with world(grant()) as w:
        assert (await failure(w, WRONG, account, server=PUBLIC)).failure.kind is FailureKind.WRONG_CREDENTIALS
        assert await token(w, account=account, server=PUBLIC) == "new-access"
        assert w.provider.requests[0]["client_secret"] == "sealed-secret"


async def test_a_person_vouches(autojump_clock: PatientClock) -> None:
    async with world(grant(refresh="r")) as w, trio.open_nursery() as nursery:
        got: list[str] = []

        async def login() -> None:
            got.append(await token(w, server=PUBLIC))

        nursery.start_soon(login)
        await w.person()
        await trio.sleep(1)
        assert got == ["new-access"]


async def test_a_port_behind_a_load_balancer_is_reached_from_elsewhere(autojump_clock: PatientClock) -> None:
    balanced = replace(LOCAL, proxy_protocol_from=(ip_network("127.0.0.1"),))
    async with world() as w:
        assert (await failure(w, account=ACCOUNT, server=balanced)).failure.kind is FailureKind.MISCONFIGURED


async def test_a_secret_manager_remembers_the_password_of_an_application(autojump_clock: PatientClock) -> None:
    """It keeps no access token, and there is no refresh token: a constant that the password seals is all there is."""
    async with world(grant()) as w:
        w.records.bills_writes = True
        await token(w, account=ACCOUNT, server=LOCAL)
        kept = lasting(w.records.record)
        assert kept.refresh_token is None
        assert kept.password_check is not None
    async with world(grant("again"), record=kept) as w:  # after a restart
        w.records.bills_writes = True
        refused = (await failure(w, WRONG, ACCOUNT, server=PUBLIC)).failure
        assert refused.kind is FailureKind.WRONG_CREDENTIALS
        assert not w.provider.requests
        assert await token(w, account=ACCOUNT, server=PUBLIC) == "again"
        assert w.journal.count("save") == 0, "nothing changed that a store keeps which bills each write"


@pytest.mark.parametrize("kept", [{"refresh": "a-refresh-token"}, {"refresh": None, "access": "a-token"}])
async def test_what_else_is_sealed_decides_before_it(autojump_clock: PatientClock, kept: dict[str, str | None]) -> None:
    """A check that another password seals must not let that one in again."""
    foreign = derive_key(WRONG, SALT, FEW.current).seal(Secret("emailproxy"))
    async with world(grant(), record=sealed_record(**kept, password_check=foreign)) as w:  # type: ignore[arg-type]
        assert (await failure(w, WRONG, ACCOUNT, server=PUBLIC)).failure.kind is FailureKind.WRONG_CREDENTIALS
