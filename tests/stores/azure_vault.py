"""What does a Key Vault answer? A small one of ours on loopback, for the answers that no emulator gives.

It speaks the part of the data plane that the SDK's SecretClient uses, over TLS, and has a managed identity's token
endpoint beside it. Where it is only our belief how the service answers (nothing here was compared with a real vault):
the message of a 403, and how long a recovery takes.
"""

from __future__ import annotations

import base64
import json
import random
import ssl
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme

CHALLENGE = 'Bearer authorization="https://login.microsoftonline.com/{tenant}", resource="https://vault.azure.net"'
TENANT = "11111111-2222-3333-4444-555555555555"
CALLER = "appid=aaaaaaaa-0000-0000-0000-000000000001;oid=bbbbbbbb-0000-0000-0000-000000000002"
VALUE_LIMIT = 25_600
PAGE = 3

Answer = tuple[int, dict[str, Any] | None, dict[str, str]]


def refusal(status: int, code: str, inner: str = "", message: str = "no", **headers: str) -> Answer:
    """An error in the service's form."""
    error: dict[str, Any] = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"code": inner}
    return status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()}


def forbidden(inner: str = "ForbiddenByRbac") -> Answer:
    message = (
        f"Caller is not authorized to perform action on resource.\r\nCaller: {CALLER};iss=https://sts/\r\nAction: x"
    )
    return refusal(403, "Forbidden", inner, message)


@dataclass
class _Version:
    id: str
    value: str
    tags: dict[str, str]
    enabled: bool = True


@dataclass
class FakeVault:
    """The state of the vault and of its token endpoint. `trouble` may answer a request before the vault does."""

    url: str = ""
    tokens_url: str = ""
    secrets: dict[str, list[_Version]] = field(default_factory=dict)
    deleted: dict[str, list[_Version]] = field(default_factory=dict)
    recovering: dict[str, float] = field(default_factory=dict)
    recovery_seconds: float = 0.0
    delay: float = 0.0
    """Seconds that each request takes, before it is carried out."""
    hiccup: float = 0.0
    """Seconds that one request in ten takes longer."""
    lost_answers: int = 0
    """How many writes are carried out without an answer."""
    trouble: Callable[[str, str], Answer | None] = lambda method, path: None
    token_answer: tuple[int, dict[str, Any]] | None = None
    requests: Counter[str] = field(default_factory=Counter)
    challenges: int = 0
    """Requests without a token, which learn where to get one."""
    token_queries: list[dict[str, list[str]]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def delete(self, name: str) -> None:
        self.deleted[name] = self.secrets.pop(name)

    def answer(self, method: str, path: str, query: str, body: dict[str, Any]) -> Answer:
        time.sleep(self.delay + (self.hiccup if self.hiccup and random.random() < 0.1 else 0))
        with self.lock:
            kind = path.strip("/").partition("/")[0] + ("" if path.strip("/").count("/") else "/")
            self.requests[f"{method} {kind}"] += 1
            if (answer := self.trouble(method, path)) is not None:
                return answer
            parts = path.strip("/").split("/")
            match method, parts:
                case "GET", ["secrets"]:
                    return self._listed(int(parse_qs(query).get("$skiptoken", ["0"])[0]))
                case "GET", ["secrets", name]:
                    return self._got(name.lower())
                case "GET", ["secrets", name, version]:
                    return self._got(name.lower(), version)
                case "PUT", ["secrets", name]:
                    return self._set(name.lower(), body)
                case "DELETE", ["secrets", name]:
                    return self._removed(name.lower())
                case "POST", ["deletedsecrets", name, "recover"]:
                    return self._recovered(name.lower())
            return refusal(404, "NotFound")

    def _listed(self, start: int) -> Answer:
        names = sorted(self.secrets)
        page = [
            {"id": f"{self.url}/secrets/{name}", "attributes": {"enabled": self.secrets[name][-1].enabled}}
            for name in names[start : start + PAGE]
        ]
        rest = f"{self.url}/secrets?api-version=7.6&$skiptoken={start + PAGE}" if start + PAGE < len(names) else None
        return 200, {"value": page, "nextLink": rest}, {}

    def _got(self, name: str, version: str | None = None) -> Answer:
        if name not in self.secrets or name in self.recovering:
            self._pass(name)
        if name not in self.secrets:
            return refusal(404, "SecretNotFound")
        found = [known for known in self.secrets[name] if version in (None, known.id)]
        if not found:
            return refusal(404, "SecretNotFound")
        current = found[-1]
        if not current.enabled:
            return refusal(403, "Forbidden", "SecretDisabled")
        return 200, self._bundle(name, current), {}

    def _set(self, name: str, body: dict[str, Any]) -> Answer:
        self._pass(name)
        if name in self.recovering:
            return refusal(409, "Conflict", "ObjectIsBeingRecovered")
        if name in self.deleted:
            return refusal(409, "Conflict", "ObjectIsDeletedButRecoverable")
        if len(body["value"].encode()) > VALUE_LIMIT or not 1 <= len(name) <= 127:
            return refusal(400, "BadParameter")
        version = _Version(uuid.uuid4().hex, body["value"], body.get("tags") or {})
        self.secrets.setdefault(name, []).append(version)
        if self.lost_answers:
            self.lost_answers -= 1
            return 0, None, {}
        return 200, self._bundle(name, version), {}

    def _removed(self, name: str) -> Answer:
        self._pass(name)
        if name not in self.secrets or name in self.recovering:
            return refusal(404, "SecretNotFound")
        bundle = self._bundle(name, self.secrets[name][-1]) | {"recoveryId": f"{self.url}/deletedsecrets/{name}"}
        del bundle["value"]
        self.delete(name)
        if self.lost_answers:
            self.lost_answers -= 1
            return 0, None, {}
        return 200, bundle, {}

    def _recovered(self, name: str) -> Answer:
        if name not in self.deleted:
            return refusal(404, "SecretNotFound")
        self.recovering.setdefault(name, time.monotonic() + self.recovery_seconds)
        return 200, self._bundle(name, self.deleted[name][-1]), {}

    def _pass(self, name: str) -> None:
        if self.recovering.get(name, float("inf")) <= time.monotonic():
            del self.recovering[name]
            self.secrets[name] = self.deleted.pop(name)

    def _bundle(self, name: str, version: _Version) -> dict[str, Any]:
        return {
            "value": version.value,
            "id": f"{self.url}/secrets/{name}/{version.id}",
            "attributes": {"enabled": version.enabled, "created": 1_790_000_000, "updated": 1_790_000_000},
            "contentType": "application/json",
            "tags": version.tags,
        }

    def token(self, query: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        with self.lock:
            self.token_queries.append(query)
        if self.token_answer is not None:
            return self.token_answer
        resource = query["resource"][0] if "resource" in query else query["scope"][0].removesuffix("/.default")
        return 200, {"access_token": jwt(resource), "expires_in": "3600", "resource": resource, "token_type": "Bearer"}


def jwt(audience: str) -> str:
    """A token with the claims that Azurite looks at; nobody here checks a signature."""
    now = int(time.time())
    claims = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{TENANT}/",
        "nbf": now - 60,
        "iat": now - 60,
        "exp": now + 3600,
    }
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".c2ln"
    )


class VaultHandler(BaseHTTPRequestHandler):
    """The data plane. Make a subclass with `vault` for each server."""

    protocol_version = "HTTP/1.1"
    vault: FakeVault
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        if url.path.endswith("/oauth2/v2.0/token"):
            # Entra's token endpoint, as it answers workload identities and applications.
            self._send(*self.vault.token(parse_qs(body.decode())), {})
            return
        if not (self.headers.get("Authorization") or "").startswith("Bearer ey"):
            with self.vault.lock:
                self.vault.challenges += 1
            self._send(401, None, {"WWW-Authenticate": CHALLENGE.format(tenant=TENANT)})
            return
        assert "api-version=" in url.query
        status, answer, headers = self.vault.answer(self.command, url.path, url.query, json.loads(body or b"{}"))
        if status == 0:
            self.close_connection = True
            return
        self._send(status, answer, headers)

    do_GET = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815

    def _send(self, status: int, answer: dict[str, Any] | None, headers: dict[str, str]) -> None:
        octets = json.dumps(answer).encode() if answer is not None else b""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(octets)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, *_: object) -> None:
        pass


class TokenHandler(VaultHandler):
    """A managed identity's token endpoint."""

    def do_GET(self) -> None:
        if self.headers["Metadata"] != "true":
            # So does the real one, which is how the SDK finds out that it is there.
            self._send(400, {"error": "invalid_request", "error_description": "Required metadata header"}, {})
            return
        status, answer = self.vault.token(parse_qs(urlsplit(self.path).query))
        self._send(status, answer, {})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        pass  # clients that went away


@contextmanager
def running_vault(folder: Path) -> Iterator[tuple[FakeVault, Path]]:
    """A vault and the file of the authority that issued its certificate."""
    authority = trustme.CA()
    ca = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    vault = FakeVault()
    secrets = _Server(("127.0.0.1", 0), type("Handler", (VaultHandler,), {"vault": vault}))
    secrets.socket = context.wrap_socket(secrets.socket, server_side=True, do_handshake_on_connect=False)
    tokens = _Server(("127.0.0.1", 0), type("Handler", (TokenHandler,), {"vault": vault}))
    vault.url = f"https://127.0.0.1:{secrets.server_port}"
    vault.tokens_url = f"http://127.0.0.1:{tokens.server_port}"
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True) for server in (secrets, tokens)]
    for thread in threads:
        thread.start()
    try:
        yield vault, ca
    finally:
        for server, thread in zip((secrets, tokens), threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()
