"""What does an access token say of itself? Its claims, if it is a JWT; never the token.

Nothing is verified: the provider gave it to us a moment ago, and only the mail server's judgement counts. But most
refusals of Exchange Online can be seen here in plain words, where the mail server says "failed".
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from emailproxy.causes.claims import NO_PERMISSION, NO_SCOPE, OTHER_USER, WRONG_AUDIENCE
from emailproxy.causes.network import CLOCK_SKEW
from emailproxy.doctor.endpoint import FATAL_SKEW
from emailproxy.doctor.findings import Outcome, Verdict
from emailproxy.oauth.foreign import foreign
from emailproxy.secret import Secret

__all__ = ["claims_in", "facts_of", "judge_claims"]

MAX_TOKEN: Final = 64 * 1024
"""Characters of a token that are decoded: several times what mail servers accept."""

_SHOWN: Final = (
    "aud", "iss", "tid", "appid", "azp", "app_displayname", "oid", "upn", "unique_name", "preferred_username", "email",
    "scp", "scope", "roles", "idtyp",
)  # fmt: skip
"""Claims that are told: what is granted to whom for what. No identifier of a session or a device."""

_ISSUERS: Final = (
    "//sts.windows.net/",
    "//login.microsoftonline.",
    "//login.partner.microsoftonline.cn/",
    "//sts.chinacloudapi.cn/",
)
_EXCHANGE: Final = "00000002-0000-0ff1-ce00-000000000000"
_EXCHANGE_HOSTS: Final = (
    "outlook.office365.com",
    "outlook.office.com",
    "ps.outlook.com",
    "outlook.office365.us",
    "partner.outlook.cn",
)


def claims_in(token: Secret) -> Mapping[str, object] | None:
    """The claims of a signed JWT (RFC 7519 section 7.2); None if the token is opaque to us."""
    parts = token.reveal()[:MAX_TOKEN].split(".")
    if len(parts) != 3 or not all(parts):
        return None
    try:
        header, claims = (json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except (binascii.Error, ValueError, RecursionError):
        return None
    return claims if isinstance(header, dict) and "alg" in header and isinstance(claims, dict) else None


def facts_of(claims: Mapping[str, object]) -> dict[str, str]:
    """The claims that are told, made safe."""
    facts = {name: _text(claims[name]) for name in _SHOWN if name in claims}
    for name in ("iat", "exp"):
        seconds = _number(claims.get(name))
        if seconds is not None:
            facts[name] = _moment(seconds)
    return facts


def judge_claims(
    claims: Mapping[str, object], names: Collection[str], protocols: Iterable[str], now: float
) -> list[Verdict]:
    """What is worth saying about each claim that a mail login depends on; a `Verdict` that failed is one too.

    Args:
        claims: the token's.
        names: the account and whoever logs in for it.
        protocols: ``IMAP``, ``POP``, ``SMTP``: what it is to be used for.
        now: Unix time by our clock.
    """
    verdicts = [verdict for verdict in (_time(claims, now),) if verdict is not None]
    if not any(part in _text(claims.get("iss", "")) for part in _ISSUERS):
        return verdicts  # other providers' claims mean nothing to a mail server that we know of
    audience = _text(claims.get("aud", ""))
    if not _is_exchange(audience):
        told = f"{WRONG_AUDIENCE.said} {audience or 'nobody'}, not for Exchange Online"
        return [*verdicts, Verdict(told, Outcome.FAILED, cause=WRONG_AUDIENCE)]
    person = "scp" in claims
    granted = _text(claims.get("scp" if person else "roles", "")).replace(",", " ").split()
    for protocol in protocols:
        cause = (NO_SCOPE if person else NO_PERMISSION)[protocol]
        needed = cause.name.removeprefix("no-")
        if needed not in granted:
            told = f"{cause.said} (it has {' '.join(granted) or 'none at all'})"
            verdicts.append(Verdict(told, Outcome.FAILED, cause=cause))
    user = next((_text(claims[name]) for name in ("upn", "unique_name", "preferred_username") if name in claims), "")
    if person and user and user.casefold() not in {name.casefold() for name in names}:
        verdicts.append(Verdict(f"the account was {OTHER_USER.said} {user}", Outcome.WARNING, cause=OTHER_USER))
    return verdicts


def _time(claims: Mapping[str, object], now: float) -> Verdict | None:
    """Whether a token that was just issued is from the future."""
    issued = _number(claims.get("iat"))
    if issued is None or issued - now < FATAL_SKEW:
        return None
    told = f"the token was issued {issued - now:.0f} s in the future: {CLOCK_SKEW.said} ahead of ours"
    return Verdict(told, Outcome.FAILED, cause=CLOCK_SKEW)


def _is_exchange(audience: str) -> bool:
    host = audience.casefold().removeprefix("https://").split("/")[0]
    return audience.casefold() == _EXCHANGE or host in _EXCHANGE_HOSTS


def _text(value: object) -> str:
    if isinstance(value, list):
        return foreign(" ".join(str(each) for each in value[:50]))
    return foreign(value) if isinstance(value, str | int | float) else ""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return "no time"
