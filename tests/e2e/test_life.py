"""Does the process start, reload, log and stop as its command line and its signals say?"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.patience import HANG

from .clients import connect_imap, connect_pop, connect_smtp
from .conftest import StartProxy
from .processes import free_ports
from .proxy import PASSWORD, Accounts, Listener, Proxy, plain_listeners
from .world import World

USER = "life@example.test"
COMMAND = Path(sys.executable).parent / "emailproxy"


def emailproxy(*arguments: str | Path, seconds: float = HANG) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [COMMAND, *arguments], capture_output=True, text=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL
    )


# -- signals


def test_sighup_adds_a_listener_and_live_sessions_survive(start_proxy: StartProxy, accounts: Accounts) -> None:
    proxy = start_proxy({USER: accounts.authorised(USER)})
    with connect_imap(proxy) as live:
        live.login(USER, PASSWORD)
        [port] = free_ports(1)
        added = Listener("IMAP", "plain", port, upstream_starttls=True)
        removed = proxy.listeners.pop(1)
        proxy.listeners.append(added)
        record = proxy.record(USER)
        proxy.accounts = {USER: record, "new@example.test": accounts.authorised("new@example.test")}
        proxy.write()
        said = len(proxy.running.output())
        proxy.running.signal(signal.SIGHUP)
        proxy.running.wait_for(rf"{added.section} listening on", after=said)
        assert live.select("INBOX")[0] == "OK"
        removed_proxy_port = removed.port
        proxy.running.wait_for(rf"{removed.section} stopped listening", after=said)
        proxy.listeners.reverse()
        assert proxy.port("IMAP") == port
        with connect_imap(proxy) as client:
            client.login("new@example.test", PASSWORD)
            client.logout()
        proxy.listeners.append(removed)
        with pytest.raises(ConnectionRefusedError), connect_pop(proxy):
            pass
        proxy.listeners.remove(removed)
        assert removed_proxy_port not in {one.port for one in proxy.listeners}
        live.logout()


def test_sighup_with_a_faulty_file_changes_nothing(start_proxy: StartProxy, accounts: Accounts) -> None:
    proxy = start_proxy({USER: accounts.authorised(USER)})
    good = proxy.path.read_text()
    proxy.path.write_text(good.replace("server_port = ", "server_port = 7"))
    said = len(proxy.running.output())
    proxy.running.signal(signal.SIGHUP)
    proxy.running.wait_for("not reloaded", after=said)
    proxy.path.write_text(good)
    with connect_imap(proxy) as client:
        assert client.login(USER, PASSWORD)[0] == "OK"
        client.logout()


def test_sigterm_drains_and_says_goodbye(start_proxy: StartProxy, accounts: Accounts) -> None:
    """Nothing new is accepted, live sessions have `drain` seconds, then each is told in its protocol's words."""
    proxy = start_proxy({USER: accounts.authorised(USER)}, settings={"drain": "2"})
    with connect_imap(proxy) as imap, connect_imap(proxy) as waiting, connect_smtp(proxy) as smtp:
        imap.login(USER, PASSWORD)
        smtp.ehlo()
        began = time.monotonic()
        proxy.running.signal(signal.SIGTERM)
        proxy.running.wait_for("stopped listening")
        with pytest.raises(OSError), connect_imap(proxy):  # noqa: PT011 - refused or reset
            pass
        assert imap.noop()[0] == "OK"
        assert waiting.readline().startswith(b"* BYE")
        line = imap.readline()
        assert line == b"" or line.startswith(b"* BYE"), line
        assert smtp.getreply()[0] == 421
        assert proxy.running.wait(HANG) == 0
        assert time.monotonic() - began > 1.5


def test_sigterm_ends_at_once_when_nobody_is_there(start_proxy: StartProxy, accounts: Accounts) -> None:
    proxy = start_proxy({USER: accounts.authorised(USER)}, settings={"drain": "600"})
    proxy.running.signal(signal.SIGTERM)
    assert proxy.running.wait(HANG) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_the_other_signals_that_stop(start_proxy: StartProxy, accounts: Accounts, number: signal.Signals) -> None:
    proxy = start_proxy({USER: accounts.authorised(USER)})
    proxy.running.signal(number)
    assert proxy.running.wait(HANG) == 0


def test_sigusr1_toggles_debug(start_proxy: StartProxy, accounts: Accounts) -> None:
    proxy = start_proxy({USER: accounts.authorised(USER)})

    def session() -> str:
        said = len(proxy.running.output())
        with connect_imap(proxy) as client:
            client.login(USER, PASSWORD)
            client.logout()
        proxy.running.wait_for(USER, after=said)
        return proxy.running.output()[said:]

    assert "DEBUG" not in session()
    proxy.running.signal(signal.SIGUSR1)
    proxy.running.wait_for("debug is on")
    assert "DEBUG" in session()
    proxy.running.signal(signal.SIGUSR1)
    proxy.running.wait_for("debug is off")
    assert "DEBUG" not in session()


# -- the log


def test_one_line_for_each_login(start_proxy: StartProxy, accounts: Accounts) -> None:
    proxy = start_proxy({USER: accounts.authorised(USER)})
    for _ in range(3):
        with connect_imap(proxy) as client:
            client.login(USER, PASSWORD)
            client.logout()
    proxy.stop_and_keep()
    lines = [line for line in proxy.running.output().splitlines() if f" login account={USER} " in line]
    assert len(lines) == 3, lines
    assert all("127.0.0.1" in line and re.search(r" ms=\d", line) for line in lines), lines


def test_log_file(start_proxy: StartProxy, accounts: Accounts, tmp_path: Path) -> None:
    path = tmp_path / "proxy.log"
    proxy = start_proxy({USER: accounts.authorised(USER)}, "--log-file", str(path), "--debug", wait=False)
    proxy.await_file(path, "SMTP-.* listening on")
    with connect_imap(proxy) as client:
        client.login(USER, PASSWORD)
        client.logout()
    proxy.stop_and_keep()
    text = path.read_text()
    assert USER in text
    proxy.assert_clean_log(text)
    assert path.stat().st_mode & 0o077 == 0
    assert not proxy.running.output()


def test_debug_content_is_needed_to_see_mail(start_proxy: StartProxy, accounts: Accounts) -> None:
    marker = "A-SEARCH-THAT-NOBODY-ELSE-MAKES"
    for flags, seen in ((["--debug"], False), (["--debug", "--debug-content"], True)):
        proxy = start_proxy({USER: accounts.authorised(USER)}, *flags)
        with connect_imap(proxy) as client:
            client.login(USER, PASSWORD)
            client.select("INBOX")
            client.search(None, "SUBJECT", marker)
            client.logout()
        proxy.stop_and_keep()
        assert (marker in proxy.running.output()) is seen


# -- faults


def test_every_fault_of_a_configuration_is_reported_and_the_status_is_2(
    world: World, accounts: Accounts, tmp_path: Path
) -> None:
    proxy = Proxy(world, tmp_path, accounts={USER: accounts.interactive()})
    text = proxy.path.read_text()
    text = text.replace("server_address", "server_adress").replace(f"[POP-{proxy.port('POP')}]", "[POP-70000]")
    proxy.path.write_text(text)
    commands: list[list[str | Path]] = [
        ["--no-gui", "--config-file", proxy.path],
        ["--config-file", proxy.path, "check"],
    ]
    for command in commands:
        done = emailproxy(*command)
        assert done.returncode == 2
        said = done.stdout + done.stderr
        assert "server_address" in said
        assert "70000" in said
        assert "Traceback" not in said


def test_a_missing_file_is_status_2(tmp_path: Path) -> None:
    done = emailproxy("--config-file", tmp_path / "nothing.config")
    assert done.returncode == 2
    assert "sample-config" in done.stdout + done.stderr


def test_a_port_in_use_is_said(start_proxy: StartProxy, world: World, accounts: Accounts, tmp_path: Path) -> None:
    listeners = plain_listeners()
    start_proxy({USER: accounts.authorised(USER)}, listeners=listeners)
    (tmp_path / "second").mkdir()
    second = Proxy(world, tmp_path / "second", listeners=listeners, accounts={USER: accounts.interactive()})
    second.start(wait=False)
    assert second.running.wait(HANG) == 3
    assert "in use" in second.running.output()


def test_check_prints_what_would_be_served(world: World, accounts: Accounts, tmp_path: Path) -> None:
    proxy = Proxy(world, tmp_path, accounts={USER: accounts.interactive()})
    done = emailproxy("--config-file", proxy.path, "check")
    assert done.returncode == 0, done.stderr
    assert str(proxy.port("IMAP")) in done.stdout
    proxy.assert_clean_log(done.stdout)


def test_demo_once() -> None:
    """The one command of the README's quick start."""
    done = emailproxy("demo", "--once", seconds=60)
    assert done.returncode == 0, done.stdout + done.stderr
