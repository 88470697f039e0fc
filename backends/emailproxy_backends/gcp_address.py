"""What does a ``gcp:`` address say? The project, perhaps a location, the secrets' prefix, and options.

``projects/P[/locations/L][/secrets/PREFIX][?option=value&…]``
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from emailproxy.store.base import StoreAddressError
from emailproxy.store.document import account_hash

__all__ = ["DEFAULT_PREFIX", "Address", "parse_address"]

DEFAULT_PREFIX: Final = "emailproxy"

# A secret's id has at most 255 characters; the dash and the account's hash take 53 of them.
MAX_PREFIX: Final = 255 - 53

_OPTIONS: Final = ("ca", "endpoint", "kms_key", "replication")

# Projects go by id, by number, or (old ones) as domain:id.
_PATH: Final = re.compile(
    r"projects/(?P<project>[a-z0-9][a-z0-9.:-]*)"
    r"(?:/locations/(?P<location>[a-z][a-z0-9-]*))?"
    r"(?:/secrets/(?P<prefix>[A-Za-z0-9_-]+))?/?"
)
_LOCATION: Final = re.compile(r"[a-z][a-z0-9-]*")
_KMS_KEY: Final = re.compile(r"projects/[^/?]+/locations/[^/?]+/keyRings/[^/?]+/cryptoKeys/[^/?]+")


@dataclass(frozen=True, slots=True)
class Address:
    """A ``gcp:`` address, understood."""

    text: str
    """The whole address as given, for logs; it contains no secret."""
    project: str
    location: str | None
    """A location: the secrets are regional ones, and its own endpoint serves them. None: global ones."""
    prefix: str
    target: str
    """HOST:PORT of the service."""
    encrypted: bool
    """False only for an endpoint on this machine: no TLS, and no credentials either."""
    ca: Path | None
    """The certificates (PEM) to trust instead of the public ones."""
    kms_keys: tuple[str, ...]
    """None (Google's own keys), or one for each of `replication`, or the one for a regional or automatic secret."""
    replication: tuple[str, ...]
    """Where a new global secret is kept; empty: Google decides."""

    @property
    def parent(self) -> str:
        """The resource that the secrets belong to."""
        return f"projects/{self.project}" + (f"/locations/{self.location}" if self.location else "")

    def secret_id(self, account: str) -> str:
        """The id of the account's secret; it does not tell the account's name."""
        return f"{self.prefix}-{account_hash(account)}"

    def name(self, secret_id: str) -> str:
        """The resource name of a secret."""
        return f"{self.parent}/secrets/{secret_id}"

    def is_ours(self, secret_id: str) -> bool:
        """Whether a secret of this id may be one of this store's."""
        return re.fullmatch(re.escape(self.prefix) + "-[a-z2-7]{52}", secret_id) is not None


def parse_address(rest: str) -> Address:
    """The meaning of an address, given without ``gcp:``.

    Raises:
        StoreAddressError: it is malformed; the message says how.
    """
    text = f"gcp:{rest}"
    path, _, query = rest.partition("?")
    match = _PATH.fullmatch(path)
    if match is None:
        raise StoreAddressError(
            f"{text} names no place in Secret Manager; write gcp:projects/PROJECT[/locations/LOCATION][/secrets/PREFIX]"
            " (the prefix takes letters, digits, - and _)"
        )
    prefix = match["prefix"] or DEFAULT_PREFIX
    if len(prefix) > MAX_PREFIX:
        raise StoreAddressError(f"{text}: the prefix has {len(prefix)} characters; {MAX_PREFIX} are the most")
    options = _options(text, query)
    location: str | None = match["location"]
    target, encrypted = _endpoint(text, options["endpoint"], location)
    ca = _single(text, "ca", options["ca"])
    if ca is not None and not encrypted:
        raise StoreAddressError(f"{text}: ca= is of no use to an endpoint without TLS; write https:// or leave it out")
    replication = tuple(place for value in options["replication"] for place in value.split(","))
    if not all(_LOCATION.fullmatch(place) for place in replication):
        raise StoreAddressError(f"{text}: replication= takes locations, such as europe-west3,europe-west4")
    if replication and location:
        raise StoreAddressError(f"{text}: a regional secret is kept in {location}; leave replication= out")
    kms_keys = tuple(options["kms_key"])
    if not all(_KMS_KEY.fullmatch(key) for key in kms_keys):
        raise StoreAddressError(f"{text}: kms_key= takes projects/P/locations/L/keyRings/R/cryptoKeys/K")
    if kms_keys and len(kms_keys) != max(1, len(replication)):
        raise StoreAddressError(
            f"{text}: each location of replication= needs a key of its own; repeat kms_key= in the same order"
        )
    return Address(
        text=text,
        project=match["project"],
        location=location,
        prefix=prefix,
        target=target,
        encrypted=encrypted,
        ca=Path(ca) if ca is not None else None,
        kms_keys=kms_keys,
        replication=replication,
    )


def _options(text: str, query: str) -> dict[str, list[str]]:
    try:
        given = parse_qs(query, keep_blank_values=True, strict_parsing=True) if query else {}
    except ValueError:
        raise StoreAddressError(f"{text}: write options as ?name=value&name=value") from None
    for name, values in given.items():
        if name not in _OPTIONS:
            raise StoreAddressError(f"{text}: there is no option {name}=; there are {', '.join(_OPTIONS)}")
        if not all(values):
            raise StoreAddressError(f"{text}: {name}= has no value")
    return {name: given.get(name, []) for name in _OPTIONS}


def _single(text: str, name: str, values: list[str]) -> str | None:
    if len(values) > 1:
        raise StoreAddressError(f"{text}: {name}= stands there twice")
    return values[0] if values else None


def _endpoint(text: str, values: list[str], location: str | None) -> tuple[str, bool]:
    """HOST:PORT, and whether to encrypt."""
    given = _single(text, "endpoint", values)
    if given is None:
        return (
            f"secretmanager.{location}.rep.googleapis.com:443" if location else "secretmanager.googleapis.com:443"
        ), True
    malformed = StoreAddressError(f"{text}: endpoint= takes HOST, HOST:PORT, or http://127.0.0.1:PORT for an emulator")
    try:
        parts = urlsplit(given if "://" in given else f"https://{given}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise malformed from None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        raise malformed
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise malformed
    encrypted = parts.scheme == "https"
    if not encrypted and not _is_loopback(host):
        raise StoreAddressError(
            f"{text}: without TLS, tokens would cross the network in the clear; write https://{host}"
        )
    bracketed = f"[{host}]" if ":" in host else host
    return f"{bracketed}:{port or (443 if encrypted else 80)}", encrypted


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
