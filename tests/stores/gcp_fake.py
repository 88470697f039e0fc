"""What does Google's Secret Manager do, as far as the store can tell? A small gRPC server with etags and states.

It follows the service's documentation where that says something: numbers count up and are never given again, addVersion
leaves the etag alone, a stale etag is FAILED_PRECONDITION, so is reading a version that is destroyed or disabled, and
metadata may lag behind while versions by number do not. Texts of errors are its own.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.cloud.secretmanager_v1 import types
from google.protobuf import any_pb2, duration_pb2, empty_pb2
from google.rpc import error_details_pb2, status_pb2

SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"
State = types.SecretVersion.State

_REQUESTS: dict[str, tuple[Any, Any]] = {
    "GetSecret": (types.GetSecretRequest, types.Secret),
    "CreateSecret": (types.CreateSecretRequest, types.Secret),
    "UpdateSecret": (types.UpdateSecretRequest, types.Secret),
    "DeleteSecret": (types.DeleteSecretRequest, None),
    "ListSecrets": (types.ListSecretsRequest, types.ListSecretsResponse),
    "AddSecretVersion": (types.AddSecretVersionRequest, types.SecretVersion),
    "GetSecretVersion": (types.GetSecretVersionRequest, types.SecretVersion),
    "AccessSecretVersion": (types.AccessSecretVersionRequest, types.AccessSecretVersionResponse),
    "DestroySecretVersion": (types.DestroySecretVersionRequest, types.SecretVersion),
}


class Answer(Exception):  # noqa: N818 - the service's word, not a failure of ours
    """An error to answer with."""

    def __init__(
        self, status: str, *, reason: str = "", metadata: dict[str, str] | None = None, wait: float = 0
    ) -> None:
        super().__init__(status)
        self.code = grpc.StatusCode[status]
        self.reason, self.metadata, self.wait = reason, metadata or {}, wait

    def abort(self, context: grpc.ServicerContext) -> None:
        details = []
        if self.reason:
            details.append(
                error_details_pb2.ErrorInfo(reason=self.reason, domain="googleapis.com", metadata=self.metadata)
            )
        if self.wait:
            seconds = duration_pb2.Duration(seconds=int(self.wait), nanos=int(self.wait % 1 * 1e9))
            details.append(error_details_pb2.RetryInfo(retry_delay=seconds))
        packed = []
        for detail in details:
            packed.append(any_pb2.Any())
            packed[-1].Pack(detail)
        status = status_pb2.Status(code=self.code.value[0], message="the fake says no", details=packed)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(self.code, "the fake says no")


@dataclass
class Version:
    content: bytes
    state: Any = State.ENABLED


@dataclass
class Kept:
    """One secret."""

    secret: types.Secret
    versions: list[Version] = field(default_factory=list)
    past: list[types.Secret] = field(default_factory=list)
    """What GetSecret would have answered before each change of the metadata."""

    def enabled(self) -> list[int]:
        return [number for number, version in enumerate(self.versions, 1) if version.state == State.ENABLED]


@dataclass
class Rule:
    """How the next calls of a method go wrong."""

    answer: Answer | None
    carried_out: bool = False
    """The call is done first, and the error is a lie about it, as when a connection breaks."""


class FakeSecretManager:
    """The service. Change its attributes to make it behave badly."""

    def __init__(self, *, stale_status: str = "FAILED_PRECONDITION") -> None:
        self.stale_status = stale_status
        self.kept: dict[str, Kept] = {}
        self.buried: dict[str, Kept] = {}
        """What was deleted last under a name: GetSecret shows it for as long as it lags behind."""
        self.calls: Counter[str] = Counter()
        self.log: list[tuple[str, str]] = []
        self.principals: set[str] = set()
        self.denied: dict[str, Answer] = {}
        """Methods that are always refused."""
        self.lag = 0
        """By how many changes the metadata that GetSecret and ListSecrets show is old."""
        self.etags = True
        self.delay = 0.0
        self.page_size = 1000
        self.before: dict[str, deque[Callable[[], object]]] = {}
        """What else happens just before the next call of a method: another replica at work."""
        self.requires_token = False
        self.latest = False
        """Whether `latest` may be asked for."""
        self._rules: dict[str, deque[Rule]] = {}
        self._lock = threading.RLock()
        self._etag = 0

    # For the tests

    def next(self, method: str, *rules: Rule | None) -> None:
        """The next calls of `method` follow these rules; None is a call that goes well."""
        self._rules.setdefault(method, deque()).extend(rule or Rule(None) for rule in rules)

    def only(self) -> Kept:
        """The only secret."""
        (kept,) = self.kept.values()
        return kept

    # The service

    def handle(self, method: str, request: Any, context: grpc.ServicerContext) -> Any:
        headers = dict(context.invocation_metadata())
        with self._lock:
            self.calls[method] += 1
            self.log.append((method, getattr(request, "name", "") or getattr(request, "parent", "")))
            todo = self.before.get(method)
            rules = self._rules.get(method)
            rule = rules.popleft() if rules else Rule(None)
        if todo:
            todo.popleft()()
        if self.delay:
            time.sleep(self.delay)
        try:
            if self.requires_token and not headers.get("authorization", "").startswith("Bearer "):
                raise Answer("UNAUTHENTICATED", reason="CREDENTIALS_MISSING")
            if method in self.denied:
                raise self.denied[method]
            if rule.answer is not None and not rule.carried_out:
                raise rule.answer
            with self._lock:
                result = getattr(self, f"_{method}")(request)
            if rule.answer is not None:
                raise rule.answer
        except Answer as answer:
            answer.abort(context)
        return result

    def _touch(self, kept: Kept) -> None:
        self._etag += 1
        if self.etags:
            kept.secret.etag = f'"{self._etag:x}"'

    def _find(self, name: str) -> Kept:
        if name not in self.kept:
            raise Answer("NOT_FOUND")
        return self.kept[name]

    def _version(self, name: str) -> tuple[Kept, Version, int]:
        secret, _, number = name.rpartition("/versions/")
        kept = self._find(secret)
        # The store reads by number alone; `latest` is for references, which read what others wrote.
        if number == "latest" and self.latest:
            number = str(len(kept.versions))
        if not number.isdecimal():
            raise Answer("INVALID_ARGUMENT")
        if not 1 <= int(number) <= len(kept.versions):
            raise Answer("NOT_FOUND")
        return kept, kept.versions[int(number) - 1], int(number)

    def _shown(self, kept: Kept) -> types.Secret | None:
        """The metadata as it becomes visible: None while not even the creation is."""
        if not self.lag:
            return types.Secret(kept.secret)
        return types.Secret(kept.past[-self.lag]) if len(kept.past) >= self.lag else None

    def _GetSecret(self, request: types.GetSecretRequest) -> types.Secret:  # noqa: N802
        if self.lag and request.name in self.buried and request.name not in self.kept:
            return types.Secret(self.buried[request.name].secret)
        shown = self._shown(self._find(request.name))
        if shown is None:
            raise Answer("NOT_FOUND")
        return shown

    def _CreateSecret(self, request: types.CreateSecretRequest) -> types.Secret:  # noqa: N802
        name = f"{request.parent}/secrets/{request.secret_id}"
        # A regional secret is where it is; a global one must say where.
        replicated = request.secret._pb.replication.WhichOneof("replication") is not None
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", request.secret_id) or replicated == ("/locations/" in name):
            raise Answer("INVALID_ARGUMENT")
        if name in self.kept:
            raise Answer("ALREADY_EXISTS")
        secret = types.Secret(request.secret)
        secret.name = name
        secret._pb.create_time.FromNanoseconds(time.time_ns())
        self.kept[name] = Kept(secret)
        self._touch(self.kept[name])
        return types.Secret(secret)

    def _DeleteSecret(self, request: types.DeleteSecretRequest) -> empty_pb2.Empty:  # noqa: N802
        kept = self._find(request.name)
        if request.etag and request.etag != kept.secret.etag:
            raise Answer(self.stale_status)
        self.buried[request.name] = self.kept.pop(request.name)
        return empty_pb2.Empty()

    def _UpdateSecret(self, request: types.UpdateSecretRequest) -> types.Secret:  # noqa: N802
        kept = self._find(request.secret.name)
        if request.secret.etag and request.secret.etag != kept.secret.etag:
            raise Answer(self.stale_status)
        if list(request.update_mask.paths) != ["version_aliases"]:
            raise Answer("INVALID_ARGUMENT")
        if not all(1 <= number <= len(kept.versions) for number in request.secret.version_aliases.values()):
            raise Answer("NOT_FOUND")
        kept.past.append(types.Secret(kept.secret))
        kept.secret.version_aliases = dict(request.secret.version_aliases)
        self._touch(kept)
        return types.Secret(kept.secret)

    def _ListSecrets(self, request: types.ListSecretsRequest) -> types.ListSecretsResponse:  # noqa: N802
        names = sorted(name for name in self.kept if name.startswith(f"{request.parent}/secrets/"))
        wanted = request.filter.removeprefix("name:")
        names = [name for name in names if wanted in name]
        begin = int(request.page_token or 0)
        end = begin + min(request.page_size, self.page_size)
        shown = [self._shown(self.kept[name]) for name in names[begin:end]]
        return types.ListSecretsResponse(
            secrets=[secret for secret in shown if secret is not None],
            next_page_token=str(end) if end < len(names) else "",
        )

    def _AddSecretVersion(self, request: types.AddSecretVersionRequest) -> types.SecretVersion:  # noqa: N802
        kept = self._find(request.parent)
        if not 1 <= len(request.payload.data) <= 65_536:
            raise Answer("INVALID_ARGUMENT")
        kept.versions.append(Version(bytes(request.payload.data)))
        return types.SecretVersion(name=f"{request.parent}/versions/{len(kept.versions)}", state=State.ENABLED)

    def _AccessSecretVersion(self, request: types.AccessSecretVersionRequest) -> Any:  # noqa: N802
        kept, version, number = self._version(request.name)
        if version.state != State.ENABLED:
            raise Answer("FAILED_PRECONDITION")
        name = f"{kept.secret.name}/versions/{number}"
        return types.AccessSecretVersionResponse(name=name, payload={"data": version.content})

    def _GetSecretVersion(self, request: types.GetSecretVersionRequest) -> types.SecretVersion:  # noqa: N802
        _, version, _ = self._version(request.name)
        return types.SecretVersion(name=request.name, state=version.state, create_time={"seconds": 1_790_000_000})

    def _DestroySecretVersion(self, request: types.DestroySecretVersionRequest) -> types.SecretVersion:  # noqa: N802
        _, version, _ = self._version(request.name)
        if version.state == State.DESTROYED:
            raise Answer("FAILED_PRECONDITION")
        version.state, version.content = State.DESTROYED, b""
        return types.SecretVersion(name=request.name, state=State.DESTROYED)


@contextmanager
def serving(
    fake: FakeSecretManager, *, key: bytes = b"", certificates: Sequence[bytes] = (), port: int = 0
) -> Iterator[int]:
    """The fake on a port of this machine; with TLS if there is a key."""

    def handler(method: str) -> grpc.RpcMethodHandler:
        request, response = _REQUESTS[method]
        return grpc.unary_unary_rpc_method_handler(
            lambda message, context: fake.handle(method, message, context),
            request_deserializer=request.deserialize,
            response_serializer=empty_pb2.Empty.SerializeToString if response is None else response.serialize,
        )

    server = grpc.server(futures.ThreadPoolExecutor(32), options=(("grpc.so_reuseport", 0),))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {method: handler(method) for method in _REQUESTS}),)
    )
    if key:
        credentials = grpc.ssl_server_credentials([(key, b"".join(certificates))])
        bound = server.add_secure_port(f"127.0.0.1:{port}", credentials)
    else:
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield bound
    finally:
        server.stop(0).wait()
