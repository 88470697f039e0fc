"""What does a running proxy say over ``/events``? One JSON object for each message, versioned; see docs/console.md.

A reader ignores fields that it does not know, and message types too (`Envelope.message` is None then): only when an old
reader would misunderstand something does `FORMAT` grow.
"""

from __future__ import annotations

import json
import math
import types
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, ClassVar, Final, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from emailproxy.failures import ProxyError

__all__ = [
    "FORMAT",
    "Account",
    "AccountGone",
    "Doctor",
    "DoctorDone",
    "Envelope",
    "Listener",
    "ListenerGone",
    "Login",
    "Message",
    "MessageError",
    "Notice",
    "Pending",
    "PendingGone",
    "Proxy",
    "Resumed",
    "Session",
    "SessionClosed",
    "Snapshot",
    "Store",
    "Traffic",
    "Unsaved",
    "decode",
    "encode",
    "fields_of",
    "snapshot_in",
]

FORMAT: Final = 1
"""Grows when a reader of the old format would misunderstand the new one."""
MAX_MESSAGE: Final = 16 * 1024 * 1024
"""Octets of one message: a snapshot of 10,000 sessions and as many accounts has about 6 MB."""

T = TypeVar("T")


class MessageError(ProxyError):
    """This is no message of a format that is understood."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """The process. Said again when it changes."""

    type: ClassVar[str] = "proxy"
    version: str
    pid: int
    started: float
    """Unix time."""
    config: str
    """The configuration's path."""
    ready: bool
    """The listeners are bound and the store has answered."""
    draining: bool
    reloaded: float | None
    """Unix time of the last reload."""
    addresses: tuple[str, ...]
    """Where this channel listens."""
    accounts: int = 0
    """How many there are in the configuration; of very many, a snapshot tells of some."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A server of the configuration that is served. Said again when a reload has changed it."""

    type: ClassVar[str] = "listener"
    id: str
    """Its section, such as ``IMAP-1993``."""
    protocol: str
    addresses: tuple[str, ...]
    """``127.0.0.1:1993``."""
    tls: str
    """Towards mail clients: ``none``, ``starttls`` or ``tls``."""
    upstream: str
    """``imap.example.com:993 (TLS)``, or "the accounts' own servers"."""
    certificate_ends: float | None
    """Unix time."""


@dataclass(frozen=True, slots=True)
class ListenerGone:
    """Nothing is accepted there any more."""

    type: ClassVar[str] = "listener_gone"
    id: str


@dataclass(frozen=True, slots=True)
class Session:
    """A mail session: when it has opened, and when its login is over."""

    type: ClassVar[str] = "session"
    id: str
    listener: str
    protocol: str
    client: str
    account: str | None
    """None until login is over."""
    opened: float
    logged_in: float | None
    up: int
    """Octets relayed from the client to the mail server."""
    down: int


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """A mail session is over."""

    type: ClassVar[str] = "session_closed"
    id: str
    ending: str
    """Why, a clause for people."""
    up: int
    down: int
    seconds: float
    """How long it lived."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Octets so far of the sessions whose count has changed within a second; only said while somebody watches."""

    type: ClassVar[str] = "traffic"
    sessions: tuple[tuple[str, int, int], ...]
    """Id, up, down."""


@dataclass(frozen=True, slots=True)
class Login:
    """A login was answered."""

    type: ClassVar[str] = "login"
    account: str
    """Or what the client gave as user name."""
    client: str
    protocol: str
    listener: str
    mechanism: str
    outcome: str
    """``ok``, or the kind of the failure: ``wrong credentials``, ``temporary``, ``misconfigured``, ..."""
    milliseconds: float
    ref: str | None
    """The reference that the client was told, which the log has too."""


@dataclass(frozen=True, slots=True)
class Account:
    """How an account stands. Said again when that changes."""

    type: ClassVar[str] = "account"
    name: str
    state: str
    """``ok``, ``needs_consent``, ``never_used`` or ``unknown``."""
    why: str
    """A clause for people, perhaps empty."""
    flow: str
    managed: bool
    """It has app passwords, and its tokens are sealed with a service key."""
    until: float | None
    """Unix time at which a person will be needed, where that is known."""
    last_use: float | None
    """Unix time."""
    token_ends: float | None
    """Unix time at which the access token ends."""
    where: str
    """The address of the store that has its record."""


@dataclass(frozen=True, slots=True)
class AccountGone:
    """A reload has removed that account."""

    type: ClassVar[str] = "account_gone"
    name: str


@dataclass(frozen=True, slots=True)
class Pending:
    """An authorisation that waits for a person. Said again when the person is reminded."""

    type: ClassVar[str] = "pending"
    id: str
    """For the requests that name it; not its ``state``."""
    account: str
    began: float
    expires: float
    url: str
    """What the person opens."""
    user_code: str | None
    """What is entered there, or compared."""
    page: str | None
    """Where the code is entered by hand, if `url` has it in it already."""
    qr: str | None
    """`url` as a QR code: the path data of an SVG, a unit for a module."""
    reason: str
    """Why a person is needed."""
    replaces: bool
    """The login that asked for it had another than the stored password."""


@dataclass(frozen=True, slots=True)
class PendingGone:
    """That authorisation is over."""

    type: ClassVar[str] = "pending_gone"
    id: str
    account: str
    outcome: str
    """``authorised``, ``denied``, ``failed`` or ``unknown`` (nobody answered, or another one was completed)."""


@dataclass(frozen=True, slots=True)
class Unsaved:
    """An account whose new tokens are in the proxy's memory only, because they could not be stored."""

    account: str
    since: float
    attempts: int
    next_try: float | None
    error: str


@dataclass(frozen=True, slots=True)
class Store:
    """How the store is doing. Said again when that changes."""

    type: ClassVar[str] = "store"
    address: str
    ready: bool
    """It has answered since the start."""
    reachable: bool | None
    """Whether the last call was answered; None: there was none yet."""
    since: float | None
    """Unix time from which that is so."""
    error: str | None
    reads: int
    writes: int
    failures: int
    unsaved: tuple[Unsaved, ...]
    deferred: int
    """Accounts whose newer refresh token is written later on purpose."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A line of the log, of level warning or above."""

    type: ClassVar[str] = "notice"
    level: str
    """``warning``, ``error`` or ``critical``."""
    logger: str
    message: str
    ref: str | None
    """The reference that a client was told."""
    advice: str | None
    """What to do, where the cause is a known one."""
    at: float
    """Unix time of the line."""


@dataclass(frozen=True, slots=True)
class Doctor:
    """A step of an examination that somebody asked for."""

    type: ClassVar[str] = "doctor"
    run: str
    account: str | None
    """None: the step concerns no single account."""
    step: str
    outcome: str
    """``running``, ``ok``, ``failed``, ``skipped`` or ``warning``."""
    seconds: float | None
    words: str
    """What was found."""
    advice: str | None
    subject: str = ""
    """What was looked at: ``IMAP outlook.office365.com:993``; `step` says what was tried with it."""
    facts: tuple[tuple[str, str], ...] = ()
    """Details by name, none of them secret."""


@dataclass(frozen=True, slots=True)
class DoctorDone:
    """That examination is over."""

    type: ClassVar[str] = "doctor_done"
    run: str
    account: str | None
    """None: all were examined."""
    failures: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is so now; the first message, unless what was missed can be said."""

    type: ClassVar[str] = "snapshot"
    proxy: Proxy
    listeners: tuple[Listener, ...]
    sessions: tuple[Session, ...]
    accounts: tuple[Account, ...]
    pending: tuple[Pending, ...]
    store: Store
    logins: tuple[tuple[int, int, int], ...]
    """The last hour: minute (Unix time // 60), logins that worked, logins that failed; the present minute last."""
    notices: tuple[Notice, ...]
    """The last hundred, oldest first."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """What was missed follows: the first message to a watcher who comes back in time."""

    type: ClassVar[str] = "resumed"


Message: TypeAlias = (
    Snapshot
    | Resumed
    | Proxy
    | Listener
    | ListenerGone
    | Session
    | SessionClosed
    | Traffic
    | Login
    | Account
    | AccountGone
    | Pending
    | PendingGone
    | Store
    | Notice
    | Doctor
    | DoctorDone
)

_TYPES: Final[dict[str, type[Message]]] = {kind.type: kind for kind in get_args(Message)}


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message, and where it stands in the stream."""

    stream: str
    """Random, one for each life of a proxy's process: sequences of different streams have nothing in common."""
    sequence: int
    """Grows by one with each change. `Snapshot` and `Resumed` have that of the last change that they contain."""
    time: float
    """Unix time."""
    type: str
    message: Message | None
    """None: of a type that this version does not know."""


def fields_of(message: object) -> dict[str, object]:
    """The fields of a message (or of a part of one), ready for JSON."""
    return {field.name: _plain(getattr(message, field.name)) for field in fields(message)}  # type: ignore[arg-type]


def encode(message: Message, stream: str, sequence: int, time: float) -> str:
    """`message` as JSON: one line, ASCII."""
    head = {"format": FORMAT, "stream": stream, "sequence": sequence, "time": time, "type": message.type}
    return json.dumps(head | fields_of(message), ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def decode(text: str | bytes) -> Envelope:
    """The message in `text`.

    Raises:
        MessageError: it is none, or of another format.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise MessageError("this is no JSON") from None
    if not isinstance(document, dict):
        raise MessageError("a message is a JSON object")
    if document.get("format") != FORMAT:
        raise MessageError(f"format {document.get('format')!r} is not understood, only {FORMAT}")
    stream, sequence, time, name = (
        _typed(hint, document.get(field), field)
        for field, hint in (("stream", str), ("sequence", int), ("time", float), ("type", str))
    )
    kind = _TYPES.get(name)
    return Envelope(stream, sequence, time, name, None if kind is None else _parsed(kind, document, name))


def snapshot_in(document: object) -> Snapshot:
    """The snapshot that ``GET /api/snapshot`` has answered.

    Raises:
        MessageError: it is none, or of another format.
    """
    if not isinstance(document, dict) or document.get("type") != Snapshot.type:
        raise MessageError("this is no snapshot")
    if document.get("format") != FORMAT:
        raise MessageError(f"format {document.get('format')!r} is not understood, only {FORMAT}")
    return _parsed(Snapshot, document, Snapshot.type)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return fields_of(value) if hasattr(value, "__dataclass_fields__") else value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _parsed(kind: type[T], document: object, where: str) -> T:
    if not isinstance(document, dict):
        raise MessageError(f"{where} is no JSON object")
    values = {}
    hints: dict[str, Any] = _hints(kind)  # type: ignore[arg-type]  # a class is hashable
    for name, hint in hints.items():
        if name in document:
            values[name] = _typed(hint, document[name], f"{where}.{name}")
        elif kind.__dataclass_fields__[name].default is MISSING:  # type: ignore[attr-defined]
            raise MessageError(f"{where}.{name} is missing")
    return kind(**values)


def _typed(hint: Any, value: object, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return None if value is None else _typed(get_args(hint)[0], value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise MessageError(f"{where} is no list")
        inner = get_args(hint)
        if inner[-1] is Ellipsis:
            return tuple(_typed(inner[0], each, where) for each in value)
        if len(value) != len(inner):
            raise MessageError(f"{where} has {len(value)} values, not {len(inner)}")
        return tuple(_typed(each_hint, each, where) for each_hint, each in zip(inner, value, strict=True))
    if hint in (int, float) and type(value) in (int, float) and math.isfinite(value):  # type: ignore[arg-type]
        if hint is float or type(value) is int:
            return hint(value)
    elif hint in (str, bool) and type(value) is hint:
        return value
    elif isinstance(hint, type) and hasattr(hint, "__dataclass_fields__"):
        return _parsed(hint, value, where)
    raise MessageError(f"{where} is {json.dumps(value)[:64]}, which does not fit")
