"""proxy_protocol: whose word is taken, and that it must be said."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from .conftest import ACCOUNT, SERVER, Load


def say(*lines: str) -> str:
    return "\n".join([SERVER.rstrip(), *lines, ACCOUNT])


def test_who_is_believed(loaded: Load) -> None:
    assert loaded(say()).good.servers[0].proxy_protocol_from == ()
    text = say("proxy_protocol = True", "proxy_protocol_from = 10.0.0.4, 10.0.1.0/24  2001:db8::/64")
    assert loaded(text).good.servers[0].proxy_protocol_from == (
        ip_network("10.0.0.4"),
        ip_network("10.0.1.0/24"),
        ip_network("2001:db8::/64"),
    )


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["proxy_protocol = True"], "anybody could claim to be anybody"),
        (["proxy_protocol = True", "proxy_protocol_from = lb.example.com"], "no network"),
        (["proxy_protocol = True", "proxy_protocol_from = 10.0.0.1/8"], "no network"),
        (["proxy_protocol = True", "proxy_protocol_from = ,"], "no network"),
        (["proxy_protocol_from = 10.0.0.4"], "write proxy_protocol = True"),
    ],
)
def test_mistakes(loaded: Load, lines: list[str], words: str) -> None:
    section, option, text = loaded(say(*lines)).fault()
    assert (section, option) == ("IMAP-1993", "proxy_protocol_from")
    assert words in text


def test_everybody_is_warned_about(loaded: Load) -> None:
    text = say("proxy_protocol = True", "proxy_protocol_from = 0.0.0.0/0")
    assert "everybody who can connect" in loaded(text).warning()[2]
