"""Which stores are simulated, and what runs behind each? Contexts that start the doubles and give the address.

While one is open, `os.environ` has what the store's SDK needs: the replicas inherit it.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.stores.aws_emulators import REGION, ROOT, Emulator, running_ministack, running_moto
from tests.stores.conftest import cannot

__all__ = ["PLACES", "Place"]

VAULT_DELAY = 0.01
"""Seconds that each request to our vault takes, as one to a vault of the same region would at least."""


@dataclass(frozen=True)
class Place:
    """Where the records are."""

    address: str
    modules: tuple[str, ...] = ()
    """What a replica's process would import when it opens the store."""


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _file(folder: Path) -> Iterator[Place]:
    yield Place(f"file:{folder / 'store'}", ("emailproxy_backends.file",))


@contextmanager
def _aws(folder: Path, run: Callable[[Path], AbstractContextManager[Emulator]], end: str) -> Iterator[Place]:
    try:
        import boto3  # noqa: F401
    except ImportError as error:
        cannot(f"boto3 is not installed ({error})")
    nowhere = {name: str(folder / "none") for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    with run(folder) as emulator, _environment(ROOT | nowhere | {"AWS_EC2_METADATA_DISABLED": "true"}):
        address = f"aws:s{uuid.uuid4().hex[:12]}{end}?region={REGION}&endpoint={emulator.url}"
        yield Place(address, ("emailproxy_backends.aws", "emailproxy_backends.aws_service"))


@contextmanager
def _azure(folder: Path, *, lease: bool) -> Iterator[Place]:
    try:
        import azure.identity
        import azure.keyvault.secrets
        import azure.storage.blob  # noqa: F401
    except ImportError as error:
        cannot(f"the Azure SDK is not installed ({error})")
    from tests.stores.azure_vault import running_vault
    from tests.stores.azurite import running_azurite

    with ExitStack() as stack:
        vault, ca = stack.enter_context(running_vault(folder))
        vault.delay = VAULT_DELAY
        options = f"endpoint={vault.url}&ca={ca}"
        if lease:
            (folder / "azurite").mkdir()
            azurite = stack.enter_context(running_azurite(folder / "azurite"))
            ca.write_bytes(ca.read_bytes() + azurite.ca.read_bytes())
            options += f"&lease={azurite.new_container()}"
        stack.enter_context(_environment({"AZURE_POD_IDENTITY_AUTHORITY_HOST": vault.tokens_url}))
        yield Place(f"azure:simulated/mail?{options}", ("emailproxy_backends.azure", "emailproxy_backends.azure_store"))


@contextmanager
def _gcp(folder: Path) -> Iterator[Place]:
    try:
        from tests.stores.gcp_fake import FakeSecretManager, serving
    except ImportError as error:
        cannot(f"the SDK of Google's Secret Manager is not installed ({error})")
    with serving(FakeSecretManager()) as port:
        yield Place(f"gcp:projects/simulated?endpoint=http://127.0.0.1:{port}", ("emailproxy_backends.gcp",))


PLACES: Mapping[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "file": _file,
    "aws-moto": lambda folder: _aws(folder, running_moto, "/"),
    "aws-ministack": lambda folder: _aws(folder, running_ministack, "/"),
    "aws-document": lambda folder: _aws(folder, running_moto, ""),
    "gcp": _gcp,
    "azure-lease": lambda folder: _azure(folder, lease=True),
    "azure": lambda folder: _azure(folder, lease=False),
}
"""By name: given a folder, the place that may be used while the context is open."""
