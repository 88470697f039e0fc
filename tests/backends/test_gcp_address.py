"""A gcp: address says where secrets are and how to get there, and a wrong one says what is wrong. No SDK is needed."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from emailproxy.store.base import StoreAddressError
from emailproxy_backends.gcp import open_store
from emailproxy_backends.gcp_address import Address, parse_address

KEY = "projects/p/locations/{}/keyRings/r/cryptoKeys/k"


def test_the_shortest() -> None:
    assert parse_address("projects/a-project") == Address(
        text="gcp:projects/a-project",
        project="a-project",
        location=None,
        prefix="emailproxy",
        target="secretmanager.googleapis.com:443",
        encrypted=True,
        ca=None,
        kms_keys=(),
        replication=(),
    )


@pytest.mark.parametrize(
    ("rest", "parent", "prefix", "target"),
    [
        ("projects/p/secrets/mail", "projects/p", "mail", "secretmanager.googleapis.com:443"),
        ("projects/example.com:p/", "projects/example.com:p", "emailproxy", "secretmanager.googleapis.com:443"),
        ("projects/123456/secrets/M_a-1", "projects/123456", "M_a-1", "secretmanager.googleapis.com:443"),
        (
            "projects/p/locations/europe-west3/secrets/mail",
            "projects/p/locations/europe-west3",
            "mail",
            "secretmanager.europe-west3.rep.googleapis.com:443",
        ),
        ("projects/p?endpoint=sm.example.com", "projects/p", "emailproxy", "sm.example.com:443"),
        ("projects/p?endpoint=https://sm.example.com:8443/", "projects/p", "emailproxy", "sm.example.com:8443"),
        ("projects/p?endpoint=[::1]:8443", "projects/p", "emailproxy", "[::1]:8443"),
    ],
)
def test_where(rest: str, parent: str, prefix: str, target: str) -> None:
    address = parse_address(rest)
    assert (address.parent, address.prefix, address.target, address.encrypted) == (parent, prefix, target, True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"])
def test_only_this_machine_may_do_without_tls(host: str) -> None:
    address = parse_address(f"projects/p?endpoint=http://{host}:9090")
    assert (address.target, address.encrypted) == (f"{host}:9090", False)


def test_options() -> None:
    places = ("europe-west3", "europe-west4")
    keys = tuple(KEY.format(place) for place in places)
    address = parse_address(
        f"projects/p?replication={','.join(places)}&kms_key={keys[0]}&kms_key={keys[1]}&ca=/etc/ca.pem"
    )
    assert (address.replication, address.kms_keys, address.ca) == (places, keys, Path("/etc/ca.pem"))


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("", "write gcp:projects/PROJECT"),
        ("project/p", "write gcp:projects/PROJECT"),
        ("projects/p/secrets/a.b", "letters, digits"),
        ("projects/p/secrets/a/versions/1", "write gcp:projects/PROJECT"),
        ("projects/p/secrets/" + "x" * 203, "203 characters; 202 are the most"),
        ("projects/p?region=x", "no option region=; there are ca, endpoint, kms_key, replication"),
        ("projects/p?endpoint", r"write options as \?name=value"),
        ("projects/p?endpoint=", "endpoint= has no value"),
        ("projects/p?endpoint=a&endpoint=b", "endpoint= stands there twice"),
        ("projects/p?endpoint=ftp://a", "endpoint= takes"),
        ("projects/p?endpoint=https://user:pw@a", "endpoint= takes"),
        ("projects/p?endpoint=https://a/path", "endpoint= takes"),
        ("projects/p?endpoint=a:port", "endpoint= takes"),
        ("projects/p?endpoint=http://sm.example.com", "cross the network in the clear"),
        ("projects/p?endpoint=http://10.0.0.1:1", "cross the network in the clear"),
        ("projects/p?endpoint=http://127.0.0.1:1&ca=/x", "ca= is of no use"),
        ("projects/p?replication=Europe", "replication= takes locations"),
        ("projects/p/locations/europe-west3?replication=europe-west4", "kept in europe-west3"),
        ("projects/p?kms_key=k", "kms_key= takes projects/"),
        (f"projects/p?replication=a,b&kms_key={KEY.format('a')}", "needs a key of its own"),
    ],
)
def test_what_is_wrong(rest: str, message: str) -> None:
    with pytest.raises(StoreAddressError, match=message):
        parse_address(rest)


def test_names_are_legal_short_enough_and_tell_nothing() -> None:
    address = parse_address("projects/p/secrets/" + "x" * 202)
    secret_id = address.secret_id("user@example.com")
    assert re.fullmatch(r"[A-Za-z0-9_-]{255}", secret_id)
    assert "user" not in secret_id
    assert address.name(secret_id) == f"projects/p/secrets/{secret_id}"


def test_a_prefix_that_begins_like_ours_is_another_store() -> None:
    ours, longer = parse_address("projects/p/secrets/mail"), parse_address("projects/p/secrets/mail-eu")
    assert ours.is_ours(ours.secret_id("user@example.com"))
    assert not ours.is_ours(longer.secret_id("user@example.com"))
    assert not ours.is_ours("mail-password")


def test_a_wrong_address_is_said_before_the_sdk_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.api_core.exceptions", None)
    monkeypatch.delitem(sys.modules, "emailproxy_backends.gcp_store", raising=False)
    monkeypatch.delitem(sys.modules, "emailproxy_backends.gcp_calls", raising=False)
    with pytest.raises(StoreAddressError, match="write gcp:projects/PROJECT"):
        open_store("nonsense")
    # The registry makes of this what to install.
    with pytest.raises(ImportError):
        open_store("projects/p")
