"""Does it reach what it set out to? Each target with what was measured, and whether it is met."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.recorded import Recorded
from benchmarks.report import columns, number

__all__ = ["Verdict", "judge", "shown"]

OURS = "emailproxy"
MANY_SESSIONS = 9_000
"""Idle sessions from which on a run may speak for 10,000: two files for each are more than 20,000, a usual limit."""
MANY_ACCOUNTS = 100_000
RELAY = "one session, plain client"
CROWD = r"^Relay: \d+ sessions"
SMALL = "small messages"
LOGINS = "^Repeated logins, IMAP, the token at hand"
START = "^Start of the process"
DAY = "^An office's day"
ACCOUNTS = "^Accounts in the configuration"


@dataclass(frozen=True)
class Measured:
    """What was measured for one target, in the unit of its limit."""

    value: float
    note: str = ""
    """What it is made of, for the reader."""
    reservation: str = ""
    """Why it does not answer the question: the run was too small."""


@dataclass(frozen=True)
class Target:
    """One promise."""

    figure: str
    limit: float
    words: str
    """The limit for a reader, e.g. ``at most 1.0 x stunnel``."""
    measured: Callable[[Recorded], Measured | None]
    """None: what it needs was not in the run."""
    digits: int = 2
    unit: str = "x"
    further: bool = False
    """A goal behind the target, which nothing depends on."""
    magnitude: bool = False
    """It is the distance from zero that is limited."""

    def met(self, value: float) -> bool:
        """Whether the value, as a reader sees it, is within the limit."""
        shown = abs(value) if self.magnitude else value
        return shown <= self.limit or round(shown, self.digits) <= self.limit


@dataclass(frozen=True)
class Verdict:
    """One target and how it stands."""

    figure: str
    target: str
    measured: str
    verdict: str
    """``met``, ``missed``, or why neither can be said."""
    further: bool = False

    def cells(self) -> list[str]:
        """A line of the table."""
        return [self.figure, self.target, self.measured, self.verdict]


def _ratio(mode: str, table: str, figure: str, peer: str) -> Callable[[Recorded], Measured | None]:
    """Ours divided by a peer's, pair by pair."""

    def measured(run: Recorded) -> Measured | None:
        other, mine = (run.figure(mode, table, name, figure) for name in (peer, OURS))
        if other is None or mine is None:
            return None
        if other.ratio is None:
            if other.median <= 0:
                return None
            return Measured(mine.median / other.median, f"{number(mine.median)} beside {number(other.median)}")
        note = f"{number(mine.median)} beside {number(other.median)}"
        if len(other.ratios) > 1:
            note += f"; pairs {min(other.ratios):.2f} to {max(other.ratios):.2f}"
        return Measured(other.ratio, note)

    return measured


def _crowd(direction: str) -> Callable[[Recorded], Measured | None]:
    """Our figure with many sessions divided by that with one."""

    def measured(run: Recorded) -> Measured | None:
        name = f"{direction}: CPU s/GiB"
        many, one = run.figure("relay", CROWD, OURS, name), run.figure("relay", RELAY, OURS, name)
        if many is None or one is None or not one.median:
            return None
        title = next(run.titles("relay", CROWD))
        few = int(re.findall(r"\d+", title)[0])
        reservation = "" if few >= 100 else f"only {few} sessions"
        return Measured(many.median / one.median, f"{number(many.median)} beside {number(one.median)}", reservation)

    return measured


def _value(mode: str, table: str, figure: str, row: str = OURS) -> Callable[[Recorded], Measured | None]:
    def measured(run: Recorded) -> Measured | None:
        found = run.figure(mode, table, row, figure)
        return None if found is None else Measured(found.median)

    return measured


def _idle(figure: str, peer: str | None = None) -> Callable[[Recorded], Measured | None]:
    """Of the table with the most sessions in which we (and the peer) are."""

    def measured(run: Recorded) -> Measured | None:
        sizes = sorted(((_size(title), title) for title in run.titles("idle", "^Idle: ")), reverse=True)
        for size, title in sizes:
            exact = f"^{re.escape(title)}$"
            reservation = "" if size >= MANY_SESSIONS else f"only {size} sessions"
            if peer is None:
                mine = run.figure("idle", exact, OURS, figure)
                found = None if mine is None else Measured(mine.median, f"at {size} sessions", reservation)
            else:
                found = _ratio("idle", exact, figure, peer)(run)
                found = found and Measured(found.value, f"{found.note}; at {size} sessions", reservation)
            if found is not None:
                return found
        return None

    return measured


def _many_accounts(run: Recorded) -> Measured | None:
    names = sorted(run.rows("accounts", ACCOUNTS), key=_size)
    if len(names) < 2:
        return None
    few, many = (run.figure("accounts", ACCOUNTS, name, "login: CPU ms") for name in (names[0], names[-1]))
    if few is None or many is None or not few.median:
        return None
    # A ratio is the first row's figure divided by this row's; the target asks the other way about.
    value = 1 / many.ratio if many.ratio else many.median / few.median
    reservation = "" if _size(names[-1]) >= MANY_ACCOUNTS else f"only {names[-1]}"
    return Measured(
        value, f"{number(many.median)} ms with {names[-1]}, {number(few.median)} with {names[0]}", reservation
    )


def _size(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found[0]) if found else 0


def _targets() -> Iterator[Target]:
    for way in ("down", "up"):
        figure, name = f"relay CPU per GiB, {way}, one session", f"{way}: CPU s/GiB"
        yield Target(figure, 1.0, "at most 1.0 x stunnel", _ratio("relay", RELAY, name, "stunnel"))
        yield Target(figure, 1 / 7, "at most 1/7 x classic", _ratio("relay", RELAY, name, "classic"), digits=3)
        most = {"down": 1.0, "up": 0.3}[way]
        yield Target(figure, most, f"at most {most:g} x Dovecot", _ratio("relay", RELAY, name, "dovecot"))
        yield Target(figure, 1.2, "at most 1.2 x nginx", _ratio("relay", RELAY, name, "nginx"), further=True)
        yield Target(f"relay CPU per GiB, {way}, 100 sessions", 1.1, "at most 1.1 x one session", _crowd(way))
    name = "NOOP added: p50 us"
    yield Target("added to a NOOP, p50", 1.0, "at most 1.0 x classic", _ratio("relay", SMALL, name, "classic"))
    yield Target(
        "added to a NOOP, p50",
        100.0,
        "at most 100 us",
        _value("relay", SMALL, name),
        digits=0,
        unit=" us",
        further=True,
    )
    figure, name = "repeated IMAP login, CPU", "in turn: CPU ms"
    yield Target(figure, 1.0, "at most 1.0 x Dovecot", _ratio("logins", LOGINS, name, "dovecot"))
    yield Target(figure, 1 / 400, "at most 1/400 x classic", _ratio("logins", LOGINS, name, "classic"), digits=5)
    yield Target(figure, 1.3, "at most 1.3 x stunnel", _ratio("logins", LOGINS, name, "stunnel"))
    yield Target(figure, 0.8, "at most 0.8 x Dovecot", _ratio("logins", LOGINS, name, "dovecot"), further=True)
    figure, name = "memory of an idle session of 10,000", "KiB/session"
    yield Target(figure, 32.0, "at most 32 KiB", _idle(name), digits=1, unit=" KiB")
    yield Target(figure, 1.0, "at most 1.0 x nginx", _idle(name, "nginx"))
    yield Target(figure, 0.5, "at most 0.5 x Dovecot", _idle(name, "dovecot"))
    yield Target("CPU with 10,000 idle sessions", 0.0, "0.0 %", _idle("CPU % while idle"), digits=1, unit=" %")
    yield Target("login with 100,000 accounts, CPU", 1.1, "at most 1.1 x with 10", _many_accounts)
    name = "ms to listening"
    yield Target("start to listening", 1.4, "at most 1.4 x import trio", _ratio("startup", START, name, "import trio"))
    yield Target(
        "memory over a day, last quarter to first", 2.0, "at most 2 % apart", _value("mixed", DAY, "memory growth %"),
        digits=1, unit=" %", magnitude=True,
    )  # fmt: skip
    yield Target(
        "files left open after a day", 0.0, "none", _value("mixed", DAY, "files left open"), digits=0, unit=""
    )  # fmt: skip


def judge(run: Recorded, *, whole: bool = True) -> list[Verdict]:
    """Each target, in the order of the modes; if `whole`, also those that were not measured."""
    verdicts = []
    for target in _targets():
        found = target.measured(run)
        if found is None:
            if whole:
                verdicts.append(Verdict(target.figure, target.words, "-", "not measured", target.further))
            continue
        text = f"{found.value:.{target.digits}f}{target.unit}" + (f" ({found.note})" if found.note else "")
        verdict = "met" if target.met(found.value) else "missed"
        if found.reservation:
            verdict = f"cannot be told: {found.reservation}"
        verdicts.append(Verdict(target.figure, target.words, text, verdict, target.further))
    return verdicts


def shown(verdicts: list[Verdict]) -> str:
    """A table for people; what goes further than the targets comes behind them."""
    text = []
    for title, further in (("Targets", False), ("Further goals", True)):
        chosen = [verdict for verdict in verdicts if verdict.further is further]
        if chosen:
            lines = [["", "target", "measured (ours beside the other's)", ""], *(verdict.cells() for verdict in chosen)]
            text.append(f"{title}\n\n" + columns(lines, left=4) + "\n")
    counted = [verdict.verdict for verdict in verdicts if not verdict.further]
    met, missed = counted.count("met"), counted.count("missed")
    text.append(f"{met} of {len(counted)} targets met, {missed} missed, {len(counted) - met - missed} cannot be told")
    return "\n".join(text)
