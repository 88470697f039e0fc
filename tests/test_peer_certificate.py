"""What a verified certificate says, and that an unverified or absent one says nothing."""

from __future__ import annotations

import contextlib
import datetime as dt
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from emailproxy.peer_certificate import PeerCertificate
from emailproxy.tls import downstream_context

NOW = dt.datetime.now(dt.UTC)


def handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> ssl.SSLObject:
    """The server's side of a handshake that may fail."""
    ends = [ssl.MemoryBIO() for _ in range(4)]
    ours = client.wrap_bio(ends[0], ends[1], server_hostname="localhost")
    theirs = server.wrap_bio(ends[2], ends[3], server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
            ends[2].write(ends[1].read())
            ends[0].write(ends[3].read())
    return theirs


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def client(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


def server(folder: Path, ca: trustme.CA, authority: bytes, *, required: bool = False) -> ssl.SSLContext:
    ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    (folder / "clients.pem").write_bytes(authority)
    return downstream_context(
        folder / "server.pem", None, "1.2", client_authority=folder / "clients.pem", client_required=required
    )


def test_mailboxes_come_first_and_each_name_once(tmp_path: Path, ca: trustme.CA, client: ssl.SSLContext) -> None:
    leaf = ca.issue_cert("host.example.com", "ada@example.com", common_name="ada@example.com")
    leaf.configure_cert(client)
    found = PeerCertificate.of(handshake(client, server(tmp_path, ca, ca.cert_pem.bytes())))
    assert found is not None
    assert found.mailboxes == ("ada@example.com",)
    assert found.names == ("ada@example.com", "host.example.com")
    expected = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).fingerprint(hashes.SHA256()).hex()
    assert found.fingerprint == expected
    assert "ada@example.com" in str(found)


def test_no_certificate_says_nothing(tmp_path: Path, ca: trustme.CA, client: ssl.SSLContext) -> None:
    assert PeerCertificate.of(None) is None
    assert PeerCertificate.of(handshake(client, server(tmp_path, ca, ca.cert_pem.bytes()))) is None
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(plain)
    ca.issue_cert("ada@example.com").configure_cert(client)
    assert PeerCertificate.of(handshake(client, plain)) is None, "nobody asked for it"


class Issuer:
    """A CA that can revoke what it issued."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "clients")])
        self._certificate = self._signed(self._name, self._key.public_key(), authority=True)

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, authority: bool) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - dt.timedelta(days=1))
            .not_valid_after(NOW + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def issue(self, context: ssl.SSLContext, path: Path, subject: x509.Name) -> x509.Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = self._signed(subject, key.public_key(), authority=False)
        path.write_bytes(
            leaf.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context.load_cert_chain(path)
        return leaf

    def pem(self, *revoked: x509.Certificate) -> bytes:
        """The certificate of the CA and a list of what it revoked."""
        crl = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(NOW - dt.timedelta(hours=1))
            .next_update(NOW + dt.timedelta(hours=1))
        )
        for leaf in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(leaf.serial_number).revocation_date(NOW).build()
            crl = crl.add_revoked_certificate(entry)
        encoding = serialization.Encoding.PEM
        return self._certificate.public_bytes(encoding) + crl.sign(self._key, hashes.SHA256()).public_bytes(encoding)


def test_a_revoked_certificate_is_refused(tmp_path: Path, ca: trustme.CA, client: ssl.SSLContext) -> None:
    issuer = Issuer()
    leaf = issuer.issue(client, tmp_path / "a.pem", x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@b.org")]))
    found = PeerCertificate.of(handshake(client, server(tmp_path, ca, issuer.pem())))
    assert found is not None
    assert found.mailboxes == ("a@b.org",)
    with pytest.raises(ssl.SSLCertVerificationError, match="revoked"):
        handshake(client, server(tmp_path, ca, issuer.pem(leaf)))


def test_a_name_that_could_forge_a_log_line_is_left_out(tmp_path: Path, ca: trustme.CA, client: ssl.SSLContext) -> None:
    issuer = Issuer()
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "ada\r\nWARNING"), x509.NameAttribute(NameOID.COMMON_NAME, "ada")]
    )
    issuer.issue(client, tmp_path / "a.pem", subject)
    found = PeerCertificate.of(handshake(client, server(tmp_path, ca, issuer.pem())))
    assert found is not None
    assert found.names == ("ada",)
