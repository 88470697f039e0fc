"""Who issues assertions, and what is taken for one."""

from __future__ import annotations

import sys

import pytest

from emailproxy.assertions.base import IssuerAddress, Statement
from emailproxy.assertions.issuers import MAX_CHARACTERS, Issuers
from emailproxy.secret import Secret
from emailproxy.store.base import StoreAddressError, StoreContentError

from .fakes import FakeIssuer, issuers, jwt

HERE = IssuerAddress("cloud", "here")
STATEMENT = Statement("api://somebody")


def test_those_that_are_installed() -> None:
    assert Issuers().names == ("aws", "file", "gcp", "managed-identity", "workload-identity")


@pytest.mark.parametrize(
    "address", ["gcp", "file:/run/token", "workload-identity", "managed-identity:01234567-89ab-cdef-0123-456789abcdef"]
)
def test_what_needs_no_sdk(address: str) -> None:
    name, _, rest = address.partition(":")
    known = Issuers()
    known.check(IssuerAddress(name, rest))
    assert str(IssuerAddress(name, rest)) == address
    known.close()


@pytest.mark.parametrize(("name", "module", "extra"), [("aws", "boto3", "aws"), ("adc", "google.auth", "gcp")])
def test_a_missing_sdk(monkeypatch: pytest.MonkeyPatch, name: str, module: str, extra: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(StoreAddressError, match=rf"pip install 'emailproxy-cloud\[{extra}\]'"):
        Issuers().check(IssuerAddress(name))


def test_a_fresh_one_each_time() -> None:
    issuer = FakeIssuer(jwt(n=1), jwt(n=2))
    known = issuers(issuer)
    assert [known.issue(HERE, STATEMENT).reveal() for _ in range(2)] == [jwt(n=1), jwt(n=2)]
    assert issuer.asked == [("here", STATEMENT)] * 2
    assert known.opened
    known.close()
    assert (issuer.closed, known.opened) == (1, False)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "hello",
        "a.b",
        "a.b.c.d",
        "a..c",
        "a.b.c\n",
        "a.b.c&client_id=other",
        "ä.b.c",
        "a.b." + "c" * MAX_CHARACTERS,
        "\udcff.b.c",
    ],
)
def test_what_is_no_token(token: str) -> None:
    with pytest.raises(StoreContentError) as caught:
        issuers(FakeIssuer(token)).issue(HERE, STATEMENT)
    assert str(caught.value) == "cloud:here: what came is no signed token (JWT); see what issues it"


def test_addresses() -> None:
    with pytest.raises(StoreAddressError, match="malformed"):
        issuers(FakeIssuer()).check(IssuerAddress("cloud", "malformed"))
    with pytest.raises(StoreAddressError, match="one line"):
        issuers(FakeIssuer()).check(IssuerAddress("cloud", "a\nb"))
    assert str(IssuerAddress("cloud", "a\nb")) == "'cloud:a\\nb'"


def test_statements_are_values() -> None:
    assert Statement("a", "b", "c") == Statement("a", subject="b", scope="c")
    assert "secret" in repr(Secret(jwt()))
