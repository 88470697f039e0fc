"""What is an app password? One of several that a managed account has, and where, when and for what it is good.

The list is kept sealed in the account's record: who can write the store can add none. When each was last used is kept
beside it, in the clear and loosely: it is written along with the next token, never by itself.

There is no "read only": after login the proxy carries octets and does not read commands, so it could not keep the
promise. "Send only" it can keep: such a password logs in to SMTP and to nothing else.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from emailproxy.config.model import MailProtocol
from emailproxy.oauth.hashing import is_hash
from emailproxy.protocols.proofs import CramProof, Proof, ScramProof, ScramVerifier
from emailproxy.secret import Secret

__all__ = ["MAX_PASSWORDS", "AppPassword", "AppPasswords", "identifier_of", "merged_uses", "new_password", "parse_uses"]

ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"
"""32 characters that nobody mistakes for each other, and that every device's keyboard has."""
ID_LENGTH: Final = 3
"""The first characters of a password are its identifier: so one hash is checked for a login, not one for each."""
LENGTH: Final = 16
"""The identifier and 65 random bits: old devices cut longer passwords."""
MAX_PASSWORDS: Final = 40
"""Of one account: about 10 KB of its record, of the 25 KB that Key Vault takes, beside a refresh token of 2 to 3 KB."""
MAX_NAME: Final = 60
FORMAT: Final = 1
"""Of a list in which no entry has more than a hash."""
FORMAT_WITH_VERIFIERS: Final = 2
"""Older versions must not read it: they would drop what they do not know at the next change."""


@dataclass(frozen=True, slots=True)
class AppPassword:
    """One password, but for the password."""

    id: str
    """Its first three characters; empty: the mail password from before, which has none."""
    name: str
    hash: str
    created: int
    """Unix time, seconds."""
    expires: int | None = None
    networks: tuple[str, ...] = ()
    """Where the client may be; empty: anywhere."""
    protocols: tuple[str, ...] = ()
    """What it may speak; empty: all three. ``SMTP`` alone is send-only."""
    scram: ScramVerifier | None = None
    """Lets the client prove that it has the password by SCRAM-SHA-256."""
    plain: Secret | None = None
    """The password itself, for CRAM-MD5, which can do with nothing less; only on request."""

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """By which it can be proven without being sent."""
        return (*(["SCRAM-SHA-256"] if self.scram else []), *(["CRAM-MD5"] if self.plain else []))

    def answered(self, proof: Proof) -> bytes | None:
        """What the client hears if `proof` was made from this password, maybe nothing; None if it was not."""
        match proof:
            case ScramProof() if self.scram is not None:
                return proof.server_final(self.scram)
            case CramProof() if self.plain is not None:
                return b"" if proof.fits(self.plain) else None
        return None

    def __repr__(self) -> str:
        return f"<AppPassword {self.id or '-'} {self.name!r}>"

    def objection(self, now: float, host: str, protocol: MailProtocol | None) -> str | None:
        """Why it is not good now, from there, for that; None if it is."""
        what = f"the app password {self.name!r} is right, but"
        if self.expires is not None and now >= self.expires:
            return f"{what} expired on {datetime.fromtimestamp(self.expires, UTC):%Y-%m-%d %H:%M} UTC"
        if protocol is not None and self.protocols and protocol.value not in self.protocols:
            return f"{what} good for {' and '.join(self.protocols)} only"
        if self.networks and not any(_is_in(host, network) for network in self.networks):
            return f"{what} good in {' and '.join(self.networks)} only"
        return None


@dataclass(frozen=True, slots=True)
class AppPasswords:
    """All of an account."""

    entries: tuple[AppPassword, ...] = ()

    @classmethod
    def parse(cls, text: str) -> AppPasswords:
        """The inverse of `text`.

        Raises:
            ValueError: it is damaged, or of a newer version.
        """
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("v") not in (FORMAT, FORMAT_WITH_VERIFIERS):
            raise ValueError("the list of app passwords has a format that this version does not read; upgrade")
        try:
            entries = tuple(_entry(fields) for fields in document["passwords"])
        except (KeyError, TypeError):
            raise ValueError("the list of app passwords is damaged") from None
        if not all(is_hash(entry.hash) for entry in entries):
            raise ValueError("the list of app passwords has a hash that this version does not check; upgrade")
        return cls(entries)

    @property
    def text(self) -> Secret:
        """What is sealed."""
        version = FORMAT_WITH_VERIFIERS if any(entry.mechanisms for entry in self.entries) else FORMAT
        document = {"v": version, "passwords": [_fields(entry) for entry in self.entries]}
        return Secret(json.dumps(document, separators=(",", ":"), sort_keys=True))

    def candidates(self, password: Secret) -> tuple[AppPassword, ...]:
        """Those that `password` may be: mostly one or none, never more than two."""
        wanted = identifier_of(password)
        with_id = [entry for entry in self.entries if entry.id and entry.id == wanted]
        return (*with_id[:1], *[entry for entry in self.entries if not entry.id][:1])

    def find(self, name: str) -> AppPassword | None:
        """The one with this identifier, or else with this name."""
        by_id = next((entry for entry in self.entries if entry.id == name and name), None)
        return by_id or next((entry for entry in self.entries if entry.name == name), None)

    def with_(self, entry: AppPassword) -> AppPasswords:
        """With one more."""
        return replace(self, entries=(*self.entries, entry))

    def without(self, entry: AppPassword) -> AppPasswords:
        """With one less."""
        return replace(self, entries=tuple(other for other in self.entries if other is not entry))


def new_password(existing: AppPasswords) -> Secret:
    """A fresh password, whose identifier none of `existing` has."""
    taken = {entry.id for entry in existing.entries}
    while True:
        text = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        if text[:ID_LENGTH] not in taken:
            return Secret(text)


def identifier_of(password: Secret) -> str:
    """What a password that was made here begins with."""
    text = password.reveal()
    return text[:ID_LENGTH] if len(text) == LENGTH and set(text) <= set(ALPHABET) else ""


def parse_uses(text: str | None) -> dict[str, int]:
    """When each was last used, Unix time by identifier. Nothing depends on it, so what is damaged is nothing."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    pairs = found.items() if isinstance(found, dict) else ()
    return {name: when for name, when in pairs if isinstance(when, int)}


def merged_uses(text: str | None, newer: Mapping[str, int], entries: AppPasswords) -> str | None:
    """The text to keep: what it says, and what memory knows, of the passwords that there are."""
    known = parse_uses(text)
    for name, when in newer.items():
        known[name] = max(when, known.get(name, 0))
    there = {entry.id: known[entry.id] for entry in entries.entries if entry.id in known}
    return json.dumps(there, separators=(",", ":"), sort_keys=True) if there else None


def _fields(entry: AppPassword) -> dict[str, object]:
    """What is kept of `entry`."""
    bare = asdict(replace(entry, scram=None, plain=None))
    del bare["scram"], bare["plain"]
    if entry.scram is not None:
        bare["scram"] = entry.scram.text
    if entry.plain is not None:
        bare["plain"] = entry.plain.reveal()
    return bare


def _entry(fields: dict[str, Any]) -> AppPassword:
    """The inverse. Raises KeyError or TypeError where it is damaged, ValueError where a verifier is."""
    scram, plain = fields.get("scram"), fields.get("plain")
    more = {
        "networks": tuple(fields["networks"]),
        "protocols": tuple(fields["protocols"]),
        "scram": ScramVerifier.parse(scram) if scram is not None else None,
        "plain": Secret(plain) if plain is not None else None,
    }
    return AppPassword(**{**fields, **more})


def _is_in(host: str, network: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address in ipaddress.ip_network(network)
