"""Where can a store be for a simulation or a benchmark? Contexts that start its doubles and give its address.

``python -m tests.stores.places NAME --port-file FILE`` runs one as a process of its own, for those who do not import
tests: FILE gets, as JSON, the address, the variables that its SDK needs, and a URL that answers with the counts.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import pytest

from tests.stores.aws_emulators import REGION, ROOT, Emulator, running_ministack, running_moto
from tests.stores.conftest import cannot
from tests.stores.counting import counting

__all__ = ["COUNTED", "PLACES", "Place"]

NEAR = 0.01
"""Seconds that each request to our vault takes: one of the same region."""
HICCUP = 1.0
"""Seconds that one request in ten takes longer to the vault called ``azure-uneven``. A network that is slow all the
time is harmless, since the second look is late as well; one that is now and then more than 0.25 s slower is not."""
SLOW = (12, 0.5, 8.0, 1.0)
"""Turns where all accounts share one document and every write waits for every other, and where requests are slow."""
LEASED = (46, 0.5, 43.0, 1.0)
"""Turns at refreshing where a replica that is killed in the middle of a write keeps the blob's lease for 30 s, which is
about the least that the service offers: a save may have to wait for that, and 13 s more."""


@dataclass(frozen=True)
class Place:
    """Where the records are."""

    address: str
    modules: tuple[str, ...] = ()
    """What a process imports when it opens the store."""
    times: tuple[int, float, float, float] = (4, 0.5, 2.0, 0.5)
    """What turns at refreshing can last here, with doubles that answer at once: lease, clocks, save, request, in
    seconds."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What its SDK finds in the environment; `os.environ` has it while the place is open."""
    counts: Callable[[], Mapping[str, int]] = dict
    """Requests so far by operation, as the double has seen them."""


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
def _aws(
    folder: Path,
    run: Callable[[Path], AbstractContextManager[Emulator]],
    *,
    document: bool = False,
    counted: bool = False,
) -> Iterator[Place]:
    try:
        import boto3  # noqa: F401
    except ImportError as error:
        cannot(f"boto3 is not installed ({error})")
    nowhere = {name: str(folder / "none") for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    variables = ROOT | nowhere | {"AWS_EC2_METADATA_DISABLED": "true"}
    name = f"s{uuid.uuid4().hex[:12]}" + ("" if document else "/")
    with ExitStack() as stack:
        url, counts = stack.enter_context(run(folder)).url, Counter[str]()
        if counted:
            url, counts = stack.enter_context(counting(url))
        stack.enter_context(_environment(variables))
        modules = ("emailproxy_backends.aws", "emailproxy_backends.aws_service")
        times = SLOW if document else Place.times
        yield Place(f"aws:{name}?region={REGION}&endpoint={url}", modules, times, variables, counts.copy)


@contextmanager
def _azure(folder: Path, *, lease: bool = False, hiccup: float = 0.0) -> Iterator[Place]:
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
        vault.delay, vault.hiccup = NEAR, hiccup
        options = f"endpoint={vault.url}&ca={ca}"
        if lease:
            (folder / "azurite").mkdir()
            azurite = stack.enter_context(running_azurite(folder / "azurite"))
            ca.write_bytes(ca.read_bytes() + azurite.ca.read_bytes())
            options += f"&lease={azurite.new_container()}"
        variables = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": vault.tokens_url}
        stack.enter_context(_environment(variables))
        modules = ("emailproxy_backends.azure", "emailproxy_backends.azure_store")

        def counts() -> Mapping[str, int]:
            return vault.requests | Counter({"challenge": vault.challenges})

        times = LEASED if lease else SLOW if hiccup else Place.times
        yield Place(f"azure:simulated/mail?{options}", modules, times, variables, counts)


@contextmanager
def _gcp(folder: Path) -> Iterator[Place]:
    try:
        from tests.stores.gcp_fake import FakeSecretManager, serving
    except ImportError as error:
        cannot(f"the SDK of Google's Secret Manager is not installed ({error})")
    fake = FakeSecretManager()
    with serving(fake) as port:
        address = f"gcp:projects/simulated?endpoint=http://127.0.0.1:{port}"
        yield Place(address, ("emailproxy_backends.gcp", "emailproxy_backends.gcp_store"), counts=fake.calls.copy)


PLACES: Mapping[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "file": _file,
    "aws-moto": lambda folder: _aws(folder, running_moto),
    "aws-ministack": lambda folder: _aws(folder, running_ministack),
    "aws-document": lambda folder: _aws(folder, running_moto, document=True),
    "gcp": _gcp,
    "azure-lease": lambda folder: _azure(folder, lease=True),
    "azure": _azure,
    "azure-uneven": lambda folder: _azure(folder, hiccup=HICCUP),
}
"""By name: given a folder, the place that may be used while the context is open."""

COUNTED: Mapping[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "aws": lambda folder: _aws(folder, running_moto, counted=True),
    "azure": _azure,
    "gcp": _gcp,
}
"""The ones that count their requests, one for each SDK."""


@contextmanager
def _answering(counts: Callable[[], Mapping[str, int]]) -> Iterator[str]:
    """Answer every GET with the counts; the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            octets = json.dumps(counts()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@click.command()
@click.argument("name", type=click.Choice(list(COUNTED)))
@click.option("--port-file", type=click.Path(path_type=Path), required=True)
def main(*, name: str, port_file: Path) -> None:
    """Run a place that counts its requests until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with tempfile.TemporaryDirectory(prefix="emailproxy-place-") as folder:
        try:
            place = COUNTED[name](Path(folder))
            with place as found, _answering(found.counts) as url:
                text = json.dumps({"address": found.address, "variables": dict(found.variables), "counts_url": url})
                # Renamed into place: a reader never sees half of it.
                draft = port_file.with_name(port_file.name + ".new")
                draft.write_text(text, encoding="utf-8")
                draft.replace(port_file)
                stop.wait()
        except pytest.skip.Exception as error:
            raise click.ClickException(str(error.msg)) from None


if __name__ == "__main__":
    main()
