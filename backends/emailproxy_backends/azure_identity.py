"""As whom does the proxy come to a vault? Workload identity, managed identity, or what a person set up; said once."""

from __future__ import annotations

import logging
import os
import re
import threading
from typing import Any, Final, Protocol, Self

from azure.core.credentials import AccessTokenInfo
from azure.core.exceptions import AzureError
from azure.identity import (
    AzureCliCredential,
    AzureDeveloperCliCredential,
    AzurePowerShellCredential,
    ChainedTokenCredential,
    CredentialUnavailableError,
    EnvironmentCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

__all__ = ["Identity", "chosen_identity"]

logger = logging.getLogger("emailproxy.store")

# The codes in the texts of token endpoints; nothing else of a text is repeated, and Entra's begin with AADSTS.
_CODE: Final = re.compile(r"\bAADSTS\d+\b|(?<=Token request error: \()[a-z_]+(?=\))")
# What a token endpoint answers when the same question will never do: no such identity, a wrong secret.
REFUSALS: Final = frozenset({"invalid_client", "invalid_grant", "invalid_request", "unauthorized_client"})
# All that the webhook of Kubernetes sets; with one missing, workload identity is not configured.
WORKLOAD: Final = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE")
# Any of these makes AZURE_CLIENT_ID the id of an application, not of a managed identity.
APPLICATION: Final = ("AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_USERNAME")
# The SDK's own retries against a token endpoint go on for 25 s (IMDS) or minutes; a read has 10 s in all.
PATIENCE: Final[dict[str, Any]] = {"connection_timeout": 2, "read_timeout": 5, "retry_total": 2, "retry_status": 2}
# `az account get-access-token` takes 1 to 3 s; the SDK would give it 10.
PROCESS_TIMEOUT: Final = 6


class _TokenSource(Protocol):
    """What the SDK calls a credential."""

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo: ...

    def close(self) -> None: ...


class _Candidate:
    """One credential of the chain, with the name that people know it by; tells the identity when it was the one."""

    def __init__(self, name: str, source: _TokenSource, identity: Identity) -> None:
        self._name = name
        self._source = source
        self._identity = identity

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        try:
            token = self._source.get_token_info(*scopes, options=options)
        except (AzureError, OSError, ValueError) as error:
            # The chain swallows all of them, and says that it has no token.
            self._identity.failed(self._name, error)
            raise
        self._identity.used(self._name)
        return token

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._source.close()


class Identity:
    """The credential for the SDK's clients: the first candidate that gives a token, which it names in the log."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._lock = threading.Lock()
        self._candidates: list[_Candidate] = []
        self._name = ""
        self._troubles: dict[str, tuple[str, bool]] = {}

    def __repr__(self) -> str:
        return f"<Identity {self.name}>"

    @property
    def name(self) -> str:
        """Which credential is used, for messages."""
        with self._lock:
            return self._name or "none of " + ", ".join(candidate._name for candidate in self._candidates)  # noqa: SLF001

    @property
    def refused(self) -> bool:
        """Whoever issues tokens said no, as opposed to saying nothing."""
        with self._lock:
            return any(refused for _, refused in self._troubles.values())

    @property
    def troubles(self) -> str:
        """What became of each credential when a token was last asked for in vain."""
        with self._lock:
            return "; ".join(f"{name}: {trouble}" for name, (trouble, _) in self._troubles.items())

    def add(self, name: str, source: _TokenSource) -> None:
        """Append a candidate."""
        self._candidates.append(_Candidate(name, source, self))

    def used(self, name: str) -> None:
        """A candidate gave a token."""
        with self._lock:
            self._troubles.clear()
            if name == self._name:
                return
            self._name = name
        logger.info("%s: access with %s", self._where, name)

    def failed(self, name: str, error: Exception) -> None:
        """A candidate gave no token."""
        found = _CODE.search(str(error))
        code = found[0] if found else ""
        # Entra's passing troubles have codes as well, but come with 429 or 5xx.
        answered = getattr(error, "status_code", None) or 400
        refused = answered < 429 and (code in REFUSALS or code.startswith("AADSTS"))
        kind = "not available" if isinstance(error, CredentialUnavailableError) else type(error).__name__
        with self._lock:
            self._troubles[name] = code or kind, refused

    def credential(self) -> Any:
        """What the SDK's clients take."""
        # In a chain, even of one, the SDK asks IMDS for a sign of life first instead of retrying for long.
        return ChainedTokenCredential(*self._candidates)

    def close(self) -> None:
        """Release connections."""
        for candidate in self._candidates:
            candidate.close()


def chosen_identity(where: str, *, client_id: str | None, authority: str | None, ca: str | None) -> Identity:
    """The identity for a vault.

    Workload identity alone if the environment configures it; else managed identity. Only if the address names no
    `client_id`, an application's secret or certificate in the environment and a developer's login are tried as well:
    who asks for one identity does not want another one.

    Args:
        where: the store's address, for the log.
        client_id: the identity that the address names.
        authority: the host that issues tokens, if not the environment's or the public cloud's.
        ca: a file with the certificates to trust.
    """
    tls: dict[str, Any] = {"connection_verify": ca} if ca else {}
    place: dict[str, Any] = {"authority": authority} if authority else {}
    identity = Identity(where)
    environment = {name: value for name in (*WORKLOAD, *APPLICATION) if (value := os.environ.get(name))}
    own = client_id or environment.get("AZURE_CLIENT_ID")
    if own and all(name in environment for name in WORKLOAD if name != "AZURE_CLIENT_ID"):
        identity.add(
            f"workload identity {own}",
            WorkloadIdentityCredential(
                tenant_id=environment["AZURE_TENANT_ID"],
                client_id=own,
                token_file_path=environment["AZURE_FEDERATED_TOKEN_FILE"],
                **place,
                **tls,
                **PATIENCE,
            ),
        )
        return identity
    assigned = client_id or (None if any(name in environment for name in APPLICATION) else own)
    name = f"managed identity {assigned}" if assigned else "the system-assigned managed identity"
    identity.add(name, ManagedIdentityCredential(client_id=assigned, **tls, **PATIENCE))
    if client_id is None:
        identity.add(
            f"the environment's application {own or ''}".rstrip(), EnvironmentCredential(**place, **tls, **PATIENCE)
        )
        identity.add("the Azure CLI's login", AzureCliCredential(process_timeout=PROCESS_TIMEOUT))
        identity.add("Azure PowerShell's login", AzurePowerShellCredential(process_timeout=PROCESS_TIMEOUT))
        identity.add("the Azure Developer CLI's login", AzureDeveloperCliCredential(process_timeout=PROCESS_TIMEOUT))
    return identity
