"""What is a reference, where does it lead, and who follows it? The contract of the group ``emailproxy.secrets``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from emailproxy.secret import Secret

__all__ = ["Fetched", "Reference", "SecretSource", "SecretValue", "SourceFactory", "Use"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A configuration value that names the place of the real one. It holds no secret, and may be printed."""

    prefix: str
    """Names the source; lower case."""
    rest: str
    """What the source understands: a path, a name, options."""

    def __str__(self) -> str:
        """The address for messages: without the options, which say how to get there."""
        place = self.rest if self.prefix in {"env", "file"} else self.rest.partition("?")[0]
        shown = f"{self.prefix}:{place}"
        return shown if shown.isprintable() else ascii(shown)


@dataclass(frozen=True, slots=True)
class SecretValue:
    """What a source found."""

    value: Secret
    """Exactly as it is kept; octets that are no UTF-8 are kept too (`Secret.from_octets`)."""
    changed: datetime | None = None
    """When it was last changed, with a time zone; None: the source cannot tell, or was not asked to."""
    remark: str = ""
    """What a person should know if this is a secret, and do: that everybody can read the file, say."""


class SecretSource(Protocol):
    """Follows the references of one prefix.

    Implementations block, are called in worker threads, several at once, and end each call within ten seconds by
    themselves. They share connections between addresses where they can: a thousand accounts may refer to one vault.
    Their errors name the address and what to do, and never a value.

    Two attributes are optional: ``blocks = False`` says that `read` never blocks, ``local = True`` that it asks nobody
    but this machine, so that it may be tried at the start.
    """

    def check(self, rest: str) -> None:
        """Is this an address that `read` could follow? Asks nobody, but imports what `read` needs.

        Raises:
            StoreAddressError: it is malformed; the message says what would be right.
            ImportError: the SDK is not installed.
        """
        ...

    def read(self, rest: str, *, dated: bool = False) -> SecretValue:
        """Read the value.

        Args:
            rest: the address, without the prefix.
            dated: find out when it was changed even if that takes another call.

        Raises:
            StoreAddressError: malformed, or there is nothing of that name.
            StoreDeniedError: a permission is missing.
            StoreContentError: what is there cannot be used.
            StoreUnavailableError: it cannot be reached now.
        """
        ...

    def close(self) -> None:
        """Release connections. Calling it twice is harmless."""
        ...


SourceFactory = Callable[[], SecretSource]
"""What an entry point of the group ``emailproxy.secrets`` loads."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A value that was read when the configuration was, and where it came from. Not printed by ``repr``."""

    reference: Reference
    value: Secret = field(repr=False)

    def __str__(self) -> str:
        return str(self.reference)


@dataclass(frozen=True, slots=True)
class Use:
    """Where a configuration uses a reference."""

    section: str
    option: str
    reference: Reference
