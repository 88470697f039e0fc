"""Who signs for a service account whose key nobody has? Google's IAM, for whoever may ask it: ``signJwt``.

The application default credentials say who asks: the attached service account itself, another one, or, through workload
identity federation, a role of AWS or an identity of Azure. Each needs the role *Service Account Token Creator* on the
service account, also on itself.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import httpx2

from emailproxy.assertions.base import Statement
from emailproxy.secret import Secret
from emailproxy.store.base import StoreAddressError, StoreContentError, StoreDeniedError, StoreUnavailableError

if TYPE_CHECKING:
    from emailproxy_backends.gcp_identity import Identity

__all__ = ["IamSigner"]

URL: Final = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{}:signJwt"
SECONDS: Final = 4.0
"""For the signature; a token for ourselves may take as long, and together they stay under ten."""
VALID: Final = 3600
"""Seconds: the most that Google takes."""
MAX_OCTETS: Final = 64 * 1024

_ACCOUNT: Final = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+")


class _Budget:
    """How long a token for ourselves may take."""

    def left(self) -> float:
        return SECONDS


class IamSigner:
    """``adc[:SERVICE_ACCOUNT]``. Thread-safe.

    Args:
        transport: carries the requests to IAM instead of the network.
        now: Unix time.
    """

    def __init__(self, transport: httpx2.BaseTransport | None = None, now: Callable[[], float] = time.time) -> None:
        self._client = httpx2.Client(transport=transport, timeout=SECONDS, follow_redirects=False)
        self._now = now
        self._identity: Identity | None = None
        self._lock = threading.Lock()

    def check(self, rest: str) -> None:
        """A service account, or nothing?

        Raises:
            StoreAddressError: something else.
            ImportError: the SDK is not installed.
        """
        if rest and not _ACCOUNT.fullmatch(rest):
            raise StoreAddressError("adc: what is behind it is no service account; write adc:NAME@PROJECT.iam…")
        import google.auth  # noqa: F401 - to know that it can be
        import requests  # noqa: F401 - what google-auth speaks HTTP with

    def issue(self, rest: str, statement: Statement) -> Secret:
        """A statement of the service account, for the mailbox.

        Raises:
            StoreError: none.
        """
        self.check(rest)
        identity = self._found()
        authorization = dict(identity.headers(_Budget()))
        principal = rest or identity.service_account
        if not principal:
            raise StoreAddressError("adc: which service account? Write adc:NAME@PROJECT.iam.gserviceaccount.com")
        now = int(self._now())
        claims = {
            "iss": principal,
            "sub": statement.subject,
            "scope": statement.scope,
            "aud": statement.audience,
            "iat": now,
            "exp": now + VALID,
        }
        return self._signed(principal, {"payload": json.dumps(claims)}, authorization)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _found(self) -> Identity:
        from emailproxy_backends.gcp_identity import Identity

        with self._lock:
            if self._identity is None:
                self._identity = Identity("adc", anonymous=False)
            return self._identity

    def _signed(self, principal: str, body: dict[str, str], headers: dict[str, str]) -> Secret:
        try:
            answer = self._client.post(URL.format(quote(principal)), json=body, headers=headers)
        except httpx2.TransportError as error:
            raise StoreUnavailableError(
                f"adc: Google's IAM cannot be reached ({type(error).__name__}); see the network"
            ) from None
        if answer.status_code == httpx2.codes.FORBIDDEN:
            raise StoreDeniedError(
                f"adc: IAM does not sign for {principal}; grant roles/iam.serviceAccountTokenCreator on it to "
                "whoever asks, also to itself, and enable iamcredentials.googleapis.com"
            )
        if answer.status_code == httpx2.codes.NOT_FOUND:
            raise StoreAddressError(f"adc: there is no service account {principal}; correct client_id")
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            raise StoreDeniedError("adc: Google does not accept the credentials; renew them")
        if not answer.is_success:
            raise StoreUnavailableError(f"adc: IAM does not answer (HTTP {answer.status_code}); try again later")
        try:
            token = json.loads(answer.content[:MAX_OCTETS])["signedJwt"]
        except (ValueError, RecursionError, KeyError, TypeError):
            token = None
        if not isinstance(token, str):
            raise StoreContentError("adc: there is no signedJwt in the answer; something in between answered")
        return Secret(token)
