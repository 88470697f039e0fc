"""Server sections: what is served, and what is a mistake."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emailproxy.config import MailProtocol

from .conftest import ACCOUNT, SERVER, Load


def server(section: str, **options: object) -> str:
    values = {"local_address": "localhost", "server_address": "mail.example.com", "server_port": 993, **options}
    lines = [f"{name} = {value}" for name, value in values.items() if value is not None]
    return "\n".join([f"[{section}]", *lines, ""])


def test_three_protocols(loaded: Load) -> None:
    text = server("IMAP-1993", server_starttls="yes") + server("POP-1", starttls="on") + server("SMTP-65535")
    imap, pop, smtp = loaded(text + ACCOUNT).good.servers
    assert [one.protocol for one in (imap, pop, smtp)] == [MailProtocol.IMAP, MailProtocol.POP, MailProtocol.SMTP]
    assert [one.local_port for one in (imap, pop, smtp)] == [1993, 1, 65535]
    assert [one.server_starttls for one in (imap, pop, smtp)] == [True, True, False]


def test_new_name_of_starttls_wins(loaded: Load) -> None:
    (one,) = loaded(server("SMTP-25", starttls="True", server_starttls="False") + ACCOUNT).good.servers
    assert not one.server_starttls


@pytest.mark.parametrize("port", ["0", "65536", "70000", "9" * 5000])
def test_local_port_out_of_range(loaded: Load, port: str) -> None:
    assert "is outside 1-65535" in loaded(server(f"IMAP-{port}") + ACCOUNT).fault()[2]


@pytest.mark.parametrize(
    ("port", "problem"),
    [
        ("0", "port 0 is outside"),
        ("65536", "port 65536 is outside"),
        ("9" * 400, "is outside"),
        ("imaps", "port imaps is not a number"),
        ("-1", "port -1 is not a number"),
        ("9_93", "port 9_93 is not a number"),
        ("٩٩٣", "is not a number"),
    ],
)
def test_remote_port(loaded: Load, port: str, problem: str) -> None:
    section, option, text = loaded(server("IMAP-1993", server_port=port) + ACCOUNT).fault()
    assert (section, option) == ("IMAP-1993", "server_port")
    assert problem in text


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(port=st.integers(-10, 70_000))
def test_any_port(loaded: Load, port: int) -> None:
    outcome = loaded(server("IMAP-1993", server_port=port) + ACCOUNT)
    if 1 <= port <= 65535:
        assert outcome.good.servers[0].server_port == port
    else:
        assert outcome.fault()[1] == "server_port"


@pytest.mark.parametrize("option", ["server_address", "server_port"])
@pytest.mark.parametrize("text", ["{option} =", ""])
def test_required(loaded: Load, option: str, text: str) -> None:
    value = loaded(server("IMAP-1993", **{option: None}) + text.format(option=option) + "\n" + ACCOUNT).fault()
    assert value[:2] == ("IMAP-1993", option)
    assert "this required option is missing" in value[2]


@pytest.mark.parametrize(
    "address",
    [
        "https://mail.example.com",
        "mail.example.com:993",
        "mail example.com",
        "user@mail.example.com",
        "a/b",
        "mail..example.com",
        ".example.com",
        "x" * 64 + ".example.com",
    ],
)
def test_no_host_name(loaded: Load, address: str) -> None:
    assert "is no host name" in loaded(server("IMAP-1993", server_address=address) + ACCOUNT).fault()[2]


@pytest.mark.parametrize("address", ["a..b", "x" * 64])
def test_no_local_address(loaded: Load, address: str) -> None:
    assert loaded(server("IMAP-1993", local_address=address) + ACCOUNT).fault()[1] == "local_address"


@pytest.mark.parametrize("address", ["mail.example.com", "192.0.2.1", "2001:db8::1", "fe80::1%eth0", "mäil.example"])
def test_host_name(loaded: Load, address: str) -> None:
    assert loaded(server("IMAP-1993", server_address=address) + ACCOUNT).good.servers[0].server_address == address


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("IMAPS-1993", "[IMAP-1993]"),
        ("imap-1993", "[IMAP-1993]"),
        ("IMAP 1993", "[IMAP-1993]"),
        ("IMAP_1993", "[IMAP-1993]"),
        ("IMAP:1993", "[IMAP-1993]"),
        ("IMAP1993", "[IMAP-1993]"),
        (" IMAP-1993", "[IMAP-1993]"),
        ("POP3-1995", "[POP-1995]"),
        ("POP3S-1995", "[POP-1995]"),
        ("SUBMISSION-1587", "[SMTP-1587]"),
        ("IMAP--1993", "[IMAP-1993]"),
    ],
)
def test_almost_a_server(loaded: Load, name: str, right: str) -> None:
    section, option, text = loaded(SERVER.replace("1993", "2993") + f"[{name}]\n" + ACCOUNT).fault()
    assert (section, option) == (name, None)
    assert "looks like a server but is not" in text
    assert f"name it {right}" in text


@pytest.mark.parametrize("name", ["Server setup", "IMAP", "POP3", "IMAP setup", "IMAP-1993 notes", "1993"])
def test_documentation(loaded: Load, name: str) -> None:
    assert loaded(f"[{name}]\ntext = hello\n" + SERVER + ACCOUNT).good.warnings == ()


def test_a_server_by_its_options_alone_is_a_warning(loaded: Load) -> None:
    text = server("off-IMAP-1993")
    assert "has a server's options" in loaded(text + SERVER + ACCOUNT).warning()[2]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (None, None),
        (None, "127.0.0.1"),
        ("::", "192.0.2.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("0.0.0.0", "localhost"),
        ("0.0.0.0", "::"),
        ("localhost", "::1"),
        ("127.0.0.1", "localhost"),
        ("LOCALHOST", "localhost."),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_one_port_twice(loaded: Load, one: str | None, other: str | None) -> None:
    for first, second in ((one, other), (other, one)):
        text = server("IMAP-1993", local_address=first) + server("POP-1993", local_address=second)
        section, _, problem = loaded(text + ACCOUNT).fault()
        assert section == "POP-1993"
        assert "port 1993 is also the port of [IMAP-1993]" in problem


def test_one_port_twice_is_said_beside_other_faults(loaded: Load) -> None:
    """Or the next start would find what this one could have told."""
    text = server("IMAP-1993", server_port="imap") + server("POP-1993", server_address=None)
    told = [f"[{fault.section}] {fault.problem}" for fault in loaded(text + ACCOUNT).faults]
    assert "[POP-1993] port 1993 is also the port of [IMAP-1993]" in told
    assert len(told) == 3


def test_a_port_that_is_none_is_said_once(loaded: Load) -> None:
    told = loaded(server("IMAP-0") + server("POP-0") + ACCOUNT).faults
    assert ["outside" in fault.problem for fault in told] == [True, True]


@pytest.mark.parametrize(
    ("port", "options", "option"),
    [
        (993, {"starttls": "True"}, "starttls"),
        (995, {"server_starttls": "True"}, "server_starttls"),
        (465, {"server_starttls": "True", "starttls": "False"}, "server_starttls"),
        (587, {}, "server_port"),
        (143, {"server_starttls": "False"}, "server_port"),
    ],
)
def test_a_port_for_the_other_kind_of_tls(loaded: Load, port: int, options: dict[str, str], option: str) -> None:
    """The classic proxy ignored ``starttls`` for IMAP and POP; here the two sides would wait for each other."""
    section, where, text = loaded(server("IMAP-1993", server_port=port, **options) + ACCOUNT).warning()
    assert (section, where) == ("IMAP-1993", option)
    assert f"port {port}" in text


@pytest.mark.parametrize(("port", "starttls"), [(993, False), (587, True), (2525, True), (2525, False)])
def test_a_port_for_this_kind_of_tls(loaded: Load, port: int, starttls: bool) -> None:
    text = server("SMTP-1587", server_port=port, server_starttls=starttls)
    assert loaded(text + ACCOUNT).good.warnings == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [("127.0.0.1", "::1"), ("127.0.0.1", "127.0.0.2"), ("192.0.2.1", "localhost"), ("0.0.0.0", "::1")],
)
def test_one_port_on_two_addresses(loaded: Load, one: str, other: str) -> None:
    text = server("IMAP-1993", local_address=one) + server("POP-1993", local_address=other)
    assert len(loaded(text + ACCOUNT).good.servers) == 2


@pytest.mark.parametrize("address", [None, "0.0.0.0", "::", "192.0.2.1", "mail.example.com"])
def test_plain_text_beyond_this_machine_is_a_warning(loaded: Load, address: str | None) -> None:
    section, option, text = loaded(server("IMAP-1993", local_address=address) + ACCOUNT).warning()
    assert (section, option) == ("IMAP-1993", "local_address")
    assert f"without TLS on {address or 'every interface of this machine'}" in text


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"])
def test_plain_text_on_this_machine_is_none(loaded: Load, address: str) -> None:
    config = loaded(server("IMAP-1993", local_address=address) + ACCOUNT).good
    assert config.warnings == ()
    assert config.servers[0].local_address == address.strip("[]")


@pytest.mark.parametrize(
    ("option", "near"),
    [
        ("server_adress", "server_address"),
        ("serverport", "server_port"),
        ("start_tls", "starttls"),
        ("local_certificate_file", "local_certificate_path"),
    ],
)
def test_mistyped_option(loaded: Load, option: str, near: str) -> None:
    section, name, text = loaded(SERVER + f"{option} = x\n" + ACCOUNT).fault()
    assert (section, name) == ("IMAP-1993", option)
    assert text == f"there is no such option; did you mean {near}?"


def test_unknown_option_is_a_warning(loaded: Load) -> None:
    assert loaded(SERVER + "plugins = x\n" + ACCOUNT).warning()[:2] == ("IMAP-1993", "plugins")


@pytest.mark.parametrize("name", ['"private_key"', "miievgibadanbgkqhkig9w0baqefaascbkgwggskageaaoibaqc7vjttutd6jcos"])
def test_what_may_be_a_piece_of_a_key_is_not_repeated(loaded: Load, name: str) -> None:
    assert loaded(SERVER + f"{name} = x\n" + ACCOUNT).warning()[1] == "(a name that is not shown)"


def test_boolean_that_is_none(loaded: Load) -> None:
    _, option, text = loaded(SERVER + "server_starttls = maybe\n" + ACCOUNT).fault()
    assert option == "server_starttls"
    assert text == "maybe is neither True nor False; write True or False"


@pytest.mark.parametrize(("text", "version"), [(None, "1.2"), ("1.0", "1.0"), ("1.3", "1.3")])
def test_oldest_tls_of_clients(loaded: Load, text: str | None, version: str) -> None:
    config = loaded(server("IMAP-1993", min_tls=text) + ACCOUNT).good
    assert config.servers[0].min_tls == version
    assert any(warning.option == "min_tls" for warning in config.warnings) is (version < "1.2")


@pytest.mark.parametrize(("text", "believed"), [(None, True), ("auto", True), ("Never", False)])
def test_initial_response(loaded: Load, text: str | None, believed: bool) -> None:
    assert loaded(server("IMAP-1993", sasl_ir=text) + ACCOUNT).good.servers[0].sasl_ir is believed


@pytest.mark.parametrize(("option", "value"), [("min_tls", "0.9"), ("min_tls", "TLSv1.2"), ("sasl_ir", "always")])
def test_a_choice_that_is_none(loaded: Load, option: str, value: str) -> None:
    section, name, text = loaded(server("IMAP-1993", **{option: value}) + ACCOUNT).fault()
    assert (section, name) == ("IMAP-1993", option)
    assert value in text


def test_tokens_are_passed_on_only_where_it_says_so(loaded: Load) -> None:
    config = loaded(server("IMAP-1993") + server("POP-1995", pass_tokens=True) + ACCOUNT).good
    assert [each.pass_tokens for each in config.servers] == [False, True]
    assert loaded(server("IMAP-1993", pass_tokens="some") + ACCOUNT).fault()[:2] == ("IMAP-1993", "pass_tokens")
