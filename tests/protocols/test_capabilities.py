import re

from hypothesis import given
from hypothesis import strategies as st

from emailproxy.protocols.capabilities import MAX_OFFER, imap_capabilities, pop3_capabilities, smtp_extensions


def test_imap_revisions_come_first_in_order() -> None:
    assert imap_capabilities(["IDLE", "IMAP4rev2", "imap4REV1"], starttls=False).startswith(
        "IMAP4rev1 IMAP4rev2 SASL-IR "
    )
    assert imap_capabilities(["IMAP4rev2"], starttls=False).startswith("IMAP4rev2 SASL-IR ")
    assert imap_capabilities(["IDLE"], starttls=False).startswith("IMAP4rev1 SASL-IR ")


def test_imap_ways_to_log_in_are_ours() -> None:
    offered = ["IMAP4rev1", "AUTH=XOAUTH2", "auth=plain", "LOGINDISABLED", "STARTTLS", "SASL-IR", "X-A", "X-A", "ID"]
    assert imap_capabilities(offered, starttls=False) == "IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=LOGIN X-A ID"
    assert "STARTTLS" in imap_capabilities(offered, starttls=True).split()


def test_pop3_ways_to_log_in_are_ours() -> None:
    offered = [
        "TOP",
        "user",
        "SASL XOAUTH2",
        "STLS",
        "APOP",
        "PIPELINING",
        "AUTH-RESP-CODE",
        "UTF8 USER",
        "LANG",
        "X-AUTH y",
    ]
    ours = ("USER", "SASL PLAIN LOGIN", "RESP-CODES", "AUTH-RESP-CODE")
    assert pop3_capabilities(offered, starttls=False) == ("TOP", "PIPELINING", "X-AUTH y", *ours)
    assert pop3_capabilities(offered, starttls=True)[-1] == "STLS"


def test_smtp_ways_to_log_in_are_ours() -> None:
    offered = ["AUTH=LOGIN", "SIZE 1", "auth login", "XAUTH", "starttls"]
    assert smtp_extensions(offered, starttls=False) == ("SIZE 1", "XAUTH", "AUTH PLAIN LOGIN", "AUTH=PLAIN LOGIN")
    assert smtp_extensions(["SIZE 1"], starttls=True) == ("SIZE 1", "AUTH PLAIN LOGIN", "STARTTLS")


def test_a_list_without_end_is_cut() -> None:
    offered = [f"X{i}" for i in range(10_000)]
    assert len(imap_capabilities(offered, starttls=True)) < MAX_OFFER + 100
    assert sum(len(line) + 1 for line in smtp_extensions(offered, starttls=True)) < MAX_OFFER + 100


@given(st.lists(st.text(max_size=20)))
def test_nothing_from_outside_breaks_a_line_or_a_code(offered: list[str]) -> None:
    assert re.fullmatch(r"[\x20-\x5c\x5e-\x7e]+", imap_capabilities(offered, starttls=False))
    for line in (*pop3_capabilities(offered, starttls=True), *smtp_extensions(offered, starttls=True)):
        assert re.fullmatch(r"[\x21-\x7e][\x20-\x7e]*", line)


def test_other_mechanisms_are_offered_where_they_are_taken() -> None:
    ways = ("PLAIN", "XOAUTH2")
    assert imap_capabilities([], starttls=False, mechanisms=ways).startswith(
        "IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2 "
    )
    assert "SASL PLAIN XOAUTH2" in pop3_capabilities([], starttls=False, mechanisms=ways)
    assert smtp_extensions(["AUTH=LOGIN"], starttls=False, mechanisms=ways) == (
        "AUTH PLAIN XOAUTH2",
        "AUTH=PLAIN XOAUTH2",
    )
