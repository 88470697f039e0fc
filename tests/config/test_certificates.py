"""Certificates and keys are read, matched and dated before any socket opens."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from .conftest import ACCOUNT, SERVER, Load

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = dt.timedelta(days=1)


def key_pem(key: Key, encryption: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def certificate_pem(key: Key, begins: dt.timedelta = -DAY, ends: dt.timedelta = DAY) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now + begins).not_valid_after(now + ends)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.fixture(scope="module")
def key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def pair(tmp_path: Path, key: Key) -> tuple[Path, Path]:
    certificate, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(certificate_pem(key))
    private.write_bytes(key_pem(key))
    return certificate, private


def server(certificate: object = None, key: object = None, more: str = "") -> str:
    text = SERVER + (f"local_certificate_path = {certificate}\n" if certificate else "")
    return text + (f"local_key_path = {key}\n" if key else "") + more + ACCOUNT


def test_a_pair(loaded: Load, pair: tuple[Path, Path]) -> None:
    text = server(*pair, more="local_starttls = True\n").replace("local_address = localhost\n", "")
    outcome = loaded(text)
    (one,) = outcome.good.servers
    assert (one.local_certificate_path, one.local_key_path) == pair
    assert one.local_tls
    assert one.local_starttls
    assert outcome.warnings == ()


def test_a_chain_and_its_key_in_one_file(loaded: Load, pair: tuple[Path, Path], key: Key) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    pair[0].write_bytes(certificate_pem(key) + certificate_pem(other) + key_pem(key))
    assert loaded(server(pair[0])).good.servers[0].local_key_path is None


def test_relative_to_home(loaded: Load, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(pair[0].parent))
    assert loaded(server("~/cert.pem", "~/key.pem")).good.servers[0].local_certificate_path == pair[0]


def test_certificate_without_key(loaded: Load, pair: tuple[Path, Path]) -> None:
    assert loaded(server(pair[0])).fault()[1] == "local_key_path"


def test_key_without_certificate(loaded: Load, pair: tuple[Path, Path]) -> None:
    assert loaded(server(None, pair[1])).fault()[1] == "local_certificate_path"


def test_starttls_without_certificate(loaded: Load) -> None:
    assert loaded(server(more="local_starttls = True\n")).fault()[1] == "local_starttls"


def test_pair_that_does_not_match(loaded: Load, pair: tuple[Path, Path]) -> None:
    pair[1].write_bytes(key_pem(ec.generate_private_key(ec.SECP256R1())))
    section, option, text = loaded(server(*pair)).fault()
    assert (section, option) == ("IMAP-1993", "local_key_path")
    assert text.startswith(f"{pair[1]} is not the key of {pair[0]}")


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file"),
        (b"", "that can be read"),
        (b"-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n", "that can be read"),
        (b"-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----\n", "that can be read"),
        (b"x" * (1024 * 1024 + 1), "too large"),
    ],
)
def test_unreadable(loaded: Load, pair: tuple[Path, Path], which: int, content: bytes | None, problem: str) -> None:
    pair[which].unlink() if content is None else pair[which].write_bytes(content)
    _, option, text = loaded(server(*pair)).fault()
    assert option == ("local_certificate_path", "local_key_path")[which]
    assert problem in text
    assert str(pair[which]) in text
    assert "s3cret" not in text


def test_a_folder(loaded: Load, tmp_path: Path, pair: tuple[Path, Path]) -> None:
    assert "cannot be read: Is a directory" in loaded(server(tmp_path, pair[1])).fault()[2]


def test_encrypted_key(loaded: Load, pair: tuple[Path, Path], key: Key) -> None:
    pair[1].write_bytes(key_pem(key, BestAvailableEncryption(b"passphrase")))
    assert "is encrypted" in loaded(server(*pair)).fault()[2]


def test_both_files_wrong_are_two_faults(loaded: Load) -> None:
    assert [fault.option for fault in loaded(server("/none/cert", "/none/key")).faults] == [
        "local_certificate_path",
        "local_key_path",
    ]


@pytest.mark.parametrize(("begins", "ends", "said"), [(-9 * DAY, -DAY, "expired on"), (DAY, 9 * DAY, "begins on")])
def test_dates_are_warnings(
    loaded: Load, pair: tuple[Path, Path], key: Key, begins: dt.timedelta, ends: dt.timedelta, said: str
) -> None:
    pair[0].write_bytes(certificate_pem(key, begins, ends))
    assert said in loaded(server(*pair)).warning()[2]
