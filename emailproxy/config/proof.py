"""How does an account's application prove who it is, if not with a secret? ``jwt_*`` and ``client_assertion``."""

from __future__ import annotations

import datetime as dt
from typing import Final

from emailproxy.assertions.base import IssuerAddress
from emailproxy.assertions.issuers import Issuers
from emailproxy.config.certificates import read_octets
from emailproxy.config.deferred import parse_credential
from emailproxy.config.errors import CredentialError
from emailproxy.config.identity import ALGORITHMS, Certificate
from emailproxy.config.options import Reader
from emailproxy.secret import Secret
from emailproxy.store.base import StoreError

__all__ = ["PROOF_OPTIONS", "read_certificate", "read_client_assertion"]

CERTIFICATE_OPTIONS: Final = frozenset({"jwt_certificate_path", "jwt_key_path", "jwt_key_passphrase", "jwt_algorithm"})
PROOF_OPTIONS: Final = CERTIFICATE_OPTIONS | {"client_assertion"}


def read_certificate(reader: Reader) -> Certificate | None:
    """The certificate credentials of an account, checked; None if it has none, or a fault."""
    algorithm = _algorithm(reader)
    certificate, key = reader.path("jwt_certificate_path"), reader.path("jwt_key_path")
    passphrase = reader.text("jwt_key_passphrase")
    if any(reader.placeholder(option) for option in CERTIFICATE_OPTIONS):
        return None
    if certificate is None:
        for option in ("jwt_key_path", "jwt_key_passphrase"):
            if reader.text(option) is not None:
                reader.fault(option, "there is no certificate for it", "add jwt_certificate_path, or remove this")
        return None
    octets = read_octets(reader, "jwt_certificate_path", certificate)
    key_octets = read_octets(reader, "jwt_key_path", key) if key is not None else None
    if octets is None or (key is not None and key_octets is None):
        return None
    secret = Secret(passphrase) if passphrase is not None else None
    try:
        found = parse_credential(octets, key_octets, secret)
    except CredentialError as error:
        place = {"jwt_certificate_path": certificate, "jwt_key_path": key}.get(error.part)
        reader.fault(error.part, f"{place}: {error.problem}" if place else error.problem, error.remedy)
        return None
    now = dt.datetime.now(dt.UTC)
    if found.certificate.not_valid_after_utc < now:
        ended = f"{found.certificate.not_valid_after_utc:%Y-%m-%d}"
        reader.warn("jwt_certificate_path", f"{certificate} expired on {ended}", "renew the certificate")
    if reader.text("client_secret") is not None:
        reader.warn("client_secret", "has no effect beside jwt_certificate_path", "remove one of the two")
    return Certificate(certificate, key, secret, algorithm)


def read_client_assertion(reader: Reader, issuers: Issuers) -> IssuerAddress | None:
    """Who proves the identity of an account's application; None if nobody does, or after a fault."""
    value = reader.text("client_assertion")
    if value is None or reader.placeholder("client_assertion"):
        return None
    name, _, rest = value.partition(":")
    name = name.strip().lower()
    if name not in issuers.names:
        reader.fault("client_assertion", "nobody is known who issues that", f"write one of {', '.join(issuers.names)}")
        return None
    if reader.text("jwt_certificate_path") is not None:
        reader.fault("client_assertion", "there is a jwt_certificate_path as well", "remove one of the two")
        return None
    if reader.text("client_secret") is not None:
        reader.warn("client_secret", "has no effect beside client_assertion", "remove it, here and at the provider")
    address = IssuerAddress(name, rest.strip())
    try:
        issuers.check(address)
    except StoreError as error:
        problem, _, remedy = str(error).partition("; ")
        reader.fault("client_assertion", problem, remedy or "see docs/flows.md")
        return None
    return address


def _algorithm(reader: Reader) -> str:
    value = reader.text("jwt_algorithm")
    if value is None or value.upper() in ALGORITHMS:
        return (value or ALGORITHMS[0]).upper()
    reader.fault("jwt_algorithm", "this is no algorithm that is offered", f"write {' or '.join(ALGORITHMS)}")
    return ALGORITHMS[0]
