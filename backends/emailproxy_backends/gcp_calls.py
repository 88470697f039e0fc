"""How is Google's Secret Manager called? Ten calls with deadlines and retries of our own, and errors of three facts.

The library's own defaults are 60 s for each call, retries for one method only, and credentials fetched within gRPC,
where their failure looks like that of the network.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Protocol, cast

import grpc
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import secretmanager_v1
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport

from emailproxy.store.base import (
    StoreAddressError,
    StoreDeniedError,
    StoreError,
    StoreUnavailableError,
)
from emailproxy_backends.gcp_address import Address
from emailproxy_backends.gcp_identity import Identity
from emailproxy_backends.throttling import Throttle

__all__ = ["Budget", "Calls", "Refusal", "Secret"]

CALL_SECONDS: Final = 5.0
"""For connecting and the answer together; the service answers in tens of milliseconds."""
MIN_SECONDS: Final = 0.05
"""With less than this left, a call would only leave an unknown outcome behind."""
RETRIES: Final = 2
BACKOFF: Final = (0.2, 0.8)
"""Seconds before each retry, give or take half."""
THROTTLED_BACKOFF: Final = (1.0, 3.0)
"""The same after RESOURCE_EXHAUSTED, whose quotas are counted by the minute."""

# After these the call may have been carried out all the same.
_UNCERTAIN: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "INTERNAL", "UNKNOWN", "CANCELLED"})
_TRANSIENT: Final = _UNCERTAIN | {"RESOURCE_EXHAUSTED"}

_PERMISSIONS: Final = {
    "access_secret_version": "secretmanager.versions.access",
    "add_secret_version": "secretmanager.versions.add",
    "create_secret": "secretmanager.secrets.create",
    "delete_secret": "secretmanager.secrets.delete",
    "destroy_secret_version": "secretmanager.versions.destroy",
    "get_secret": "secretmanager.secrets.get",
    "get_secret_version": "secretmanager.versions.get",
    "list_secrets": "secretmanager.secrets.list",
    "update_secret": "secretmanager.secrets.update",
}

_CHANNEL_OPTIONS: Final = (
    # A channel that could not connect refuses calls until its next attempt; ours are tried again within a second.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", int(CALL_SECONDS * 1000)),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A connection whose other end is gone (a firewall forgot it) is noticed within a call's time, so a retry helps.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 3_000),
)


class _Time(Protocol):
    def rfc3339(self) -> str: ...


class Secret(Protocol):
    """What is used of the SDK's ``Secret``."""

    name: str
    etag: str
    version_aliases: Mapping[str, int]
    create_time: _Time | None


class _Payload(Protocol):
    data: bytes


class _Accessed(Protocol):
    name: str
    payload: _Payload


class _SecretVersion(Protocol):
    name: str
    create_time: _Time | None


class _Page(Protocol):
    secrets: Sequence[Secret]
    next_page_token: str


class Refusal(Exception):  # noqa: N818 - an answer, which the store may have expected
    """The service's answer to a call was an error.

    Attributes:
        status: the gRPC status code's name.
        repeated: an earlier attempt, or this one, may have been carried out.
        failure: what to raise if the status is none that the caller deals with.
    """

    def __init__(self, status: str, failure: StoreError, *, repeated: bool) -> None:
        super().__init__(status)
        self.status = status
        self.repeated = repeated
        self.failure = failure


class Budget:
    """The seconds that an operation of several calls has left."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds, never negative."""
        return max(0.0, self._end - time.monotonic())

    def sleep(self, seconds: float) -> bool:
        """Sleep that long; or not at all, and False, if nothing would be left then."""
        if seconds >= self.left():
            return False
        time.sleep(seconds)
        return True


class Calls:
    """The calls that the store makes. Connects with the first; thread-safe."""

    def __init__(self, address: Address, identity: Identity) -> None:
        self._address = address
        self._identity = identity
        self._throttle = Throttle()
        self._lock = threading.Lock()
        # Made with the first call and not before, since gRPC's threads do not survive a fork.
        self._client: secretmanager_v1.SecretManagerServiceClient | None = None

    def get_secret(self, name: str, budget: Budget) -> Secret:
        """The secret's metadata. Eventually consistent: the answer may be old, though not mixed."""
        return cast("Secret", self._call("get_secret", name, {"name": name}, budget))

    def access(self, name: str, number: int, budget: Budget) -> bytes:
        """The content of a version."""
        resource = f"{name}/versions/{number}"
        answer = cast("_Accessed", self._call("access_secret_version", resource, {"name": resource}, budget))
        return answer.payload.data

    def access_version(self, resource: str, budget: Budget) -> tuple[str, bytes]:
        """The name by number and the content of a version that is named in any way, `latest` too."""
        answer = cast("_Accessed", self._call("access_secret_version", resource, {"name": resource}, budget))
        return answer.name, answer.payload.data

    def created(self, resource: str, budget: Budget) -> dt.datetime | None:
        """When a version was added."""
        version = cast("_SecretVersion", self._call("get_secret_version", resource, {"name": resource}, budget))
        moment = version.create_time
        return dt.datetime.fromisoformat(moment.rfc3339()) if moment else None

    def create(self, secret_id: str, secret: Mapping[str, object], budget: Budget) -> Secret:
        """A new secret, without versions."""
        parent = self._address.parent
        request = {"parent": parent, "secret_id": secret_id, "secret": secret}
        return cast("Secret", self._call("create_secret", parent, request, budget))

    def add_version(self, name: str, content: bytes, budget: Budget) -> int:
        """The number of a new version. A repeated attempt may leave a version that nobody knows of."""
        request = {"parent": name, "payload": {"data": content}}
        answer = cast("_SecretVersion", self._call("add_secret_version", name, request, budget))
        return int(answer.name.rpartition("/")[2])

    def set_aliases(self, name: str, etag: str, aliases: Mapping[str, int], budget: Budget) -> Secret:
        """Replace the secret's aliases if its etag still is `etag`."""
        secret = {"name": name, "etag": etag, "version_aliases": dict(aliases)}
        request = {"secret": secret, "update_mask": {"paths": ["version_aliases"]}}
        return cast("Secret", self._call("update_secret", name, request, budget))

    def destroy(self, name: str, number: int, budget: Budget) -> None:
        """Make a version's content unreadable for ever."""
        resource = f"{name}/versions/{number}"
        self._call("destroy_secret_version", resource, {"name": resource}, budget)

    def delete(self, name: str, etag: str, budget: Budget) -> None:
        """Remove a secret with all its versions for ever, if its etag still is `etag`; an empty one is any."""
        self._call("delete_secret", name, {"name": name, **({"etag": etag} if etag else {})}, budget)

    def list_secrets(self, budget: Budget) -> Iterator[Secret]:
        """The secrets whose name may begin with the prefix, and perhaps others."""
        token = ""
        while True:
            request = {
                "parent": self._address.parent,
                "page_size": 1000,
                "page_token": token,
                "filter": f"name:{self._address.prefix}-",
            }
            page = cast("_Page", self._call("list_secrets", self._address.parent, request, budget))
            yield from page.secrets
            token = page.next_page_token
            if not token:
                return

    def close(self) -> None:
        """Close the connection; another call would open a new one."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.transport.close()

    def _call(self, method: str, resource: str, request: Mapping[str, object], budget: Budget) -> object:
        repeated = False
        for attempt in range(RETRIES + 1):
            wait = self._throttle.left(method)
            if wait and not budget.sleep(wait):
                told = f"the service is throttling {method}, and asks to wait {wait:.0f} s more"
                refused = StoreUnavailableError(f"{self._address.text}: {told}")
                raise Refusal("RESOURCE_EXHAUSTED", refused, repeated=repeated)
            if budget.left() < MIN_SECONDS:
                # Not sent, so certainly not carried out, unless an earlier attempt was.
                late = StoreUnavailableError(f"{self._address.text}: no time is left for {method}")
                raise Refusal("DEADLINE_EXCEEDED", late, repeated=repeated)
            headers = self._identity.headers(budget)
            client = self._connected()
            try:
                answer: object = getattr(client, method)(
                    request=request, retry=None, timeout=min(CALL_SECONDS, budget.left()), metadata=headers
                )
            except GoogleAPICallError as error:
                status = _status(error)
                repeated = repeated or status in _UNCERTAIN
                asked = _asked(error)
                if asked is not None and status == "RESOURCE_EXHAUSTED":
                    self._throttle.asked(method, asked)
                pause = _pause(status, attempt) if asked is None else asked
                if status in _TRANSIENT and attempt < RETRIES and budget.sleep(pause):
                    continue
                raise Refusal(status, self._failure(method, resource, status, error), repeated=repeated) from None
            return answer
        raise AssertionError("unreachable")

    def _connected(self) -> secretmanager_v1.SecretManagerServiceClient:
        with self._lock:
            if self._client is None:
                # Its log of requests, which an environment variable turns on, holds tokens and contents.
                logging.getLogger(SecretManagerServiceGrpcTransport.__module__).disabled = True
                transport = SecretManagerServiceGrpcTransport(host=self._address.target, channel=self._channel())
                self._client = secretmanager_v1.SecretManagerServiceClient(transport=transport)
            return self._client

    def _channel(self) -> grpc.Channel:
        address = self._address
        if not address.encrypted:
            options = (*_CHANNEL_OPTIONS, ("grpc.enable_http_proxy", 0))
            return grpc.insecure_channel(address.target, options=options)
        try:
            roots = address.ca.read_bytes() if address.ca is not None else None
        except OSError as error:
            raise StoreAddressError(f"{address.text}: {address.ca} cannot be read: {error.strerror}") from None
        # The credentials go with each call as metadata: see Identity.
        return grpc.secure_channel(address.target, grpc.ssl_channel_credentials(roots), options=_CHANNEL_OPTIONS)

    def _failure(self, method: str, resource: str, status: str, error: GoogleAPICallError) -> StoreError:
        """What a status means that the store does not deal with. The service's own text is not repeated."""
        where = self._address.text
        reason = error.reason if isinstance(error.reason, str) else ""
        told = f"{status} {reason}".strip()
        if status == "PERMISSION_DENIED":
            if reason == "SERVICE_DISABLED":
                return StoreDeniedError(
                    f"{where}: the Secret Manager API is not enabled; run gcloud services enable"
                    " secretmanager.googleapis.com"
                )
            named = error.metadata.get("permission") if error.metadata else None
            permission = named if isinstance(named, str) and named else _PERMISSIONS[method]
            return StoreDeniedError(
                f"{where}: {self._identity} lacks the permission {permission} on {resource} ({told}); grant it, or see"
                " whether the address is right"
            )
        if status == "UNAUTHENTICATED":
            return StoreDeniedError(f"{where}: the service does not accept {self._identity} ({told}); renew it")
        if status == "RESOURCE_EXHAUSTED":
            asked = _asked(error)
            wait = f", and asks to wait {asked:.0f} s" if asked is not None else ""
            return StoreUnavailableError(f"{where}: the service is throttling {method} ({told}){wait}; see the quotas")
        if status == "DEADLINE_EXCEEDED":
            return StoreUnavailableError(f"{where}: no answer to {method} from {self._address.target} ({told})")
        if status == "UNAVAILABLE":
            return StoreUnavailableError(f"{where}: {self._address.target} cannot be reached for {method} ({told})")
        if status in ("NOT_FOUND", "INVALID_ARGUMENT"):
            return StoreAddressError(
                f"{where}: the service refuses {method} for {resource} ({told}); see project, location and options of"
                " the address"
            )
        if status == "FAILED_PRECONDITION":
            return StoreDeniedError(
                f"{where}: the service refuses {method} for {resource} ({told}): a KMS key that is disabled, or a"
                " policy of the organisation on locations or keys; see replication= and kms_key="
            )
        return StoreUnavailableError(f"{where}: {method} failed ({told})")


@contextmanager
def failures() -> Iterator[None]:
    """Turn a `Refusal` that nobody dealt with into the store's error."""
    try:
        yield
    except Refusal as refusal:
        raise refusal.failure from None


def _status(error: GoogleAPICallError) -> str:
    code = error.grpc_status_code
    return code.name if isinstance(code, grpc.StatusCode) else "UNKNOWN"


def _asked(error: GoogleAPICallError) -> float | None:
    """The seconds that the service asks to wait."""
    for detail in error.details or ():
        delay = getattr(detail, "retry_delay", None)
        if delay is not None:
            return float(delay.ToTimedelta().total_seconds())
    return None


def _pause(status: str, attempt: int) -> float:
    """Seconds before the next attempt, if the service asks for none."""
    usual = (THROTTLED_BACKOFF if status == "RESOURCE_EXHAUSTED" else BACKOFF)[min(attempt, RETRIES - 1)]
    return usual * random.uniform(0.5, 1.5)  # noqa: S311 - not for secrecy
