"""What does login.microsoftonline.com answer? The simulated provider does; here are Entra's paths and its assertions.

An application without a secret proves itself with a token of the machine's managed identity (federated credential).
That token is checked as far as a test cares: for the audience of token exchange.
"""

from __future__ import annotations

import base64
import http.client
import json
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlencode, urlsplit

__all__ = ["AUDIENCE", "EntraHandler"]

AUDIENCE = "api://AzureADTokenExchange"


class EntraHandler(BaseHTTPRequestHandler):
    """A front of the simulated provider. Make a subclass with the three attributes for each server."""

    protocol_version = "HTTP/1.1"
    provider_port: int
    federated: dict[str, str]
    """Applications that trust the managed identity, and the secret by which the simulated provider knows them."""
    exchanges: list[str]
    """Applications that proved themselves so, in turn."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self._forward("GET", f"/{_last(url.path)}?{url.query}", b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if (assertion := form.pop("client_assertion", None)) is not None:
            del form["client_assertion_type"]
            client = form["client_id"]
            if client not in self.federated or _audience(assertion) != AUDIENCE:
                self._send(401, b'{"error": "invalid_client", "error_description": "AADSTS700211: no match"}', {})
                return
            form["client_secret"] = self.federated[client]
            self.exchanges.append(client)
        self._forward("POST", f"/{_last(urlsplit(self.path).path)}", urlencode(form).encode())

    def _forward(self, method: str, path: str, body: bytes) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.provider_port)
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        octets = answer.read()
        connection.close()
        kept = {name: value for name in ("Location", "Content-Type") if (value := answer.headers.get(name))}
        self._send(answer.status, octets, kept)

    def _send(self, status: int, octets: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(octets)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, *_: object) -> None:
        pass


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _audience(token: str) -> str:
    body = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return str(claims["aud"])
