"""What does a managed identity of Azure say about the proxy? A token for Entra's token exchange, without any SDK.

Only user-assigned identities can be federated with an app's registration, so the
endpoints that know no other (Azure Arc) are not asked.
"""

from __future__ import annotations

import json
import os
import re
from typing import Final

import httpx2

from emailproxy.assertions.base import Statement
from emailproxy.secret import Secret
from emailproxy.store.base import StoreAddressError, StoreContentError, StoreDeniedError
from emailproxy_backends.metadata import Metadata

__all__ = ["ManagedIdentityIssuer"]

IMDS: Final = "http://169.254.169.254"
"""Virtual machines, scale sets, AKS nodes, container instances."""
IMDS_VARIABLE: Final = "AZURE_POD_IDENTITY_AUTHORITY_HOST"
"""The SDKs' name for another address of it."""
IMDS_VERSION: Final = "2018-02-01"
APP_VERSION: Final = "2019-08-01"
"""App Service, Functions, Container Apps: IDENTITY_ENDPOINT and IDENTITY_HEADER."""

_CLIENT_ID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


class ManagedIdentityIssuer:
    """``managed-identity[:CLIENT_ID]``."""

    def __init__(self, metadata: Metadata | None = None) -> None:
        self._metadata = metadata if metadata is not None else Metadata("the managed identity endpoint")

    def check(self, rest: str) -> None:
        """A client id, or nothing?

        Raises:
            StoreAddressError: something else.
        """
        if rest and not _CLIENT_ID.fullmatch(rest):
            raise StoreAddressError(
                "managed-identity: what is behind it is no client id; write managed-identity:CLIENT_ID, with the "
                "identity's client id, not its object id or name"
            )

    def issue(self, rest: str, statement: Statement) -> Secret:
        """A token of the identity for the audience.

        Raises:
            StoreError: none.
        """
        self.check(rest)
        endpoint, header = os.environ.get("IDENTITY_ENDPOINT"), os.environ.get("IDENTITY_HEADER")
        parameters = {"resource": statement.audience} | ({"client_id": rest} if rest else {})
        if endpoint and header:
            url, version, headers = endpoint, APP_VERSION, {"X-IDENTITY-HEADER": header}
        else:
            base = os.environ.get(IMDS_VARIABLE, IMDS).rstrip("/")
            url, version, headers = f"{base}/metadata/identity/oauth2/token", IMDS_VERSION, {"Metadata": "true"}
        # Of the documentation: no proxy, and this very header, or the service refuses to speak.
        answer = self._metadata.get(
            url, {"api-version": version, **parameters}, headers, "does this run in Azure, with an identity assigned?"
        )
        fields = _fields(answer.text)
        if answer.status != httpx2.codes.OK:
            code = fields.get("error") or fields.get("statusCode")
            which = f"HTTP {answer.status}{f', {code}' if isinstance(code, str) and code.isidentifier() else ''}"
            raise StoreDeniedError(
                f"managed-identity{f':{rest}' if rest else ''}: no token ({which}); assign a user-assigned identity to "
                "this machine or app, and name its client id"
            )
        token = fields.get("access_token")
        if not isinstance(token, str):
            raise StoreContentError("managed-identity: there is no access_token in the answer; see what answers there")
        return Secret(token)

    def close(self) -> None:
        """Close the connections."""
        self._metadata.close()


def _fields(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
