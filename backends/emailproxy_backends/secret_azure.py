"""What does ``azure:…/secrets/NAME`` lead to? A secret in Azure Key Vault, the current version or one."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from emailproxy.references.base import SecretValue
from emailproxy.secret import Secret
from emailproxy.store.base import StoreAddressError
from emailproxy_backends.azure_address import VaultAddress, parsed_address
from emailproxy_backends.throttling import Throttle

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretClient

    from emailproxy_backends.azure_identity import Identity

__all__ = ["AzureSource", "SecretAddress", "parsed"]

SECONDS: Final = 9.0
"""For a read with its repetitions; whoever waits gives up after twelve."""

_FORM: Final = "write azure:VAULT/secrets/NAME[/VERSION] or azure:https://VAULT.vault.azure.net/secrets/NAME[/VERSION]"
_PLACE: Final = re.compile(
    r"(?P<vault>[^?]+)/secrets/(?P<name>[0-9A-Za-z-]{1,127})(?:/(?P<version>[0-9A-Za-z]{1,64}))?/?"
)


@dataclass(frozen=True, slots=True)
class SecretAddress:
    """What a reference says."""

    vault: VaultAddress
    name: str
    version: str | None

    @property
    def text(self) -> str:
        """The address for messages, without options."""
        version = f"/{self.version}" if self.version else ""
        return f"azure:{self.vault.vault}/secrets/{self.name}{version}"


def parsed(rest: str) -> SecretAddress:
    """Read what follows ``azure:``.

    Raises:
        StoreAddressError: malformed.
    """
    place, mark, query = rest.partition("?")
    match = _PLACE.fullmatch(place)
    if match is None:
        raise StoreAddressError(f"azure: this names no secret; {_FORM}")
    if "/" in match["vault"].removeprefix("https://"):
        raise StoreAddressError(f"azure: there is something between the vault and /secrets/; {_FORM}")
    vault = parsed_address(f"{match['vault']}{mark}{query}")
    if vault.lease is not None:
        raise StoreAddressError("azure: lease is an option of stores; reading a secret needs none")
    return SecretAddress(vault, match["name"], match["version"])


class AzureSource:
    """Reads secrets, with one client and one identity for each vault. Thread-safe."""

    def __init__(self) -> None:
        self._clients: dict[VaultAddress, tuple[SecretClient, Identity, Throttle]] = {}
        self._lock = threading.Lock()

    def check(self, rest: str) -> None:
        """A well-formed address?

        Raises:
            StoreAddressError: it is not.
            ImportError: the SDK is not installed.
        """
        parsed(rest)
        import azure.identity
        import azure.keyvault.secrets  # noqa: F401 - to know that it can be

    def read(self, rest: str, *, dated: bool = False) -> SecretValue:  # noqa: ARG002 - a date costs nothing
        """The secret's value, of its current version or the one that the address names.

        Raises:
            StoreAddressError: malformed, or there is no such secret.
            StoreDeniedError: the identity may not read it, or it is disabled.
            StoreUnavailableError: the vault cannot be reached, or throttles for longer than we can wait.
        """
        from azure.core.exceptions import AzureError

        from emailproxy_backends.azure_calls import Calls, Deadline

        address = parsed(rest)
        client, identity, throttle = self._client(address.vault)
        try:
            found = Calls(address.text, identity, throttle).make(
                "read",
                lambda seconds: client.get_secret(
                    address.name, version=address.version, connection_timeout=seconds, read_timeout=seconds
                ),
                Deadline(SECONDS),
                answers=frozenset({"SecretNotFound"}),
            )
        except AzureError:
            raise StoreAddressError(
                f"{address.text}: there is no such secret{' or version' if address.version else ''}; "
                "create it, or correct the address"
            ) from None
        return SecretValue(Secret(found.value or ""), found.properties.updated_on)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client, identity, _ in clients.values():
            client.close()
            identity.close()

    def _client(self, vault: VaultAddress) -> tuple[SecretClient, Identity, Throttle]:
        from azure.keyvault.secrets import SecretClient

        from emailproxy_backends.azure_calls import SDK_SETTINGS
        from emailproxy_backends.azure_identity import chosen_identity

        with self._lock:
            if vault not in self._clients:
                where = f"azure:{vault.vault}"
                tls = {"connection_verify": vault.ca} if vault.ca else {}
                identity = chosen_identity(where, client_id=vault.identity, authority=vault.authority, ca=vault.ca)
                client = SecretClient(
                    vault.endpoint or vault.vault,
                    identity.credential(),
                    # As for the store: a private cloud's names need not lie in the domain that its tokens are for.
                    verify_challenge_resource=vault.endpoint is None,
                    **SDK_SETTINGS,
                    **tls,
                )
                self._clients[vault] = client, identity, Throttle()
            return self._clients[vault]
