"""References into Google's Secret Manager: the real SDK against the gRPC fake."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from emailproxy.references.base import Reference
from emailproxy.references.sources import Sources
from emailproxy.store.base import StoreAddressError, StoreContentError, StoreDeniedError, StoreUnavailableError

from .conftest import cannot

try:
    from google.cloud.secretmanager_v1 import types

    from .gcp_fake import Answer, FakeSecretManager, Kept, State, Version
    from .gcp_opened import failing, fake, port, quick
except ImportError as error:
    cannot(f"the SDK of Google's Secret Manager is not installed: {error}")

__all__ = ["fake", "port", "quick"]

NAME = "projects/p/secrets/mail-app"
SECRET = b"s3cret-of-the-application"


@pytest.fixture
def sources(fake: FakeSecretManager) -> Iterator[Sources]:
    fake.latest = True
    fake.kept[NAME] = Kept(types.Secret(name=NAME), [Version(b"an-old-s3cret"), Version(SECRET)])
    some = Sources()
    yield some
    some.close()


def reference(port: int, path: str = NAME) -> Reference:
    return Reference("gcp", f"{path}?endpoint=http://127.0.0.1:{port}")


def test_the_latest_version_and_an_older_one(sources: Sources, fake: FakeSecretManager, port: int) -> None:
    found = sources.read(reference(port))
    assert (found.value.octets, found.changed) == (SECRET, None)
    assert sources.read(reference(port, f"{NAME}/versions/1")).value.octets == b"an-old-s3cret"
    assert fake.calls == {"AccessSecretVersion": 2}, "one call for each read"
    fake.kept[NAME].versions.append(Version(b"a-new-s3cret"))
    assert sources.read(reference(port)).value.octets == b"a-new-s3cret"


def test_a_regional_secret(sources: Sources, fake: FakeSecretManager, port: int) -> None:
    regional = "projects/p/locations/europe-west3/secrets/mail-app"
    fake.kept[regional] = Kept(types.Secret(name=regional), [Version(b"\xff\x00")])
    assert sources.read(reference(port, regional)).value.octets == b"\xff\x00"


def test_the_last_change_takes_a_permission_that_may_be_missing(
    sources: Sources, fake: FakeSecretManager, port: int
) -> None:
    found = sources.read(reference(port), dated=True)
    assert found.changed == dt.datetime.fromtimestamp(1_790_000_000, dt.UTC)
    assert ("GetSecretVersion", f"{NAME}/versions/2") in fake.log
    fake.denied["GetSecretVersion"] = Answer("PERMISSION_DENIED")
    found = sources.read(reference(port), dated=True)
    assert (found.value.octets, found.changed) == (SECRET, None)


def test_denied(sources: Sources, fake: FakeSecretManager, port: int) -> None:
    fake.denied["AccessSecretVersion"] = Answer(
        "PERMISSION_DENIED", reason="IAM_PERMISSION_DENIED", metadata={"permission": "secretmanager.versions.access"}
    )
    with pytest.raises(StoreDeniedError) as caught:
        sources.read(reference(port))
    assert f"lacks the permission secretmanager.versions.access on {NAME}/versions/latest" in str(caught.value)


def test_absent_disabled_destroyed(sources: Sources, fake: FakeSecretManager, port: int) -> None:
    with pytest.raises(StoreAddressError, match=r"projects/p/secrets/none/versions/latest: there is no such secret"):
        sources.read(reference(port, "projects/p/secrets/none"))
    with pytest.raises(StoreAddressError, match=r"versions/9: there is no such secret or version; create it"):
        sources.read(reference(port, f"{NAME}/versions/9"))
    for state in (State.DISABLED, State.DESTROYED):
        fake.kept[NAME].versions[-1].state = state
        with pytest.raises(StoreContentError, match="the version is disabled or destroyed"):
            sources.read(reference(port))


def test_what_passes_is_tried_again(sources: Sources, fake: FakeSecretManager, port: int) -> None:
    fake.next("AccessSecretVersion", failing(), failing("RESOURCE_EXHAUSTED"))
    assert sources.read(reference(port)).value.octets == SECRET
    fake.next("AccessSecretVersion", *[failing()] * 9)
    with pytest.raises(
        StoreUnavailableError,
        match=r"^gcp:projects/p/secrets/mail-app/versions/latest: .* cannot be reached for access_secret_version",
    ):
        sources.read(reference(port))
