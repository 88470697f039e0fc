"""How do writers of several machines take turns? Each holds a lease on a blob while it compares and writes."""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from azure.core.exceptions import AzureError
from azure.storage.blob import BlobClient, BlobLeaseClient, ContainerClient

from emailproxy.store.base import StoreUnavailableError
from emailproxy_backends.azure_calls import SDK_SETTINGS, Calls, Deadline
from emailproxy_backends.azure_failures import codes, failure

__all__ = ["BlobLease"]

logger = logging.getLogger("emailproxy.store")

LEASE_SECONDS: Final = 30
"""Longer than a save may last (13 s) by far, so that a write which is late on its way arrives while it still holds; a
process that dies with it stops the others for no longer than this. The service takes 15 to 60."""
POLL: Final = 0.1
"""Seconds between two questions for a lease that another one holds, for a few tenths of a second as a rule; the mean of
what is chosen at random, so that two who wait do not ask in step."""

_TAKEN: Final = frozenset({"LeaseAlreadyPresent"})
_ABSENT: Final = frozenset({"BlobNotFound"})
# Another one was faster to create the blob, and may hold its lease already.
_CREATED: Final = frozenset({"BlobAlreadyExists", "LeaseIdMissing", "ConditionNotMet"})


class BlobLease:
    """Leases on empty blobs in one container, one blob for each secret."""

    def __init__(self, container: str, credential: Any, calls: Calls, *, ca: str | None = None) -> None:
        tls: dict[str, Any] = {"connection_verify": ca} if ca else {}
        self._calls = Calls(f"{calls.where} (lease in {container})", calls.identity)
        self._container = ContainerClient.from_container_url(container, credential=credential, **SDK_SETTINGS, **tls)

    def __repr__(self) -> str:
        return f"<BlobLease {self._container.url}>"

    @contextmanager
    def held(self, name: str, deadline: Deadline) -> Iterator[None]:
        """Hold the lease of the secret `name`.

        It is not given back after a `StoreUnavailableError`: a write that was sent may yet arrive, and shall not meet
        the next writer's.

        Raises:
            StoreUnavailableError: another one held it until the deadline, or the storage account is away.
            StoreDeniedError: the identity may not write blobs, or there is no such container.
        """
        blob = self._container.get_blob_client(f"{name}.lease")
        lease = self._taken(blob, deadline)
        try:
            yield
        except StoreUnavailableError:
            logger.info("%s: the lease of %s is left to run out within %d s", self._calls.where, name, LEASE_SECONDS)
            raise
        except BaseException:
            self._give_back(lease)
            raise
        self._give_back(lease)

    def close(self) -> None:
        """Close the connections."""
        self._container.close()

    def _taken(self, blob: BlobClient, deadline: Deadline) -> BlobLeaseClient:
        # The same id makes a repeated request harmless when the answer to the first one got lost.
        wanted = str(uuid.uuid4())
        while True:
            try:
                return self._calls.make(
                    "leased",
                    lambda seconds: blob.acquire_lease(
                        LEASE_SECONDS, lease_id=wanted, connection_timeout=seconds, read_timeout=seconds
                    ),
                    deadline,
                    answers=_TAKEN | _ABSENT,
                )
            except AzureError as error:
                if not _ABSENT.isdisjoint(codes(error)):
                    self._create(blob, deadline)
                    continue
            pause = POLL * random.uniform(0.5, 1.5)  # noqa: S311 - not for secrecy
            if pause >= deadline.left:
                raise StoreUnavailableError(f"{self._calls.where}: held by another process; no answer in time")
            time.sleep(pause)

    def _create(self, blob: BlobClient, deadline: Deadline) -> None:
        try:
            self._calls.make(
                "leased",
                lambda seconds: blob.upload_blob(
                    b"", overwrite=False, connection_timeout=seconds, read_timeout=seconds
                ),
                deadline,
                answers=_CREATED,
            )
        except AzureError:
            return

    def _give_back(self, lease: BlobLeaseClient) -> None:
        try:
            lease.release()
        except AzureError as error:
            said = failure(error, where=self._calls.where, done="leased", identity=self._calls.identity)
            logger.info("%s: not given back, so it runs out within %d s (%s)", self._calls.where, LEASE_SECONDS, said)
