"""How is a ``gcp:`` store opened? The address is understood first; Google's SDK is imported only for a good one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emailproxy.store.about import about
from emailproxy_backends.gcp_address import parse_address

if TYPE_CHECKING:
    from emailproxy_backends.gcp_store import SecretManagerStore

__all__ = ["open_store"]


@about(
    ("gcp:projects/PROJECT[/secrets/PREFIX]", "Google Cloud Secret Manager, one secret for each account"),
    ("gcp:projects/PROJECT/locations/LOCATION[/secrets/PREFIX]", "the same with regional secrets"),
    extra="gcp",
    needs=("google.cloud.secretmanager_v1", "google.auth", "grpc"),
    parse=parse_address,
)
def open_store(address: str) -> SecretManagerStore:
    """The store for ``gcp:projects/P[/locations/L][/secrets/PREFIX][?options]``, given without ``gcp:``.

    It connects, and looks for credentials, with its first call.

    Raises:
        StoreAddressError: the address is malformed.
        ImportError: the SDK (the extra ``gcp``) is not installed.
    """
    parsed = parse_address(address)
    from emailproxy_backends.gcp_store import SecretManagerStore

    return SecretManagerStore(parsed)
