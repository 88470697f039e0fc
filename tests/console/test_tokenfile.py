"""What is the token, if the configuration does not say?"""

from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from emailproxy.console.tokenfile import TokenFileError, made_token, read_token, token_path
from emailproxy.secret import Secret


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "emailproxy.config"


def test_it_is_made_once_for_its_owner_alone(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert read_token(config) is None
    token = made_token(config)
    path = token_path(config)
    assert path == config.parent / "emailproxy.config.console-token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(token.reveal()) == 43
    assert (made_token(config), read_token(config)) == (token, token)
    assert [each.name for each in config.parent.iterdir()] == [path.name], "nothing else is left"
    assert str(path) in caplog.text
    assert token.reveal() not in caplog.text


def test_two_proxies_agree(config: Path) -> None:
    found: list[Secret] = []
    threads = [threading.Thread(target=lambda: found.append(made_token(config))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [read_token(config)] * 8


@pytest.mark.parametrize("content", [b"", b"short\n", b"x" * 5000, b"\xff" * 40])
def test_a_file_that_holds_none(config: Path, content: bytes) -> None:
    token_path(config).write_bytes(content)
    with pytest.raises(TokenFileError, match="holds no token"):
        made_token(config)
    assert token_path(config).read_bytes() == content


def test_who_else_can_read_it_is_said(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    token_path(config).write_text("x" * 43)
    token_path(config).chmod(0o644)
    assert read_token(config) == Secret("x" * 43)
    assert "chmod 600" in caplog.text


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(config: Path) -> None:
    config.parent.chmod(0o500)
    with pytest.raises(TokenFileError, match="set console_token"):
        made_token(config)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TokenFileError, match="set console_token"):
        made_token(tmp_path / "nowhere" / "emailproxy.config")


def test_a_path_that_is_a_folder(config: Path) -> None:
    token_path(config).mkdir()
    with pytest.raises(TokenFileError, match="cannot be read"):
        made_token(config)
