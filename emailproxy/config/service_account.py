"""Whose key does an account of the flow ``service_account`` use? A file, the key itself, or a key that nobody has."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from emailproxy.assertions.base import IssuerAddress
from emailproxy.assertions.issuers import SIGNER, Issuers
from emailproxy.config.certificates import read_octets
from emailproxy.config.deferred import parse_google_key
from emailproxy.config.errors import CredentialError
from emailproxy.config.options import Reader
from emailproxy.store.base import StoreError

__all__ = ["read_service_account"]

_FORMS: Final = "write file (and the key file's path as client_secret), key (and the key), or adc[:SERVICE_ACCOUNT]"


def read_service_account(reader: Reader, issuers: Issuers) -> IssuerAddress | None:
    """Check what such an account signs with; who signs for it if that is not a key of its own."""
    kind, colon, principal = (reader.text("client_id") or "").partition(":")
    if not kind or reader.placeholder("client_id") or reader.placeholder("client_secret"):
        return None
    if reader.reference("client_id") is not None or kind not in {"file", "key", SIGNER} or (colon and kind != SIGNER):
        reader.fault("client_id", "this says not where the service account's key is", _FORMS)
        return None
    if kind == SIGNER:
        return _signer(reader, IssuerAddress(SIGNER, principal), issuers)
    secret = reader.text("client_secret")
    if secret is None:
        reader.required("client_secret", "add the path of the key file (client_id = file) or the key (client_id = key)")
    elif reader.reference("client_secret") is not None:
        if kind == "file":
            reader.fault("client_secret", "client_id = file wants a path, not the key", "write client_id = key")
    else:
        path = Path(secret).expanduser() if secret.startswith("~") else Path(secret)
        octets = read_octets(reader, "client_secret", path) if kind == "file" else secret.encode()
        if octets is not None:
            _check_key(reader, octets)
    return None


def _check_key(reader: Reader, octets: bytes) -> None:
    try:
        parse_google_key(octets)
    except CredentialError as error:
        reader.fault("client_secret", error.problem, error.remedy)


def _signer(reader: Reader, address: IssuerAddress, issuers: Issuers) -> IssuerAddress | None:
    if reader.text("client_secret") is not None:
        reader.warn("client_secret", "has no effect beside client_id = adc", "remove it")
    try:
        issuers.check(address)
    except StoreError as error:
        problem, _, remedy = str(error).partition("; ")
        reader.fault("client_id", problem, remedy or _FORMS)
        return None
    return address
