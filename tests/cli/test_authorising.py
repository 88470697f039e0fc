"""What ``emailproxy authorise`` asks and says; the sign-in itself is in tests/oauth and tests/e2e."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from emailproxy.cli import Exit, mail_password
from emailproxy.cli import authorising as module
from emailproxy.failures import Failure, FailureKind
from emailproxy.oauth.authorising import Desk
from emailproxy.oauth.consent import Consents
from emailproxy.oauth.opened import AccessToken
from emailproxy.oauth.question import Question
from emailproxy.secret import Secret
from emailproxy.status import Status, StatusFile
from emailproxy.store.health import StoreHealth
from tests.oauth.support import ACCOUNT as MODEL

from .support import file_store, record, run
from .test_accounts import ACCOUNT, SERVER

TYPED = "mail password of a person"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "emailproxy.config"
    path.write_text(SERVER + ACCOUNT.format(name="ada"))
    return path


class Desks:
    """Stands for the sign-in: keeps what it was asked for, gives the results it was told."""

    def __init__(self, *results: AccessToken | Failure, question: Question | None = None) -> None:
        self.results = list(results)
        self.question = question
        self.calls: list[tuple[str, Desk, dict[str, bool]]] = []

    async def __call__(
        self, records: object, settings: object, account: object, password: Secret, desk: Desk, **how: bool
    ) -> AccessToken | Failure:
        self.calls.append((password.reveal(), desk, how))
        if self.question is not None:
            desk.announce(Consents().begin(MODEL, self.question))
        return self.results.pop(0)


TOKEN = AccessToken(Secret("the access token"), time.time() + 3600)
WRONG = Failure(FailureKind.WRONG_CREDENTIALS, "wrong", "the mail password is not the one")


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> Desks:
    desks = Desks(TOKEN)
    monkeypatch.setattr(module, "authorise", desks)
    for place in (module, mail_password):
        monkeypatch.setattr(place, "has_terminal", lambda: True)  # click's runner is none
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    return desks


def authorise(config: Path, *flags: str, typed: str = "") -> tuple[int, str, str]:
    code, out, err = run("--config-file", config, "authorise", "ada@example.com", *flags, typed=typed)
    assert TYPED not in out + err
    assert "the access token" not in out + err
    return code, out, err


def test_a_first_password_is_typed_twice(config: Path, signed: Desks) -> None:
    code, out, _ = authorise(config, typed=f"{TYPED}\n{TYPED}\n")
    assert code == Exit.STOPPED
    assert "ada@example.com is authorised" in out
    password, desk, how = signed.calls[0]
    assert (password, how) == (TYPED, {"again": False, "replace": False})
    assert desk.open_browser is None
    assert desk.receives
    assert desk.pastes


def test_a_known_one_once(config: Path, signed: Desks) -> None:
    file_store(config, ada=record())
    assert authorise(config, "--again", typed=f"{TYPED}\n")[0] == Exit.STOPPED
    assert signed.calls[0][2] == {"again": True, "replace": False}


def test_a_password_from_a_program(config: Path, signed: Desks) -> None:
    assert authorise(config, "--password-file", "-", typed=f"{TYPED}\r\nmore\n")[0] == Exit.STOPPED
    assert signed.calls[0][0] == TYPED
    assert not signed.calls[0][1].pastes
    assert authorise(config, "--password-file", "-", typed="\n")[0] == Exit.CONFIGURATION


@pytest.mark.parametrize(("answer", "attempts"), [("y", 2), ("n", 1)])
def test_another_password_replaces_only_if_said(config: Path, signed: Desks, answer: str, attempts: int) -> None:
    file_store(config, ada=record())
    signed.results = [WRONG, TOKEN]
    code, _, err = authorise(config, typed=f"{TYPED}\n{answer}\n")
    assert code == (Exit.STOPPED if attempts == 2 else Exit.FAILED)
    assert [how["replace"] for _, _, how in signed.calls] == [False, True][:attempts]
    assert ("the mail password is not the one" in err) is (attempts == 1)


def test_a_browser_if_there_is_one(config: Path, signed: Desks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROWSER", "a-browser")
    signed.results = [TOKEN, TOKEN]
    authorise(config, typed=f"{TYPED}\n{TYPED}\n")
    authorise(config, "--no-browser", typed=f"{TYPED}\n{TYPED}\n")
    assert [desk.open_browser is None for _, desk, _ in signed.calls] == [False, True]


def test_what_a_person_reads(config: Path, signed: Desks) -> None:
    signed.question = Question("https://provider.test/authorize?state=abc", "abc")
    _, out, _ = authorise(config, typed=f"{TYPED}\n{TYPED}\n")
    assert "\n  https://provider.test/authorize?state=abc\n" in out
    assert "paste it here" in out
    assert "15 minutes at the most" in out


def test_what_a_person_reads_of_a_code(config: Path, signed: Desks) -> None:
    complete = Question("https://p.test/d?c=ABCD", "s", user_code="ABCD", page="https://p.test/d", lifetime=600)
    signed.results, signed.question = [TOKEN, TOKEN], complete
    _, out, _ = authorise(config, typed=f"{TYPED}\n{TYPED}\n")
    assert "code: ABCD   (compare it with this one)" in out
    assert "Or open https://p.test/d and enter the code." in out
    signed.question = replace(complete, url="https://p.test/d")
    _, out, _ = authorise(config, typed=f"{TYPED}\n{TYPED}\n")
    assert "code: ABCD   (enter it there)" in out
    assert "Or open" not in out
    assert "paste" not in out


def test_beside_a_running_proxy(config: Path, signed: Desks) -> None:
    """It has the port, so what the browser is sent to must be pasted."""
    file = StatusFile(config)
    file.write(Status(4711, 1.0, "file:x", True, StoreHealth()))
    signed.question = Question("https://provider.test/authorize?state=abc", "abc")
    try:
        code, out, _ = authorise(config, typed=f"{TYPED}\n{TYPED}\n")
        without_terminal = authorise(config, "--password-file", "-", typed=f"{TYPED}\n")
    finally:
        file.remove()
    assert code == Exit.STOPPED
    assert "process 4711" in out
    assert "Copy that page's address" in out
    assert not signed.calls[0][1].receives
    assert without_terminal[0] == Exit.FAILED
    assert "run this in a terminal" in without_terminal[2]
    assert os.getpid() != 4711


def test_an_account_that_is_not_there(config: Path, signed: Desks) -> None:
    code, _, err = run("--config-file", config, "authorise", "bob@example.com")
    assert code == Exit.FAILED
    assert "has no account bob@example.com" in err
    assert signed.calls == []
