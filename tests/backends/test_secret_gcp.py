"""Which version of which secret a ``gcp:`` reference means. No SDK is needed to tell."""

from __future__ import annotations

import sys

import pytest

from emailproxy.store.base import StoreAddressError
from emailproxy_backends.secret_gcp import GcpSource, parsed


@pytest.mark.parametrize(
    ("rest", "resource"),
    [
        ("projects/p/secrets/s", "projects/p/secrets/s/versions/latest"),
        ("projects/p/secrets/s/versions/7", "projects/p/secrets/s/versions/7"),
        ("projects/p/secrets/s/versions/current", "projects/p/secrets/s/versions/current"),
        ("projects/12345/secrets/s?ca=/x.pem", "projects/12345/secrets/s/versions/latest"),
        ("projects/p/locations/europe-west3/secrets/s", "projects/p/locations/europe-west3/secrets/s/versions/latest"),
        (f"projects/p/secrets/{'s' * 255}", f"projects/p/secrets/{'s' * 255}/versions/latest"),
    ],
)
def test_address(rest: str, resource: str) -> None:
    address = parsed(rest)
    assert address.resource == resource
    assert address.text == f"gcp:{resource}"


def test_a_regional_secret_has_its_own_endpoint() -> None:
    place = parsed("projects/p/locations/europe-west3/secrets/s").place
    assert place.target == "secretmanager.europe-west3.rep.googleapis.com:443"


def test_secrets_of_one_project_share_a_connection() -> None:
    assert parsed("projects/p/secrets/a").place == parsed("projects/p/secrets/b/versions/2").place


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        ("", "names no secret"),
        ("projects/p", "names no secret"),
        ("projects/p/secrets/", "names no secret"),
        ("projects/p/secrets/a.b", "names no secret"),
        ("projects/p/secrets/s/versions/", "names no secret"),
        ("projects/P/secrets/s", "names no place"),
        (f"projects/p/secrets/{'s' * 256}", "names no secret"),
        ("projects/p/secrets/s?replication=europe-west3", "options of stores"),
        ("projects/p/secrets/s?colour=red", "no option"),
    ],
)
def test_malformed(rest: str, problem: str) -> None:
    with pytest.raises(StoreAddressError, match=problem):
        parsed(rest)


def test_the_sdk_is_asked_for_when_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.cloud.secretmanager_v1", None)
    with pytest.raises(ImportError):
        GcpSource().check("projects/p/secrets/s")
