"""How does somebody at a terminal authorise an account through a running proxy? It asks, the person answers anywhere.

The proxy keeps the authorisation and receives the redirect; here is shown what to do, an address that was pasted is
handed over, and the end is awaited.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import trio

from emailproxy.console.messages import Envelope, Notice, PendingGone, Snapshot
from emailproxy.failures import ProxyError
from emailproxy.remote.calls import ask, snapshot
from emailproxy.remote.errors import AnswerError, RemoteError
from emailproxy.remote.events import follow
from emailproxy.remote.place import ConsolePlace

__all__ = ["Asked", "Hands", "Result", "authorise"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the proxy asks a person to do."""

    id: str
    account: str
    url: str
    user_code: str | None
    page: str | None
    seconds: float
    """That the person has."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What there is at the terminal. Nothing of it may raise."""

    show: Callable[[Asked], None]
    """Shows what to do; must not block."""
    say: Callable[[str], None]
    """Says a sentence meanwhile."""
    pasted: Callable[[], AsyncIterator[str]] | None = None
    """The lines that the person types or pastes; None: nobody can."""
    open_browser: Callable[[str], object] | None = None
    """Opens an address in a browser; blocks."""


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended."""

    account: str
    outcome: str
    """``authorised``, ``denied``, ``failed`` or ``unknown``."""
    until: float | None = None
    """Unix time at which the access token ends."""
    why: str = ""
    """What the proxy's log says, if it did not work."""


async def authorise(place: ConsolePlace, fields: Mapping[str, object], hands: Hands) -> Result:
    """Let the proxy begin an authorisation, and wait for its end.

    Args:
        place: the proxy's console.
        fields: of the request ``/api/authorise``.
        hands: what there is here.

    Raises:
        AnswerError: the proxy does not begin one.
        RemoteError: it cannot be asked.
    """
    waiting = _Waiting(place, hands)
    problem: ProxyError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiting.listen, nursery.cancel_scope)
        try:
            await waiting.begin(fields, nursery)
        except RemoteError as error:
            problem = error
        nursery.cancel_scope.cancel()
    problem = waiting.problem or problem
    if problem is not None:  # raised out here, where no nursery makes a group of it
        raise problem
    assert waiting.result is not None
    return waiting.result


class _Waiting:
    """One authorisation, from the request to its end."""

    def __init__(self, place: ConsolePlace, hands: Hands) -> None:
        self._place = place
        self._hands = hands
        self._heard = trio.Event()
        self._over = trio.Event()
        self._id = ""
        self._gone: dict[str, str] = {}
        self._notices: list[Notice] = []
        self.result: Result | None = None
        self.problem: RemoteError | None = None

    async def listen(self, scope: trio.CancelScope) -> None:
        """Hear how authorisations end."""
        try:
            await follow(self._place, self._tell, self._lost)
        except RemoteError as error:
            self.problem = error
            scope.cancel()

    def _tell(self, envelope: Envelope, text: str) -> bool:  # noqa: ARG002 - what it looked like
        match envelope.message:
            case PendingGone() as gone:
                self._gone[gone.id] = gone.outcome
            case Notice() as notice:
                self._notices.append(notice)
            case Snapshot() as told if self._id and self._id not in {each.id for each in told.pending}:
                self._gone.setdefault(self._id, "unknown")  # it ended while nobody heard
        if self._id in self._gone:
            self._over.set()
        self._heard.set()
        return False

    def _lost(self, why: str, seconds: float) -> None:
        self._hands.say(f"{why}; coming back in {seconds:g} s")

    async def begin(self, fields: Mapping[str, object], nursery: trio.Nursery) -> None:
        """Ask, show, wait. Raises RemoteError."""
        await self._heard.wait()  # from here on nothing is missed
        answer = await ask(self._place, "/api/authorise", fields)
        account = str(answer["account"])
        pending: Mapping[str, Any] | None = answer.get("pending")
        if pending is None:
            self.result = Result(account, "authorised", answer.get("until"))
            return
        self._id = str(pending["id"])
        asked = Asked(
            self._id,
            account,
            str(pending["url"]),
            pending.get("user_code"),
            pending.get("page"),
            float(pending["expires"]) - float(pending["began"]),
        )
        self._hands.show(asked)
        if self._hands.open_browser is not None:
            nursery.start_soon(self._open, self._hands.open_browser, asked.url)
        if self._hands.pasted is not None and asked.user_code is None:
            nursery.start_soon(self._hand_over, self._hands.pasted)
        if self._id not in self._gone:
            await self._over.wait()
        outcome = self._gone[self._id]
        until, state = await self._account(account)
        if outcome == "unknown" and state == "ok":
            outcome = "authorised"
        self.result = Result(account, outcome, until, "" if outcome == "authorised" else self._why(account))

    async def _open(self, open_browser: Callable[[str], object], url: str) -> None:
        await trio.to_thread.run_sync(open_browser, url, abandon_on_cancel=True)

    async def _hand_over(self, pasted: Callable[[], AsyncIterator[str]]) -> None:
        """Hand over each line that may be the address at which the sign-in ended."""
        async for line in pasted():
            if not line.strip():
                continue
            try:
                await ask(self._place, "/api/authorise/answer", {"url": line.strip()})
            except AnswerError as error:
                self._hands.say(str(error))
            except RemoteError as error:
                self._hands.say(f"{error}; paste it again")

    async def _account(self, name: str) -> tuple[float | None, str]:
        try:
            told = await snapshot(self._place)
        except RemoteError:
            return None, ""
        return next(((each.token_ends, each.state) for each in told.accounts if each.name == name), (None, ""))

    def _why(self, account: str) -> str:
        """The last thing that the log said of the account with a reference."""
        mine = [each for each in self._notices if each.ref is not None and f"account {account}" in each.message]
        if not mine:
            return ""
        return mine[-1].message + (f" -> {mine[-1].advice}" if mine[-1].advice else "")
