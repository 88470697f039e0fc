"""How does the running proxy look in a terminal? One screen: its state, sessions, the last logins and warnings."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import trio

from emailproxy.cli.amounts import amount, counted, span
from emailproxy.cli.showing import Cell, rich_table
from emailproxy.console.messages import Envelope
from emailproxy.oauth.foreign import foreign
from emailproxy.remote.errors import RemoteError
from emailproxy.remote.events import follow
from emailproxy.remote.picture import Picture
from emailproxy.remote.place import ConsolePlace

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["show_live", "view"]

PERIOD: Final = 0.5
"""Seconds between two pictures: events come in bursts, and eyes do not."""
LEAST_ROWS: Final = 3
"""Of each table, however small the terminal is."""


async def show_live(place: ConsolePlace, console: Console) -> None:
    """Show it until cancelled. Raises RemoteError."""
    from rich.live import Live

    picture = Picture()
    notes: list[str] = []
    problem: RemoteError | None = None

    def tell(envelope: Envelope, text: str) -> bool:  # noqa: ARG001 - lines are for pipes
        notes.clear()
        picture.apply(envelope)
        return False

    def lost(why: str, seconds: float) -> None:
        notes[:] = [f"connection lost: {foreign(why)}; coming back in {seconds:g} s"]

    with Live(console=console, screen=True, auto_refresh=False) as live:
        async with trio.open_nursery() as nursery:

            async def paint() -> None:
                while True:
                    live.update(view(picture, notes, console.height, time.time()), refresh=True)
                    await trio.sleep(PERIOD)

            nursery.start_soon(paint)
            try:
                await follow(place, tell, lost)
            except RemoteError as error:
                problem = error
            nursery.cancel_scope.cancel()
    if problem is not None:
        raise problem


def view(picture: Picture, notes: list[str], height: int, now: float) -> RenderableType:
    """The screen.

    Args:
        picture: what is so.
        notes: what stands at the top, in red.
        height: lines of the terminal.
        now: Unix time.
    """
    from rich.console import Group
    from rich.rule import Rule
    from rich.text import Text

    rows = max(LEAST_ROWS, (height - 12) // 3)
    parts: list[RenderableType] = [Text(note, "bold red") for note in notes]
    parts += [Text(line) if isinstance(line, str) else Text(*line) for line in _head(picture, now)]
    parts += [Rule(f"sessions: {len(picture.sessions):,}", align="left"), _sessions(picture, rows, now)]
    parts += [Rule("last logins", align="left"), _logins(picture, rows)]
    parts += [Rule("last warnings", align="left"), _notices(picture, rows)]
    parts.append(Text("Ctrl-C ends this view, not the proxy.", "bright_black"))
    return Group(*parts)


def _head(picture: Picture, now: float) -> list[Cell]:
    proxy, store = picture.proxy, picture.store
    if proxy is None or store is None:
        return ["waiting for the proxy…"]
    state = "stopping" if proxy.draining else "ready" if proxy.ready else "not ready"
    style = "bold green" if state == "ready" else "bold yellow"
    lines: list[Cell] = [
        (f"emailproxy {proxy.version}: {state}, up {span(now - proxy.started)}, process {proxy.pid}", style)
    ]
    listeners = ", ".join(f"{each.id} {' '.join(each.addresses)}" for each in picture.listeners.values())
    lines.append(foreign(f"listeners: {listeners or 'none'}"))
    if store.reachable is False:
        lines.append((foreign(f"store: {store.address} does not answer: {store.error}"), "bold red"))
    else:
        lines.append(foreign(f"store: {store.address}"))
    waiting = dict.fromkeys(foreign(each.account, 64) for each in picture.pending.values())
    bad = [foreign(each.name, 64) for each in picture.accounts.values() if each.state == "needs_consent"]
    accounts = f"accounts: {counted(max(len(picture.accounts), proxy.accounts), 'account')}"
    if waiting or bad:
        lines.append((f"{accounts}; need a person: {', '.join(dict.fromkeys([*waiting, *bad]))}", "yellow"))
    else:
        lines.append(accounts)
    return lines


def _sessions(picture: Picture, rows: int, now: float) -> RenderableType:
    def key(name: str) -> tuple[float, float]:
        return -sum(picture.rate(name, now)), picture.sessions[name].opened

    shown = sorted(picture.sessions, key=key)[:rows]
    made: list[list[Cell]] = []
    for name in shown:
        each = picture.sessions[name]
        up, down = picture.rate(name, now)
        busy = "bold" if up or down else ""
        account: Cell = each.account if each.account is not None else ("not logged in", "bright_black")
        rates = f"{amount(up)}/s", f"{amount(down)}/s"
        made.append(
            [
                each.id,
                each.listener,
                account,
                each.client,
                span(now - each.opened),
                (f"{amount(each.up)} {rates[0]}", busy),
                (f"{amount(each.down)} {rates[1]}", busy),
            ]
        )
    return rich_table(("id", "listener", "account", "client", "open", "up", "down"), made)


def _logins(picture: Picture, rows: int) -> RenderableType:
    made: list[list[Cell]] = []
    for when, login in list(picture.logins)[-rows:]:
        good = login.outcome == "ok"
        outcome: Cell = ("ok", "green") if good else (f"{login.outcome} (ref {login.ref})", "red")
        took = f"{login.milliseconds:.0f}"
        made.append([_clock(when), login.account, login.client, login.listener, outcome, took])
    return rich_table(("time", "account", "client", "listener", "outcome", "ms"), made)


def _notices(picture: Picture, rows: int) -> RenderableType:
    made: list[list[Cell]] = []
    for notice in list(picture.notices)[-rows:]:
        advice = f" -> {notice.advice}" if notice.advice else ""
        style = "yellow" if notice.level == "warning" else "red"
        made.append([_clock(notice.at), (notice.level, style), f"{notice.message}{advice}"])
    return rich_table(("time", "level", "message"), made)


def _clock(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%H:%M:%S}"
