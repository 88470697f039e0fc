"""The quick look at a certificate: it agrees with the library's, and where it is not sure it says so."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding
from hypothesis import given
from hypothesis import strategies as st

from emailproxy.config.accepting import is_accepted_pair, validity

from .test_certificates import DAY, certificate_pem, key_pem

KEY = ec.generate_private_key(ec.SECP256R1())
TIMES = st.integers(-600_000_000, 30_000_000_000).map(lambda seconds: dt.datetime.fromtimestamp(seconds, dt.UTC))


def pem_of(begins: dt.datetime, ends: dt.datetime, serial: int = 1, name: str = "localhost") -> bytes:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(KEY.public_key())
    builder = builder.serial_number(serial).not_valid_before(begins).not_valid_after(ends)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


@given(TIMES, TIMES, st.integers(1, 2**158), st.text("abc", min_size=1, max_size=64))
def test_the_days_are_those_that_the_library_finds(
    one: dt.datetime, other: dt.datetime, serial: int, name: str
) -> None:
    begins, ends = sorted((one, other))
    pem = pem_of(begins, ends, serial, name)
    assert validity(b"Bag Attributes\n" + pem + pem_of(ends, ends)) == (begins, ends)


@given(st.binary(max_size=64), st.integers(0, 400))
def test_what_is_no_certificate_is_not_taken_for_one(octets: bytes, at: int) -> None:
    lines = pem_of(dt.datetime.fromtimestamp(0, dt.UTC), dt.datetime.now(dt.UTC)).splitlines()
    for pem in (octets, b"\n".join([lines[0], octets, lines[-1]]), b"\n".join(lines)[:at]):
        with pytest.raises((ValueError, IndexError)):
            validity(pem)


def files(folder: Path, certificate: bytes, key: bytes) -> tuple[Path, Path]:
    paths = folder / "certificate.pem", folder / "key.pem"
    for path, octets in zip(paths, (certificate, key), strict=True):
        path.write_bytes(octets)
    return paths


def test_a_pair(tmp_path: Path) -> None:
    both = certificate_pem(KEY) + key_pem(KEY)
    assert is_accepted_pair(*files(tmp_path, certificate_pem(KEY), key_pem(KEY)))
    assert is_accepted_pair(files(tmp_path, both, b"x")[0], None)


@pytest.mark.parametrize(
    ("certificate", "key"),
    [
        (certificate_pem(KEY), key_pem(ec.generate_private_key(ec.SECP256R1()))),
        (certificate_pem(KEY), key_pem(KEY, BestAvailableEncryption(b"x"))),
        (certificate_pem(KEY), b""),
        (b"", key_pem(KEY)),
        (b"garbage", key_pem(KEY)),
        (certificate_pem(KEY, -2 * DAY, -DAY), key_pem(KEY)),
        (certificate_pem(KEY, DAY, 2 * DAY), key_pem(KEY)),
        (certificate_pem(weak := rsa.generate_private_key(65537, 1024)), key_pem(weak)),
        (certificate_pem(KEY) + b"x" * 2**20, key_pem(KEY)),
    ],
    ids=["another", "encrypted", "empty", "none", "garbage", "expired", "to come", "weak", "large"],
)
def test_what_the_library_must_look_at(tmp_path: Path, certificate: bytes, key: bytes) -> None:
    assert not is_accepted_pair(*files(tmp_path, certificate, key))
    assert not is_accepted_pair(tmp_path / "none", tmp_path / "key.pem")
