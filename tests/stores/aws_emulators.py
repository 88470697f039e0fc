"""Where do the AWS tests find Secrets Manager? On moto's server and on ministack, each knowing what the other does not.

Known deviations from the real service, as seen:

==========================================  ==================================  ========================================
what                                        moto 5.2.5                          ministack 1.5.33
==========================================  ==================================  ========================================
absent                                      HTTP 404 (the service: 400)         as the service
GetSecretValue without a stage after a CAS  the old version                     as the service
a secret created without a value            has a version without one           the same (the service: has no version)
a version without labels                    stays for ever                      is deleted at once (the service: later)
the same token with other data              refused, as by the service          accepted
a move to a version that does not exist     takes the label off, then fails     as the service
PutSecretValue to a deleted secret          accepted                            as the service
more than 65,536 octets, malformed names    accepted                            accepted
denied                                      an XML body (code "403"), and the   as the service, ARNs and prefixes too
                                            resource does not matter
a wrong signature                           accepted                            refused
==========================================  ==================================  ========================================

So sizes and names are tested without them, denials on ministack, and all reads name AWSCURRENT.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.processes import Process, free_ports
from tests.stores.conftest import cannot

if TYPE_CHECKING:
    from emailproxy.store.base import CacheStore

REGION = "eu-central-1"
START_SECONDS = 60.0
ROOT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
ALL_ACTIONS = (
    "GetSecretValue",
    "PutSecretValue",
    "UpdateSecretVersionStage",
    "CreateSecret",
    "DescribeSecret",
    "RestoreSecret",
)


@dataclass(frozen=True)
class Emulator:
    """A running emulator."""

    name: str
    url: str

    def address(self, place: str) -> str:
        """The store's address of NAME or PREFIX/ there."""
        return f"aws:{place}?region={REGION}&endpoint={self.url}"

    def open(self, place: str) -> CacheStore:
        """The store of NAME or PREFIX/ there, through the front door."""
        from emailproxy.store.registry import open_store

        return open_store(self.address(place))

    def client(self, service: str = "secretsmanager", keys: Mapping[str, str] = ROOT) -> Any:
        """The SDK's client, to look behind the store's back."""
        import boto3

        return boto3.session.Session().client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )

    def user(self, resource: str, *actions: str) -> tuple[str, dict[str, str]]:
        """A new user who may do only these actions, on this name or prefix with a star: ARN and keys."""
        iam = self.client("iam")
        name = f"proxy-{uuid.uuid4().hex[:8]}"
        arn: str = iam.create_user(UserName=name)["User"]["Arn"]
        account = arn.split(":")[4]
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": [f"secretsmanager:{action}" for action in actions],
                    "Resource": f"arn:aws:secretsmanager:{REGION}:{account}:secret:{resource}",
                }
            ],
        }
        iam.put_user_policy(UserName=name, PolicyName="secrets", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return arn, {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The credentials of nobody but the test."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in ROOT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One moto for all tests."""
    with running_moto(tmp_path_factory.mktemp("moto")) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One ministack for all tests."""
    with running_ministack(tmp_path_factory.mktemp("ministack")) as emulator:
        yield emulator


def running_moto(folder: Path) -> AbstractContextManager[Emulator]:
    """A moto that keeps its log in `folder`."""
    program = Path(sys.executable).with_name("moto_server")
    if not program.exists():
        cannot("moto_server is not installed (nox -s stores)")
    [port] = free_ports(1)
    command = [str(program), "-H", "127.0.0.1", "-p", str(port)]
    return _running("moto", command, port, "/moto-api/", folder, {})


def running_ministack(folder: Path) -> AbstractContextManager[Emulator]:
    """A ministack that keeps its files in `folder`; it checks signatures and enforces IAM policies."""
    program = os.environ.get("EMAILPROXY_MINISTACK") or shutil.which("ministack")
    if program is None or not Path(program).exists():
        cannot("ministack is not installed in an environment of its own (nox -s stores; EMAILPROXY_MINISTACK names it)")
    [port] = free_ports(1)
    # It listens everywhere unless it is told otherwise.
    settings = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "AUTH": "true", "TMPDIR": str(folder)}
    return _running("ministack", [program], port, "/_ministack/health", folder, settings)


@pytest.fixture(params=["moto", "ministack"])
def emulator(request: pytest.FixtureRequest) -> Emulator:
    """Each of the two."""
    found: Emulator = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def place() -> str:
    """A name that no other test uses."""
    return f"t{uuid.uuid4().hex[:12]}"


@contextmanager
def _running(
    name: str, command: list[str], port: int, health: str, folder: Path, settings: Mapping[str, str]
) -> Iterator[Emulator]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")} | dict(settings)
    process = Process(name, command, folder / "log", environment)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(process, url + health)
        yield Emulator(name, url)
    finally:
        process.stop()


def _wait(process: Process, url: str) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):  # brief: asked again
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            assert process.alive, process.tail()
            assert time.monotonic() < end, process.tail()
            time.sleep(0.1)
