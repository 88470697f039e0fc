"""What does ``env:NAME`` lead to? An environment variable of the proxy."""

from __future__ import annotations

import os
import re
from typing import Final

from emailproxy.references.base import SecretValue
from emailproxy.secret import Secret
from emailproxy.store.base import StoreAddressError

__all__ = ["EnvironmentSource"]

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


class EnvironmentSource:
    """Reads environment variables. When one was changed, nobody can tell."""

    blocks = False
    local = True

    def check(self, rest: str) -> None:
        """The name of a variable?

        Raises:
            StoreAddressError: it is none. It is not repeated: it may be a secret that somebody wrote behind ``env:``.
        """
        if not _NAME.fullmatch(rest):
            raise StoreAddressError("env: takes the name of an environment variable; write env:NAME")

    def read(self, rest: str, *, dated: bool = False) -> SecretValue:  # noqa: ARG002 - there is no date
        """The variable's value.

        Raises:
            StoreAddressError: there is no such variable.
        """
        self.check(rest)
        value = os.environ.get(rest)
        if value is None:
            raise StoreAddressError(
                f"env:{rest} is not set; set it for the proxy (a service has an environment of its own)"
            )
        return SecretValue(Secret.from_octets(os.fsencode(value)))

    def close(self) -> None:
        """Nothing is held open."""
