"""Which store does an ``azure:`` address mean? The entry point: it reads the address, then imports the SDK."""

from __future__ import annotations

from emailproxy.store.about import about
from emailproxy.store.base import CacheStore
from emailproxy_backends.azure_address import parsed_address

__all__ = ["open_store"]


@about(
    ("azure:VAULT[/PREFIX]", "Azure Key Vault in the public cloud, one secret for each account"),
    ("azure:https://HOST[/PREFIX]", "the same, by the vault's full name; in any of Azure's clouds"),
    ("azure:…?lease=https://ACCOUNT.blob.core.windows.net/CONTAINER", "with blob leases that put writers in order"),
    extra="azure",
    needs=("azure.identity", "azure.keyvault.secrets", "azure.storage.blob"),
    parse=parsed_address,
)
def open_store(address: str) -> CacheStore:
    """The store for ``azure:VAULT[/PREFIX]`` or ``azure:https://HOST[/PREFIX]``, given without ``azure:``.

    Raises:
        StoreAddressError: the address is malformed.
        ImportError: the SDK, or for ``?lease=`` that of Blob Storage, is not installed.
    """
    place = parsed_address(address)
    from azure.keyvault.secrets import SecretClient

    from emailproxy_backends.azure_calls import SDK_SETTINGS, Calls
    from emailproxy_backends.azure_identity import chosen_identity
    from emailproxy_backends.azure_store import AzureStore

    tls = {"connection_verify": place.ca} if place.ca else {}
    identity = chosen_identity(place.text, client_id=place.identity, authority=place.authority, ca=place.ca)
    calls = Calls(place.text, identity)
    client = SecretClient(
        place.endpoint or place.vault,
        identity.credential(),
        # A private cloud's names need not lie in the domain that its tokens are for.
        verify_challenge_resource=place.endpoint is None,
        **SDK_SETTINGS,
        **tls,
    )
    lease = None
    if place.lease is not None:
        from emailproxy_backends.azure_lease import BlobLease

        lease = BlobLease(place.lease, identity.credential(), calls, ca=place.ca)
    closing = (identity,) if lease is None else (lease, identity)
    return AzureStore(place, client, calls, lease=lease, closing=closing)
