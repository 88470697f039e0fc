"""Has a person changed the configuration file, or only the proxy? Told without parsing it.

The proxy keeps tokens in the same file, and adds sections for accounts that a template caught. A fingerprint has what
is left without those: for each section a digest of its lines, without comments, blank lines and a record's options.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from emailproxy.store.base import CACHED_OPTIONS

__all__ = ["Fingerprint", "fingerprint"]

_RECORD: Final = frozenset(name.encode() for name in CACHED_OPTIONS)
_SECRET: Final = b"client_secret"
_SEALED: Final = b"client_secret_encrypted"
# What is remembered of lines: as many, and as long, as people write.
SEEN: Final = 1024
LONGEST: Final = 160
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(slots=True)
class _Section:
    lines: list[bytes]
    secret: list[bytes]
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a person wrote, as digests."""

    sections: dict[bytes, tuple[bytes, bytes, bool]]
    """For each section that has anything of a person's: its lines, its client secret, whether that is there sealed."""

    def differs(self, newer: Fingerprint) -> bool:
        """Whether a person has changed something since. Not: the proxy has replaced a client secret by a sealed one."""
        if self.sections.keys() != newer.sections.keys():
            return True
        for name, (lines, secret, _) in self.sections.items():
            new_lines, new_secret, sealed = newer.sections[name]
            if lines != new_lines or (secret != new_secret and not (sealed and not new_secret)):
                return True
        return False


def fingerprint(octets: bytes) -> Fingerprint:
    """The fingerprint of a file. A second for 100,000 accounts."""
    found: dict[bytes, _Section] = {}
    names: dict[bytes, bytes] = {}  # lines that were seen before, for there are few that are not a token's
    section = _Section([], [])
    kept: list[bytes] | None = None  # where the lines of the option go that is being read
    for line in octets.removeprefix(_BOM).splitlines():
        option = names.get(line)
        if option is None:
            text = line.strip()
            if not text or text[:1] in b"#;":
                continue
            if line[:1] in b" \t":
                if kept is not None:
                    kept.append(text)
                continue
            if text[:1] == b"[":
                known = found.get(text)
                section = found[text] = _Section([], []) if known is None else known
                kept = None
                continue
            option = _option(text)
            if len(line) <= LONGEST and len(names) < SEEN:
                names[line] = option
        if option in _RECORD:
            section.sealed = section.sealed or option == _SEALED
            kept = None
            continue
        kept = section.secret if option == _SECRET else section.lines
        kept.append(line.strip())
    return Fingerprint(
        {
            name: (_digest(section.lines), _digest(section.secret), section.sealed)
            for name, section in found.items()
            if section.lines or section.secret
        }
    )


def _option(text: bytes) -> bytes:
    """The option's name, as configparser takes it: up to the first ``=`` or ``:``, in lower case."""
    ends = [position for position in (text.find(b"="), text.find(b":")) if position >= 0]
    return text[: min(ends)].strip().lower() if ends else text.lower()


def _digest(lines: list[bytes]) -> bytes:
    return hashlib.sha256(b"\n".join(lines)).digest() if lines else b""
