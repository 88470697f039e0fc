"""Which secret, and which field of it, an ``aws:`` reference means. No SDK is needed to tell."""

from __future__ import annotations

import sys

import pytest

from emailproxy.secret import Secret
from emailproxy.store.base import StoreAddressError, StoreContentError
from emailproxy_backends.secret_aws import AwsSource, _field, parsed

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mail/app-AbCdEf"


@pytest.mark.parametrize(
    ("rest", "name", "field", "profile", "region"),
    [
        ("mail/app", "mail/app", None, None, None),
        ("mail/app#client_secret", "mail/app", "client_secret", None, None),
        ("mail/app#client secret?region=eu-west-1", "mail/app", "client secret", None, "eu-west-1"),
        ("mail/app?region=eu-west-1#client_secret", "mail/app", "client_secret", None, "eu-west-1"),
        ("office||mail/app#x", "mail/app", "x", "office", None),
        (f"{ARN}#x", ARN, "x", None, "eu-central-1"),
        (f"office||{ARN}", ARN, None, "office", "eu-central-1"),
    ],
)
def test_address(rest: str, name: str, field: str | None, profile: str | None, region: str | None) -> None:
    address = parsed(rest)
    assert (address.place.name, address.field) == (name, field)
    assert (address.place.profile, address.place.region) == (profile, region)
    shown = f"{profile}||{name}" if profile else name
    assert address.text == f"aws:{shown}" + (f"#{field}" if field else "")


def test_secrets_of_one_region_share_a_client() -> None:
    assert parsed("a?region=r").service == parsed("b#x?region=r").service
    assert parsed("p||a").service != parsed("a").service
    assert parsed("a").service.text == "aws"
    assert parsed("p||a").service.text == "aws:p||"


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        ("", "names no secret"),
        ("#x", "names no secret"),
        ("a#", "no field behind #"),
        ("a?region=r#x?region=r", "twice"),
        ("mail/", "names no single secret"),
        ("||a", "names no profile"),
        ("a?kms_key=k", "kms_key is an option of stores"),
        ("a?colour=red", "no option"),
        ("a b", "names no secret"),
        ("arn:aws:secretsmanager:x", "malformed ARN"),
    ],
)
def test_malformed(rest: str, problem: str) -> None:
    with pytest.raises(StoreAddressError, match=problem):
        parsed(rest)


@pytest.mark.parametrize(
    ("document", "value"), [('{"x":"s3cret"}', "s3cret"), ('{"x":12}', "12"), ('{"x":1.5}', "1.5")]
)
def test_a_field(document: str, value: str) -> None:
    assert _field(document.encode(), parsed("a#x")) == Secret(value)


@pytest.mark.parametrize(
    "document",
    [b"s3cret", b"\xff", b'["s3cret"]', b'{"y":"s3cret"}', b'{"x":{"s3cret":1}}', b'{"x":true}', b'{"x":null}'],
)
def test_no_such_field(document: bytes) -> None:
    with pytest.raises(StoreContentError, match="aws:a#x: ") as caught:
        _field(document, parsed("a#x"))
    assert "s3cret" not in str(caught.value)


def test_the_sdk_is_asked_for_when_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ImportError):
        AwsSource().check("a")
