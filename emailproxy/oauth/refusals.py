"""What does a token endpoint's refusal mean, and what should a person do about it?

Three meanings decide what happens next. *Permanent*: this grant (refresh token, code, password) is dead; only a
person's new authorisation or another password helps. *Temporary*: the same request may work later. *Misconfigured*: an
administrator must change something, here or at the provider; the grant itself may be alive, so it is kept. The codes
are those of RFC 6749 section 5.2 and OpenID Connect; Entra adds ``AADSTS`` numbers and a ``suberror``, Google a text.
What each means is in `emailproxy.causes.oauth`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from emailproxy.causes.base import Meaning
from emailproxy.causes.oauth import judge
from emailproxy.failures import ProxyError
from emailproxy.oauth.foreign import foreign

__all__ = ["DEVICE_ENDPOINT", "TOKEN_ENDPOINT", "Endpoint", "Meaning", "TokenEndpointError", "from_answer"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who answered."""

    name: str
    option: str
    """Where its address is configured."""


TOKEN_ENDPOINT: Final = Endpoint("token endpoint", "token_url")
DEVICE_ENDPOINT: Final = Endpoint("device authorisation endpoint", "device_authorization_url")


class TokenEndpointError(ProxyError):
    """No token. Its text is the operator's: code, description, what to do; one line, without secrets."""

    def __init__(
        self,
        meaning: Meaning,
        summary: str,
        *,
        code: str = "",
        description: str = "",
        suberror: str = "",
        aadsts: tuple[int, ...] = (),
        advice: str = "",
        retry: bool = False,
    ) -> None:
        self.meaning = meaning
        self.code = code
        """``error`` of the answer."""
        self.description = description
        self.suberror = suberror
        self.aadsts = aadsts
        """Entra's numbers, e.g. 70043."""
        self.advice = advice
        self.retry = retry
        """Whether the same request is worth repeating at once: no answer, or a server's own error."""
        told = summary
        if code:
            told += f": {code}"
        if suberror:
            told += f" ({suberror})"
        if description:
            told += f": {description}"
        if advice:
            told += f" -> {advice}"
        super().__init__(told)

    @classmethod
    def unreachable(cls, problem: str) -> TokenEndpointError:
        """There was no usable answer."""
        return cls(Meaning.TEMPORARY, f"token endpoint: {problem}", retry=True)

    @classmethod
    def misconfigured(cls, problem: str) -> TokenEndpointError:
        """No request is possible with what is configured."""
        return cls(Meaning.MISCONFIGURED, problem)


def from_answer(
    status: int, fields: Mapping[str, object] | None, endpoint: Endpoint = TOKEN_ENDPOINT
) -> TokenEndpointError:
    """Judge an answer without a token: HTTP `status`, and the JSON object in it if there is one."""
    summary = f"{endpoint.name} (HTTP {status})"
    code = _text(fields, "error")
    if status >= 500 or status in (408, 429):
        # Also with a code in it: the server itself says that it is its own fault, or too much.
        return TokenEndpointError(
            Meaning.TEMPORARY,
            summary,
            code=code,
            description=_text(fields, "error_description"),
            advice="it is asked again at the next login",
            retry=status >= 500 or status == 408,
        )
    if not code:
        return _without_code(status, fields is not None, summary, endpoint.option)
    description = _text(fields, "error_description")
    suberror = _text(fields, "suberror") or _text(fields, "error_subtype")
    numbers = _aadsts(fields, description)
    known = judge(code, description, suberror, numbers)
    return TokenEndpointError(
        known.meaning,
        summary,
        code=code,
        description=description,
        suberror=suberror,
        aadsts=numbers,
        advice=known.advice,
    )


def _without_code(status: int, is_object: bool, summary: str, option: str) -> TokenEndpointError:
    """An answer that no token endpoint should give: a gateway's page, a portal, a wrong address."""
    what = "no error code" if is_object else "not JSON"
    if 300 <= status < 400:
        advice = f"it redirects, which is not followed: configure the final address as {option}"
        return TokenEndpointError(Meaning.MISCONFIGURED, summary, advice=advice)
    if status in (404, 405, 410):
        return TokenEndpointError(Meaning.MISCONFIGURED, f"{summary}: {what}", advice=f"check {option}")
    advice = f"something in between answered (a portal, a proxy, a firewall), or {option} is wrong"
    return TokenEndpointError(Meaning.TEMPORARY, f"{summary}: {what}", advice=advice, retry=True)


def _text(fields: Mapping[str, object] | None, name: str) -> str:
    value = fields.get(name) if fields is not None else None
    return foreign(value) if isinstance(value, str) else ""


def _aadsts(fields: Mapping[str, object] | None, description: str) -> tuple[int, ...]:
    """Entra's numbers: from ``error_codes``, else from the description."""
    codes = fields.get("error_codes") if fields is not None else None
    if isinstance(codes, list):
        return tuple(code for code in codes[:8] if isinstance(code, int))
    return tuple(int(number) for number in re.findall(r"AADSTS(\d{4,9})", description)[:8])
