"""What does Google Cloud say about the proxy? An identity token of the service account that its machine runs as."""

from __future__ import annotations

import os
import re
from typing import Final

import httpx2

from emailproxy.assertions.base import Statement
from emailproxy.secret import Secret
from emailproxy.store.base import StoreAddressError, StoreContentError, StoreDeniedError
from emailproxy_backends.metadata import Metadata

__all__ = ["MetadataIssuer"]

HOST_VARIABLE: Final = "GCE_METADATA_HOST"
"""The SDKs' name for another address of the metadata server."""
HOST: Final = "metadata.google.internal"
FLAVOUR: Final = {"Metadata-Flavor": "Google"}
"""In question and answer: whoever does not say it is no metadata server."""

_ACCOUNT: Final = re.compile(r"[A-Za-z0-9.@_-]+")


class MetadataIssuer:
    """``gcp[:SERVICE_ACCOUNT]``."""

    def __init__(self, metadata: Metadata | None = None) -> None:
        self._metadata = metadata if metadata is not None else Metadata("Google's metadata server")

    def check(self, rest: str) -> None:
        """A service account, or nothing?

        Raises:
            StoreAddressError: something else.
        """
        if rest and not _ACCOUNT.fullmatch(rest):
            raise StoreAddressError("gcp: what is behind it is no service account; write gcp or gcp:NAME@PROJECT.iam…")

    def issue(self, rest: str, statement: Statement) -> Secret:
        """An identity token for the audience.

        Raises:
            StoreError: none.
        """
        self.check(rest)
        host = os.environ.get(HOST_VARIABLE, HOST)
        answer = self._metadata.get(
            f"http://{host}/computeMetadata/v1/instance/service-accounts/{rest or 'default'}/identity",
            {"audience": statement.audience, "format": "full"},
            FLAVOUR,
            "does this run in Google Cloud, with a service account attached?",
        )
        if answer.headers.get("Metadata-Flavor") != "Google":
            raise StoreContentError("gcp: what answers there is no metadata server; remove what stands between")
        if answer.status != httpx2.codes.OK:
            raise StoreDeniedError(
                f"gcp: no identity token (HTTP {answer.status}); attach a service account to this machine"
            )
        return Secret(answer.text.strip())

    def close(self) -> None:
        """Close the connections."""
        self._metadata.close()
