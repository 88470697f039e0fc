"""How does a request say what it wants, and how is it told no? Fields of a JSON object, read with their types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emailproxy.config import Account, Config
from emailproxy.failures import ProxyError
from emailproxy.oauth.foreign import foreign
from emailproxy.secret import Secret

__all__ = ["Body", "RequestRefusedError"]


class RequestRefusedError(ProxyError):
    """The answer is no; the message says why, `status` is HTTP's, `fields` are more for programs."""

    def __init__(self, status: int, error: str, **fields: object) -> None:
        super().__init__(error)
        self.status = status
        self.fields = fields


class Body:
    """The fields of a request. Each method raises `RequestRefusedError` (400) for a field of another type.

    Args:
        fields: the JSON object.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        """A string that must be there."""
        value = self._of(name, str, "a string")
        if not value:
            raise RequestRefusedError(400, f"{name} is missing")
        return str(value)

    def optional_text(self, name: str) -> str | None:
        """A string, or None."""
        value = self._of(name, str, "a string")
        return str(value) if value is not None else None

    def secret(self, name: str) -> Secret | None:
        """A secret string, or None."""
        value = self._of(name, str, "a string")
        return Secret(value) if value else None

    def flag(self, name: str) -> bool:
        """A truth value; false if it is not there."""
        return bool(self._of(name, bool, "true or false"))

    def integer(self, name: str) -> int | None:
        """A whole number, or None."""
        value = self._of(name, int, "a whole number")
        if isinstance(value, bool):
            raise RequestRefusedError(400, f"{name} must be a whole number")
        return int(value) if value is not None else None

    def texts(self, name: str) -> list[str]:
        """A list of strings; empty if it is not there."""
        value = self._of(name, list, "a list of strings") or []
        if not all(isinstance(each, str) for each in value):
            raise RequestRefusedError(400, f"{name} must be a list of strings")
        return list(value)

    def account(self, config: Config) -> Account:
        """The account that ``account`` names; 404 if there is none."""
        name = self.text("account")
        account = config.account(name)
        if account is None:
            raise RequestRefusedError(404, f"there is no account {foreign(name)}")
        return account

    def _of(self, name: str, kind: type, words: str) -> Any:
        value = self._fields.get(name)
        if value is not None and not isinstance(value, kind):
            raise RequestRefusedError(400, f"{name} must be {words}")
        return value
