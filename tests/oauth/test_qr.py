from __future__ import annotations

import io
import sys
from dataclasses import replace

import pytest

from emailproxy.oauth import qr as module
from emailproxy.oauth.consent import Consents, Pending
from emailproxy.oauth.qr import qr_code, show_code
from emailproxy.oauth.question import Question

from .support import ACCOUNT


class Terminal(io.StringIO):
    """A text stream that is a terminal, of an encoding."""

    def __init__(self, *, shown: bool = True, encoding: str = "UTF-8") -> None:
        super().__init__()
        self._shown = shown
        self._encoding = encoding

    def isatty(self) -> bool:
        return self._shown

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


@pytest.fixture(autouse=True)
def _columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def pending(redirect_uri: str | None = None, code: str | None = "ABCD", url: str = "https://p.test/enter") -> Pending:
    return Consents().begin(replace(ACCOUNT, redirect_uri=redirect_uri), Question(url, "state", user_code=code))


async def test_it_is_black_and_white_whatever_the_terminal_is() -> None:
    drawn = qr_code(pending(), Terminal())
    assert drawn is not None
    lines = drawn.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert all(line.startswith("\x1b[97;40m") and line.endswith("\x1b[0m") for line in lines)
    # Two modules in a character's height: as wide as high.
    assert abs(len(lines) * 2 - (len(lines[0]) - len("\x1b[97;40m\x1b[0m"))) <= 1


@pytest.mark.parametrize("terminal", [Terminal(shown=False), Terminal(encoding="ISO-8859-1")], ids=["no", "old"])
async def test_not_where_it_cannot_be_seen(terminal: Terminal) -> None:
    assert qr_code(pending(), terminal) is None


async def test_not_where_it_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    assert qr_code(pending(url="https://p.test/" + "x" * 200), Terminal()) is None


async def test_not_where_a_telephone_could_not_end_it() -> None:
    """Its browser would be sent to the telephone itself."""
    assert qr_code(pending("http://localhost:8080", None), Terminal()) is None
    assert qr_code(pending(None, None), Terminal()) is None
    assert qr_code(pending("https://mail.example.com/done", None), Terminal()) is not None


async def test_a_running_proxy_shows_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    one = pending()
    show_code(one)
    shown = terminal.getvalue()
    assert "█" in shown
    one.announcements += 1
    show_code(one)
    show_code(pending("https://mail.example.com/done", None))
    assert terminal.getvalue() == shown


async def test_a_terminal_that_is_gone_is_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = Terminal()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    show_code(pending())
    assert module.BORDER >= 1
