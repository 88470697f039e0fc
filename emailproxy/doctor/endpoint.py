"""Does a token endpoint answer as one, and does its clock agree with ours? One request that asks for nothing."""

from __future__ import annotations

import email.utils
import json
import ssl
from collections.abc import Callable
from typing import Final

import httpx2
import trio

from emailproxy import __version__
from emailproxy.causes.network import CLOCK_SKEW
from emailproxy.doctor.conversation import problem_of
from emailproxy.doctor.findings import Examination, Outcome, ProblemError, Verdict
from emailproxy.doctor.servers import describe_tls
from emailproxy.oauth.endpoint import REQUEST_SECONDS, reason
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.refusals import from_answer

__all__ = ["examine_endpoint", "skew_verdict"]

MAX_ANSWER: Final = 64 * 1024
"""Octets that are read: an error has one or two thousand."""
NOTABLE_SKEW: Final = 30.0
"""Seconds that two clocks which follow time servers never differ by, the way of the request included."""
FATAL_SKEW: Final = 300.0
"""Seconds by which a signed assertion or a new token is not valid yet, or no longer: they live or are tolerated so."""


async def examine_endpoint(
    examination: Examination, url: str, now: Callable[[], float], ssl_context: ssl.SSLContext | None
) -> None:
    """Ask the token endpoint at `url` for nothing, and compare the ``Date`` of its answer with our clock."""
    subject = f"token endpoint {foreign(url)}"
    dates: list[tuple[float, float]] = []

    async def ask() -> Verdict:
        begun = now()
        answer, tls = await _answer(url, ssl_context)
        date = _date(answer.headers.get("Date"))
        if date is not None:
            dates.append((date, (begun + now()) / 2))
        facts = {"status": str(answer.status_code)} | ({"tls": tls} if tls else {})
        try:
            body = json.loads(answer.content)
        except (ValueError, RecursionError):
            body = None
        fields = body if isinstance(body, dict) else None
        if answer.status_code < 500 and fields is not None and isinstance(fields.get("error"), str):
            code = foreign(fields["error"])
            told = f"answers as a token endpoint (HTTP {answer.status_code} {code} to a request for nothing)"
            return Verdict(told + (f"; {tls}" if tls else ""), facts=facts | {"error": code})
        error = from_answer(answer.status_code, fields)
        raise ProblemError(str(error).removesuffix(f" -> {error.advice}"), advice=error.advice, facts=facts)

    if await examination.attempt(subject, "answer", ask) and dates:
        [(theirs, ours)] = dates

        async def compare() -> Verdict:
            await trio.lowlevel.checkpoint()
            return skew_verdict(ours - theirs)

        await examination.attempt(subject, "clock", compare)


def skew_verdict(ahead: float) -> Verdict:
    """What it means that our clock is `ahead` seconds ahead of the provider's (negative: behind).

    Raises:
        ProblemError: nothing that is signed or dated would be accepted.
    """
    facts = {"seconds_ahead": f"{ahead:.0f}"}
    if abs(ahead) < NOTABLE_SKEW:
        return Verdict("agrees with ours", facts=facts)
    told = f"{CLOCK_SKEW.said} {abs(ahead):.0f} s {'behind' if ahead > 0 else 'ahead of'} ours"
    if abs(ahead) >= FATAL_SKEW:
        raise ProblemError(told, CLOCK_SKEW, facts=facts)
    return Verdict(told, Outcome.WARNING, cause=CLOCK_SKEW, facts=facts)


async def _answer(url: str, ssl_context: ssl.SSLContext | None) -> tuple[httpx2.Response, str]:
    """The answer to an empty request, and what TLS it came through.

    Raises:
        ProblemError: there is none.
    """
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": f"emailproxy/{__version__}"}
    try:
        with trio.fail_after(REQUEST_SECONDS):
            async with (
                httpx2.AsyncClient(verify=ssl_context or True, timeout=None, follow_redirects=False) as client,
                client.stream("POST", url, headers=headers, data={"grant_type": ""}) as answer,
            ):
                content = bytearray()
                async for part in answer.aiter_raw():
                    content += part
                    if len(content) > MAX_ANSWER:
                        break
                stream = answer.extensions.get("network_stream")
                tls = stream.get_extra_info("ssl_object") if stream is not None else None
                told = describe_tls(tls, 0).facts if isinstance(tls, ssl.SSLObject) else {}
                shown = f"{told['version']}, certificate by {told['issuer']}" if told else ""
                return httpx2.Response(answer.status_code, headers=answer.headers, content=bytes(content)), shown
    except trio.TooSlowError:
        raise problem_of(f"it did not answer in time ({REQUEST_SECONDS:g} s)") from None
    except httpx2.TransportError as error:
        raise problem_of(reason(error)) from None
    except (httpx2.InvalidURL, UnicodeError):
        raise ProblemError("no request can be made of this address", advice="check token_url") from None


def _date(header: str | None) -> float | None:
    """Unix time of an HTTP date; None if there is none that can be read."""
    try:
        return email.utils.parsedate_to_datetime(header).timestamp() if header else None
    except (ValueError, OverflowError):
        return None
