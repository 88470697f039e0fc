"""Can a file move between the classic proxy and ours, and can two proxies share one?"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.patience import HANG

from .clients import connect_imap
from .conftest import StartProxy
from .processes import Process
from .proxy import PASSWORD, Accounts, Proxy, plain_listeners, unseal
from .world import World

USER = "moved@example.test"


def log_in(proxy: Proxy, user: str = USER, password: str = PASSWORD) -> None:
    with connect_imap(proxy) as client:
        client.login(user, password)
        assert client.select("INBOX")[0] == "OK"
        client.logout()


@pytest.mark.parametrize("iterations", [100_000, 870_000, 1_200_000])
def test_a_file_of_the_classic_proxy_logs_in_without_a_token_request(
    start_proxy: StartProxy, accounts: Accounts, world: World, iterations: int
) -> None:
    """And fewer iterations are rotated to the current number, the tokens being the same."""
    options = accounts.authorised(USER, iterations=iterations)
    proxy = start_proxy({USER: options})
    world.oauth.reset()
    log_in(proxy)
    assert world.oauth.requests() == {}
    proxy.stop()
    record = proxy.record(USER)
    assert record["token_iterations"] == "1200000"
    for name in ("access_token", "refresh_token"):
        assert unseal(record, name) == unseal(options, name)
    proxy.start()
    log_in(proxy)


def test_two_proxies_on_one_file_lose_nothing(start_proxy: StartProxy, accounts: Accounts, world: World) -> None:
    """Each refreshes accounts of its own at the same time; every refresh token in the file is one that works."""
    users = [f"shared{number}@example.test" for number in range(8)]
    first = start_proxy({user: accounts.authorised(user, lifetime=-100) for user in users})
    # The second listens elsewhere but keeps its tokens in the first one's file.
    folder = first.folder / "second"
    folder.mkdir()
    second = Proxy(world, folder, accounts=first.accounts)
    second.start("--cache-store", str(first.path))
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda pair: log_in(*pair), zip([first, second] * 4, users, strict=True)))
        for user in users:
            record = first.record(user)
            assert world.oauth.introspect(unseal(record, "access_token"))["active"]
            assert world.oauth.introspect(unseal(record, "refresh_token"))["active"]
        # What one has refreshed, the other uses without asking again.
        world.oauth.reset()
        for user in users:
            log_in(first, user)
            log_in(second, user)
        assert world.oauth.requests() == {}
    finally:
        second.stop()


def test_a_separate_file_for_the_tokens(
    start_proxy: StartProxy, accounts: Accounts, world: World, tmp_path: Path
) -> None:
    kept = tmp_path / "tokens.config"
    proxy = start_proxy({"daemon@example.test": accounts.client_credentials()}, "--cache-store", str(kept))
    before = proxy.path.read_bytes()
    log_in(proxy, "daemon@example.test")
    assert proxy.path.read_bytes() == before
    assert "access_token" in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("lifetime", [3600, -100])
def test_tokens_of_the_configuration_file_move_to_a_separate_file(
    start_proxy: StartProxy, accounts: Accounts, world: World, tmp_path: Path, lifetime: int
) -> None:
    """Nobody authorises again because ``--cache-store`` is new, as with the classic proxy."""
    kept = tmp_path / "tokens.config"
    proxy = start_proxy({USER: accounts.authorised(USER, lifetime=lifetime)}, "--cache-store", str(kept))
    before = proxy.path.read_bytes()
    world.oauth.reset()
    log_in(proxy)
    assert world.oauth.requests() == ({} if lifetime > 0 else {"total": 1, "refresh_token": 1})
    assert proxy.path.read_bytes() == before
    assert kept.exists() == (lifetime < 0)


def test_the_previous_copy_is_kept(start_proxy: StartProxy, accounts: Accounts) -> None:
    proxy = start_proxy({USER: accounts.authorised(USER, lifetime=-100)})
    before = proxy.path.read_bytes()
    log_in(proxy)
    assert proxy.path.read_bytes() != before
    assert proxy.path.with_name(proxy.path.name + ".bak").exists()


# -- the classic proxy itself


def test_the_classic_proxy_opens_our_file(
    classic: str, start_proxy: StartProxy, accounts: Accounts, world: World
) -> None:
    """A person who goes back logs in with the same password and no new consent."""
    # It does not unescape backslashes in quoted strings, so a plain password here.
    password = "an ordinary password"
    user = "back@example.test"
    imap, _, _ = plain_listeners()
    proxy = start_proxy({user: accounts.interactive()}, listeners=[imap])
    with ThreadPoolExecutor(1) as thread:
        login = thread.submit(log_in, proxy, user, password)
        url = proxy.running.wait_for(rf"account {user} needs authorisation: open (\S+)")[1]
        assert world.oauth.browser().authorise(url, user).status == 200
        login.result(HANG)
    proxy.stop()
    world.oauth.reset()
    process = Process(
        "the classic proxy",
        [classic, "--no-gui", "--external-auth", "--config-file", proxy.path],
        proxy.folder / "classic.log",
        {**os.environ, "SSL_CERT_FILE": str(world.authority), "PYTHONUNBUFFERED": "1"},
    )
    try:
        # "Starting ..." comes before it listens; this line when all servers do.
        process.wait_for("Initialised Email OAuth", HANG)
        log_in(proxy, user, password)
    finally:
        process.stop()
    assert world.oauth.requests() == {}
