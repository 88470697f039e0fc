"""As whom does the store speak to Google? The application default credentials, found with the first call.

The headers are made here, in the calling thread, and not by gRPC: there, credentials that are refused look like a
network that is down.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Final, Protocol, cast

import google.auth
import google.auth.transport.requests
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.auth.exceptions import TimeoutError as AuthTimeoutError

from emailproxy.store.base import StoreDeniedError, StoreUnavailableError

__all__ = ["Identity"]

logger = logging.getLogger("emailproxy.store")

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_SECONDS: Final = 4.0
"""For one request to the token endpoint or the metadata server; the library's default is 120 s."""


class _Remaining(Protocol):
    def left(self) -> float: ...


class _Credentials(Protocol):
    def before_request(self, request: object, method: str, url: str, headers: dict[str, str]) -> None: ...

    def get_cred_info(self) -> Mapping[str, str] | None: ...


class Identity:
    """Credentials and what to call them. Thread-safe; ``str()`` names kind and principal, nothing secret."""

    def __init__(self, where: str, *, anonymous: bool) -> None:
        """`where`: the store's address. `anonymous`: an emulator on this machine gets no credentials."""
        self._where = where
        self._anonymous = anonymous
        self._lock = threading.Lock()
        self._credentials: _Credentials | None = None
        self._request: object = None
        self._description = "nobody (no credentials are sent to an endpoint without TLS)" if anonymous else ""

    def __str__(self) -> str:
        return self._description or "the application default credentials"

    @property
    def service_account(self) -> str | None:
        """The service account that they are, known after the first `headers`; None if they are none."""
        with self._lock:
            found = getattr(self._credentials, "service_account_email", None)
        return found if isinstance(found, str) and "@" in found else None

    def headers(self, budget: _Remaining) -> Sequence[tuple[str, str]]:
        """The metadata that authenticates a call; fetches a token if the last one ends soon.

        Raises:
            StoreDeniedError: there are no credentials, or they are refused.
            StoreUnavailableError: a token could not be fetched now.
        """
        if self._anonymous:
            return ()
        if not self._lock.acquire(timeout=budget.left()):
            raise StoreUnavailableError(
                f"{self._where}: no token in time for {self}; see the log for what it waits for"
            )
        try:
            credentials = self._found()
            headers: dict[str, str] = {}
            credentials.before_request(self._request, "POST", "https://secretmanager.googleapis.com/", headers)
            self._name(credentials)
        except DefaultCredentialsError as error:
            raise StoreDeniedError(
                f"{self._where}: there are no usable Google credentials ({type(error).__name__}); attach a service"
                " account, or set GOOGLE_APPLICATION_CREDENTIALS"
            ) from None
        except OSError as error:
            raise StoreDeniedError(
                f"{self._where}: the file with the Google credentials cannot be read: {error.strerror}"
            ) from None
        except (TransportError, AuthTimeoutError) as error:
            raise StoreUnavailableError(
                f"{self._where}: no token for {self} now ({type(error).__name__}): its token endpoint cannot be reached"
            ) from None
        except GoogleAuthError as error:
            what = f"{self._where}: no token for {self} ({type(error).__name__})"
            if error.retryable:
                raise StoreUnavailableError(f"{what}; it may work later") from None
            raise StoreDeniedError(f"{what}: the credentials are refused; renew them") from None
        finally:
            self._lock.release()
        return tuple(headers.items())

    def _found(self) -> _Credentials:
        if self._credentials is None:
            found, _ = google.auth.default(scopes=[SCOPE])
            # A service account's key signs its own tokens: no token endpoint to depend on.
            if hasattr(found, "with_always_use_jwt_access"):
                found = found.with_always_use_jwt_access(True)
            self._request = functools.partial(google.auth.transport.requests.Request(), timeout=TOKEN_SECONDS)
            self._credentials = cast("_Credentials", found)
        return self._credentials

    def _name(self, credentials: _Credentials) -> None:
        """Describe and log them, once; a virtual machine's account is known only after its first token."""
        if self._description:
            return
        info = credentials.get_cred_info() or {}
        kind = info.get("credential_type") or type(credentials).__name__
        source = info.get("credential_source")
        principal = info.get("principal")
        self._description = f"{principal or 'an unnamed principal'} ({kind}{f' from {source}' if source else ''})"
        logger.info("%s: credentials: %s", self._where, self._description)
