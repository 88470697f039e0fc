"""Each row about token endpoints: an endpoint that says those words, and the advice that comes out."""

from __future__ import annotations

import pytest

from emailproxy.causes.base import Cause
from emailproxy.causes.entra import AADSTS
from emailproxy.causes.oauth import CODES, SUBERRORS, TEXTS, UNKNOWN
from emailproxy.oauth.refusals import from_answer


@pytest.mark.parametrize(("number", "cause"), AADSTS.items(), ids=str)
def test_entra(number: int, cause: Cause) -> None:
    assert cause.name == f"AADSTS{number}"
    assert cause.source
    listed = from_answer(400, {"error": "invalid_grant", "error_codes": [number], "error_description": "x"})
    quoted = from_answer(400, {"error": "invalid_client", "error_description": f"AADSTS{number}: words. Trace ID: 1"})
    for error in (listed, quoted):
        assert str(error).endswith(f" -> {cause.advice}")
        assert error.meaning is cause.meaning


@pytest.mark.parametrize("cause", CODES.values(), ids=lambda cause: cause.name)
def test_codes(cause: Cause) -> None:
    error = from_answer(400, {"error": cause.name})
    assert (error.advice, error.meaning) == (cause.advice, cause.meaning)
    assert cause.source


@pytest.mark.parametrize("cause", SUBERRORS.values(), ids=lambda cause: cause.name)
def test_suberrors(cause: Cause) -> None:
    for name in ("suberror", "error_subtype"):
        error = from_answer(400, {"error": "invalid_grant", name: cause.name})
        assert (error.advice, error.meaning) == (cause.advice, cause.meaning)
    assert cause.source


@pytest.mark.parametrize(("code", "cause"), TEXTS, ids=lambda value: getattr(value, "name", value))
def test_texts(code: str, cause: Cause) -> None:
    error = from_answer(400, {"error": code, "error_description": f"Before {cause.said} behind."})
    assert (error.advice, error.meaning) == (cause.advice, cause.meaning)
    other = from_answer(400, {"error": "server_error", "error_description": cause.said})
    assert other.advice == CODES["server_error"].advice
    assert cause.source


def test_a_number_says_more_than_a_code() -> None:
    error = from_answer(400, {"error": "invalid_grant", "error_codes": [1, 70043], "suberror": "client_mismatch"})
    assert error.advice == AADSTS[70043].advice


def test_what_is_not_known() -> None:
    assert from_answer(400, {"error": "brand_new"}).advice == UNKNOWN.advice
