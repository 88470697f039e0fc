from __future__ import annotations

import sys

import pytest

from .conftest import ACCOUNT, SERVER, Load


def text(option: str, value: str) -> str:
    return f"{SERVER}{ACCOUNT}\n[emailproxy]\n{option} = {value}\n"


def test_nobody_is_told_by_default(loaded: Load) -> None:
    settings = loaded(SERVER + ACCOUNT).good.settings
    assert (settings.notify_command, settings.notify_url) == (None, None)


def test_a_command_is_taken_apart_without_a_shell(loaded: Load) -> None:
    value = f"{sys.executable} -m tell 'two words' \"$HOME; rm\" | x"
    outcome = loaded(text("notify_command", value))
    assert outcome.good.settings.notify_command == (
        sys.executable, "-m", "tell", "two words", "$HOME; rm", "|", "x",
    )  # fmt: skip
    assert outcome.warnings == ()


@pytest.mark.parametrize(("value", "said"), [("tell 'me", "not closed"), ("''", "no command")])
def test_no_command(loaded: Load, value: str, said: str) -> None:
    section, option, told = loaded(text("notify_command", value)).fault()
    assert (section, option, said in told) == ("emailproxy", "notify_command", True)


def test_a_program_that_is_not_there(loaded: Load) -> None:
    [warning] = loaded(text("notify_command", "/nowhere/tell a-token")).warnings
    assert warning.option == "notify_command"
    assert "a-token" not in str(warning)


@pytest.mark.parametrize("value", ["https://hooks.test/T00/secret?x=1", "http://localhost:8080/secret"])
def test_a_web_hook_is_a_secret(loaded: Load, value: str) -> None:
    settings = loaded(text("notify_url", value)).good.settings
    assert settings.notify_url is not None
    assert settings.notify_url.reveal() == value
    assert "secret" not in repr(settings).replace("[secret]", "").replace("_secret", "").replace("secret_", "")


@pytest.mark.parametrize("value", ["http://hooks.test/the-hook", "ftp://hooks.test/the-hook", "the-hook", "https://"])
def test_no_web_hook(loaded: Load, value: str) -> None:
    section, option, told = loaded(text("notify_url", value)).fault()
    assert (section, option) == ("emailproxy", "notify_url")
    assert "the-hook" not in told
