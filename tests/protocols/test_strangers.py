import pytest

from emailproxy.protocols.strangers import LONGEST_SIGNATURE, NOT_SURE_YET, recognise

V2 = b"\r\n\r\n\0\r\nQUIT\n"


@pytest.mark.parametrize("header", [V2, b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"])
def test_proxy_protocol(header: bytes) -> None:
    assert "PROXY protocol" in str(recognise(header))
    assert "PROXY protocol" in str(recognise(header + b"more"))
    for length in range(1, len(header)):
        assert recognise(header[:length]) == NOT_SURE_YET


def test_tls() -> None:
    assert recognise(b"\x16") == NOT_SURE_YET
    assert "TLS handshake" in str(recognise(b"\x16\x03\x01\x02\0"))


@pytest.mark.parametrize("first", [b"a", b"PASS x", b"PROXY LOGIN a b", b"\r\nEHLO", b"\n", b"EHLO x", b"\x16\x02"])
def test_mail_clients(first: bytes) -> None:
    assert recognise(first) is None


def test_the_longest_signature_is_version_2() -> None:
    assert len(b"PROXY UNKNOWN") == LONGEST_SIGNATURE
