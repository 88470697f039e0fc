"""User names and servers of an account: read, checked, and found at a login."""

from __future__ import annotations

import pytest

from emailproxy.config import Config, MailProtocol, MailServer

from .conftest import ACCOUNT, SERVER, Load

ANY = "[IMAP-1993]\nlocal_address = localhost\n"
SMTP = "[SMTP-1587]\nlocal_address = localhost\nserver_address = smtp.example.com\nserver_port = 465\n"
BOB = ACCOUNT.replace("ada@", "bob@")
CATCHING = "[emailproxy]\nallow_catch_all_accounts = True\n"


def route(config: Config, user: str = "ada@example.com", server: int = 0) -> MailServer | None:
    account = config.account(user)
    assert account is not None
    return account.mail_server(config.servers[server])


# --- user names -----------------------------------------------------------------------------------------------------


def test_one_name_everywhere_by_default(loaded: Load) -> None:
    account = loaded(SERVER + ACCOUNT).good.accounts["ada@example.com"]
    assert account.identity == "ada@example.com"
    assert {account.user_at(protocol) for protocol in MailProtocol} == {"ada@example.com"}


def test_the_shared_mailbox_and_the_delegate(loaded: Load) -> None:
    text = "upstream_user = ada@x.org\nupstream_user_imap = sales@x.org\nupstream_user_pop = sales+pop@x.org\n"
    account = loaded(SERVER + ACCOUNT + text).good.accounts["ada@example.com"]
    assert (account.name, account.identity) == ("ada@example.com", "ada@x.org")
    assert [account.user_at(protocol) for protocol in MailProtocol] == ["sales@x.org", "sales+pop@x.org", "ada@x.org"]


@pytest.mark.parametrize("option", ["upstream_user", "upstream_user_smtp"])
@pytest.mark.parametrize("name", ["a\x01auth=Bearer x", "x" * 321])
def test_no_user_name(loaded: Load, option: str, name: str) -> None:
    section, where, told = loaded(SERVER + ACCOUNT + f"{option} = {name}\n").fault()
    assert (section, where) == ("ada@example.com", option)
    assert "is no user name" in told
    assert "Bearer" not in told


# --- aliases --------------------------------------------------------------------------------------------------------


def test_aliases_are_found_without_case(loaded: Load) -> None:
    config = loaded(SERVER + ACCOUNT + "login_alias = Scanner, copier-2  fax\n").good
    account = config.accounts["ada@example.com"]
    assert account.login_aliases == ("Scanner", "copier-2", "fax")
    for user in ("scanner", "SCANNER", "Copier-2", "fax", "ada@example.com"):
        assert config.account(user) is account
    assert config.account("scan") is None


def test_an_alias_goes_before_a_catch_all_section(loaded: Load) -> None:
    text = CATCHING + SERVER + ACCOUNT + "login_alias = office@example.com\n" + BOB.replace("bob@example", "@example")
    config = loaded(text).good
    assert config.account("OFFICE@example.com") is config.accounts["ada@example.com"]


@pytest.mark.parametrize(
    ("ada", "bob", "section", "told"),
    [
        ("BOB@example.com", "", "ada@example.com", "BOB@example.com is the name of [bob@example.com]"),
        ("scan", "SCAN", "bob@example.com", "SCAN is also an alias of [ada@example.com]"),
    ],
)
def test_an_alias_means_one_account(loaded: Load, ada: str, bob: str, section: str, told: str) -> None:
    text = SERVER + ACCOUNT + f"login_alias = {ada}\n" + BOB + f"login_alias = {bob}\n"
    found, option, problem = loaded(text).fault()
    assert (found, option) == (section, "login_alias")
    assert problem == f"{told}; give each account names of its own"


def test_an_alias_that_is_the_own_name_is_harmless(loaded: Load) -> None:
    config = loaded(SERVER + ACCOUNT + "login_alias = ADA@example.com\n").good
    assert config.account("ADA@example.com") is config.accounts["ada@example.com"]


def test_an_alias_is_one_accounts(loaded: Load) -> None:
    template = ACCOUNT.replace("ada@example", "@example") + "login_alias = scan\n"
    assert loaded(CATCHING + SERVER + template).fault()[:2] == ("@example.com", "login_alias")
    # Nor do the accounts that the section completes have it.
    told = loaded(CATCHING + SERVER + template + "[eve@example.com]\nclient_id = x\n").fault()
    assert told[0] == "@example.com"


@pytest.mark.parametrize("text", ["a\x07b", "x" * 321])
def test_no_alias(loaded: Load, text: str) -> None:
    assert "is a user name" in loaded(SERVER + ACCOUNT + f"login_alias = {text}\n").fault()[2]


# --- servers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("imap_server = imap.x.org", ("imap.x.org", 993, False)),
        ("imap_server = imap.x.org\nimap_starttls = yes", ("imap.x.org", 143, True)),
        ("imap_server = imap.x.org:1143\nimap_starttls = yes", ("imap.x.org", 1143, True)),
        ("imap_server = [2001:db8::1]:9930", ("2001:db8::1", 9930, False)),
        ("imap_server = [2001:db8::1]", ("2001:db8::1", 993, False)),
        ("imap_server = 192.0.2.1:993", ("192.0.2.1", 993, False)),
    ],
)
def test_an_accounts_own_server(loaded: Load, text: str, expected: tuple[str, int, bool]) -> None:
    for server in (ANY, SERVER):  # goes before the port's
        assert route(loaded(server + ACCOUNT + text + "\n").good) == MailServer(MailProtocol.IMAP, *expected)


def test_one_port_serves_accounts_of_several_providers(loaded: Load) -> None:
    text = ANY + ACCOUNT + "provider = gmail\n" + BOB + "imap_server = imap.x.org\n"
    config = loaded(text).good
    assert config.warnings == ()
    assert config.servers[0].mail_server is None
    assert route(config) == MailServer(MailProtocol.IMAP, "imap.gmail.com", 993)
    assert route(config, "bob@example.com") == MailServer(MailProtocol.IMAP, "imap.x.org", 993)
    assert {server.address for server in config.mail_servers()} == {"imap.gmail.com", "imap.x.org"}


def test_what_is_written_goes_before_what_is_known(loaded: Load) -> None:
    """The account's own server, the port's, the provider's: a provider's name moves nobody to another server."""
    config = loaded(SERVER + SMTP + ACCOUNT + "provider = gmail\nsmtp_server = smtp.x.org\n").good
    assert route(config, server=0) == MailServer(MailProtocol.IMAP, "imap.example.com", 993)
    assert route(config, server=1) == MailServer(MailProtocol.SMTP, "smtp.x.org", 465)


def test_a_template_routes_whom_it_catches(loaded: Load) -> None:
    template = ACCOUNT.replace("ada@example", "@example") + "imap_server = imap.x.org\n"
    assert route(loaded(CATCHING + ANY + template).good, "eve@example.com") is not None


def test_sasl_ir_is_the_ports(loaded: Load) -> None:
    found = route(loaded(ANY + "sasl_ir = never\n" + ACCOUNT + "imap_server = imap.x.org\n").good)
    assert found is not None
    assert not found.sasl_ir


def test_a_port_where_nobody_can_log_in(loaded: Load) -> None:
    section, option, told = loaded(ANY + ACCOUNT + "pop_server = pop.x.org\n").warning()
    assert (section, option) == ("IMAP-1993", "server_address")
    assert "each account needs imap_server or provider, and none has one" in told


@pytest.mark.parametrize(
    ("text", "option", "told"),
    [
        ("imap_server = imap.x.org:imap", "imap_server", "its port is outside 1-65535"),
        ("imap_server = imap.x.org:0", "imap_server", "its port is outside 1-65535"),
        ("imap_server = imap.x.org:65536", "imap_server", "its port is outside 1-65535"),
        ("imap_server = imaps://imap.x.org", "imap_server", "is no server"),
        ("imap_server = 2001:db8::1", "imap_server", "is no server"),
        ("imap_server = imap..org", "imap_server", "is no server"),
        ("imap_server = a b", "imap_server", "is no server"),
        ("smtp_starttls = True", "smtp_starttls", "there is no smtp_server"),
        ("pop_server = pop.x.org\npop_starttls = perhaps", "pop_starttls", "neither True nor False"),
    ],
)
def test_faults(loaded: Load, text: str, option: str, told: str) -> None:
    section, where, problem = loaded(SERVER + ACCOUNT + text + "\n").fault()
    assert (section, where) == ("ada@example.com", option)
    assert told in problem


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("smtp_server = smtp.x.org:587", "smtp_server"),
        ("smtp_server = smtp.x.org:465\nsmtp_starttls = True", "smtp_starttls"),
    ],
)
def test_a_port_that_begins_in_another_way(loaded: Load, text: str, option: str) -> None:
    section, where, _ = loaded(SERVER + SMTP + ACCOUNT + text + "\n").warning()
    assert (section, where) == ("ada@example.com", option)
