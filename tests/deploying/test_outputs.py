"""What Terraform printed is taken apart, and whatever it is not is named without repeating what it holds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emailproxy.deploying.outputs import Deployment, OutputsError, as_myself, read

VALUE: dict[str, Any] = {
    "format": 1,
    "sections": {"IMAP-1993": {"provider": "office365"}, "a@example.com": {"client_id": "x"}},
    "cache_store": "azure:https://v.vault.azure.net/mail?identity=me",
    "extras": ["azure"],
    "next_steps": ["Do it."],
}
DEPLOYMENT = Deployment(VALUE["sections"], VALUE["cache_store"], ("azure",), ("Do it.",))


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def test_all_outputs_or_the_one() -> None:
    described = {
        "emailproxy": {"sensitive": False, "type": ["object", {}], "value": VALUE},
        "server": {"value": "10.0.0.4"},
    }
    assert read(encoded(described)) == DEPLOYMENT
    assert read(encoded(VALUE)) == DEPLOYMENT
    # PowerShell writes a byte order mark.
    assert read(b"\xef\xbb\xbf" + encoded(VALUE)) == DEPLOYMENT


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no output emailproxy"),
        (b"{}", "no output emailproxy"),
        (b'{"emailproxy": 3}', "no object"),
        (b'{"emailproxy": {"value": "hunter2"}}', "no object"),
        (encoded(VALUE | {"format": 2}), "not of format 1"),
    ],
    ids=["empty", "octets", "deep", "list", "none", "number", "text", "newer"],
)
def test_what_is_none(octets: bytes, words: str) -> None:
    with pytest.raises(OutputsError, match=words) as caught:
        read(octets)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cache_store": None}, "cache_store is no line"),
        ({"cache_store": "azure:v\nx"}, "cache_store is no line"),
        ({"extras": "azure"}, "extras is no list"),
        ({"extras": ["azure]; x"]}, "extras holds what is no name"),
        ({"next_steps": ["a\x1b[2J"]}, "next_steps is no list of lines"),
        ({"more": 1}, "emailproxy.more is unknown"),
        ({"sections": {}}, "sections is no object, or empty"),
        ({"sections": []}, "sections is no object, or empty"),
        ({"sections": {"a]\n[b@example.com": {}}}, "none of a section"),
        ({"sections": {"DEFAULT": {"client_secret": "x"}}}, "none of a section"),
        ({"sections": {"a@example.com": "x"}}, "is no object"),
        ({"sections": {"a@example.com": {"x = y": "z"}}}, "none of an option"),
        ({"sections": {"a@example.com": {"tenant": "hunter2\n[b@example.com]"}}}, "tenant is no line"),
        ({"sections": {"a@example.com": {"tenant": 3}}}, "tenant is no line"),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value)[:60],
)
def test_what_cannot_stand_in_the_file(change: dict[str, object], words: str) -> None:
    with pytest.raises(OutputsError, match=words) as caught:
        read(encoded(VALUE | change))
    assert "hunter2" not in str(caught.value)


def test_every_fault_at_once() -> None:
    with pytest.raises(OutputsError) as caught:
        read(encoded(VALUE | {"cache_store": 1, "extras": 2, "sections": {"a@example.com": {"x": 3, "y": 4}}}))
    assert len(caught.value.faults) == 4


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("azure:https://v.vault.azure.net/mail?identity=me", "azure:https://v.vault.azure.net/mail"),
        (
            "azure:v?lease=https://a.blob.core.windows.net/c&identity=me",
            "azure:v?lease=https://a.blob.core.windows.net/c",
        ),
        ("azure:v", "azure:v"),
        ("aws:mail/proxy/?region=eu-central-1", "aws:mail/proxy/?region=eu-central-1"),
    ],
    ids=["alone", "among", "none", "other"],
)
def test_by_ones_own_login(address: str, expected: str) -> None:
    mine = as_myself(Deployment({"emailproxy": {"seal_key": address, "drain": "3"}}, address, (), ()))
    assert mine.cache_store == mine.sections["emailproxy"]["seal_key"] == expected
    assert mine.sections["emailproxy"]["drain"] == "3"
