"""Can an account be authorised at a terminal, alone and beside a running proxy?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import HANG

from .conftest import StartProxy
from .oauth_server import CLIENT_SECRET
from .processes import Process
from .proxy import PASSWORD, Accounts, Proxy
from .test_flows import USER, log_in
from .world import World

_SECONDS = HANG


def command(proxy: Proxy, *arguments: str) -> list[str]:
    program = Path(sys.executable).parent / "emailproxy"
    return [str(program), "--config-file", str(proxy.path), *arguments]


def environment(world: World) -> dict[str, str]:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    inherited = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**inherited, "SSL_CERT_FILE": str(world.authority), "PYTHONUNBUFFERED": "1"}


@pytest.mark.parametrize("kind", ["device", "interactive"])
def test_alone(start_proxy: StartProxy, accounts: Accounts, world: World, tmp_path: Path, kind: str) -> None:
    """Before any proxy runs, with the password from a pipe; the proxy that starts later needs nobody."""
    options = accounts.device() if kind == "device" else accounts.interactive()
    proxy = Proxy(world, tmp_path, accounts={USER: options})
    with subprocess.Popen(
        command(proxy, "authorise", USER, "--password-file", "-"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(world),
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(PASSWORD + "\n")
        child.stdin.close()
        said = ""
        while "  https://" not in said:
            line = child.stdout.readline()
            assert line, said
            said += line
        url = said.split()[-1]
        assert world.oauth.browser().authorise(url, USER).status == 200
        said += child.stdout.read()
        assert child.wait(_SECONDS) == 0, said
    assert f"{USER} is authorised" in said
    for secret in (PASSWORD, CLIENT_SECRET):
        assert secret not in said
    before = world.oauth.requests()["total"]
    proxy.start()
    try:
        log_in(proxy)
    finally:
        proxy.stop()
    assert world.oauth.requests()["total"] == before


@pytest.mark.parametrize("kind", ["device", "interactive"])
def test_by_the_running_proxy(
    start_proxy: StartProxy, accounts: Accounts, world: World, brief_path: Path, kind: str
) -> None:
    """The proxy asks, and its own listener gets the redirect; who types hears of it over the control channel."""
    options = accounts.device() if kind == "device" else accounts.interactive()
    proxy = start_proxy({USER: options}, settings={"console_listen": f"unix:{brief_path}/console.sock"})
    with subprocess.Popen(
        command(proxy, "authorise", USER, "--password-file", "-", "--json"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(world),
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stderr is not None
        child.stdin.write(PASSWORD + "\n")
        child.stdin.flush()
        said = ""
        while "  https://" not in said:
            line = child.stderr.readline()
            assert line, said
            said += line
        assert world.oauth.browser().authorise(said.split()[-1], USER).status == 200
        out, more = child.communicate(timeout=_SECONDS)
    assert child.returncode == 0, said + more
    told = json.loads(out)
    assert (told["account"], told["outcome"]) == (USER, "authorised")
    for secret in (PASSWORD, CLIENT_SECRET):
        assert secret not in said + out + more
    before = world.oauth.requests()["total"]
    log_in(proxy)
    assert world.oauth.requests()["total"] == before, "the proxy had the tokens at once"


def test_beside_a_running_proxy(start_proxy: StartProxy, accounts: Accounts, world: World, tmp_path: Path) -> None:
    """The proxy has the port of redirect_uri, so the address is pasted; its next login finds the tokens."""
    options = accounts.interactive()
    proxy = start_proxy({USER: options})
    proxy.await_file(proxy.path.with_name(proxy.path.name + ".status"), "pid")
    terminal = Process(
        "emailproxy authorise",
        # Of its own session: the password is asked for at this terminal, not at the one of whoever runs the tests.
        ["setsid", *command(proxy, "authorise", USER)],
        tmp_path / "authorise.log",
        environment(world),
        terminal=True,
    )
    terminal.wait_for("Mail password")
    terminal.type_line(PASSWORD)
    terminal.wait_for("The same again")
    terminal.type_line(PASSWORD)
    url = terminal.wait_for(r"^  (https://\S+)$")[1]
    page = world.oauth.browser().authorise(url, USER)
    assert page.status == 404
    assert "emailproxy authorise" in page.text
    terminal.type_line(page.url)
    assert terminal.wait(_SECONDS) == 0, terminal.tail()
    said = terminal.output()
    assert "A proxy runs with this configuration" in said
    assert f"{USER} is authorised" in said
    assert PASSWORD not in said
    before = world.oauth.requests()["total"]
    log_in(proxy)
    assert world.oauth.requests()["total"] == before
    listed = subprocess.run(
        command(proxy, "accounts"),
        env=environment(world),
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    assert (listed.returncode, listed.stderr) == (0, "")
    assert f"{USER}  ok until the provider ends the consent" in listed.stdout
