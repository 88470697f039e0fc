"""Whose assertion lies in a file? A platform's that renews it there: Kubernetes projects service account tokens so."""

from __future__ import annotations

import os
from typing import Final

from emailproxy.assertions.base import Statement
from emailproxy.secret import Secret
from emailproxy.store.base import StoreAddressError
from emailproxy_backends.secret_file import FileSource

__all__ = ["FileIssuer", "WorkloadIssuer"]

VARIABLE: Final = "AZURE_FEDERATED_TOKEN_FILE"
"""Set by the webhook of Azure Workload Identity, with the file's path."""


class FileIssuer:
    """``file:PATH``. The file is read for each assertion, since its content is renewed."""

    def __init__(self) -> None:
        self._files = FileSource()

    def check(self, rest: str) -> None:
        """A path?

        Raises:
            StoreAddressError: it is empty.
        """
        self._files.check(rest)

    def issue(self, rest: str, statement: Statement) -> Secret:  # noqa: ARG002 - decided where the file is written
        """The file's content.

        Raises:
            StoreError: it cannot be read.
        """
        return Secret(self._files.read(rest).value.reveal().strip())

    def close(self) -> None:
        """Nothing is held open."""


class WorkloadIssuer:
    """``workload-identity``: the file that Azure Workload Identity projects into a pod."""

    def __init__(self) -> None:
        self._file = FileIssuer()

    def check(self, rest: str) -> None:
        """Nothing behind it?

        Raises:
            StoreAddressError: there is something.
        """
        if rest:
            raise StoreAddressError("workload-identity takes nothing behind it; for a file of your own write file:PATH")

    def issue(self, rest: str, statement: Statement) -> Secret:
        """The file's content.

        Raises:
            StoreError: there is no such file, or it cannot be read.
        """
        self.check(rest)
        path = os.environ.get(VARIABLE)
        if not path:
            raise StoreAddressError(
                f'workload-identity: {VARIABLE} is not set; label the pod azure.workload.identity/use: "true", and let '
                "its service account name the app (annotation azure.workload.identity/client-id)"
            )
        return self._file.issue(path, statement)

    def close(self) -> None:
        """Nothing is held open."""
