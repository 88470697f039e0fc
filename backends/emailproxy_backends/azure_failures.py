"""What went wrong in Azure: absent, denied, throttled, away, deleted? Told by error codes, never by texts."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)

from emailproxy.store.base import StoreDeniedError, StoreError, StoreUnavailableError

__all__ = ["DATA_ACTIONS", "TokenHistory", "codes", "failure", "is_passing", "is_under_way", "is_unsure", "pause_asked"]

DATA_ACTIONS: Final = {
    "read": "Microsoft.KeyVault/vaults/secrets/getSecret/action",
    "written": "Microsoft.KeyVault/vaults/secrets/setSecret/action",
    "listed": "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
    "deleted": "Microsoft.KeyVault/vaults/secrets/delete/action",
    "recovered": "Microsoft.KeyVault/vaults/secrets/recover/action",
    "leased": "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
}
"""The permission that each operation needs, by what a message says could not be done."""

# The same name is free, or in use again, when these have passed; seconds as a rule.
UNDER_WAY: Final = frozenset({"ObjectIsBeingRecovered", "ObjectIsBeingDeleted"})
DISABLED: Final = "SecretDisabled"
PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})

# Why the service refuses, where a role is not what is missing.
_CLOSED: Final = {
    "ForbiddenByFirewall": "the vault's firewall does not admit this machine; allow its address or network",
    "ForbiddenByConnection": "the vault takes private endpoints only; connect through one",
    "AuthorizationFailure": "the storage account does not admit this identity or this network",
    "PublicAccessNotPermitted": "the storage account does not know the identity",
}
# `Caller: appid=…;oid=…;iss=…` in the service's message tells who asked; nothing else of that text is repeated.
_CALLER: Final = re.compile(r"\b(appid|oid)=([0-9a-fA-F-]{36})\b")
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class TokenHistory(Protocol):
    """How the proxy came by its token, or why it has none."""

    @property
    def name(self) -> str:
        """The credential in use."""
        ...

    @property
    def refused(self) -> bool:
        """Whoever issues tokens said no, as opposed to saying nothing."""
        ...

    @property
    def troubles(self) -> str:
        """What became of each credential that was tried."""
        ...


def codes(error: AzureError) -> tuple[str, ...]:
    """The service's error codes, outermost first; what does not look like a code is left out."""
    return tuple(code for code in _codes(error) if _CODE.fullmatch(code))


def _codes(error: AzureError) -> Iterator[str]:
    detail = getattr(error, "error", None)
    if isinstance(code := getattr(detail, "code", None), str):
        yield code
    inner = getattr(detail, "innererror", None)
    while isinstance(inner, dict):
        if isinstance(code := inner.get("code"), str):
            yield code
        inner = inner.get("innererror")
    # Blob storage puts its own into a header.
    response = getattr(error, "response", None)
    if response is not None and isinstance(code := response.headers.get("x-ms-error-code"), str):
        yield code


def status(error: AzureError) -> int | None:
    """The HTTP status of the answer, if there was one."""
    return error.status_code if isinstance(error, HttpResponseError) else None


def is_passing(error: AzureError) -> bool:
    """The same request may succeed in a moment."""
    answered = status(error)
    if answered is None:
        return isinstance(error, (ServiceRequestError, ServiceResponseError, IncompleteReadError))
    return answered in PASSING or is_under_way(error)


def is_under_way(error: AzureError) -> bool:
    """A recovery or deletion has not ended; it does within seconds."""
    return not UNDER_WAY.isdisjoint(codes(error))


def is_unsure(error: AzureError) -> bool:
    """A write that failed in this way may have been carried out all the same."""
    answered = status(error)
    if answered is None:
        return not isinstance(error, (ServiceRequestError, ClientAuthenticationError))
    return answered >= 500 or answered == 408


def pause_asked(error: AzureError) -> float | None:
    """The seconds that the service asks to wait."""
    response = getattr(error, "response", None)
    headers = response.headers if response is not None else {}
    for name, unit in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("Retry-After", 1.0)):
        text = headers.get(name) or ""
        if text.isascii() and text.isdigit():
            return float(text) * unit
    try:
        # RFC 9110, section 10.2.3: it may be a date.
        when = parsedate_to_datetime(headers.get("Retry-After") or "")
    except ValueError:
        return None
    return max(0.0, when.timestamp() - time.time())


def failure(error: AzureError, *, where: str, done: str, identity: TokenHistory) -> StoreError:
    """The contract's error for what the SDK raised.

    Args:
        error: what the SDK raised.
        where: the store's address.
        done: what could not be done, a key of `DATA_ACTIONS`.
        identity: how the proxy came by its token.
    """
    known = codes(error)
    answered = status(error)
    said = "/".join(known) or (f"HTTP {answered}" if answered is not None else type(error).__name__)
    if is_under_way(error):
        return StoreUnavailableError(f"{where}: the secret is being recovered or deleted; try again later ({said})")
    if answered == 429:
        asked = pause_asked(error)
        wait = f", and asks to wait {asked:.0f} s" if asked is not None else ""
        return StoreUnavailableError(f"{where} cannot be {done} now: the service is throttling ({said}){wait}")
    if answered is None and isinstance(error, ClientAuthenticationError):
        kind = StoreDeniedError if identity.refused else StoreUnavailableError
        return kind(f"{where} cannot be {done}: no token ({identity.troubles})")
    if answered is None:
        return _unreached(error, where)
    if answered < 400:
        return StoreUnavailableError(f"{where} cannot be reached: what answers is not the service (HTTP {answered})")
    if answered >= 500 or answered == 408:
        return StoreUnavailableError(f"{where} cannot be {done} now: the service has trouble of its own ({said})")
    if answered == 401:
        return StoreDeniedError(
            f"{where} cannot be {done}: the service does not accept the token of {identity.name} ({said}); "
            "the identity must be of the tenant that owns the service"
        )
    if DISABLED in known:
        return StoreDeniedError(
            f"{where} cannot be {done}: the secret is disabled; enable its current version ({said})"
        )
    for code, remedy in _CLOSED.items():
        if code in known:
            return StoreDeniedError(f"{where} cannot be {done}: {remedy} ({said})")
    if answered == 403:
        return StoreDeniedError(
            f"{where} cannot be {done}: {identity.name}{_caller(error)} lacks the permission {DATA_ACTIONS[done]} "
            f"({said}); grant it a role that has it (a new assignment may take minutes to work)"
        )
    return StoreDeniedError(f"{where} cannot be {done}: the service refuses the request ({said})")


def _unreached(error: AzureError, where: str) -> StoreError:
    """No answer of the service: the network, its certificate, or no token to come with."""
    cause: BaseException | None = error
    for _ in range(10):
        if isinstance(cause, ssl.SSLError):
            return StoreUnavailableError(
                f"{where} cannot be reached: its certificate is not trusted; name a private authority with ?ca=FILE"
            )
        inner = getattr(cause, "reason", None) or getattr(cause, "inner_exception", None)
        cause = inner if isinstance(inner, BaseException) else cause and (cause.__cause__ or _argument(cause))
    return StoreUnavailableError(f"{where} cannot be reached ({type(error).__name__})")


def _argument(error: BaseException) -> BaseException | None:
    first = error.args[0] if error.args else None
    return first if isinstance(first, BaseException) else None


def _caller(error: AzureError) -> str:
    detail = getattr(error, "error", None)
    message = getattr(detail, "message", None)
    found = dict(_CALLER.findall(message)) if isinstance(message, str) else {}
    return f" ({', '.join(f'{name} {value}' for name, value in sorted(found.items()))})" if found else ""
