"""``emailproxy console``: a link that works once, and that no list of processes shows."""

from __future__ import annotations

import json
import re
import stat
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from emailproxy.cli import console_page as module
from tests.patience import HANG

from .running import UNATTENDED, Running, running_proxy


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_proxy(tmp_path_factory.mktemp("proxy"), **UNATTENDED) as running:
        yield running


@pytest.fixture(autouse=True)
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)


def test_a_link_that_works_once(proxy: Running) -> None:
    code, out, _ = proxy.typed("console")
    assert code == 0
    assert "Open this in a browser:" in out
    [link] = re.findall(r"^  (http://127.0.0.1:\d+/enter\?code=\S+)$", out, re.MULTILINE)
    first, second = httpx2.get(link, trust_env=False, timeout=HANG), httpx2.get(link, trust_env=False, timeout=HANG)
    assert (first.status_code, second.status_code) == (303, 403)
    assert "emailproxy_session=" in first.headers["set-cookie"]


def test_for_programs(proxy: Running) -> None:
    url = json.loads(proxy.typed("console", "--json")[1])["url"]
    assert urlsplit(url).port == proxy.console


def test_a_browser_gets_a_file(proxy: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its command line is everybody's to read; the file is not, and is removed."""
    opened: list[tuple[str, str, int]] = []

    def browser(url: str) -> bool:
        path = Path(urlsplit(url).path)
        opened.append((url, path.read_text(), stat.S_IMODE(path.stat().st_mode)))
        return True

    monkeypatch.setenv("BROWSER", "a-browser")
    monkeypatch.setattr(webbrowser, "open", browser)
    monkeypatch.setattr(module, "OPENING_SECONDS", 0.0)
    code, out, _ = proxy.typed("console")
    [(url, page, mode)] = opened
    assert (code, mode) == (0, 0o600)
    assert url.startswith("file:")
    assert "code=" not in url
    [link] = re.findall(r"/enter\?code=\S+", out)
    assert link in page
    assert not Path(urlsplit(url).path).exists()
    assert "The page is opened in your browser" in out
    opened.clear()
    proxy.typed("console", "--no-browser")
    assert opened == []


def test_a_browser_that_fails(proxy: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def browser(url: str) -> bool:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setenv("BROWSER", "a-browser")
    monkeypatch.setattr(webbrowser, "open", browser)
    code, out, _ = proxy.typed("console")
    assert code == 0
    assert "Open this in a browser:" in out
