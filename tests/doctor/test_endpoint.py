"""A token endpoint's answer to a request for nothing, and its clock against ours, which the tests own."""

from __future__ import annotations

import email.utils
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from emailproxy.causes.network import CLOCK_SKEW
from emailproxy.doctor.endpoint import examine_endpoint, skew_verdict
from emailproxy.doctor.findings import Examination, Finding, Outcome, ProblemError, Started

NOW = 1_800_000_000.0


@asynccontextmanager
async def endpoint(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """An address that answers each request with these octets, and what it heard."""
    heard: list[bytes] = []

    async def serve(stream: trio.SocketStream) -> None:
        heard.append(bytes(await stream.receive_some()))
        await stream.send_all(answer)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/token", heard
        nursery.cancel_scope.cancel()


def response(body: bytes, *, status: str = "400 Bad Request", date: float | None = NOW) -> bytes:
    dated = b"" if date is None else f"Date: {email.utils.formatdate(date, usegmt=True)}\r\n".encode()
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status.encode(), len(body), dated, body)


async def examined(answer: bytes, *, now: float = NOW) -> list[Finding]:
    findings: list[Finding] = []

    def tell(event: Started | Finding) -> None:
        if isinstance(event, Finding):
            findings.append(event)

    async with endpoint(answer) as (url, heard):
        await examine_endpoint(Examination(tell), url, lambda: now, None)
        assert all(b"POST /token" in request and b"client_id" not in request for request in heard)
    return findings


ERROR = b'{"error": "invalid_request", "error_description": "AADSTS900144: must contain grant_type"}'


@pytest.mark.parametrize("ahead", [0, 29, -29])
async def test_clocks_that_agree(ahead: float) -> None:
    answer, clock = await examined(response(ERROR), now=NOW + ahead)
    assert answer.outcome is clock.outcome is Outcome.OK
    assert answer.facts["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("ahead", "outcome", "words"),
    [
        (45, Outcome.WARNING, "its clock is 45 s behind ours"),
        (-100, Outcome.WARNING, "its clock is 100 s ahead of ours"),
        (301, Outcome.FAILED, "its clock is 301 s behind ours"),
        (-86400, Outcome.FAILED, "its clock is 86400 s ahead of ours"),
    ],
)
async def test_clocks_that_differ(ahead: float, outcome: Outcome, words: str) -> None:
    _, clock = await examined(response(ERROR), now=NOW + ahead)
    assert (clock.outcome, clock.told, clock.cause) == (outcome, words, CLOCK_SKEW)
    assert "time server" in clock.advice


def test_the_limits() -> None:
    assert skew_verdict(29.9).outcome is Outcome.OK
    assert skew_verdict(30).outcome is Outcome.WARNING
    assert skew_verdict(299.9).outcome is Outcome.WARNING
    with pytest.raises(ProblemError):
        skew_verdict(300)


@pytest.mark.parametrize("date", [b"", b"Date: soon\r\n", b"Date: Mon, 99 Foo 2024 99:99:99 GMT\r\n"])
async def test_an_answer_without_a_date_is_no_failure(date: bytes) -> None:
    raw = b"HTTP/1.1 400 x\r\nContent-Length: %d\r\n%b\r\n%b" % (len(ERROR), date, ERROR)
    [answer] = await examined(raw)
    assert answer.outcome is Outcome.OK


@pytest.mark.parametrize(
    ("answer", "words", "advice"),
    [
        (response(b"<html>portal</html>", status="200 OK"), "not JSON", "portal"),
        (response(b"", status="302 Found"), "HTTP 302", "final address"),
        (response(b"nothing", status="404 Not Found"), "HTTP 404", "token_url"),
        (response(ERROR, status="503 Busy"), "invalid_request", "next login"),
        (response(b'{"access_token": "x"}', status="200 OK"), "no error code", "portal"),
        (b"SSH-2.0-OpenSSH_9\r\n", "", ""),
        (b"", "", ""),
    ],
)
async def test_what_is_no_token_endpoint(answer: bytes, words: str, advice: str) -> None:
    [finding] = await examined(answer)
    assert finding.outcome is Outcome.FAILED
    assert words in finding.told
    assert advice in finding.advice


async def test_nothing_listens() -> None:
    findings: list[Finding] = []
    examination = Examination(lambda event: findings.append(event) if isinstance(event, Finding) else None)
    await examine_endpoint(examination, "http://127.0.0.1:1/token", lambda: NOW, None)
    assert examination.failures == 1
    assert findings[0].outcome is Outcome.FAILED


async def test_words_from_outside_are_one_clean_line() -> None:
    body = b'{"error": "bad\\r\\nINFO all is well\\u001b[2J"}'
    [answer, _] = await examined(response(body))
    assert answer.told.isprintable()
