"""One option at a time: what is shown in messages, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emailproxy.config.options import Findings, Option, Reader, is_host, is_loopback, printable_url


def reader(**options: str) -> tuple[Reader, Findings]:
    findings = Findings("x.config")
    return Reader("section", {name: Option(text, "template") for name, text in options.items()}, findings), findings


def test_faults_are_told_where_the_option_stands() -> None:
    read, findings = reader(port="x")
    assert read.port("port") is None
    assert read.required("other", "add it") is None
    assert [(fault.section, fault.option) for fault in findings.faults] == [("template", "port"), ("section", "other")]


def test_a_fault_met_twice_is_told_once() -> None:
    read, findings = reader(port="x")
    read.port("port")
    read.port("port")
    assert len(findings.faults) == 1


@given(st.text())
def test_any_text_is_a_value_or_one_fault(text: str) -> None:
    read, findings = reader(value=text)
    port = read.port("value")
    assert port is None or 1 <= port <= 65535
    assert read.integer("value", 5, least=2) >= 2
    assert (read.seconds("value", 5.0) or 0) >= 0
    assert read.boolean("value") in (True, False)
    read.url("value")
    assert all(str(fault).isprintable() for fault in findings.faults)


@given(st.integers(1, 65535))
def test_every_port(number: int) -> None:
    read, findings = reader(value=f" {number} ")
    assert read.port("value") == number
    assert not findings.faults


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        ("https://example.com/x?code=s3cret", "https://example.com/x"),
        ("https://user:s3cret@example.com:8/x#s3cret", "https://example.com:8/x"),
        ("s3cret", "the value"),
        ("https://example.com:s3cret/", "the value"),
        ("https://example.com/" + "x" * 99, "https://example.com/" + "x" * 57 + "..."),
    ],
)
def test_printable_url(url: str, printed: str) -> None:
    assert printable_url(url) == printed


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("127.0.0.1.example.com", False),
        ("localhost.example.com", False),
        ("10.127.0.0", False),
    ],
)
def test_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


@given(st.text("ab.-", max_size=70) | st.text(max_size=20))
@example("a" * 63 + ".")
@example("a" * 64)
@example(".")
@example("a..b")
def test_a_host_is_what_the_codec_for_names_takes(name: str) -> None:
    try:
        name.encode("idna")
    except UnicodeError:
        assert not is_host(name)
    else:
        assert is_host(name)
