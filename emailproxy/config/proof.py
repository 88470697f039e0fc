"""How does an account's application prove who it is, if not with a secret? ``jwt_*`` and ``client_assertion``."""

from __future__ import annotations

import datetime as dt
from typing import Final

from emailproxy.config.certificates import read_octets
from emailproxy.config.credential import CredentialError, parse_credential
from emailproxy.config.identity import ALGORITHMS, Certificate
from emailproxy.config.options import Reader
from emailproxy.secret import Secret

__all__ = ["PROOF_OPTIONS", "read_certificate"]

PROOF_OPTIONS: Final = frozenset({"jwt_certificate_path", "jwt_key_path", "jwt_key_passphrase", "jwt_algorithm"})


def read_certificate(reader: Reader) -> Certificate | None:
    """The certificate credentials of an account, checked; None if it has none, or a fault."""
    algorithm = _algorithm(reader)
    certificate, key = reader.path("jwt_certificate_path"), reader.path("jwt_key_path")
    passphrase = reader.text("jwt_key_passphrase")
    if any(reader.placeholder(option) for option in PROOF_OPTIONS):
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


def _algorithm(reader: Reader) -> str:
    value = reader.text("jwt_algorithm")
    if value is None or value.upper() in ALGORITHMS:
        return (value or ALGORITHMS[0]).upper()
    reader.fault("jwt_algorithm", "this is no algorithm that is offered", f"write {' or '.join(ALGORITHMS)}")
    return ALGORITHMS[0]
