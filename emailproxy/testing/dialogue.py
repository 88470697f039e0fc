"""How is a protocol dialogue written down, replayed against a machine in any pieces, and shown when it differs?

A dialogue reads like a transcript in an RFC::

    Dialogue.downstream(
        "LOGIN with a wrong password",
        lambda: DownstreamPop3(capabilities=(), starttls=False),
        S("+OK emailproxy ready"),
        C("USER anna@example.com", "PASS tiger"),
        S("+OK Send PASS"),
        Event(CredentialsReceived(...)),
        Call("refuse", Failure(...)),
        S("-ERR [AUTH] ..."),
        Close(),
        Event(LoggedOut(by_command=False)),
    )

`replay` feeds what the other side says and compares everything that the machine says and tells, in order. What is fed
may come whole, octet by octet or in any other pieces: a right machine cannot tell the difference.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from emailproxy.protocols.events import (
    NEED_DATA,
    Abused,
    CapabilitiesReceived,
    DownstreamEvent,
    LoggedIn,
    LoggedOut,
    LoginRefused,
    StartTls,
    UpstreamEvent,
    UpstreamFailed,
)

__all__ = [
    "C",
    "Call",
    "Close",
    "Dialogue",
    "DialogueDiffersError",
    "Event",
    "Machine",
    "S",
    "Step",
    "Trailing",
    "octet_by_octet",
    "play",
    "replay",
    "whole",
]


class Machine(Protocol):
    """What downstream and upstream machines have in common."""

    def receive_data(self, data: bytes) -> None:
        """See `emailproxy.protocols.events.Downstream`."""
        ...

    def next_event(self) -> DownstreamEvent | UpstreamEvent:
        """See `emailproxy.protocols.events.Downstream`."""
        ...

    def data_to_send(self) -> bytes:
        """See `emailproxy.protocols.events.Downstream`."""
        ...

    @property
    def trailing_data(self) -> bytes:
        """See `emailproxy.protocols.events.Downstream`."""
        ...


# --- steps ----------------------------------------------------------------------------------------------------------


class _Said:
    """Octets that one side says: texts are lines and get their CRLF, octets are taken as they are."""

    __slots__ = ("octets",)

    def __init__(self, *said: str | bytes) -> None:
        self.octets = b"".join(part.encode() + b"\r\n" if isinstance(part, str) else part for part in said)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Said) and type(other) is type(self) and other.octets == self.octets

    def __hash__(self) -> int:
        return hash((type(self), self.octets))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.octets!r})"


class C(_Said):
    """The client says."""

    __slots__ = ()


class S(_Said):
    """The server says."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Event:
    """The machine tells that `event` happened."""

    event: DownstreamEvent | UpstreamEvent


@dataclass(frozen=True, slots=True)
class Call:
    """The driver calls the machine's `method`: ``Call("refuse", failure)``, ``Call("secured")``."""

    method: str
    argument: object = None

    def on(self, machine: Machine) -> None:
        """Do it."""
        method = getattr(machine, self.method)
        method() if self.argument is None else method(self.argument)


@dataclass(frozen=True, slots=True)
class Close:
    """The other side closes the connection."""


@dataclass(frozen=True, slots=True)
class Trailing:
    """The machine has `octets` left over for the relay."""

    octets: bytes


Step = C | S | Event | Call | Close | Trailing


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A dialogue between a machine and the other side, as it should be."""

    name: str
    machine: Callable[[], Machine]
    """Makes the machine, new for each replay."""
    steps: tuple[Step, ...]
    speaker: type[C | S]
    """Which side the machine is."""
    splittable: bool = field(default=True)
    """Whether what is fed may come in any pieces. False where timing matters: data behind STARTTLS."""

    @classmethod
    def downstream(cls, name: str, machine: Callable[[], Machine], *steps: Step, splittable: bool = True) -> Dialogue:
        """The machine is the server."""
        return cls(name, machine, steps, S, splittable)

    @classmethod
    def upstream(cls, name: str, machine: Callable[[], Machine], *steps: Step, splittable: bool = True) -> Dialogue:
        """The machine is the client."""
        return cls(name, machine, steps, C, splittable)

    def is_fed(self, step: Step) -> bool:
        """Whether `step` is something that happens to the machine (else: something that it does)."""
        return isinstance(step, (C, S, Call, Close)) and not isinstance(step, self.speaker)


class DialogueDiffersError(AssertionError):
    """The machine did something else; the message is a diff of the two transcripts."""


# --- pieces ---------------------------------------------------------------------------------------------------------


def whole(octets: bytes) -> Iterator[bytes]:
    """All in one piece."""
    yield octets


def octet_by_octet(octets: bytes) -> Iterator[bytes]:
    """One octet at a time."""
    return (octets[i : i + 1] for i in range(len(octets)))


# --- replay ---------------------------------------------------------------------------------------------------------


_LAST: Final = (Abused, CapabilitiesReceived, LoggedIn, LoggedOut, LoginRefused, UpstreamFailed)
"""Events after which a driver asks for no other."""


def play(dialogue: Dialogue, pieces: Callable[[bytes], Iterable[bytes]] = whole) -> list[Step]:
    """What really happens when `dialogue` is fed in `pieces`: its steps, in order, adjacent words of a side joined."""
    machine = dialogue.machine()
    happened: list[Step] = []
    over = False

    def drain() -> None:
        nonlocal over
        while not over:
            event = machine.next_event()
            _append(happened, dialogue.speaker(machine.data_to_send()))
            if event is NEED_DATA:
                return
            happened.append(Event(event))
            over = isinstance(event, _LAST)
            if isinstance(event, StartTls):
                return
        _append(happened, dialogue.speaker(machine.data_to_send()))

    drain()
    for step in dialogue.steps:
        if isinstance(step, Trailing):
            happened.append(Trailing(machine.trailing_data))
        elif dialogue.is_fed(step):
            _append(happened, step)
            if isinstance(step, Call):
                step.on(machine)
                drain()
            elif isinstance(step, Close):
                machine.receive_data(b"")
                drain()
            elif isinstance(step, (C, S)):
                for piece in pieces(step.octets):
                    machine.receive_data(piece)
                    drain()
    return happened


def replay(dialogue: Dialogue, pieces: Callable[[bytes], Iterable[bytes]] = whole) -> None:
    """Feed `dialogue` in `pieces` and insist that the machine says and tells exactly what is written.

    Raises:
        DialogueDiffersError: it does not; the message is a diff, - expected, + happened.
    """
    expected: list[Step] = []
    for step in dialogue.steps:
        _append(expected, step)
    happened = play(dialogue, pieces)
    if happened == expected:
        return
    lines = [*_lines(expected)], [*_lines(happened)]
    if lines[0] == lines[1]:
        raise DialogueDiffersError(f"{dialogue.name}: the same to look at, so a secret differs\n" + "\n".join(lines[0]))
    shown = "\n".join(line for line in difflib.ndiff(*lines) if not line.startswith("?"))
    raise DialogueDiffersError(f"{dialogue.name}: - expected, + happened\n{shown}")


def _append(steps: list[Step], step: Step) -> None:
    """Append `step`; words join the words of the same side before them, and no words are no step."""
    if isinstance(step, (C, S)):
        if not step.octets:
            return
        if steps and type(steps[-1]) is type(step):
            step = type(step)(steps.pop().octets, step.octets)  # type: ignore[union-attr]
    steps.append(step)


def _lines(steps: Iterable[Step]) -> Iterator[str]:
    for step in steps:
        match step:
            case C(octets=octets) | S(octets=octets):
                for line in octets.splitlines(keepends=True):
                    text = line.decode("ascii", "backslashreplace")
                    shown = text[:-2] if text.endswith("\r\n") else f"{text!r} (no CRLF)"
                    yield f"{type(step).__name__}: {shown}"
            case Event(event):
                yield f"!: {event!r}"
            case Call(method, argument):
                yield f">: {method}({'' if argument is None else repr(argument)})"
            case Close():
                yield ">: the other side closes"
            case Trailing(octets):
                yield f"=: trailing data {octets!r}"
