"""Who watches, and what do they hear? In virtual time."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from emailproxy.config.model import Account
from emailproxy.console import hub as hubs
from emailproxy.console import messages
from emailproxy.console import scene as scenes
from emailproxy.console.hub import QUEUE, RING, Hub, TooManyWatchersError, Watch
from emailproxy.console.messages import Envelope, Message, decode
from emailproxy.console.scene import Scene, Sight
from emailproxy.failures import Failure, FailureKind
from emailproxy.oauth.consent import Outcome, OutcomeKind
from emailproxy.oauth.question import Question
from emailproxy.status import Status
from emailproxy.store.base import Record, StoreContentError, StoreUnavailableError
from emailproxy.store.health import StoreHealth
from tests.clocks import PatientClock
from tests.patience import HANG

from .stage import ACCOUNT, START, Stage, now, staged


async def heard(watch: Watch, seconds: float = 0.0) -> list[Envelope]:
    """What a watcher hears within that time."""
    found: list[Envelope] = []
    with trio.move_on_after(seconds + 0.01):
        while text := await anext(watch, ""):
            found.append(decode(text))
    return found


def of(envelopes: Sequence[Envelope], *kinds: type[Message]) -> list[Message]:
    return [each.message for each in envelopes if isinstance(each.message, kinds)]


def snapshot(envelopes: Sequence[Envelope]) -> messages.Snapshot:
    first = envelopes[0].message
    assert isinstance(first, messages.Snapshot)
    return first


async def test_a_snapshot_and_then_the_changes(autojump_clock: PatientClock, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        old = stage.open_session()
        with stage.hub.watch() as watch:
            new = stage.open_session()
            stage.log_in(new)
            stage.close_session(new, "idle for too long")
            envelopes = await heard(watch)
    first = snapshot(envelopes)
    assert [each.id for each in first.sessions] == [old.id]
    assert first.logins[-1][1:] == (0, 0)
    assert [each.type for each in envelopes[1:]] == ["session", "login", "session", "session_closed"]
    assert [each.sequence for each in envelopes] == list(range(envelopes[0].sequence, envelopes[0].sequence + 5))
    assert len({each.stream for each in envelopes}) == 1
    opened, logged_in = of(envelopes, messages.Session)
    assert opened == messages.Session(new.id, "IMAP-1993", "IMAP", "192.0.2.7:4711", None, START, None, 0, 0)
    assert logged_in == replace(opened, account=ACCOUNT.name, logged_in=START)
    assert of(envelopes, messages.SessionClosed) == [messages.SessionClosed(new.id, "idle for too long", 0, 0, 0.0)]


async def test_a_failed_login_has_its_reference(autojump_clock: PatientClock, tmp_path: Path) -> None:
    failure = Failure(FailureKind.WRONG_CREDENTIALS, "No.", "the whole story", "7F3A")
    async with staged(tmp_path) as stage:
        with stage.hub.watch() as watch:
            session = stage.open_session()
            stage.hub.login_finished(session, "nobody", "LOGIN", failure, 1000.0)
            [login] = of(await heard(watch), messages.Login)
        counts = stage.hub.snapshot().logins[-1]
    assert login == messages.Login(
        "nobody", "192.0.2.7:4711", "IMAP", "IMAP-1993", "LOGIN", "wrong credentials", 1000.0, "7F3A"
    )
    assert counts == (int(START // 60), 0, 1)


async def test_logins_are_counted_for_an_hour(autojump_clock: PatientClock, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        session = stage.open_session()
        stage.log_in(session)
        await trio.sleep(30 * 60)
        stage.log_in(session)
        stage.log_in(session)
        logins = stage.hub.snapshot().logins
        assert len(logins) == 60
        assert [minute for minute, _, _ in logins] == list(range(logins[0][0], logins[0][0] + 60))
        assert [(index, worked) for index, (_, worked, _) in enumerate(logins) if worked] == [(29, 1), (59, 2)]
        await trio.sleep(45 * 60)
        assert sum(worked for _, worked, _ in stage.hub.snapshot().logins) == 2
        await trio.sleep(24 * 3600)
        assert sum(worked for _, worked, _ in stage.hub.snapshot().logins) == 0


# --- exactly once -----------------------------------------------------------------------------------------------------


ROUND = st.tuples(st.integers(0, 12), st.integers(0, 12), st.booleans(), st.booleans())
"""Changes while it watches, changes while it is away, whether time passes, whether it reads all before it leaves."""


class NoTokens:
    """What the scene needs of a broker, which takes a while to open."""

    def token_ends(self, account: str) -> None:
        return None


def bare_hub() -> Hub:
    stage = Stage(Path("nowhere"))
    status = Status(1, START, "memory:", ready=True, health=StoreHealth())
    sight = Sight(
        config=lambda: stage.config,
        sessions=list,
        status=lambda: status,
        reloaded_at=lambda: None,
        records=stage.records,
        broker=NoTokens(),  # type: ignore[arg-type]
        consents=stage.consents,
    )
    return Hub(Scene(sight, now, trio.current_time), stage.records, now)


@given(st.lists(ROUND, min_size=2, max_size=8), st.integers(2, 20))
def test_who_comes_back_hears_everything_exactly_once(rounds: list[tuple[int, int, bool, bool]], ring: int) -> None:
    """Whatever happens between: either all that was missed, in its order, or a snapshot, which has it too."""

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            hub = bare_hub()
            hub._ring = deque(maxlen=ring)
            await nursery.start(hub.run)
            said: list[str] = []
            known: list[str] = []
            stream: str | None = None
            after: int | None = None

            def say(number: int) -> None:
                for _ in range(number):
                    said.append(str(len(said)))
                    hub._note(messages.Notice("warning", "x", said[-1], None, None, 0.0))

            for watched, missed, waits, reads in [*rounds, (0, 0, False, True)]:
                within = after is not None and after >= hub._sequence - ring
                with hub.watch(stream, after) as watch:
                    say(watched)
                    envelopes = await heard(watch) if reads else []
                if envelopes:
                    assert envelopes[0].type == ("resumed" if within else "snapshot")
                    if isinstance(first := envelopes[0].message, messages.Snapshot):
                        known = [each.message for each in first.notices]
                        after = envelopes[0].sequence
                    assert envelopes[0].sequence == after
                    for envelope in envelopes[1:]:
                        assert envelope.sequence == after + 1
                        after = envelope.sequence
                    known += [each.message for each in of(envelopes, messages.Notice)]  # type: ignore[union-attr]
                    assert known[-100:] == said[-100:]
                    stream = envelopes[0].stream
                say(missed)
                if waits:
                    await trio.sleep(1.5)
            nursery.cancel_scope.cancel()

    trio.run(run, clock=PatientClock())


async def test_what_fell_out_of_the_ring_is_a_snapshot(autojump_clock: PatientClock, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        with stage.hub.watch() as watch:
            [first] = await heard(watch)
        for _ in range(RING):
            stage.hub.publish(messages.ListenerGone("x"))
        with stage.hub.watch(first.stream, first.sequence) as watch:
            resumed = await heard(watch)
        assert [resumed[0].type, len(resumed)] == ["resumed", RING + 1]
        stage.hub.publish(messages.ListenerGone("x"))
        with stage.hub.watch(first.stream, first.sequence) as watch:
            assert [each.type for each in await heard(watch)] == ["snapshot"]


@pytest.mark.parametrize("after", [None, 10**9, -1])
async def test_who_comes_back_with_nonsense_gets_a_snapshot(
    autojump_clock: PatientClock, after: int | None, tmp_path: Path
) -> None:
    async with staged(tmp_path) as stage:
        with stage.hub.watch() as watch:
            [first] = await heard(watch)
        for stream in (first.stream, "another", None):
            with stage.hub.watch(stream, after) as watch:
                assert [each.type for each in await heard(watch)] == ["snapshot"]


async def test_another_life_is_another_stream(autojump_clock: PatientClock, tmp_path: Path) -> None:
    async with staged(tmp_path, active=False) as stage:
        streams = []
        for _ in range(2):
            async with trio.open_nursery() as nursery:
                await nursery.start(stage.hub.run)
                with stage.hub.watch() as watch:
                    streams.append((await heard(watch))[0].stream)
                nursery.cancel_scope.cancel()
        assert len(set(streams)) == 2


# --- slow, many, none -------------------------------------------------------------------------------------------------


async def test_a_slow_watcher_is_dropped_and_the_others_hear_on(autojump_clock: PatientClock, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        with stage.hub.watch() as slow, stage.hub.watch() as quick:
            await heard(quick)
            for number in range(QUEUE + 1):
                assert not slow.dropped
                stage.hub.publish(messages.ListenerGone(str(number)))
                if number % 100 == 0:
                    await heard(quick)
            assert slow.dropped
            assert await heard(slow) == [], "what waits is not sent first"
            assert not quick.dropped
            assert stage.hub.watchers == 1
            stage.hub.publish(messages.ListenerGone("the last"))
            assert of(await heard(quick), messages.ListenerGone)[-1] == messages.ListenerGone("the last")
        assert stage.hub.watchers == 0


async def test_there_is_a_limit_of_watchers(
    autojump_clock: PatientClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "MAX_WATCHERS", 1)
    async with staged(tmp_path) as stage:
        with stage.hub.watch(), pytest.raises(TooManyWatchersError):
            stage.hub.watch()
        with stage.hub.watch():
            pass


async def test_nothing_is_to_be_done_when_nobody_watches(autojump_clock: PatientClock, tmp_path: Path) -> None:
    async with staged(tmp_path, ACCOUNT) as stage:

        async def is_quiet() -> bool:
            await trio.testing.wait_all_tasks_blocked()
            return trio.lowlevel.current_statistics().seconds_to_next_deadline == math.inf

        assert await is_quiet()
        stage.log_in(stage.open_session())
        assert await is_quiet()
        with stage.hub.watch():
            assert not await is_quiet()
            await trio.sleep(10)
        await trio.sleep(2)
        assert await is_quiet()


async def test_a_hub_that_sleeps_costs_nothing_and_says_nothing(autojump_clock: PatientClock, tmp_path: Path) -> None:
    async with staged(tmp_path, active=False) as stage:
        session = stage.open_session()
        stage.log_in(session)
        stage.close_session(session)
        stage.configure(ACCOUNT)
        stage.hub.draining()
        logging.getLogger("emailproxy.test").warning("unheard")
        assert not stage.hub._ring
        assert stage.hub.snapshot().notices == ()


# --- what nobody tells ------------------------------------------------------------------------------------------------


async def test_octets_are_said_once_a_second_where_they_changed(autojump_clock: PatientClock, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        first, second = stage.open_session(), stage.open_session()
        for session in (first, second):
            stage.log_in(session)
        first.octets = (5, 5)
        with stage.hub.watch() as watch:
            await heard(watch)
            first.octets = (10, 2000)
            assert of(await heard(watch, 1.0), messages.Traffic) == [messages.Traffic(((first.id, 10, 2000),))]
            second.octets = (1, 1)
            first.octets = (11, 2000)
            [traffic] = of(await heard(watch, 1.0), messages.Traffic)
            assert set(traffic.sessions) == {(first.id, 11, 2000), (second.id, 1, 1)}  # type: ignore[union-attr]
            assert of(await heard(watch, 5.0), messages.Traffic) == []
            stage.open_session().octets = (9, 9)
            assert of(await heard(watch, 2.0), messages.Traffic) == [], "before a login nothing is relayed"


async def test_a_long_silence_is_broken(autojump_clock: PatientClock, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        with stage.hub.watch() as watch:
            await heard(watch)
            assert await heard(watch, 29.0) == []
            assert of(await heard(watch, 100.0), messages.Traffic) == [messages.Traffic(())] * 4


async def test_who_comes_back_gets_all_counts_anew(autojump_clock: PatientClock, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        session = stage.open_session()
        stage.log_in(session)
        with stage.hub.watch() as watch:
            last = (await heard(watch))[-1]
        session.octets = (10, 20)
        with stage.hub.watch(last.stream, last.sequence) as watch:
            envelopes = await heard(watch, 2.0)
        assert envelopes[0].type == "resumed"
        assert of(envelopes, messages.Traffic)[-1] == messages.Traffic(((session.id, 10, 20),))


async def test_the_ring_keeps_no_counts(autojump_clock: PatientClock, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        session = stage.open_session()
        stage.log_in(session)
        with stage.hub.watch() as watch:
            [first] = await heard(watch)
            session.octets = (10, 20)
            await heard(watch, 1.0)
        with stage.hub.watch(first.stream, first.sequence) as watch:
            assert of(await heard(watch), messages.Traffic) == [messages.Traffic(())]


async def test_the_store_is_said_when_it_changes(autojump_clock: PatientClock, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        with stage.hub.watch() as watch:
            assert snapshot(await heard(watch)).store.reachable is None
            stage.store.read_failure = StoreUnavailableError("memory: is away")
            with pytest.raises(StoreUnavailableError):
                await stage.records.load("x")
            [store] = of(await heard(watch, 3.0), messages.Store)
    assert isinstance(store, messages.Store)
    assert (store.reachable, store.error, store.reads, store.failures) == (False, "memory: is away", 1, 1)


async def test_draining_and_readiness_are_said(autojump_clock: PatientClock, tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.hub.listener_bound(stage.config.servers[0], [("127.0.0.1", 1993)])
        with stage.hub.watch() as watch:
            first = snapshot(await heard(watch))
            assert (first.proxy.ready, first.proxy.draining) == (False, False)
            stage.reporter.ready = True
            assert [(p.ready, p.draining) for p in of(await heard(watch, 1.5), messages.Proxy)] == [(True, False)]  # type: ignore[union-attr]
            stage.hub.draining()
            assert [(p.ready, p.draining) for p in of(await heard(watch), messages.Proxy)] == [(False, True)]  # type: ignore[union-attr]


# --- accounts ---------------------------------------------------------------------------------------------------------


def record(**fields: object) -> Record:
    return Record(token_salt="c2FsdA==", access_token="x", access_token_expiry=int(START) + 3000, **fields)  # type: ignore[arg-type]


def named(name: str) -> Account:
    return replace(ACCOUNT, name=name, section=name)


async def test_accounts_are_read_while_somebody_watches_and_only_once(
    autojump_clock: PatientClock, tmp_path: Path
) -> None:
    other = named("other@example.com")
    async with staged(tmp_path, ACCOUNT, other) as stage:
        stage.store.records[ACCOUNT.name] = record(refresh_token="y", last_activity=int(START) - 50)
        await trio.sleep(100)
        assert stage.store.reads == 0, "nobody watches"
        with stage.hub.watch() as watch:
            first = snapshot(await heard(watch))
            assert {each.name: each.state for each in first.accounts} == dict.fromkeys(
                (ACCOUNT.name, other.name), "unknown"
            )
            found = {each.name: each for each in of(await heard(watch, 5.0), messages.Account)}  # type: ignore[union-attr]
            assert {name: each.state for name, each in found.items()} == {ACCOUNT.name: "ok", other.name: "never_used"}  # type: ignore[union-attr]
            known = found[ACCOUNT.name]
            assert isinstance(known, messages.Account)
            assert (known.last_use, known.token_ends) == (START - 50, START + 3000)
            assert (known.flow, known.managed, known.where) == ("authorization_code", False, "memory:")
            await trio.sleep(3600)
        with stage.hub.watch():
            await trio.sleep(3600)
        assert stage.store.reads == 2


async def test_look_ups_end_at_their_number(autojump_clock: PatientClock, tmp_path: Path) -> None:
    async with staged(tmp_path, *(named(f"{number}@example.com") for number in range(10))) as stage:
        stage.hub._look_ups = 3
        with stage.hub.watch():
            await trio.sleep(3600)
        assert stage.store.reads == 3


async def test_a_store_that_is_away_is_asked_once_a_minute(autojump_clock: PatientClock, tmp_path: Path) -> None:
    async with staged(tmp_path, ACCOUNT) as stage:
        stage.store.read_failure = StoreUnavailableError("away")
        with stage.hub.watch():
            await trio.sleep(150)
        assert stage.store.reads == 3


async def test_a_record_that_cannot_be_read_is_unknown_and_says_why(
    autojump_clock: PatientClock, tmp_path: Path
) -> None:
    async with staged(tmp_path, ACCOUNT) as stage:
        stage.store.read_failure = StoreContentError("memory: is damaged")
        with stage.hub.watch() as watch:
            told = of(await heard(watch, 5.0), messages.Account)[-1]
        assert isinstance(told, messages.Account)
        assert (told.state, told.why) == ("unknown", "memory: is damaged")
        assert stage.store.reads == 1


async def test_accounts_come_and_go_with_a_reload(autojump_clock: PatientClock, tmp_path: Path) -> None:
    other = named("other@example.com")
    async with staged(tmp_path, ACCOUNT) as stage:
        with stage.hub.watch() as watch:
            await heard(watch, 3.0)
            stage.configure(other)
            envelopes = await heard(watch)
    assert of(envelopes, messages.AccountGone) == [messages.AccountGone(ACCOUNT.name)]
    assert [each.name for each in of(envelopes, messages.Account)] == [other.name]  # type: ignore[union-attr]
    assert [each.reloaded is not None for each in of(envelopes, messages.Proxy)] == [True]  # type: ignore[union-attr]


async def test_of_very_many_accounts_those_that_matter_are_shown(
    autojump_clock: PatientClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(scenes, "SHOWN", 4)
    accounts = [ACCOUNT.alike(f"{letter}@example.com") for letter in "abcdefgh"]
    async with staged(tmp_path, *accounts) as stage:
        stage.hub._look_ups = 0
        stage.store.save("g@example.com", Record(refresh_token="gAAAA"), None)

        def shown(envelopes: Sequence[Envelope]) -> list[str]:
            return [each.name[0] for each in snapshot(envelopes).accounts]

        with stage.hub.watch() as watch:
            envelopes = await heard(watch)
            assert shown(envelopes) == ["a", "b", "c", "d"]
            assert snapshot(envelopes).proxy.accounts == 8
            for each in ("g@example.com", "e@example.com", "nobody@example.org"):
                await stage.records.load(each)
            stage.scene.unreadable("f@example.com", "it is damaged")
            stage.log_in(stage.open_session(), "e@example.com")
            changes = await heard(watch, 2.0)
        # Two are shown as they were before, and two of the file's first ones have made room.
        assert [each.name[0] for each in of(changes, messages.Account)] == ["e", "f", "g"]  # type: ignore[union-attr]
        assert {each.name[0] for each in of(changes, messages.AccountGone)} == {"b", "c", "d"}  # type: ignore[union-attr]
        with stage.hub.watch() as watch:
            assert shown(await heard(watch)) == ["a", "e", "f", "g"]
        stage.consents.begin(accounts[7], Question("https://provider.test/?state=s", "s"), reason="no token yet")
        with stage.hub.watch() as watch:
            assert shown(await heard(watch)) == ["e", "f", "g", "h"]


async def test_a_use_is_shown_at_most_once_a_minute(autojump_clock: PatientClock, tmp_path: Path) -> None:
    async with staged(tmp_path, ACCOUNT) as stage:
        session = stage.open_session()
        with stage.hub.watch() as watch:
            await heard(watch, 3.0)
            for _ in range(60):
                stage.log_in(session)
                await trio.sleep(1)
            uses = [each.last_use for each in of(await heard(watch), messages.Account)]  # type: ignore[union-attr]
    assert len(uses) == 1


# --- authorisations ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "outcome"), [(OutcomeKind.AUTHORISED, "authorised"), (OutcomeKind.MALFORMED, "unknown")]
)
async def test_an_authorisation_comes_and_goes(
    autojump_clock: PatientClock, kind: OutcomeKind, outcome: str, tmp_path: Path
) -> None:
    async with staged(tmp_path, ACCOUNT) as stage:
        with stage.hub.watch() as watch:
            await heard(watch, 3.0)
            question = Question("https://provider.test/?state=s3cret", "s3cret")
            pending = stage.consents.begin(ACCOUNT, question, reason="no token yet")
            envelopes = await heard(watch, 1.5)
            assert stage.hub.snapshot().pending == tuple(of(envelopes, messages.Pending))
            stage.consents.end(pending, Outcome(kind))
            gone = of(await heard(watch, 2.0), messages.PendingGone)
    [told] = of(envelopes, messages.Pending)
    assert isinstance(told, messages.Pending)
    assert (told.account, told.url, told.qr, told.reason, told.replaces) == (
        ACCOUNT.name, question.url, None, "no token yet", False,
    )  # fmt: skip
    assert told.expires == pytest.approx(START + 3.01 + question.lifetime, abs=0.01)
    assert told.id not in question.url
    assert [each.state for each in of(envelopes, messages.Account)] == ["needs_consent"]  # type: ignore[union-attr]
    assert gone == [messages.PendingGone(told.id, ACCOUNT.name, outcome)]


async def test_a_device_code_is_drawn(autojump_clock: PatientClock, tmp_path: Path) -> None:
    device = replace(ACCOUNT, oauth2_flow="device")
    async with staged(tmp_path, device) as stage:
        question = Question("https://provider.test/device", "s", user_code="ABCD", page="https://provider.test/enter")
        stage.consents.begin(device, question)
        [told] = stage.hub.snapshot().pending
    assert (told.user_code, told.page) == ("ABCD", "https://provider.test/enter")
    assert told.qr is not None
    assert told.qr.startswith("M0 0h7v1h-7z"), "the upper edge of the finder pattern"


# --- notices ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_warnings_are_heard_from_every_thread(
    autojump_clock: PatientClock, elsewhere: bool, tmp_path: Path
) -> None:
    log = logging.getLogger("emailproxy.somewhere")
    async with staged(tmp_path) as stage:
        with stage.hub.watch() as watch:
            await heard(watch)
            if elsewhere:
                thread = threading.Thread(target=log.warning, args=("%s is late", "it"))
                thread.start()
                thread.join()
                with trio.fail_after(HANG):
                    text = await anext(watch)
                notices = of([decode(text)], messages.Notice)
            else:
                log.info("not heard")
                log.warning("%s is late", "it")
                notices = of(await heard(watch), messages.Notice)
        [notice] = notices
        assert isinstance(notice, messages.Notice)
        assert (notice.level, notice.logger, notice.message) == ("warning", "emailproxy.somewhere", "it is late")
        assert stage.hub.snapshot().notices == (notice,)
    log.warning("after the end")
    assert len(stage.hub._notices) == 1
