"""A failure is told twice, tied by a reference."""

from __future__ import annotations

import re

from emailproxy.failures import Failure, FailureKind, LoginFailed


def test_references_are_four_hexadecimal_digits_and_differ() -> None:
    references = {Failure(FailureKind.TEMPORARY, "t", "d").reference for _ in range(50)}
    assert all(re.fullmatch("[0-9A-F]{4}", reference) for reference in references)
    assert len(references) > 40


def test_the_exception_speaks_to_the_operator() -> None:
    failure = Failure(FailureKind.TEMPORARY, "for the client", "for the operator")
    assert str(LoginFailed(failure)) == "for the operator"
    assert LoginFailed(failure).failure is failure
