"""A whole file, from octets to `Config`, or to every fault at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from emailproxy.config import Account, Config, ConfigError, MailProtocol, Server, Settings, load
from emailproxy.secret import Secret

from .conftest import ACCOUNT, SERVER, Load


def test_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "emailproxy.config"
    path.write_bytes(b"\xef\xbb\xbf# with a byte order mark\r\n" + (SERVER + ACCOUNT).replace("\n", "\r\n").encode())
    assert load(path) == Config(
        path,
        (Server("IMAP-1993", MailProtocol.IMAP, 1993, "imap.example.com", 993, "localhost"),),
        {
            "ada@example.com": Account(
                name="ada@example.com",
                section="ada@example.com",
                oauth2_flow="authorization_code",
                token_url="https://login.example.com/token",
                client_id="id",
                permission_url="https://login.example.com/authorize",
                oauth2_scope="mail offline_access",
                redirect_uri="http://localhost:8080",
            )
        },
        {},
        Settings(),
        (),
    )


def test_every_fault_at_once(tmp_path: Path) -> None:
    path = tmp_path / "emailproxy.config"
    path.write_text(
        """\
[emailproxy]
allow_catch_all_accounts = perhaps
[IMAP-99999]
server_adress = imap.example.com
server_port = 0
[IMAPS-1993]
server_address = imap.example.com
[SMTP-1587]
local_address = localhost
server_address = smtp.example.com
server_port = 587
server_port = 588
local_starttls = yes
[ada@example.com]
token_url = ftp://example.com
oauth2_flow = authorisation_code
client_secret = s3cret
nonsense s3cret
"""
    )
    with pytest.raises(ConfigError) as caught:
        load(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(caught.value.faults)
    assert [line.removeprefix(f"{path} ").split(";")[0] for line in lines] == [
        "[SMTP-1587] server_port: line 12 gives this option a second time",
        "[ada@example.com]: line 18 is no option, section or comment",
        "[emailproxy] allow_catch_all_accounts: perhaps is neither True nor False",
        "[IMAP-99999] server_adress: there is no such option",
        "[IMAP-99999]: port 99999 is outside 1-65535",
        "[IMAP-99999] server_address: this required option is missing",
        "[IMAP-99999] server_port: port 0 is outside 1-65535",
        "[IMAPS-1993]: looks like a server but is not",
        "[SMTP-1587] local_starttls: there is no certificate to offer STARTTLS with",
        "[ada@example.com] token_url: ftp://example.com is not an http or https URL",
        "[ada@example.com] oauth2_flow: authorisation_code is no flow that is known",
        "[ada@example.com] client_id: this required option is missing",
        "[ada@example.com] oauth2_scope: this required option is missing",
    ]
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in "".join(map(str, caught.value.warnings))


def test_no_file(tmp_path: Path) -> None:
    path = tmp_path / "none.config"
    with pytest.raises(ConfigError, match=f"emailproxy sample-config > {path}"):
        load(path)


@pytest.mark.parametrize("path", [Path("/"), Path("a\0b"), Path("/dev/null/x")])
def test_no_readable_file(path: Path) -> None:
    with pytest.raises(ConfigError, match="it cannot be read: "):
        load(path)


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "emailproxy.config"
    path.write_bytes((SERVER + ACCOUNT).encode() + b"client_secret = \xff\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert [fault.problem for fault in caught.value.faults] == ["line 11 is not UTF-8"]


def test_no_server_is_a_fault_and_no_account_a_warning(loaded: Load) -> None:
    assert loaded("").fault()[2].startswith("there is no server; ")
    assert loaded(SERVER).warning()[2].startswith("there is no account, so nobody can log in; ")


def test_secrets_stay_secret(loaded: Load) -> None:
    config = loaded(SERVER + ACCOUNT + "client_secret = s3cret\n").good
    assert config.accounts["ada@example.com"].client_secret == Secret("s3cret")
    assert "s3cret" not in repr(config)


def test_options_ignore_case_and_sections_do_not(loaded: Load) -> None:
    outcome = loaded(SERVER.replace("server_port", "Server_PORT") + ACCOUNT + "[Emailproxy]\nx=1\n")
    assert outcome.fault()[2].startswith("looks like [emailproxy] but is not; ")
    assert outcome.fault()[0] == "Emailproxy"


def test_defaults_of_the_file_reach_every_section(loaded: Load) -> None:
    text = "[DEFAULT]\nclient_id = common\nlocal_address = localhost\n" + SERVER.replace(
        "local_address = localhost\n", ""
    )
    outcome = loaded(text + ACCOUNT.replace("client_id = id\n", ""))
    assert outcome.good.accounts["ada@example.com"].client_id == "common"
    assert outcome.good.servers[0].local_address == "localhost"
    assert outcome.warnings == ()


def test_documentation_is_ignored(loaded: Load) -> None:
    text = (
        "[Server setup]\ndocumentation = See [IMAP-1993]\n\tand more.\n\n\t- x = y\n[emailproxy]\ndocumentation = a\n"
    )
    assert loaded(text + SERVER + "documentation = b\n" + ACCOUNT + "documentation = c\n").good.warnings == ()
