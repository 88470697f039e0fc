import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailproxy.failures import Failure, FailureKind
from emailproxy.protocols.replies import CODES, imap_bye, imap_no, pop3_err, smtp_goodbye, smtp_reply, told

TEXT = told(Failure(FailureKind.TEMPORARY, "Later.", "detail", "7F3A"))


def test_told() -> None:
    assert TEXT == "Later. (ref 7F3A)"


@pytest.mark.parametrize(
    ("kind", "imap", "pop3", "smtp", "goodbye"),
    [
        (FailureKind.WRONG_CREDENTIALS, "[AUTHENTICATIONFAILED]", "-ERR [AUTH]", "535 5.7.8", "421 4.7.0"),
        (FailureKind.TEMPORARY, "[UNAVAILABLE]", "-ERR [SYS/TEMP]", "454 4.7.0", "421 4.7.0"),
        (FailureKind.MISCONFIGURED, "[CONTACTADMIN]", "-ERR [SYS/PERM]", "554 5.3.5", "421 4.3.5"),
        (FailureKind.PROTOCOL_ABUSE, "[CLIENTBUG]", "-ERR", "500 5.5.6", "500 5.5.6"),
        (FailureKind.LIMIT, "[LIMIT]", "-ERR [SYS/TEMP]", "421 4.7.0", "421 4.7.0"),
        (FailureKind.SHUTTING_DOWN, "[UNAVAILABLE]", "-ERR [SYS/TEMP]", "421 4.3.2", "421 4.3.2"),
    ],
)
def test_the_table(kind: FailureKind, imap: str, pop3: str, smtp: str, goodbye: str) -> None:
    assert imap_no(b"a]1", kind, TEXT) == f"a]1 NO {imap} Later. (ref 7F3A)\r\n".encode()
    assert imap_bye(kind, TEXT) == f"* BYE {imap} Later. (ref 7F3A)\r\n".encode()
    assert pop3_err(kind, TEXT) == f"{pop3} Later. (ref 7F3A)\r\n".encode()
    assert smtp_reply(kind, TEXT) == f"{smtp} Later. (ref 7F3A)\r\n".encode()
    assert smtp_goodbye(kind, TEXT) == f"{goodbye} Later. (ref 7F3A)\r\n".encode()


def test_every_kind_has_a_row() -> None:
    assert set(CODES) == set(FailureKind)


def test_only_a_wrong_password_sounds_like_one() -> None:
    for kind, codes in CODES.items():
        wrong = kind is FailureKind.WRONG_CREDENTIALS
        assert (codes.imap == "AUTHENTICATIONFAILED") is wrong
        assert (codes.pop3 == "AUTH") is wrong
        assert codes.smtp.startswith("535") is wrong


@given(st.sampled_from(FailureKind), st.text(), st.text())
def test_nothing_from_outside_breaks_a_line(kind: FailureKind, text: str, reference: str) -> None:
    words = told(Failure(kind, text, "", reference))
    for line in (imap_no(b"a", kind, words), imap_bye(kind, words), pop3_err(kind, words), smtp_reply(kind, words)):
        assert re.fullmatch(rb"[\x20-\x7e]+\r\n", line)
        assert len(line) <= 512
