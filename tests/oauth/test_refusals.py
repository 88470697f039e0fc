from __future__ import annotations

import pytest

from emailproxy.oauth.refusals import Meaning, TokenEndpointError, from_answer

P, T, M = Meaning.PERMANENT, Meaning.TEMPORARY, Meaning.MISCONFIGURED


@pytest.mark.parametrize(
    ("status", "fields", "meaning", "advice"),
    [
        (400, {"error": "invalid_grant"}, P, "authorise the account again"),
        (401, {"error": "invalid_client"}, M, "client_secret"),
        (400, {"error": "unauthorized_client"}, M, "oauth2_flow"),
        (400, {"error": "invalid_scope"}, M, "oauth2_scope"),
        (400, {"error": "unsupported_grant_type"}, M, "oauth2_flow"),
        (400, {"error": "brand_new_code"}, M, "documentation"),
        (400, {"error": "interaction_required"}, P, "person"),
        (400, {"error": "temporarily_unavailable"}, T, "next login"),
        (400, {"error": "invalid_grant", "error_codes": [70043], "suberror": "token_expired"}, P, "sign-in frequency"),
        (400, {"error": "invalid_grant", "error_description": "AADSTS50076: Due to a change"}, P, "multi-factor"),
        (400, {"error": "invalid_grant", "error_codes": [65001], "suberror": "consent_required"}, P, "consent"),
        (400, {"error": "invalid_grant", "error_codes": [50053]}, T, "locked"),
        (400, {"error": "invalid_grant", "error_codes": [53003], "suberror": "message_only"}, M, "Conditional Access"),
        (400, {"error": "invalid_grant", "suberror": "protection_policy_required"}, M, "policy"),
        (400, {"error": "invalid_grant", "error_codes": [1, 54005]}, P, "used already"),
        (401, {"error": "invalid_client", "error_codes": [7000218]}, M, "Allow public client flows"),
        (401, {"error": "invalid_client", "error_codes": [7000215]}, M, "not its id"),
        (401, {"error": "invalid_client", "error_codes": [7000222]}, M, "expired"),
        (400, {"error": "unauthorized_client", "error_codes": [700016]}, M, "client_id is unknown"),
        (400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}, P, "'Testing'"),
        (400, {"error": "invalid_grant", "error_subtype": "invalid_rapt"}, P, "Workspace"),
        (500, {"error": "invalid_grant"}, T, "next login"),
        (503, None, T, "next login"),
        (429, {"error": "rate"}, T, "next login"),
        (200, None, T, "portal"),
        (200, {"hello": "world"}, T, "portal"),
        (403, None, T, "portal"),
        (404, None, M, "token_url"),
        (302, None, M, "redirects"),
    ],
)
def test_meanings(status: int, fields: dict[str, object] | None, meaning: Meaning, advice: str) -> None:
    error = from_answer(status, fields)
    assert error.meaning is meaning
    assert advice in str(error)
    assert f"HTTP {status}" in str(error)


@pytest.mark.parametrize(("status", "retry"), [(500, True), (503, True), (408, True), (429, False), (400, False)])
def test_what_is_worth_a_second_request(status: int, retry: bool) -> None:
    assert from_answer(status, {"error": "x"}).retry is retry


def test_the_providers_words_are_one_clean_line() -> None:
    error = from_answer(
        400,
        {
            "error": "invalid_grant\r\nINFO login of root succeeded",
            "error_description": "line one\r\nline two" + "x" * 5000,
            "suberror": "\x1b[2J",
        },
    )
    assert str(error).isprintable()
    assert len(str(error)) < 1500


@pytest.mark.parametrize(
    "fields",
    [
        {"error": 5},
        {"error": ["invalid_grant"]},
        {"error": None, "error_codes": "x"},
        {"error": "invalid_grant", "error_codes": ["70043", {}, None], "error_description": 7, "suberror": []},
    ],
)
def test_odd_types_are_survived(fields: dict[str, object]) -> None:
    assert isinstance(from_answer(400, fields), TokenEndpointError)


def test_numbers_are_found_in_either_place() -> None:
    assert from_answer(400, {"error": "x", "error_codes": [1, 2]}).aadsts == (1, 2)
    assert from_answer(400, {"error": "x", "error_description": "AADSTS70043: a AADSTS50076"}).aadsts == (70043, 50076)
