"""Assertions that a platform renews in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from emailproxy.assertions.base import IssuerAddress, Statement
from emailproxy.assertions.issuers import Issuers
from emailproxy.store.base import StoreAddressError, StoreContentError
from emailproxy_backends.assertion_file import FileIssuer, WorkloadIssuer
from tests.assertions.fakes import jwt

STATEMENT = Statement("api://AzureADTokenExchange")


def test_read_at_each_use(tmp_path: Path) -> None:
    path, issuer = tmp_path / "token", FileIssuer()
    for number in range(3):
        path.write_text(f"{jwt(n=number)}\n")
        assert issuer.issue(str(path), STATEMENT).reveal() == jwt(n=number)
    issuer.close()


def test_what_a_pod_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text(jwt())
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    assert WorkloadIssuer().issue("", STATEMENT).reveal() == jwt()
    with pytest.raises(StoreAddressError, match="takes nothing behind it"):
        WorkloadIssuer().check("x")
    monkeypatch.delenv("AZURE_FEDERATED_TOKEN_FILE")
    with pytest.raises(StoreAddressError, match="AZURE_FEDERATED_TOKEN_FILE is not set; label the pod"):
        WorkloadIssuer().issue("", STATEMENT)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no signed token"),
        (b"eyJ.not a token.x", "no signed token"),
        (b"x" * 100_000, "no signed token"),
        (b"\xff\xfe.\x00.x", "no signed token"),
        (b"x" * 2_000_000, "has more than"),
        ((jwt() + "\n" + jwt()).encode(), "no signed token"),
    ],
)
def test_a_huge_or_malformed_file(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(StoreContentError, match=said) as caught:
        Issuers().issue(IssuerAddress("file", str(path)), STATEMENT)
    assert "eyJ" not in str(caught.value)


@pytest.mark.parametrize("path", ["", "/none/token"])
def test_no_file(path: str) -> None:
    with pytest.raises(StoreAddressError):
        Issuers().issue(IssuerAddress("file", path), STATEMENT)


def test_a_device_instead() -> None:
    with pytest.raises(StoreContentError, match="no regular file"):
        FileIssuer().issue("/dev/zero", STATEMENT)
