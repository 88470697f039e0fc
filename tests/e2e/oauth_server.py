"""How do the tests run oidc-provider, change its mood, and get tokens from it like a browser and a client would?"""

from __future__ import annotations

import html
import http.client
import http.cookiejar
import json
import os
import re
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.patience import HANG

from .processes import Process, free_ports
from .robot import Robot

__all__ = ["Browser", "OAuthServer", "Page"]

_HERE = Path(__file__).parent / "oidc"
_REQUEST_SECONDS = HANG

CLIENT_SECRET = "the client's secret, with signs: +/=&%"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
PERSON_PASSWORD = "what the person types at the provider"


@dataclass(frozen=True, slots=True)
class Page:
    """What a browser shows."""

    status: int
    url: str
    text: str


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


class Browser:
    """Follows redirects by hand, keeps cookies, and submits the login and the consent form."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=tls),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
            _NoRedirect,
        )

    def authorise(self, url: str, person: str, *, stop_before: str | None = None, refuse: bool = False) -> Page:
        """Open an authorisation URL and do what a person does, until a page without a form appears.

        Args:
            url: where the proxy sends the person.
            person: the login name to type.
            stop_before: do not open a redirect that begins with this; the page's `url` is that redirect, its status 0.
            refuse: leave through the form's cancel link instead of logging in.
        """
        data: bytes | None = None
        for _ in range(20):
            page = self._open(url, data)
            data = None
            if page.status in range(300, 400):
                url = page.text
                if stop_before is not None and url.startswith(stop_before):
                    return Page(0, url, "")
                continue
            form = re.search(r'<form[^>]* action="([^"]+)"', page.text)
            if form is None or page.status >= 400 or 'type="text" name="user_code"' in page.text:
                return page
            if refuse and (cancel := re.search(r'href="([^"]+/abort)"', page.text)):
                url = html.unescape(cancel.group(1))
                continue
            url = urllib.parse.urljoin(url, html.unescape(form.group(1)))
            fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
            assert fields, page.text
            if fields.get("prompt") == "login":
                fields |= {"login": person, "password": PERSON_PASSWORD}
            if refuse and "confirm" in fields:  # the page on which a device code is compared
                fields["abort"] = "yes"
            data = urllib.parse.urlencode(fields).encode()
        raise AssertionError(f"redirects without end at {url}")

    def _open(self, url: str, data: bytes | None) -> Page:
        try:
            with self._opener.open(url, data, timeout=_REQUEST_SECONDS) as response:
                return Page(response.status, url, response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                location = error.headers.get("location")
                body = urllib.parse.urljoin(url, location) if location else error.read().decode()
                return Page(error.code, url, body)


class OAuthServer:
    """oidc-provider in a Node process."""

    def __init__(self, folder: Path, certificate: Path, key: Path, tls: ssl.SSLContext) -> None:
        self.https_port, self._http_port = free_ports(2)
        self.issuer = f"https://localhost:{self.https_port}"
        self.token_url = f"{self.issuer}/token"
        self.permission_url = f"{self.issuer}/auth"
        self.device_url = f"{self.issuer}/device/auth"
        self.issued: list[str] = []
        """Tokens that the harness has seen; none may show up in a log."""
        self.robot = Robot(folder)
        self._tls = tls
        self._install()
        settings = folder / "oauth-server.json"
        settings.write_text(json.dumps(self._settings(certificate, key)))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("NODE_")}
        self.process = Process(
            "oidc-provider", ["node", _HERE / "server.mjs", settings], folder / "oauth-server.log", environment
        )
        self.process.wait_for("^ready$", HANG)

    @staticmethod
    def _install() -> None:
        """Fetch the locked modules on the first run in this checkout."""
        if not (_HERE / "node_modules" / "oidc-provider").is_dir():
            subprocess.run(["npm", "ci", "--silent"], cwd=_HERE, check=True, timeout=300)

    def _settings(self, certificate: Path, key: Path) -> dict[str, Any]:
        interactive = {
            "client_secret": CLIENT_SECRET,
            # native: the port of a loopback redirect may be any (RFC 8252 section 7.3)
            "application_type": "native",
            "redirect_uris": ["http://localhost/", "http://127.0.0.1/", "http://localhost/path"],
            "grant_types": ["authorization_code", "refresh_token", "password", DEVICE_GRANT],
            "response_types": ["code"],
        }
        public = {name: value for name, value in interactive.items() if name != "client_secret"}
        public["token_endpoint_auth_method"] = "none"
        unattended: dict[str, Any] = {"redirect_uris": [], "response_types": []}
        return {
            "issuer": self.issuer,
            "httpsPort": self.https_port,
            "httpPort": self._http_port,
            "keyFile": str(key),
            "certFile": str(certificate),
            "password": PERSON_PASSWORD,
            "clients": [
                {"client_id": "mail", **interactive},
                {"client_id": "mail-pkce", **interactive},
                # No secret: oidc-provider insists on PKCE by the name's ending.
                {"client_id": "public-pkce", **public},
                {
                    "client_id": "daemon",
                    "client_name": "daemon@example.test",
                    "client_secret": CLIENT_SECRET,
                    "grant_types": ["client_credentials"],
                    **unattended,
                },
                *(
                    {
                        "client_id": f"robot-{algorithm}",
                        "client_name": "robot@example.test",
                        "token_endpoint_auth_method": "private_key_jwt",
                        "token_endpoint_auth_signing_alg": algorithm,
                        "jwks": {"keys": [self.robot.public]},
                        "grant_types": ["client_credentials"],
                        **unattended,
                    }
                    for algorithm in ("RS256", "PS256")
                ),
                {
                    "client_id": "robot-person",
                    **public,
                    "token_endpoint_auth_method": "private_key_jwt",
                    "jwks": {"keys": [self.robot.public]},
                },
                {
                    "client_id": "scanner",
                    "client_name": "scanner@example.test",
                    "client_secret": "the-login-password-is-the-secret",
                    "grant_types": ["client_credentials"],
                    **unattended,
                },
                {"client_id": "dovecot", "client_secret": "dovecot", "grant_types": [], **unattended},
            ],
        }

    @property
    def introspection_url(self) -> str:
        """For Dovecot: plain HTTP, the client's credentials in the URL."""
        return f"http://dovecot:dovecot@127.0.0.1:{self._http_port}/token/introspection"

    def browser(self) -> Browser:
        """A fresh browser: no cookies, so the person logs in again."""
        return Browser(self._tls)

    def mood(self, **changes: object) -> dict[str, Any]:
        """Change how the token endpoint behaves (see server.mjs)."""
        return self._control("PUT", changes)

    def reset(self) -> None:
        """Back to normal; request counts back to zero."""
        self._control("DELETE")

    def requests(self) -> dict[str, int]:
        """Token requests since the last reset: ``total``, and those answered by grant type."""
        counts: dict[str, int] = self._control("GET")["requests"]
        return counts

    def _control(self, method: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._http_port, timeout=_REQUEST_SECONDS)
        try:
            connection.request(method, "/control", json.dumps(body or {}))
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()

    def password_grant(self, user: str) -> dict[str, Any]:
        """Tokens for `user`, without a browser."""
        tokens = self.post("/token", grant_type="password", username=user, password=PERSON_PASSWORD, scope="mail")
        self.issued += [tokens["access_token"], tokens["refresh_token"]]
        return tokens

    def revoke(self, token: str) -> None:
        """RFC 7009: this one token is no longer accepted anywhere."""
        self.post("/token/revocation", token=token)

    def introspect(self, token: str) -> dict[str, Any]:
        """RFC 7662."""
        return self.post("/token/introspection", token=token)

    def post(self, path: str, **fields: str) -> dict[str, Any]:
        """A client's request to one of the endpoints."""
        fields = {"client_id": "mail", "client_secret": CLIENT_SECRET, **fields}
        connection = http.client.HTTPSConnection(
            "localhost", self.https_port, context=self._tls, timeout=_REQUEST_SECONDS
        )
        try:
            headers = {"content-type": "application/x-www-form-urlencoded"}
            connection.request("POST", path, urllib.parse.urlencode(fields), headers)
            response = connection.getresponse()
            body = response.read()
            assert response.status == 200, f"{path}: {response.status} {body!r}\n{self.process.tail()}"
            answer: dict[str, Any] = json.loads(body) if body else {}
            return answer
        finally:
            connection.close()
