"""References into AWS Secrets Manager: the real SDK against moto, and denials on ministack."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator

import pytest

from emailproxy.references.base import Reference
from emailproxy.references.sources import Sources
from emailproxy.store.base import StoreAddressError, StoreContentError, StoreDeniedError, StoreUnavailableError

from .aws_emulators import REGION, Emulator, aws_environment, emulator, ministack, moto, place
from .conftest import cannot

try:
    import boto3  # noqa: F401
except ImportError:
    cannot("boto3 is not installed (pip install 'emailproxy-cloud[aws]')")

__all__ = ["aws_environment", "emulator", "ministack", "moto", "place"]

SECRET = "s3cret-of-the-application"


@pytest.fixture
def sources() -> Iterator[Sources]:
    some = Sources()
    yield some
    some.close()


def reference(emulator: Emulator, name: str) -> Reference:
    return Reference("aws", emulator.address(name).removeprefix("aws:"))


def test_a_secret_and_its_rotation(sources: Sources, emulator: Emulator, place: str) -> None:
    client = emulator.client()
    arn = client.create_secret(Name=place, SecretString=SECRET)["ARN"]
    for name in (place, arn):
        found = sources.read(reference(emulator, name), dated=True)
        assert found.value.reveal() == SECRET
        assert found.changed is not None
        assert abs(found.changed - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)
    client.put_secret_value(SecretId=place, SecretString="a-new-s3cret")
    assert sources.read(reference(emulator, place)).value.reveal() == "a-new-s3cret"


def test_a_field(sources: Sources, emulator: Emulator, place: str) -> None:
    document = {"client_id": "the-client", "client_secret": SECRET, "nested": {"x": SECRET}}
    emulator.client().create_secret(Name=place, SecretString=json.dumps(document))
    at = f"?region={REGION}&endpoint={emulator.url}"
    assert sources.read(Reference("aws", f"{place}#client_secret{at}")).value.reveal() == SECRET
    assert sources.read(Reference("aws", f"{place}{at}#client_id")).value.reveal() == "the-client"
    for field in ("none", "nested"):
        with pytest.raises(StoreContentError, match=f"aws:{place}#{field}: .* no text of the name {field}") as caught:
            sources.read(Reference("aws", f"{place}#{field}{at}"))
        assert SECRET not in str(caught.value)


def test_octets(sources: Sources, moto: Emulator, place: str) -> None:
    moto.client().create_secret(Name=place, SecretBinary=b"\x30\x82\xff\n")
    assert sources.read(reference(moto, place)).value.octets == b"\x30\x82\xff\n"


def test_absent_and_deleted(sources: Sources, emulator: Emulator, place: str) -> None:
    with pytest.raises(StoreAddressError, match=f"aws:{place}: there is no such secret"):
        sources.read(reference(emulator, place))
    client = emulator.client()
    client.create_secret(Name=place, SecretString=SECRET)
    client.delete_secret(SecretId=place)
    with pytest.raises(StoreContentError, match=f"aws:{place}: the secret is marked for deletion; restore it"):
        sources.read(reference(emulator, place))


def test_denied(sources: Sources, ministack: Emulator, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ministack.client().create_secret(Name=place, SecretString=SECRET)
    arn, keys = ministack.user(f"{place}*", "DescribeSecret")
    for name, key in keys.items():
        monkeypatch.setenv(name, key)
    with pytest.raises(StoreDeniedError) as caught:
        sources.read(reference(ministack, place))
    told = str(caught.value)
    assert told.startswith(
        f"aws:{place}: GetSecretValue of {place}: {arn} lacks the permission secretsmanager:GetSecretValue"
    )
    assert SECRET not in told


def test_what_reading_needs(sources: Sources, ministack: Emulator, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ministack.client().create_secret(Name=place, SecretString=SECRET)
    _, keys = ministack.user(f"{place}*", "GetSecretValue")
    for name, key in keys.items():
        monkeypatch.setenv(name, key)
    assert sources.read(reference(ministack, place), dated=True).value.reveal() == SECRET


def test_unreachable(sources: Sources) -> None:
    with pytest.raises(StoreUnavailableError, match="aws:x: AWS cannot be reached"):
        sources.read(Reference("aws", f"x?region={REGION}&endpoint=http://127.0.0.1:9"))


def test_no_region_and_no_profile(sources: Sources) -> None:
    with pytest.raises(StoreAddressError, match=r"aws:x: in which region\?"):
        sources.read(Reference("aws", "x"))
    with pytest.raises(StoreAddressError, match=r"aws:nobody\|\|x: there is no AWS profile nobody"):
        sources.read(Reference("aws", "nobody||x"))
