"""Where is the mail? In memory: one mailbox per user, folders with messages, and an event for those who wait."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import trio

__all__ = ["Folder", "Mailbox", "Message"]


@dataclass(slots=True, eq=False)
class Message:
    """One message, its octets as they came."""

    octets: bytes
    uid: int
    flags: set[str] = field(default_factory=set)
    received: float = field(default_factory=time.time)


@dataclass(slots=True, eq=False)
class Folder:
    """Messages in order of arrival."""

    name: str
    keeps: bool = True
    """False: a sink for bulk data; what is appended is counted and dropped."""
    messages: list[Message] = field(default_factory=list)
    next_uid: int = 1
    dropped: int = 0
    """Octets that a sink has swallowed."""
    changed: trio.Event = field(default_factory=trio.Event)
    """Set, and replaced by a new one, whenever `messages` changes."""

    def append(self, octets: bytes, flags: set[str] | None = None) -> Message:
        """Keep a new message (a sink only counts it)."""
        message = Message(octets, self.next_uid, flags or set())
        self.next_uid += 1
        if self.keeps:
            self.messages.append(message)
            self.announce()
        return message

    def remove(self, message: Message) -> None:
        """Forget a message; nothing happens if another session was faster."""
        if message in self.messages:
            self.messages.remove(message)
            self.announce()

    def announce(self) -> None:
        """Wake up whoever waits for a change."""
        event, self.changed = self.changed, trio.Event()
        event.set()


@dataclass(slots=True, eq=False)
class Mailbox:
    """One user's folders. ``INBOX`` and ``Sent`` are always there."""

    user: str
    folders: dict[str, Folder] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("INBOX", "Sent"):
            self.folders.setdefault(name, Folder(name))

    @property
    def inbox(self) -> Folder:
        """Where new mail arrives."""
        return self.folders["INBOX"]

    def folder(self, name: str) -> Folder | None:
        """The folder called `name`; INBOX in any case (RFC 9051 section 5.1)."""
        return self.folders.get("INBOX" if name.upper() == "INBOX" else name)
