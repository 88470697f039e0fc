"""Who watches, and what do they hear? A snapshot or what they missed, and then every change, each exactly once.

The proxy tells the hub what happens (`emailproxy.audience`), and the hub never waits: it puts a change into the ring of
the last ones and into the queue of each watcher, and a watcher whose queue is full is dropped. What nobody tells
(octets, the store's health, accounts) is looked at once a second as long as somebody watches. When nobody does, no
task runs: the next watcher's arrival looks first.

**Exactly once.** `Hub.watch` takes the snapshot, or what is missing, and adds the watcher's queue in one go, without an
await between: what happens afterwards is in the queue, what happened before is in what it gets first. Sequences grow by
one with each change, and who comes back names the last that it has seen.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import trio

from emailproxy.audience import LiveSession, Nobody
from emailproxy.config import Server
from emailproxy.console import messages
from emailproxy.console.messages import Message
from emailproxy.console.notices import NoticeHandler
from emailproxy.console.scene import Scene, session_message
from emailproxy.failures import Failure, ProxyError
from emailproxy.oauth.consent import Outcome, OutcomeKind, Pending
from emailproxy.store.base import StoreError, StoreUnavailableError
from emailproxy.store.cached import CachedStore

__all__ = ["Hub", "TooManyWatchersError", "Watch"]

log = logging.getLogger("emailproxy.console")

RING: Final = 2000
"""Changes that who comes back can still get: at a hundred a second, the time in which a page reconnects twice."""
QUEUE: Final = 1000
"""Changes that wait for one watcher, about 300 KB. Who is further behind gets a snapshot faster than the rest."""
MAX_WATCHERS: Final = 64
"""At a time: each change is sent to all of them."""
NOTICES: Final = 100
MINUTES: Final = 60
PERIOD: Final = 1.0
"""Seconds between two looks at what nobody tells."""
SILENCE: Final = 30.0
"""Seconds after which watchers hear that there is nothing to hear: reverse proxies close what is silent for a minute,
and a peer that has vanished is only found out by sending."""
PATIENCE: Final = 20
"""How many times as long as a look at all accounts took is waited until the next: 5 % of the time at the most."""
LOOK_UPS: Final = 1000
"""Records that are read only for the display, in one life of the process, and only while somebody watches: what has
not been read yet. Secret managers bill about a cent for as many."""
LOOK_UP_PAUSE: Final = 0.05
"""Seconds between two of them, so that they are never a burst at a store."""

_GONE: Final = {
    OutcomeKind.AUTHORISED: "authorised",
    OutcomeKind.DENIED: "denied",
    OutcomeKind.FAILED: "failed",
}


class TooManyWatchersError(ProxyError):
    """`MAX_WATCHERS` are there already."""


class _Change:
    """One change, and its text as soon as somebody needs it."""

    __slots__ = ("_text", "message", "sequence", "stream", "time")

    def __init__(self, message: Message, stream: str, sequence: int, now: float) -> None:
        self.message = message
        self.stream = stream
        self.sequence = sequence
        self.time = now
        self._text: str | None = None

    @property
    def text(self) -> str:
        if self._text is None:
            self._text = messages.encode(self.message, self.stream, self.sequence, self.time)
        return self._text


class Watch:
    """One watcher. Iterate over it for the JSON of what it is to hear; ends when it was `dropped`."""

    def __init__(self, first: Sequence[_Change]) -> None:
        self._first = deque(first)
        self._sender, self._receiver = trio.open_memory_channel[_Change](QUEUE)
        self.dropped = False
        """It did not keep up."""

    def put(self, change: _Change) -> None:
        """Queue `change`, or drop this watcher."""
        if self.dropped:
            return
        try:
            self._sender.send_nowait(change)
        except trio.WouldBlock:
            self.dropped = True
            self._sender.close()

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> str:
        if self.dropped:  # at once: what waits is too much for it
            await trio.lowlevel.checkpoint()
            raise StopAsyncIteration
        if self._first:
            await trio.lowlevel.checkpoint()
            return self._first.popleft().text
        change = await self._receiver.receive()
        return change.text

    def close(self) -> None:
        """Hear nothing more."""
        self._sender.close()
        self._receiver.close()


class Hub(Nobody):
    """The audience that tells watchers.

    Args:
        scene: what is so now.
        records: the store, for the records that nobody has read yet.
        now: Unix time.
    """

    def __init__(self, scene: Scene, records: CachedStore, now: Callable[[], float] = time.time) -> None:
        self._scene = scene
        self._records = records
        self._now = now
        self._active = False
        self._stream = ""
        self._sequence = 0
        self._said = 0.0
        self._ring: deque[_Change] = deque(maxlen=RING)
        self._watches: set[Watch] = set()
        self._watched = trio.Event()
        self._notices: deque[messages.Notice] = deque(maxlen=NOTICES)
        self._minutes: deque[list[int]] = deque(maxlen=MINUTES)
        self._octets: dict[str, tuple[int, int]] = {}
        self._proxy: messages.Proxy | None = None
        self._store: messages.Store | None = None
        self._accounts: dict[str, messages.Account] = {}
        self._dirty = True
        self._look_ups = LOOK_UPS
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread = 0

    # --- for the console ----------------------------------------------------------------------------------------------

    @property
    def watchers(self) -> int:
        """How many there are."""
        return len(self._watches)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be active until cancelled: hear what is told and logged, and look around while somebody watches."""
        self._token, self._thread = trio.lowlevel.current_trio_token(), threading.get_ident()
        # What was before is not known to have been heard, so nobody resumes there.
        self._stream, self._sequence = secrets.token_hex(8), 0
        self._ring.clear()
        handler = NoticeHandler(self._noticed)
        logger = logging.getLogger("emailproxy")
        logger.addHandler(handler)
        self._active = True
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._look_up)
                task_status.started()
                while True:
                    await self._watched.wait()
                    await trio.sleep(PERIOD + self._look())
        finally:
            self._active = False
            logger.removeHandler(handler)

    def watch(self, stream: str | None = None, after: int | None = None) -> AbstractContextManager[Watch]:
        """A watcher, as long as the context lasts.

        Args:
            stream: whose changes it has heard before.
            after: the last one that it has.

        Raises:
            TooManyWatchersError: there are too many.
        """
        if len(self._watches) >= MAX_WATCHERS:
            raise TooManyWatchersError(f"{MAX_WATCHERS} watch already")
        return self._watching(stream, after)

    @contextmanager
    def _watching(self, stream: str | None, after: int | None) -> Iterator[Watch]:
        self._look()  # tells the others, and the ring, what nobody has looked at meanwhile
        watch = Watch(self._missed(stream, after) or [self._change(self.snapshot())])
        self._watches.add(watch)
        self._watched.set()
        try:
            yield watch
        finally:
            self._watches.discard(watch)
            watch.close()
            if not self._watches:
                self._watched = trio.Event()

    def snapshot(self) -> messages.Snapshot:
        """Everything that is so now."""
        self._roll()
        scene = self._scene
        return messages.Snapshot(
            proxy=scene.proxy(),
            listeners=scene.listeners(),
            sessions=scene.sessions(),
            accounts=tuple(scene.accounts().values()),
            pending=scene.pending(),
            store=scene.store(),
            logins=tuple((minute, worked, failed) for minute, worked, failed in self._minutes),
            notices=tuple(self._notices),
        )

    def publish(self, message: Message) -> None:
        """Tell everybody who watches. Never waits."""
        self._publish(message)

    # --- what the proxy tells -----------------------------------------------------------------------------------------

    def session_opened(self, session: LiveSession) -> None:
        """See `emailproxy.audience.Audience`."""
        if self._active:
            self._publish(session_message(session))

    def session_logged_in(self, session: LiveSession) -> None:
        """See `emailproxy.audience.Audience`."""
        if self._active:
            self._publish(session_message(session))

    def session_closed(self, session: LiveSession) -> None:
        """See `emailproxy.audience.Audience`."""
        if self._active:
            up, down = session.octets
            seconds = max(0.0, self._now() - session.opened)
            self._publish(messages.SessionClosed(session.id, session.ending, up, down, round(seconds, 3)))

    def login_finished(
        self, session: LiveSession, account: str, mechanism: str, failure: Failure | None, milliseconds: float
    ) -> None:
        """See `emailproxy.audience.Audience`."""
        if not self._active:
            return
        if failure is None:
            self._scene.used(account)
        self._dirty = True
        self._roll()
        self._minutes[-1][1 if failure is None else 2] += 1
        self._publish(
            messages.Login(
                account=account,
                client=session.client,
                protocol=session.server.protocol.value,
                listener=session.server.section,
                mechanism=mechanism,
                outcome="ok" if failure is None else failure.kind.value,
                milliseconds=milliseconds,
                ref=None if failure is None else failure.reference,
            )
        )

    def listener_bound(self, server: Server, addresses: Sequence[tuple[str, int]]) -> None:
        """See `emailproxy.audience.Audience`."""
        self._publish(self._scene.bound(server, addresses))

    def listener_closed(self, section: str) -> None:
        """See `emailproxy.audience.Audience`."""
        self._scene.unbound(section)
        self._publish(messages.ListenerGone(section))

    def reloaded(self) -> None:
        """See `emailproxy.audience.Audience`."""
        self._dirty = True
        self._look()

    def draining(self) -> None:
        """See `emailproxy.audience.Audience`."""
        self._scene.draining = True
        self._look()

    def asked(self, pending: Pending) -> None:
        """Somebody is asked for consent, or reminded."""
        self._dirty = True
        if self._active:
            self._publish(self._scene.waiting(pending))

    def settled(self, pending: Pending, outcome: Outcome) -> None:
        """An authorisation is over."""
        self._dirty = True
        self._publish(messages.PendingGone(pending.id, pending.account.name, _GONE.get(outcome.kind, "unknown")))

    def _noticed(self, notice: messages.Notice) -> None:
        """A line of the log, in whatever thread."""
        if threading.get_ident() == self._thread:
            self._note(notice)
        elif self._token is not None:
            try:
                self._token.run_sync_soon(self._note, notice)
            except trio.RunFinishedError:
                return

    def _note(self, notice: messages.Notice) -> None:
        self._notices.append(notice)
        self._publish(notice)

    # --- what nobody tells --------------------------------------------------------------------------------------------

    def _look(self) -> float:
        """Tell what has changed without a word; seconds that this is worth waiting for longer than usual."""
        if not self._active:
            return 0.0
        octets = self._scene.octets()
        moved = tuple((name, *each) for name, each in octets.items() if self._octets.get(name, (0, 0)) != each)
        self._octets = octets
        if moved and self._watches:
            # Nobody who comes back needs old counts, and they may be long: the ring only says that there were some.
            self._publish(messages.Traffic(moved), kept=messages.Traffic(()))
        elif self._watches and trio.current_time() - self._said >= SILENCE:
            self._publish(messages.Traffic(()))
        proxy, store = self._scene.proxy(), self._scene.store()
        if proxy != self._proxy:
            self._proxy = proxy
            self._publish(proxy)
        if store != self._store:
            self._store, self._dirty = store, True
            self._publish(store)
        if not self._dirty:
            return 0.0
        self._dirty = False
        began = time.perf_counter()
        accounts = self._scene.accounts()
        for name, account in accounts.items():
            if self._accounts.get(name) != account:
                self._publish(account)
        for name in self._accounts.keys() - accounts.keys():
            self._publish(messages.AccountGone(name))
        self._accounts = accounts
        return (time.perf_counter() - began) * PATIENCE

    async def _look_up(self) -> None:
        """Read the records that nobody has read yet, one by one, while somebody watches."""
        while True:
            await self._watched.wait()
            unread = self._scene.unread()
            if unread is None or self._look_ups <= 0:
                await trio.sleep(PERIOD)
                continue
            self._look_ups -= 1
            try:
                await self._records.load(unread)
            except StoreUnavailableError:
                await trio.sleep(60 * PERIOD)
            except StoreError as error:
                self._scene.unreadable(unread, str(error))
            self._dirty = True
            await trio.sleep(LOOK_UP_PAUSE)

    # --- the stream ---------------------------------------------------------------------------------------------------

    def _publish(self, message: Message, kept: Message | None = None) -> None:
        if not self._active:
            return
        self._sequence += 1
        self._said = trio.current_time()
        change = self._change(message)
        self._ring.append(change if kept is None else self._change(kept))
        for watch in tuple(self._watches):
            watch.put(change)
            if watch.dropped:
                self._watches.discard(watch)

    def _change(self, message: Message) -> _Change:
        return _Change(message, self._stream, self._sequence, self._now())

    def _missed(self, stream: str | None, after: int | None) -> list[_Change]:
        """What a watcher who comes back is to hear first; nothing if that cannot be told."""
        if stream != self._stream or after is None or not self._sequence - len(self._ring) <= after <= self._sequence:
            return []
        resumed = _Change(messages.Resumed(), self._stream, after, self._now())
        self._octets = {}  # so that the next look tells the counts of all sessions
        return [resumed, *(change for change in self._ring if change.sequence > after)]

    def _roll(self) -> None:
        """Begin the minutes that have begun."""
        minute = int(self._now() // 60)
        if not self._minutes or minute - self._minutes[-1][0] >= MINUTES or minute < self._minutes[-1][0]:
            self._minutes.extend([each, 0, 0] for each in range(minute - MINUTES + 1, minute + 1))
        while self._minutes[-1][0] < minute:
            self._minutes.append([self._minutes[-1][0] + 1, 0, 0])
