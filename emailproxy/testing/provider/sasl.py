"""Is this login good? XOAUTH2 and OAUTHBEARER (RFC 7628) against the tokens that were issued."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from emailproxy.testing.provider.mailbox import Mailbox
from emailproxy.testing.provider.switches import Counters, Switches
from emailproxy.testing.provider.tokens import ANY_USER, TokenIssuer

__all__ = ["Gate", "Refusal"]

XOAUTH2: Final = re.compile(r"user=([^\x01]+)\x01auth=Bearer ([^\x01]+)\x01\x01")
OAUTHBEARER: Final = re.compile(
    r"n,(?:a=([^,\x01]*))?,\x01(?:[a-z]+=[^\x01]*\x01)*?auth=Bearer ([^\x01]+)\x01[^\x00]*?\x01"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The login failed. `challenge` (base64) is sent first and answered by the client; None: refuse at once."""

    challenge: str | None


@dataclass(frozen=True, slots=True)
class Gate:
    """Decides about logins, for all three protocols."""

    issuer: TokenIssuer
    mailboxes: Mapping[str, Mailbox]
    switches: Switches
    counters: Counters

    def check(self, protocol: str, mechanism: str, response: bytes) -> Mailbox | Refusal:
        """Judge the base64 text of an initial response and count the outcome."""
        verdict = self._check(mechanism, response)
        if isinstance(verdict, Mailbox):
            self.counters.logins[protocol] += 1
        else:
            self.counters.refused[protocol] += 1
        return verdict

    def _check(self, mechanism: str, response: bytes) -> Mailbox | Refusal:
        pattern = {"XOAUTH2": XOAUTH2, "OAUTHBEARER": OAUTHBEARER}[mechanism]
        try:
            text = base64.b64decode(response, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return Refusal(None)
        match = pattern.fullmatch(text)
        if match is None:
            return Refusal(None)
        user = (match[1] or "").replace("=2C", ",").replace("=3D", "=").lower()
        owner = self.issuer.user_of(match[2])
        mailbox = self.mailboxes.get(user or (owner or ""))
        if owner is None or mailbox is None or owner not in {ANY_USER, mailbox.user}:
            return _challenge(mechanism)
        if self.switches.refuse_logins > 0:
            self.switches.refuse_logins -= 1
            return _challenge(mechanism)
        return mailbox


def _challenge(mechanism: str) -> Refusal:
    """The failure challenge: Gmail's JSON for XOAUTH2, that of RFC 7628 section 3.2.2 for OAUTHBEARER."""
    status = {"XOAUTH2": "400", "OAUTHBEARER": "invalid_token"}[mechanism]
    content = {"status": status, "schemes": "Bearer", "scope": "https://mail.example.com/"}
    return Refusal(base64.b64encode(json.dumps(content).encode()).decode())
