"""How does the Google store reach the service, and as whom?"""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from emailproxy.store.base import (
    StoreAddressError,
    StoreDeniedError,
    StoreUnavailableError,
)
from emailproxy.store.registry import open_store as open_any
from emailproxy.testing.store_contract import EXAMPLE
from tests.patience import HANG

from .conftest import cannot

try:
    from emailproxy_backends import gcp_calls
    from emailproxy_backends.gcp import open_store

    from .gcp_fake import Answer, FakeSecretManager, serving
    from .gcp_opened import FIRST, USER, Open, fake, open_, port, quick, record_of
except ImportError as error:
    cannot(f"the SDK of Google's Secret Manager is not installed: {error}")

__all__ = ["fake", "open_", "port", "quick"]


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        store = open_store(f"projects/p?endpoint=http://127.0.0.1:{unused.getsockname()[1]}")
        begin = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="cannot be reached for get_secret"):
            store.load(USER)
        assert time.monotonic() - begin < 30, "the SDK tries for a minute"
        store.close()


def test_no_answer(fake: FakeSecretManager, open_: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_()
    assert store.load(USER) is None  # connected, so that each attempt arrives
    before = fake.calls["GetSecret"]
    monkeypatch.setattr(gcp_calls, "CALL_SECONDS", 1.0)
    fake.delay = 1.5
    with pytest.raises(StoreUnavailableError, match="no answer to get_secret"):
        store.load(USER)
    assert 2 <= fake.calls["GetSecret"] - before <= 3


def test_a_service_that_comes_back_is_used_again(fake: FakeSecretManager) -> None:
    with serving(fake) as port:
        store = open_store(f"projects/p?endpoint=http://127.0.0.1:{port}")
        store.save(USER, FIRST, None)
    with pytest.raises(StoreUnavailableError):
        store.load(USER)
    with serving(fake, port=port):
        deadline = time.monotonic() + HANG
        while True:
            try:
                assert record_of(store) == FIRST
                break
            except StoreUnavailableError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    store.close()


def test_closed_is_opened_again(open_: Open) -> None:
    store = open_()
    store.save(USER, FIRST, None)
    store.close()
    store.close()
    assert record_of(store) == FIRST


def service_account(folder: Path) -> Path:
    """What a service account's key file looks like; it signs its tokens itself."""
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "key.json"
    file.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "p",
                "private_key_id": "1",
                "private_key": key.decode(),
                "client_email": "proxy@p.iam.gserviceaccount.com",
                "token_uri": "https://127.0.0.1:9/token",
            }
        )
    )
    return file


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return authority


@pytest.fixture
def tls_port(fake: FakeSecretManager, authority: trustme.CA) -> Iterator[int]:
    fake.requires_token = True
    certificate = authority.issue_cert("localhost")
    chain = [blob.bytes() for blob in certificate.cert_chain_pems]
    with serving(fake, key=certificate.private_key_pem.bytes(), certificates=chain) as port:
        yield port


def test_tls_with_a_private_ca_and_a_service_account(
    tls_port: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fake: FakeSecretManager,
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account(tmp_path)))
    caplog.set_level(logging.INFO, "emailproxy")
    store = open_any(f"gcp:projects/p?endpoint=localhost:{tls_port}&ca={tmp_path / 'ca.pem'}")
    store.save(USER, FIRST, None)
    stored = store.load(USER)
    assert stored is not None
    assert stored.record == FIRST
    # Said once, with the principal.
    said = [line for line in caplog.messages if "credentials" in line]
    assert len(said) == 1
    assert "proxy@p.iam.gserviceaccount.com (service account credentials from" in said[0]
    fake.denied["GetSecret"] = Answer("PERMISSION_DENIED")
    with pytest.raises(StoreDeniedError, match=r"proxy@p\.iam\.gserviceaccount\.com .* lacks the permission"):
        store.load(USER)
    store.close()


def test_an_unknown_ca_is_not_trusted(
    tls_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: FakeSecretManager
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account(tmp_path)))
    store = open_store(f"projects/p?endpoint=localhost:{tls_port}")
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        store.load(USER)
    assert not fake.calls
    store.close()
    store = open_store(f"projects/p?endpoint=localhost:{tls_port}&ca={tmp_path / 'none.pem'}")
    with pytest.raises(StoreAddressError, match=r"none\.pem cannot be read"):
        store.load(USER)


def test_no_credentials(tls_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    store = open_store(f"projects/p?endpoint=localhost:{tls_port}&ca={tmp_path / 'ca.pem'}")
    with pytest.raises(StoreDeniedError, match="no usable Google credentials"):
        store.load(USER)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "ca.pem"))
    with pytest.raises(StoreDeniedError, match="no usable Google credentials"):
        store.load(USER)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path))
    with pytest.raises(StoreDeniedError, match="credentials cannot be read: Is a directory"):
        store.load(USER)
    # Mended while the proxy runs: found.
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account(tmp_path)))
    assert store.load(USER) is None
    store.close()


def test_a_token_endpoint_that_is_away(tls_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "wif.json"
    (tmp_path / "subject").write_text("a-subject-token")
    file.write_text(
        json.dumps(
            {
                "type": "external_account",
                "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "token_url": "https://127.0.0.1:9/token",
                "credential_source": {"file": str(tmp_path / "subject")},
            }
        )
    )
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    store = open_store(f"projects/p?endpoint=localhost:{tls_port}&ca={tmp_path / 'ca.pem'}")
    with pytest.raises(StoreUnavailableError, match="token endpoint cannot be reached") as raised:
        store.load(USER)
    assert "a-subject-token" not in str(raised.value)
    store.close()


def test_the_sdk_does_not_log_contents(
    open_: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The library can log each request with its payload; not for us, whatever the levels."""
    google = logging.getLogger("google")
    monkeypatch.setattr(google, "propagate", True)
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "google")
    store = open_()
    store.save(USER, EXAMPLE, None)
    store.load(USER)
    # Contents are in base64 there; whoever logs requests at all logs them.
    assert not [line for line in caplog.records if hasattr(line, "rpcName") or hasattr(line, "request")]
    assert str(EXAMPLE.refresh_token) not in caplog.text
