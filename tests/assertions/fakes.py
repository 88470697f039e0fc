"""An issuer in memory, which keeps the Protocol, and remembers what was asked for."""

from __future__ import annotations

import base64
import json

from emailproxy.assertions.base import Statement
from emailproxy.assertions.issuers import Issuers
from emailproxy.secret import Secret
from emailproxy.store.base import StoreAddressError, StoreError


def jwt(**claims: object) -> str:
    """A token that looks like one, signed by nobody."""
    parts = [json.dumps({"alg": "RS256", "typ": "JWT"}), json.dumps(claims), "signature"]
    return ".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts)


class FakeIssuer:
    """Gives the tokens it was told, one by one, the last one for ever. An error among them is raised."""

    def __init__(self, *tokens: str | StoreError) -> None:
        self.tokens = list(tokens) or [jwt(sub="proxy")]
        self.asked: list[tuple[str, Statement]] = []
        self.closed = 0

    def check(self, rest: str) -> None:
        if rest == "malformed":
            raise StoreAddressError("cloud:malformed is malformed; write cloud")

    def issue(self, rest: str, statement: Statement) -> Secret:
        self.asked.append((rest, statement))
        token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        if isinstance(token, StoreError):
            raise token
        return Secret(token)

    def close(self) -> None:
        self.closed += 1


def issuers(issuer: FakeIssuer) -> Issuers:
    """Those of an installation that knows ``cloud`` and ``adc``."""
    return Issuers({"cloud": lambda: issuer, "adc": lambda: issuer})
