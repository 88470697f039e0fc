"""Does each reference lead to something? One line each: how long it is and when it changed, never what it is."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from emailproxy.references.base import Reference, SecretValue, Use
from emailproxy.references.sources import Sources
from emailproxy.store.base import StoreError

__all__ = ["Finding", "resolve"]

READERS: Final = 8
"""Threads: more would only queue in the services' connection pools."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one use."""

    use: Use
    told: str
    """Length and last change, or what is wrong and what to do."""
    good: bool

    def __str__(self) -> str:
        # A failure names the address itself.
        what = f"{self.use.reference}: {self.told}" if self.good else f"FAILED: {self.told}"
        return f"[{self.use.section}] {self.use.option}  {what}"


def resolve(uses: Iterable[Use], sources: Sources) -> list[Finding]:
    """Follow each reference once, and say what was found. Blocks, ten seconds for each eight."""
    uses = list(uses)
    distinct = list(dict.fromkeys(use.reference for use in uses))
    with ThreadPoolExecutor(READERS, thread_name_prefix="references") as pool:
        outcomes = dict(zip(distinct, pool.map(partial(_outcome, sources), distinct), strict=True))
    return [_finding(use, outcomes[use.reference]) for use in uses]


def _outcome(sources: Sources, reference: Reference) -> SecretValue | StoreError:
    try:
        return sources.read(reference, dated=True)
    except StoreError as error:
        return error


def _finding(use: Use, outcome: SecretValue | StoreError) -> Finding:
    if isinstance(outcome, StoreError):
        return Finding(use, str(outcome), good=False)
    changed = f"{outcome.changed:%Y-%m-%d %H:%M %Z}".rstrip() if outcome.changed is not None else "unknown"
    remarks = [remark for remark in (outcome.remark, _remark(outcome)) if remark]
    return Finding(use, "; ".join([f"{_length(outcome)}, last change {changed}", *remarks]), good=True)


def _length(outcome: SecretValue) -> str:
    octets = outcome.value.octets
    try:
        characters = len(octets.decode())
    except UnicodeDecodeError:
        return f"{len(octets)} octets, no text"
    return f"{characters} characters" if characters == len(octets) else f"{characters} characters, {len(octets)} octets"


def _remark(outcome: SecretValue) -> str:
    text = outcome.value.reveal()
    if text != text.strip() and not text.startswith("-----BEGIN "):
        return "it begins or ends with white space, which is sent with it"
    return ""
