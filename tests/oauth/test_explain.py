from __future__ import annotations

import pytest

from emailproxy.failures import FailureKind
from emailproxy.oauth.explain import failed, no_store, no_token, wrong_password
from emailproxy.oauth.refusals import from_answer
from emailproxy.store.base import StoreContentError, StoreDeniedError, StoreError, StoreUnavailableError


@pytest.mark.parametrize("kind", [FailureKind.WRONG_CREDENTIALS, FailureKind.TEMPORARY, FailureKind.MISCONFIGURED])
def test_the_client_hears_nothing_from_outside(kind: FailureKind) -> None:
    told = failed(kind, "eve\r\n@example.com", "words of a provider").failure
    assert told.kind is kind
    assert told.text.isascii()
    assert told.text.isprintable()
    assert "provider" not in told.text
    assert "eve" not in told.text
    assert told.detail.isprintable()


@pytest.mark.parametrize(
    ("status", "fields", "kind"),
    [
        (400, {"error": "invalid_grant"}, FailureKind.WRONG_CREDENTIALS),
        (400, {"error": "invalid_scope"}, FailureKind.MISCONFIGURED),
        (503, None, FailureKind.TEMPORARY),
    ],
)
def test_token_errors(status: int, fields: dict[str, object] | None, kind: FailureKind) -> None:
    error = no_token("ada", from_answer(status, fields), FailureKind.WRONG_CREDENTIALS)
    assert error.failure.kind is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (StoreUnavailableError("down\r\nFAKE"), FailureKind.TEMPORARY),
        (StoreError("?"), FailureKind.TEMPORARY),
        (StoreDeniedError("no"), FailureKind.MISCONFIGURED),
        (StoreContentError("?"), FailureKind.MISCONFIGURED),
    ],
)
def test_store_errors(error: StoreError, kind: FailureKind) -> None:
    failure = no_store("ada", error).failure
    assert failure.kind is kind
    assert failure.detail.isprintable()


def test_a_wrong_password_with_a_hint() -> None:
    assert wrong_password("ada", "and more").failure.detail.endswith("; and more")
