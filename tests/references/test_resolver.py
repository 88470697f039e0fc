"""Lifetimes, rotation, failures and crowds, in virtual time."""

from __future__ import annotations

import logging
import threading

import pytest
import trio
import trio.testing

from emailproxy.references.base import Reference, SecretValue
from emailproxy.references.resolver import DEADLINE, FAILURE, FRUITLESS, LAST_GOOD, PAUSE, Resolver
from emailproxy.references.sources import Sources
from emailproxy.secret import Secret
from emailproxy.store.base import StoreAddressError, StoreDeniedError, StoreError, StoreUnavailableError
from tests.clocks import PatientClock
from tests.patience import HANG

from .fakes import FakeSource, sources

LIFETIME = 900.0
A = Reference("vault", "a")
DOWN = StoreUnavailableError("vault: cannot be reached")


@pytest.fixture
def source() -> FakeSource:
    return FakeSource({"a": "first"})


@pytest.fixture
async def resolver(source: FakeSource, autojump_clock: PatientClock) -> Resolver:
    some = sources(source)
    some.check(A)  # opened, so that it is known not to block
    return Resolver(lambda: LIFETIME, some)


async def test_a_value_is_used_for_its_lifetime(
    source: FakeSource, resolver: Resolver, autojump_clock: PatientClock
) -> None:
    for _ in range(5):
        assert await resolver.value(A) == Secret("first")
    source.values["a"] = "second"
    await trio.sleep(LIFETIME - 1)
    assert await resolver.value(A) == Secret("first")
    assert source.reads["a"] == 1
    await trio.sleep(2)
    assert await resolver.value(A) == Secret("second")
    assert source.reads["a"] == 2


async def test_a_refused_value_is_read_again_at_once(
    source: FakeSource, resolver: Resolver, autojump_clock: PatientClock
) -> None:
    first = await resolver.value(A)
    source.values["a"] = "second"
    assert await resolver.newer(A, first) == Secret("second")
    assert await resolver.value(A) == Secret("second")
    # Whoever still has the old one need not read.
    assert await resolver.newer(A, first) == Secret("second")
    assert source.reads["a"] == 2
    source.values["a"] = "third"
    assert await resolver.newer(A, Secret("second")) == Secret("third")


async def test_a_wrong_secret_is_not_read_at_each_login(
    source: FakeSource, resolver: Resolver, autojump_clock: PatientClock
) -> None:
    first = await resolver.value(A)
    for _ in range(100):
        assert await resolver.newer(A, first) is None
    assert source.reads["a"] == 2
    source.values["a"] = "second"
    await trio.sleep(FRUITLESS + 1)
    assert await resolver.newer(A, first) == Secret("second")
    assert source.reads["a"] == 3


async def test_many_waiters_one_read() -> None:
    slow = SlowSource()
    resolver = Resolver(lambda: LIFETIME, Sources({"vault": lambda: slow}))
    got: list[Secret] = []

    async def one() -> None:
        got.append(await resolver.value(A))

    with trio.fail_after(HANG):
        async with trio.open_nursery() as nursery:
            impatient = trio.CancelScope()

            async def leader() -> None:
                with impatient:
                    await resolver.value(A)

            nursery.start_soon(leader)
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(20):
                nursery.start_soon(one)
            await trio.testing.wait_all_tasks_blocked()
            # The first one gives up; one of the others reads.
            impatient.cancel()
            slow.gate.set()
    assert len(got) == 20
    assert slow.reads <= 2
    await resolver.aclose()
    assert slow.closed


async def test_a_read_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowSource()
    resolver = Resolver(lambda: LIFETIME, Sources({"vault": lambda: slow}))
    monkeypatch.setattr("emailproxy.references.resolver.DEADLINE", 0.05)
    try:
        with pytest.raises(StoreUnavailableError, match="vault:a: no answer within"):
            await resolver.value(A)
    finally:
        slow.gate.set()


async def test_the_last_good_value_goes_on_for_a_day(
    source: FakeSource, resolver: Resolver, autojump_clock: PatientClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await resolver.value(A)
    source.values["a"] = DOWN
    await trio.sleep(LIFETIME + 1)
    for _ in range(50):
        assert await resolver.value(A) == Secret("first")
    assert source.reads["a"] == 2, "asked again after a pause only"
    assert "vault:a: using what was last read (vault: cannot be reached)" in caplog.text
    await trio.sleep(PAUSE + 1)
    assert await resolver.value(A) == Secret("first")
    assert source.reads["a"] == 3
    await trio.sleep(LAST_GOOD)
    with pytest.raises(StoreUnavailableError):
        await resolver.value(A)
    source.values["a"] = "second"
    await trio.sleep(FAILURE + 1)
    assert await resolver.value(A) == Secret("second")
    assert "first" not in caplog.text


@pytest.mark.parametrize("error", [DOWN, StoreDeniedError("vault: denied"), StoreAddressError("vault: none")])
async def test_without_a_last_good_value_a_burst_is_one_read(
    source: FakeSource, resolver: Resolver, autojump_clock: PatientClock, error: StoreError
) -> None:
    source.values["a"] = error
    for _ in range(10):
        with pytest.raises(type(error)):
            await resolver.value(A)
    assert source.reads["a"] == 1
    await trio.sleep(FAILURE + 1)
    source.values["a"] = "first"
    assert await resolver.value(A) == Secret("first")


async def test_refused_and_unreachable(
    source: FakeSource, resolver: Resolver, autojump_clock: PatientClock, caplog: pytest.LogCaptureFixture
) -> None:
    first = await resolver.value(A)
    source.values["a"] = DOWN
    for _ in range(10):
        assert await resolver.newer(A, first) is None
    assert source.reads["a"] == 2
    assert "the value was refused, and cannot be read again" in caplog.text
    assert await resolver.value(A) == first


async def test_a_remark_is_logged_once(caplog: pytest.LogCaptureFixture, autojump_clock: PatientClock) -> None:
    some = sources(FakeSource({"a": "first"}, remark="everybody can read the file"))
    some.check(A)
    resolver = Resolver(lambda: 0.0, some)
    for _ in range(3):
        await resolver.value(A)
    assert caplog.text.count("vault:a: everybody can read the file") == 1


def test_deadlines_are_longer_than_the_sources_own() -> None:
    from emailproxy_backends import secret_azure, secret_gcp

    assert max(secret_azure.SECONDS, secret_gcp.SECONDS) < DEADLINE


class SlowSource:
    """Answers when its gate opens."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.reads = 0
        self.closed = False

    def check(self, rest: str) -> None:
        pass

    def read(self, rest: str, *, dated: bool = False) -> SecretValue:
        self.reads += 1
        assert self.gate.wait(HANG)
        return SecretValue(Secret("first"))

    def close(self) -> None:
        self.closed = True
