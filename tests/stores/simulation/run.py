"""What happens when replicas that share a store are killed all the time? One simulation, from seeding to the audit.

**Whose fault is a loss?** A provider rotates when it answers. A replica that is killed between that moment and its
save takes the only copy of the new refresh token with it; no store and no order of steps can change that, because
nobody else has ever seen the token. So every loss is judged by the token that was current, and by whom it was given to:

- *competition*: one of those was alive, or had stored the token. Somebody used an older one all the same: the fault of
  the replicas' rules, or of the store.
- *orphaned*: all of them had been killed, and the token never reached the store.

An orphaned account is consented to anew at once, so that it goes on taking part; one lost by competition is not.

A provider with a grace for a repeated request gives an orphaned token out again, and there nothing may be lost at all.
A loss is seen when the grant is revoked, when a replica would ask a person, or at the end, when all replicas have
stopped: then each record's refresh token must be one that the provider still takes.
"""

from __future__ import annotations

import enum
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from json import dumps
from pathlib import Path
from subprocess import PIPE

import trio

from emailproxy.oauth.sealing import derive_key, new_salt, parse_salt
from emailproxy.secret import Secret
from emailproxy.store.base import Record, StoreConflictError, StoreError, StoreUnavailableError
from emailproxy.store.cached import CachedStore
from emailproxy.store.registry import open_store
from tests.stores.places import Place
from tests.stores.simulation.endpoint import open_provider
from tests.stores.simulation.ledger import read_ledger
from tests.stores.simulation.replica import ITERATIONS, PASSWORD, Part
from tests.stores.simulation.rotation import Behaviour, Grant, Rotation

__all__ = ["Cause", "Figures", "Loss", "Plan", "simulate"]

ROOT = Path(__file__).parents[3]
START_SECONDS = 60.0
"""For a process to import an SDK on a busy machine."""
FORGIVEN = 5.0
"""Seconds after a new consent in which a replica may still be busy with the end of the old one."""
PATIENCE = 120.0
"""Seconds that a run may last longer than planned, for want of a core, until enough has happened."""
LOOK = 0.1
"""Seconds between two looks at whether enough has happened."""
STOP_SECONDS = 60.0
"""For a replica to end after SIGTERM: it waits for saves under way."""


class Cause(enum.StrEnum):
    """Why an account needs a new consent."""

    COMPETITION = "competition"
    ORPHANED = "orphaned"


@dataclass(frozen=True)
class Loss:
    """An account that needs a new consent."""

    account: str
    cause: Cause
    seen: str
    """How it was noticed."""
    story: str

    @property
    def lenient(self) -> bool:
        """Whether the provider had a grace."""
        return _is_lenient(self.account)


@dataclass(frozen=True)
class Plan:
    """What to simulate."""

    seconds: float = 12.0
    """For which replicas are killed."""
    behaviour: Behaviour = Behaviour.REVOKES
    refresh_tokens: str = "single_use"
    """The account option of that name."""
    strict: int = 20
    """Accounts whose provider has no grace."""
    lenient: int = 20
    """Accounts whose provider gives the latest successor again."""
    grace: float = 60.0
    """Seconds; the most that Okta offers. Less than a turn may last would be of no use."""
    replicas: int = 3
    kill_every: float = 1.0
    settle: float | None = None
    """Seconds at the end in which nobody is killed. None: until the turns of the dead have run out."""
    refreshes: int = 0
    """How many there must be before the end; a busy machine takes its time."""
    losses: int = 0
    """The same of lost accounts."""
    stretch: int = 1
    """How many times longer turns last than what the place suggests."""
    delay: float = 0.03
    """Seconds of a token request."""


@dataclass
class Figures:
    """What came of it."""

    seconds: float = 0.0
    kills: int = 0
    refreshes: int = 0
    repeated: int = 0
    """Refreshes that were answered with a successor that had been given out before."""
    saves: int = 0
    conflicts: int = 0
    waited: int = 0
    """Reads that found another replica's turn."""
    failed: int = 0
    """Writes that failed for another reason than a conflict."""
    slowest: float = 0.0
    """Seconds of the slowest write; turns are safe if it is less than they allow for a save."""
    overdue: int = 0
    """Token requests that were given up, and saves that ended after their turn: the machine was too busy for turns of
    that length, and an account that is lost by it says nothing about the rules."""
    losses: list[Loss] = field(default_factory=list)

    def lost(self, cause: Cause, *, lenient: bool = False) -> int:
        """How many accounts were lost for that reason; orphaned ones as often as it happened."""
        return sum(loss.cause is cause and loss.lenient == lenient for loss in self.losses)

    @property
    def lost_in_grace(self) -> int:
        """How many accounts were lost at the provider with grace, for any reason."""
        return len({loss.account for loss in self.losses if loss.lenient})


def _is_lenient(account: str) -> bool:
    return account.startswith("lenient")


async def simulate(place: Place, plan: Plan) -> Figures:
    """Run one simulation in `place`."""
    with tempfile.TemporaryDirectory(prefix="emailproxy-simulation-") as folder:
        store = CachedStore(await trio.to_thread.run_sync(open_store, place.address))
        try:
            return await _Simulation(plan, Path(folder), store).run(place)
        finally:
            await store.aclose()


class _Simulation:
    def __init__(self, plan: Plan, folder: Path, store: CachedStore) -> None:
        self._plan = plan
        self._folder = folder
        self._store = store
        self._rotation = Rotation()
        self._figures = Figures()
        self._salts: dict[str, str] = {}
        self._lost: set[str] = set()
        """The accounts whose grant is over; those that are consented to anew leave it again."""
        self._consented: dict[str, float] = {}
        self._killed: set[str] = set()
        self._running: dict[str, int] = {}
        """The pids, by the names of replicas' starts."""
        self._changed = trio.Condition()
        self._judging: trio.Nursery | None = None
        self._reviving: list[trio.CancelScope] = []

    async def run(self, place: Place) -> Figures:
        names = [f"strict-{number:02}@example.com" for number in range(self._plan.strict)]
        names += [f"lenient-{number:02}@example.com" for number in range(self._plan.lenient)]
        await self._seed(names)
        async with (
            trio.open_nursery() as self._judging,
            open_provider(
                self._rotation, delay=self._plan.delay, refused=self._refused, asked=self._asked
            ) as token_url,
            self._open_nest(place.modules) as nest,
        ):
            lease, clocks, save, request = (seconds * self._plan.stretch for seconds in place.times)

            async def start(replica: int, turn: int) -> str:
                part = Part(
                    name=f"{replica}-{turn}",
                    address=place.address,
                    token_url=token_url,
                    accounts=names,
                    refresh_tokens=self._plan.refresh_tokens,
                    times=(int(lease), clocks, save, request),
                    folder=str(self._folder),
                )
                assert nest.stdin is not None
                await nest.stdin.send_all(dumps(asdict(part)).encode() + b"\n")
                await self._until(lambda: part.name in self._running, START_SECONDS)
                return part.name

            await self._kill_and_start(start)
            await trio.sleep(lease + clocks + 1 if self._plan.settle is None else self._plan.settle)
            for scope in self._reviving:
                scope.cancel()
            for pid in self._running.values():
                os.kill(pid, signal.SIGTERM)
            await self._until(lambda: not self._running, STOP_SECONDS)
        await self._audit(names)
        self._count()
        return self._figures

    async def _kill_and_start(self, start: Callable[[int, int], Awaitable[str]]) -> None:
        turns = Counter(range(self._plan.replicas))
        living = [await start(replica, 1) for replica in range(self._plan.replicas)]
        begun = trio.current_time()
        end, due = begun + self._plan.seconds, begun + self._plan.kill_every
        while (now := trio.current_time()) < end or not self._has_enough():
            assert now < end + PATIENCE, f"{self._figures.kills} kills, {self._rotation.refreshes.total()} refreshes"
            if now < due:
                await trio.sleep(min(due, now + LOOK) - now)
                continue
            replica = random.randrange(self._plan.replicas)
            name = living[replica]
            assert name in self._running, f"replica {name} ended by itself"
            # Marked first: whatever it is given from now on, it may not live to store.
            self._killed.add(name)
            os.kill(self._running[name], signal.SIGKILL)
            self._figures.kills += 1
            turns[replica] += 1
            living[replica] = await start(replica, turns[replica])
            due = trio.current_time() + self._plan.kill_every
        self._figures.seconds = trio.current_time() - begun

    def _has_enough(self) -> bool:
        plan, figures = self._plan, self._figures
        return (
            figures.kills >= int(plan.seconds / (2 * plan.kill_every))
            and self._rotation.refreshes.total() >= plan.refreshes
            and len(figures.losses) >= plan.losses
        )

    # --- processes ----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _open_nest(self, modules: Sequence[str]) -> AsyncIterator[trio.Process]:
        command = [sys.executable, "-m", "tests.stores.simulation.nest", *modules]
        with (self._folder / "nest.err").open("wb") as log:
            nest = await trio.lowlevel.open_process(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=log)
        assert nest.stdin is not None
        assert nest.stdout is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, nest.stdout)
            try:
                yield nest
            finally:
                with trio.CancelScope(shield=True):
                    await nest.stdin.aclose()  # which ends it, and all that it has forked
                    await nest.wait()
            nursery.cancel_scope.cancel()
        await nest.stdout.aclose()

    async def _listen(self, stdout: trio.abc.ReceiveStream) -> None:
        buffer = b""
        async for data in stdout:
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                word, name, number = line.decode().split()
                if word == "started":
                    self._running[name] = int(number)
                else:
                    del self._running[name]
                    # One that had just been started may not listen to SIGTERM yet.
                    expected = (-signal.SIGKILL,) if name in self._killed else (0, -signal.SIGTERM)
                    if int(number) not in expected:
                        raise AssertionError(f"replica {name} ended with {number}: {self._last_words(name)}")
                async with self._changed:
                    self._changed.notify_all()

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        try:
            with trio.fail_after(seconds):
                async with self._changed:
                    while not condition():
                        await self._changed.wait()
        except trio.TooSlowError:
            raise AssertionError(f"waited {seconds} s in vain: {self._last_words('nest')}") from None

    def _last_words(self, name: str) -> str:
        paths = [self._folder / f"{name}{end}" for end in (".crash", ".err", ".log")]
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in paths if path.exists())

    # --- records ------------------------------------------------------------------------------------------------------

    async def _seed(self, names: Sequence[str]) -> None:
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(self._consent, name)

    async def _consent(self, name: str) -> None:
        """A person has consented: a new grant, its refresh token in the store."""
        grace = self._plan.grace if _is_lenient(name) else 0.0
        key = derive_key(Secret(PASSWORD), new_salt(), ITERATIONS.current)
        self._salts[name] = key.salt_text  # which no refresh changes
        token = self._rotation.grant(name, self._plan.behaviour, grace, trio.current_time())
        record = Record(
            token_salt=key.salt_text, token_iterations=key.iterations, refresh_token=key.seal(Secret(token))
        )
        while True:
            try:
                stored = await self._store.load_fresh(name)
                await self._store.save(name, record, stored.version if stored is not None else None)
            except (StoreConflictError, StoreUnavailableError):
                continue  # a replica writes, or died while it did
            self._consented[name] = trio.current_time()
            self._lost.discard(name)
            return

    async def _in_store(self, account: str) -> str | None:
        """The refresh token that the store has."""
        stored = await self._store.load_fresh(account)
        return _opened(stored.record.token_salt, stored.record.refresh_token) if stored is not None else None

    async def _audit(self, names: Sequence[str]) -> None:
        now = trio.current_time()

        async def one(name: str) -> None:
            token = await self._in_store(name)
            if name not in self._lost and not self._rotation.usable(token or "", now):
                self._lost.add(name)
                await self._judge(self._rotation.grants[name], "audit", "the store", set(self._killed))

        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(one, name)

    # --- judgement ----------------------------------------------------------------------------------------------------

    def _refused(self, granted: Grant, client: str) -> None:
        if granted.revoked:
            self._notice(granted, "replay", client)

    def _asked(self, account: str, client: str) -> None:
        if trio.current_time() - self._consented[account] > FORGIVEN:
            self._notice(self._rotation.grants[account], "asked", client)

    def _notice(self, granted: Grant, seen: str, client: str) -> None:
        if granted.account in self._lost or granted is not self._rotation.grants[granted.account]:
            return
        self._lost.add(granted.account)
        assert self._judging is not None
        self._judging.start_soon(self._judge, granted, seen, client, set(self._killed))

    async def _judge(self, granted: Grant, seen: str, client: str, killed: set[str]) -> None:
        holders, token = granted.holders, granted.latest
        story = f"by {client}; the current token was given to {', '.join(sorted(holders))}"
        cause = Cause.ORPHANED
        if living := holders - killed:
            cause = Cause.COMPETITION
            story += f", of which {', '.join(sorted(living))} lived"
        elif any(self._saved(holder, granted.account, token) for holder in holders):
            cause = Cause.COMPETITION
            story += ", and it had been stored"
        else:
            try:
                if await self._in_store(granted.account) == token:
                    cause = Cause.COMPETITION
                    story += ", and the store has it"
            except StoreError as error:
                story += f"; the store cannot tell: {error}"
        self._figures.losses.append(Loss(granted.account, cause, seen, story))
        if cause is Cause.ORPHANED and seen != "audit":
            self._reviving.append(scope := trio.CancelScope())
            with scope:
                await self._consent(granted.account)

    def _saved(self, name: str, account: str, token: str) -> bool:
        return any(
            event == "saved" and whose == account and token == _opened(self._salts[account], detail)
            for event, whose, detail in read_ledger(self._folder / f"{name}.ledger")
        )

    def _count(self) -> None:
        figures = self._figures
        figures.refreshes = self._rotation.refreshes.total()
        figures.repeated = self._rotation.repeated.total()
        for path in self._folder.glob("*.ledger"):
            for event, _, detail in read_ledger(path):
                figures.saves += event == "saved"
                figures.conflicts += event == "conflict"
                figures.waited += event == "busy"
                figures.failed += event == "failed"
                figures.overdue += event in ("cut", "late")
                if event == "seconds":
                    figures.slowest = max(figures.slowest, float(detail))


def _opened(salt: str | None, sealed: str | None) -> str | None:
    octets = parse_salt(salt)
    if octets is None or sealed is None:
        return None
    value = derive_key(Secret(PASSWORD), octets, ITERATIONS.current).open(sealed)
    return value.reveal() if value is not None else None
