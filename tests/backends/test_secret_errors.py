"""An error of a shared connection names the secret that was read."""

from __future__ import annotations

import pytest

from emailproxy.store.base import StoreDeniedError, StoreError, StoreUnavailableError
from emailproxy_backends.aws_calls import AnswerError
from emailproxy_backends.secret_errors import naming


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (StoreUnavailableError("aws: cannot be reached"), StoreUnavailableError, "aws:a#x: cannot be reached"),
        (StoreDeniedError("aws:a#x: denied"), StoreDeniedError, "aws:a#x: denied"),
        (AnswerError("aws: refused", "Code"), StoreUnavailableError, "aws:a#x: refused"),
        (StoreDeniedError("no credentials"), StoreDeniedError, "aws:a#x: no credentials"),
    ],
)
def test_the_address_comes_first(error: StoreError, kind: type[StoreError], told: str) -> None:
    with pytest.raises(kind) as caught, naming("aws:a#x", "aws"):
        raise error
    assert str(caught.value) == told


def test_mistakes_pass() -> None:
    with pytest.raises(ValueError, match="a mistake"), naming("aws:a", "aws"):
        raise ValueError("a mistake")
