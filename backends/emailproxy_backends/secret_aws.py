"""What does ``aws:NAME-OR-ARN[#field]`` lead to? A secret in AWS Secrets Manager, whole or one field of its JSON."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from emailproxy.references.base import SecretValue
from emailproxy.secret import Secret
from emailproxy.store.base import StoreAddressError, StoreContentError
from emailproxy_backends import aws_address
from emailproxy_backends.aws_calls import ABSENT, NOT_NOW, AnswerError
from emailproxy_backends.secret_errors import naming

if TYPE_CHECKING:
    from emailproxy_backends.aws_service import SecretsManager

__all__ = ["AwsSource", "SecretAddress", "parsed"]

_FORM: Final = "write aws:NAME-OR-ARN[#FIELD][?region=REGION] or aws:PROFILE||NAME-OR-ARN[#FIELD]"


@dataclass(frozen=True, slots=True)
class SecretAddress:
    """What a reference says."""

    place: aws_address.Address
    field: str | None
    """A name in the JSON object that the secret is; None: the whole secret."""

    @property
    def text(self) -> str:
        """The address for messages, without options."""
        return self.place.text + (f"#{self.field}" if self.field is not None else "")

    @property
    def service(self) -> aws_address.Address:
        """What decides which client reads it; messages name the secret themselves."""
        profile = f"{self.place.profile}||" if self.place.profile else ""
        return replace(self.place, text=f"aws:{profile}" if profile else "aws", name="")


def parsed(rest: str) -> SecretAddress:
    """Take apart what follows ``aws:``. The options may stand before the field or behind it.

    Raises:
        StoreAddressError: malformed.
    """
    head, hash_, tail = rest.partition("#")
    field, mark, query = tail.partition("?")
    if hash_ and not field:
        raise StoreAddressError(f"aws: there is no field behind #; {_FORM}")
    if mark and "?" in head:
        raise StoreAddressError(f"aws: the options stand there twice; {_FORM}")
    place = aws_address.parsed(f"{head}{mark}{query}")
    if place.per_account:
        raise StoreAddressError(f"{place.text} names no single secret: leave the slash at its end out")
    if place.kms_key is not None:
        raise StoreAddressError(f"{place.text}: kms_key is an option of stores; a secret knows its key")
    return SecretAddress(place, field or None)


class AwsSource:
    """Reads secrets, with one client for each profile, region and endpoint. Thread-safe."""

    def __init__(self) -> None:
        self._services: dict[aws_address.Address, SecretsManager] = {}
        self._lock = threading.Lock()

    def check(self, rest: str) -> None:
        """A well-formed address?

        Raises:
            StoreAddressError: it is not.
            ImportError: the SDK is not installed.
        """
        parsed(rest)
        import boto3  # noqa: F401 - to know that it can be

    def read(self, rest: str, *, dated: bool = False) -> SecretValue:  # noqa: ARG002 - a date costs nothing
        """The value of AWSCURRENT, or the field of it.

        Raises:
            StoreAddressError: malformed, no such profile, no region, or no such secret.
            StoreDeniedError: the identity may not read or decrypt it.
            StoreContentError: the secret is marked for deletion, has no value, or not that field.
            StoreUnavailableError: the service cannot be reached, or throttles.
        """
        address = parsed(rest)
        with naming(address.text, address.service.text):
            return self._read(address)

    def _read(self, address: SecretAddress) -> SecretValue:
        try:
            octets, changed = self._service(address.service).value(address.place.name)
        except AnswerError as error:
            if error.code == ABSENT:
                raise StoreAddressError(
                    f"{address.text}: there is no such secret, or it has no value, in this account and region; "
                    "create it, or correct the address"
                ) from None
            if error.code == NOT_NOW:
                raise StoreContentError(f"{address.text}: the secret is marked for deletion; restore it") from None
            raise
        return SecretValue(_field(octets, address) if address.field else Secret.from_octets(octets), changed)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            services, self._services = self._services, {}
        for service in services.values():
            service.close()

    def _service(self, place: aws_address.Address) -> SecretsManager:
        from emailproxy_backends.aws_service import SecretsManager

        with self._lock:
            if place not in self._services:
                self._services[place] = SecretsManager(place)
            return self._services[place]


def _field(octets: bytes, address: SecretAddress) -> Secret:
    """The field's text, or number. Messages repeat nothing of the content."""
    try:
        document = json.loads(octets)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise StoreContentError(f"{address.text}: the secret is no JSON object; leave #{address.field} out")
    value = document.get(address.field)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = json.dumps(value)
    if not isinstance(value, str):
        raise StoreContentError(f"{address.text}: the secret's JSON object has no text of the name {address.field}")
    return Secret(value)
