"""``env:``: a variable, and what to say when there is none."""

from __future__ import annotations

import os

import pytest

from emailproxy.secret import Secret
from emailproxy.store.base import StoreAddressError
from emailproxy_backends.secret_env import EnvironmentSource

NAME = "EMAILPROXY_TEST_SECRET"


def test_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    source = EnvironmentSource()
    monkeypatch.setenv(NAME, "s3crét")
    found = source.read(NAME, dated=True)
    assert found.value == Secret("s3crét")
    assert found.changed is None
    monkeypatch.setenv(NAME, "rotated\n")
    assert source.read(NAME).value == Secret("rotated\n"), "kept as it is"
    source.close()


@pytest.mark.skipif(os.name != "posix", reason="octets")
def test_octets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, NAME, os.fsdecode(b"\xff\xfe"))
    assert EnvironmentSource().read(NAME).value.octets == b"\xff\xfe"


def test_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)
    with pytest.raises(StoreAddressError, match=f"env:{NAME} is not set; set it for the proxy"):
        EnvironmentSource().read(NAME)


@pytest.mark.parametrize("rest", ["", "s3cr3t~with-marks", "1ST", "A B", "A=B", "A" * 200, "${A}"])
def test_no_name(rest: str) -> None:
    with pytest.raises(StoreAddressError) as caught:
        EnvironmentSource().check(rest)
    assert str(caught.value) == "env: takes the name of an environment variable; write env:NAME"
