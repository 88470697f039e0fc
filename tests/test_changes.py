"""Which change of which file makes the proxy read what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from emailproxy import changes
from emailproxy.changes import Changes, watched
from emailproxy.config import Config, MailProtocol, Server, Settings
from emailproxy.config.model import ReloadOnChange
from emailproxy.references.base import Reference, Use
from tests.patience import HANG

EVERYTHING, CERTIFICATES, NOTHING = ReloadOnChange.EVERYTHING, ReloadOnChange.CERTIFICATES, ReloadOnChange.NOTHING


class Proxy:
    """What is asked of a proxy, and what was asked."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.replaced = trio.Event()
        self.asked: list[str] = []
        self._news = trio.Event()

    async def reload(self) -> None:
        self._note("reload")
        await trio.lowlevel.checkpoint()
        self.replace(self.config)

    async def renew(self) -> None:
        self._note("renew")
        await trio.lowlevel.checkpoint()

    def replace(self, config: Config) -> None:
        self.config = config
        replaced, self.replaced = self.replaced, trio.Event()
        replaced.set()

    def _note(self, what: str) -> None:
        self.asked.append(what)
        news, self._news = self._news, trio.Event()
        news.set()

    async def until(self, *asked: str) -> None:
        with trio.fail_after(HANG):
            while self.asked != list(asked):
                assert len(self.asked) < len(asked), self.asked
                await self._news.wait()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "QUIET", 0.02)


def configured(folder: Path, mode: ReloadOnChange) -> Config:
    for name in ("emailproxy.config", "cert.pem", "key.pem", "secret"):
        (folder / name).write_text(f"[{name}]\nold = 1\n")
    server = Server(
        "IMAP-1", MailProtocol.IMAP, 1, "imap.example.com", 993,
        local_certificate_path=folder / "cert.pem", local_key_path=folder / "key.pem",
    )  # fmt: skip
    use = Use("IMAP-1", "server_address", Reference("file", str(folder / "secret")))
    return Config(
        folder / "emailproxy.config", (server,), {}, settings=Settings(reload_on_change=mode), references=(use,)
    )


@asynccontextmanager
async def running(proxy: Proxy) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Changes(lambda: proxy.config, proxy.reload, proxy.renew, lambda: proxy.replaced).run)
        await settled()
        yield
        nursery.cancel_scope.cancel()


async def settled() -> None:
    """Until it waits: a look at the files is over."""
    while True:
        await trio.testing.wait_all_tasks_blocked(0.01)
        if not trio.testing.active_thread_count():
            return


async def test_a_persons_change_of_the_configuration(tmp_path: Path) -> None:
    proxy = Proxy(configured(tmp_path, EVERYTHING))
    async with running(proxy):
        proxy.config.path.write_text("[emailproxy.config]\nnew = 1\n")
        await proxy.until("reload")
        await settled()
        proxy.config.path.write_text("[emailproxy.config]\nnew = 2\n")
        await proxy.until("reload", "reload")


async def test_the_proxys_own_writes_ask_for_nothing(tmp_path: Path) -> None:
    proxy = Proxy(configured(tmp_path, EVERYTHING))
    async with running(proxy):
        for number in range(5):
            with proxy.config.path.open("a") as file:
                file.write(f"access_token = {number}\n")
            await settled()
        assert proxy.asked == []
        (tmp_path / "key.pem").write_text("new")
        await proxy.until("renew")


@pytest.mark.parametrize("mode", [EVERYTHING, CERTIFICATES])
@pytest.mark.parametrize("name", ["cert.pem", "key.pem"])
async def test_a_renewed_certificate(tmp_path: Path, mode: ReloadOnChange, name: str) -> None:
    proxy = Proxy(configured(tmp_path, mode))
    async with running(proxy):
        new = tmp_path / "new"
        new.write_text("new")
        new.replace(tmp_path / name)
        await proxy.until("renew")


async def test_a_file_that_the_configuration_refers_to(tmp_path: Path) -> None:
    proxy = Proxy(configured(tmp_path, EVERYTHING))
    async with running(proxy):
        (tmp_path / "secret").write_text("new")
        await proxy.until("reload")


async def test_only_certificates_are_watched_unless_asked(tmp_path: Path) -> None:
    proxy = Proxy(configured(tmp_path, CERTIFICATES))
    async with running(proxy):
        proxy.config.path.write_text("[new]\nnew = 1\n")
        (tmp_path / "secret").write_text("new")
        (tmp_path / "cert.pem").write_text("new")
        await proxy.until("renew")
        await settled()
    assert proxy.asked == ["renew"]


async def test_a_reload_may_change_what_is_watched(tmp_path: Path) -> None:
    config = configured(tmp_path, NOTHING)
    assert watched(config) == set()
    proxy = Proxy(config)
    async with running(proxy):
        (tmp_path / "cert.pem").write_text("new")
        await settled()
        proxy.replace(replace(config, settings=Settings(reload_on_change=EVERYTHING)))
        await settled()
        assert proxy.asked == []
        config.path.write_text("[new]\nnew = 1\n")
        await proxy.until("reload")


async def test_a_file_that_is_gone_and_comes_back_as_it_was(tmp_path: Path) -> None:
    proxy = Proxy(configured(tmp_path, EVERYTHING))
    async with running(proxy):
        text = proxy.config.path.read_text()
        proxy.config.path.unlink()
        await settled()
        proxy.config.path.write_text(text)
        await settled()
        assert proxy.asked == []
        proxy.config.path.write_text("[new]\nnew = 1\n")
        await proxy.until("reload")
