"""What does ``gcp:projects/P/secrets/S`` lead to? A secret in Google Secret Manager, the latest version or one."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from emailproxy.references.base import SecretValue
from emailproxy.secret import Secret
from emailproxy.store.base import StoreAddressError, StoreContentError
from emailproxy_backends.gcp_address import Address, parse_address
from emailproxy_backends.secret_errors import naming

if TYPE_CHECKING:
    from emailproxy_backends.gcp_calls import Calls

__all__ = ["GcpSource", "SecretAddress", "parsed"]

SECONDS: Final = 9.0
"""For a read with its repetitions; whoever waits gives up after twelve."""

_FORM: Final = "write gcp:projects/PROJECT[/locations/LOCATION]/secrets/SECRET[/versions/VERSION]"
# A version goes by number, by alias, or as `latest`.
_PLACE: Final = re.compile(
    r"(?P<parent>projects/[^/?]+(?:/locations/[^/?]+)?)/secrets/(?P<secret>[A-Za-z0-9_-]{1,255})"
    r"(?:/versions/(?P<version>[A-Za-z0-9_-]{1,63}))?"
)


@dataclass(frozen=True, slots=True)
class SecretAddress:
    """What a reference says."""

    place: Address
    """Which service, as whom; without the secret, so that all secrets of a place share it."""
    resource: str
    """The version's resource name."""

    @property
    def text(self) -> str:
        """The address for messages, without options."""
        return f"gcp:{self.resource}"


def parsed(rest: str) -> SecretAddress:
    """Read what follows ``gcp:``.

    Raises:
        StoreAddressError: malformed.
    """
    path, mark, query = rest.partition("?")
    match = _PLACE.fullmatch(path)
    if match is None:
        raise StoreAddressError(f"gcp:{path} names no secret; {_FORM}")
    place = parse_address(f"{match['parent']}{mark}{query}")
    if place.kms_keys or place.replication:
        raise StoreAddressError(f"gcp:{path}: kms_key= and replication= are options of stores; a secret knows its own")
    version = match["version"] or "latest"
    return SecretAddress(
        replace(place, text=f"gcp:{match['parent']}"),
        f"{match['parent']}/secrets/{match['secret']}/versions/{version}",
    )


class GcpSource:
    """Reads secrets, with one connection for each project, location and endpoint. Thread-safe."""

    def __init__(self) -> None:
        self._calls: dict[Address, Calls] = {}
        self._lock = threading.Lock()

    def check(self, rest: str) -> None:
        """A well-formed address?

        Raises:
            StoreAddressError: it is not.
            ImportError: the SDK is not installed.
        """
        parsed(rest)
        import google.cloud.secretmanager_v1  # noqa: F401 - to know that it can be

    def read(self, rest: str, *, dated: bool = False) -> SecretValue:
        """The version's content. With `dated` the version is asked for its age, if we may.

        Raises:
            StoreAddressError: malformed, or there is no such secret or version.
            StoreDeniedError: a permission is missing, or there are no credentials.
            StoreContentError: the version is disabled or destroyed.
            StoreUnavailableError: the service cannot be reached, or throttles.
        """
        address = parsed(rest)
        with naming(address.text, address.place.text):
            return self._read(address, dated=dated)

    def _read(self, address: SecretAddress, *, dated: bool) -> SecretValue:
        from emailproxy_backends.gcp_calls import Budget, Refusal

        calls, budget = self._connected(address.place), Budget(SECONDS)
        try:
            name, content = calls.access_version(address.resource, budget)
        except Refusal as refusal:
            if refusal.status == "NOT_FOUND":
                raise StoreAddressError(
                    f"{address.text}: there is no such secret or version; create it, or correct the address"
                ) from None
            if refusal.status == "FAILED_PRECONDITION":
                raise StoreContentError(
                    f"{address.text}: the version is disabled or destroyed, or its key is; enable it, or add another"
                ) from None
            raise refusal.failure from None
        changed = None
        if dated:
            try:
                changed = calls.created(name, budget)
            except Refusal:
                # The permission secretmanager.versions.get, which reading does not need.
                changed = None
        return SecretValue(Secret.from_octets(content), changed)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            closing, self._calls = self._calls, {}
        for calls in closing.values():
            calls.close()

    def _connected(self, place: Address) -> Calls:
        from emailproxy_backends.gcp_calls import Calls
        from emailproxy_backends.gcp_identity import Identity

        with self._lock:
            if place not in self._calls:
                self._calls[place] = Calls(place, Identity(place.text, anonymous=not place.encrypted))
            return self._calls[place]
