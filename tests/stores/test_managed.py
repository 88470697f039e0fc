"""Managed accounts in every secret manager, through the SDKs: app passwords, a restart, a rotation, a revocation."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest
import trio

from emailproxy.config.model import Settings
from emailproxy.config.sealkey import SealKey, new_key_text
from emailproxy.failures import FailureKind, LoginFailed
from emailproxy.oauth.consent import Consents
from emailproxy.oauth.managing import Terms, add_password, revoke_password
from emailproxy.oauth.tokens import TokenBroker, open_broker
from emailproxy.protocols.exchanges import ScramExchange
from emailproxy.protocols.proofs import ScramProof, scram_salt
from emailproxy.secret import Secret
from emailproxy.store.base import Record, Stored
from emailproxy.store.cached import CachedStore
from emailproxy.store.registry import open_store
from tests.oauth.managing_support import IMAP
from tests.oauth.support import Provider, grant, unattended
from tests.scram_client import ScramClient

from .places import PLACES, Place

OLD, NEW = SealKey.parse(new_key_text()), SealKey.parse(new_key_text())
ROBOT = unattended("client_credentials")


@pytest.fixture(params=["aws-moto", "azure", "gcp"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with PLACES[request.param](tmp_path) as opened:
        yield opened


@asynccontextmanager
async def proxy(place: Place, settings: Settings, *answers: object) -> AsyncIterator[tuple[TokenBroker, CachedStore]]:
    """A proxy's broker, with everything that it has in memory new."""
    provider = Provider(*answers)  # type: ignore[arg-type]
    async with (
        aclosing(CachedStore(open_store(place.address))) as records,
        open_broker(
            records=records, consents=Consents(), settings=lambda: settings, transport=provider, now=time.time
        ) as broker,
    ):
        yield broker, records


async def change(records: CachedStore, make: Callable[[Record | None], Record]) -> Record:
    """What a command does to the record, in a thread as there."""
    stored: Stored | None = await records.load_fresh(ROBOT.name)
    record = await trio.to_thread.run_sync(make, stored.record if stored is not None else None)
    await records.save(ROBOT.name, record, stored.version if stored is not None else None)
    return record


async def refused(broker: TokenBroker, password: Secret) -> FailureKind:

    with pytest.raises(LoginFailed) as caught:
        await broker.token(ROBOT, password, client="192.0.2.1:1", server=IMAP)
    return caught.value.failure.kind


async def proven(broker: TokenBroker, password: Secret) -> Secret:
    """The pass that a SCRAM proof of `password` gets."""
    client, server = ScramClient(ROBOT.name, password.reveal()), ScramExchange("nonce", scram_salt)
    challenge = server.begin(client.first.encode())
    proof = server.respond(client.final(challenge.text.decode()).encode())  # type: ignore[union-attr]
    assert isinstance(proof, ScramProof)
    key, final = await broker.prove(ROBOT, proof, client="192.0.2.1:1", server=IMAP)
    assert client.believes_message(final)
    return key


async def test_the_life_of_a_managed_account(place: Place) -> None:
    made: list[Secret] = []

    def add(name: str, mechanisms: tuple[str, ...] = ()) -> Callable[[Record | None], Record]:
        def make(record: Record | None) -> Record:
            changed, password, _ = add_password(
                Settings(seal_key=OLD), ROBOT, record, Terms(name, mechanisms=mechanisms), time.time()
            )
            made.append(password)
            return changed

        return make

    before, after = Settings(seal_key=OLD), Settings(seal_key=NEW, seal_key_previous=OLD)
    async with proxy(place, before, grant("first"), grant("again")) as (broker, records):
        await change(records, add("phone", ("SCRAM-SHA-256",)))
        await change(records, add("printer"))
        phone, printer = made
        assert (await broker.token(ROBOT, phone, client="192.0.2.1:1", server=IMAP)).value == Secret("first")
        assert (await broker.token(ROBOT, printer, client="192.0.2.1:1", server=IMAP)).value == Secret("first")
        assert await refused(broker, Secret("wrong")) is FailureKind.WRONG_CREDENTIALS
    # A second proxy, or the same after a restart: nobody's first login, and the service key opens what is there.
    async with proxy(place, before, grant("second")) as (broker, records):
        assert await refused(broker, Secret("wrong")) is FailureKind.WRONG_CREDENTIALS
        key = await proven(broker, phone)
        assert (await broker.token(ROBOT, key, client="192.0.2.1:1", server=IMAP)).value in (
            Secret("first"),
            Secret("second"),
        )
        stored = await records.load_fresh(ROBOT.name)
        assert stored is not None
        assert stored.record.sealed_by == OLD.identifier
    # The service key is replaced; the record is sealed anew behind a login, or stays readable until then.
    async with proxy(place, after, grant("third")) as (broker, records):
        await broker.token(ROBOT, printer, client="192.0.2.1:1", server=IMAP)

    def revoke(record: Record | None) -> Record:
        assert record is not None
        return revoke_password(after, ROBOT.name, record, "printer")[0]

    async with proxy(place, after, grant("fourth")) as (broker, records):
        await change(records, revoke)
        assert await refused(broker, printer) is FailureKind.WRONG_CREDENTIALS
        await broker.token(ROBOT, phone, client="192.0.2.1:1", server=IMAP)
        stored = await records.load_fresh(ROBOT.name)
        assert stored is not None
        assert stored.record.sealed_by in (OLD.identifier, NEW.identifier)
        for secret in (phone, printer, Secret("first"), Secret("fourth")):
            assert secret.reveal() not in repr(stored.record)


async def test_an_account_that_begins_without_any_password(place: Place) -> None:
    """By certificate or as a default account: nothing else lets in, now and after a restart."""
    settings = Settings(seal_key=OLD)
    for token in ("first", "second"):
        async with proxy(place, settings, grant(token)) as (broker, records):
            await broker.token(ROBOT, broker.vouch(ROBOT), client="192.0.2.1:1", server=IMAP)
            # A secret manager keeps no access tokens, and there is nothing else to keep; no password gets in by that.
            assert await records.load_fresh(ROBOT.name) is None
            assert await refused(broker, Secret("anything")) is FailureKind.MISCONFIGURED
