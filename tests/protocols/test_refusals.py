import pytest

from emailproxy.protocols.refusals import is_temporary


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("BAD Request is throttled. Suggested Backoff Time: 89117 milliseconds", ""),
        ("-ERR Server Unavailable. 21", ""),
        ("535 5.7.0 (#AUTH005) Too many bad auth attempts.", ""),
        ("NO x", "UNAVAILABLE"),
        ("-ERR x", "sys/temp"),
        ("NO Temporary authentication failure", ""),
    ],
)
def test_worth_another_try(words: str, code: str) -> None:
    assert is_temporary(words, code)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("NO AUTHENTICATE failed.", ""),
        ("NO Invalid credentials (Failure)", "AUTHENTICATIONFAILED"),
        ("BAD User is authenticated but not connected.", ""),
        ("-ERR x", "SYS/PERM"),
    ],
)
def test_not_worth_it(words: str, code: str) -> None:
    assert not is_temporary(words, code)
