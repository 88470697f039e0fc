"""The cache commands on secret managers: moving between them, the doctor's findings, and what deleting leaves."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from emailproxy.cli import Exit
from emailproxy.store.document import lasting
from tests.cli.support import account, file_store, loaded, record, run

from .aws_emulators import ALL_ACTIONS, Emulator, aws_environment, emulator, ministack, moto, place
from .conftest import cannot

try:
    import azure.identity
    import azure.keyvault.secrets  # noqa: F401 - to tell a missing SDK from a failing store
    import boto3  # noqa: F401

    from .gcp_fake import FakeSecretManager, serving
except ImportError as error:
    cannot(f"an SDK is not installed (pip install 'emailproxy-cloud[aws,azure,gcp]'): {error}")

from emailproxy.store.registry import open_store

from .azure_vault import running_vault

__all__ = ["aws_environment", "emulator", "ministack", "moto", "place"]

WIDE_ACTIONS = (*ALL_ACTIONS, "DeleteSecret")


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a Key Vault."""
    with running_vault(tmp_path) as (fake, ca):
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", fake.tokens_url)
        yield f"azure:unit-tests/mail?endpoint={fake.url}&ca={ca}"


@pytest.fixture
def google() -> Iterator[str]:
    """The address of a project in Secret Manager."""
    with serving(FakeSecretManager()) as port:
        yield f"gcp:projects/a-project/secrets/mail?endpoint=http://127.0.0.1:{port}"


def become(keys: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in keys.items():
        monkeypatch.setenv(name, value)


def steps(out: str) -> dict[str, str]:
    """What the doctor says of each step."""
    found = re.findall(r"^  (\S.*?)  +(\S.*)$", out, re.MULTILINE)
    return dict(found)


def test_the_classic_document_becomes_one_secret_for_each_account(emulator: Emulator, place: str) -> None:
    records = {account(name): record() for name in ("ada", "bob", "eve")}
    document = json.dumps({name: kept.to_options() for name, kept in records.items()})
    emulator.client().create_secret(Name=place, SecretString=document)
    source, target = emulator.address(place), emulator.address(f"{place}/")
    assert run("cache", "copy", source, target)[:2] == (0, "copied 3\n")
    store = open_store(target)
    for name, kept in records.items():
        stored = store.load(name)
        assert stored is not None
        assert stored.record == lasting(kept)
    after = emulator.client().get_secret_value(SecretId=place, VersionStage="AWSCURRENT")["SecretString"]
    assert after == document
    assert run("cache", "copy", source, target)[:2] == (0, "already there 3\n")
    code, out, _ = run("--cache-store", target, "cache", "list")
    assert code == 0
    assert out.splitlines()[-1] == f"3 in aws:{place}/"


def test_around_the_clouds(moto: Emulator, place: str, vault: str, google: str, tmp_path: Path) -> None:
    source = file_store(tmp_path / "a", ada=record(), bob=record())
    way = [f"file:{tmp_path / 'a'}", moto.address(f"{place}/"), vault, google, moto.address(place), str(tmp_path / "b")]
    for here, there in itertools.pairwise(way):
        assert run("cache", "copy", here, there)[:2] == (0, "copied 2\n")
    for name in ("ada", "bob"):
        kept = loaded(source, name)
        assert kept is not None
        assert loaded(open_store(way[-1]), name) == lasting(kept)


@pytest.mark.parametrize("cloud", ["vault", "google", "moto", "document"])
def test_the_doctor_finds_nothing(cloud: str, request: pytest.FixtureRequest, place: str) -> None:
    if cloud in ("moto", "document"):
        here: Emulator = request.getfixturevalue("moto")
        address = here.address(place if cloud == "document" else f"{place}/")
    else:
        address = request.getfixturevalue(cloud)
    code, out, err = run("cache", "doctor", address)
    assert code == 0, out
    assert len(steps(out)) == 6
    assert all(verdict.startswith("ok") for verdict in steps(out).values()), out
    if cloud != "google":  # an emulator on this machine is sent none
        assert "credentials" in err or "access" in err, "which credentials were used"
    assert open_store(address).accounts() == []


def test_the_doctor_names_the_permission(ministack: Emulator, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    address = ministack.address(f"{place}/")
    for missing in ("CreateSecret", "GetSecretValue", "PutSecretValue"):
        _, keys = ministack.user(f"{place}/*", *(action for action in WIDE_ACTIONS if action != missing))
        become(keys, monkeypatch)
        code, out, _ = run("cache", "doctor", address)
        assert code == Exit.FAILED, out
        assert f"lacks the permission secretsmanager:{missing}" in out
        assert "docs/stores.md" in out


def test_what_only_some_commands_need_is_optional(
    ministack: Emulator, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, keys = ministack.user(f"{place}/*", *ALL_ACTIONS)
    become(keys, monkeypatch)
    code, out, _ = run("cache", "doctor", ministack.address(f"{place}/"))
    assert code == 0, out
    assert steps(out)["list the accounts"].startswith("not possible; needed for cache list")
    assert "secretsmanager:ListSecrets" in out
    assert steps(out)["delete the record"].startswith("not possible; needed for cache delete only")
    [probe] = re.findall(r"the record of (probe-\S+) is still there", out)
    become({"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}, monkeypatch)
    assert open_store(ministack.address(f"{place}/")).accounts() == [probe]


@pytest.mark.parametrize("cloud", ["vault", "google", "moto"])
def test_deleting_says_what_it_leaves(cloud: str, request: pytest.FixtureRequest, place: str, tmp_path: Path) -> None:
    address = request.getfixturevalue(cloud)
    address = address.address(f"{place}/") if isinstance(address, Emulator) else address
    file_store(tmp_path / "a", ada=record(), bob=record())
    run("cache", "copy", tmp_path / "a", address)
    code, _, err = run("--cache-store", address, "cache", "delete", account("ada"), "--yes")
    assert code == 0
    words = {"vault": "retention period", "google": "for ever", "moto": "30 days"}
    assert words[cloud] in err
    assert open_store(address).accounts() == [account("bob")]


def test_a_store_that_is_not_there(place: str) -> None:
    address = f"aws:{place}/?region=eu-central-1&endpoint=http://127.0.0.1:9"
    for command in (["list"], ["show", account("ada")]):
        code, out, err = run("--cache-store", address, "cache", *command)
        assert (code, out) == (Exit.FAILED, "")
        assert "cannot be reached" in err
