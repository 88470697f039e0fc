"""What is counted of token requests is bounded, whatever providers call their errors."""

from __future__ import annotations

from emailproxy.causes.oauth import CODES
from emailproxy.oauth.counting import OK, OTHER, UNANSWERED, TokenRequests


def test_codes_that_are_known_and_all_others() -> None:
    requests = TokenRequests()
    for code in [*CODES, OK, UNANSWERED, *(f"code {number}" for number in range(10_000))]:
        requests.note("urn:ietf:params:oauth:grant-type:jwt-bearer", code, 0.5)
    assert requests.answers.pop(("jwt-bearer", OTHER)) == 10_000
    assert requests.answers == {("jwt-bearer", code): 1 for code in (*CODES, OK, UNANSWERED)}
    assert requests.seconds == 0.5 * (len(CODES) + 2 + 10_000)
