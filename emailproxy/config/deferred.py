"""What is loaded only if a configuration needs it? Everything that is listed here, and in no other place.

A proxy listens when its configuration is read, so what reads it should load fast. The library that knows certificates
and keys takes longer than all other readers together, and most files have none; the rest serves a few files, or those
with a mistake in them. Each function stands for the one of the same name, and takes the time of its import once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from emailproxy.config.credential import Credential
    from emailproxy.config.google_key import GoogleKey
    from emailproxy.config.options import Reader
    from emailproxy.config.syntax import Syntax
    from emailproxy.references.base import Reference, SecretValue
    from emailproxy.references.sources import Sources
    from emailproxy.secret import Secret
    from emailproxy.store.base import StoreError

__all__ = [
    "examine_pair",
    "fetch",
    "is_accepted_pair",
    "is_authority",
    "nearest",
    "parse_credential",
    "parse_google_key",
    "parse_irregular",
    "split_words",
]


def parse_credential(certificate: bytes, key: bytes | None, passphrase: Secret | None) -> Credential:
    """See `emailproxy.config.credential`."""
    from emailproxy.config import credential

    return credential.parse_credential(certificate, key, passphrase)


def parse_google_key(octets: bytes) -> GoogleKey:
    """See `emailproxy.config.google_key`."""
    from emailproxy.config import google_key

    return google_key.parse_google_key(octets)


def is_authority(octets: bytes) -> bool:
    """See `emailproxy.config.pairs`."""
    from emailproxy.config import pairs

    return pairs.is_authority(octets)


def examine_pair(reader: Reader, certificate_option: str, key_option: str) -> bool:
    """See `emailproxy.config.pairs`."""
    from emailproxy.config import pairs

    return pairs.examine_pair(reader, certificate_option, key_option)


def is_accepted_pair(certificate: Path, key: Path | None) -> bool:
    """See `emailproxy.config.accepting`."""
    from emailproxy.config import accepting

    return accepting.is_accepted_pair(certificate, key)


def parse_irregular(text: str, file: Path) -> Syntax:
    """See `emailproxy.config.irregular`."""
    from emailproxy.config import irregular

    return irregular.parse_irregular(text, file)


def fetch(sources: Sources, references: Collection[Reference]) -> dict[Reference, SecretValue | StoreError]:
    """See `emailproxy.config.fetching`."""
    from emailproxy.config import fetching

    return fetching.fetch(sources, references)


def nearest(word: str, known: Iterable[str], similarity: float) -> str | None:
    """Which of `known` somebody may have meant who wrote `word`; None if nothing is as similar as that, up to 1."""
    import difflib

    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=similarity)), None)


def split_words(text: str) -> list[str]:
    """The words of a command line; ValueError if a quotation mark is not closed."""
    import shlex

    return shlex.split(text)
