"""A command and a web hook are told, and neither can disturb anybody."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest
import trio
import trio.testing

from emailproxy import notifying as module
from emailproxy.config.model import Settings
from emailproxy.notifying import Notifier
from emailproxy.oauth.watching import Event, News
from emailproxy.secret import Secret
from tests.clocks import PatientClock
from tests.patience import eventually

NEWS = News(
    Event.NEEDS_CONSENT,
    "ädä@example.com",
    "the provider said no",
    url="https://provider.test/?state=abc",
    user_code="ABCD",
    seconds=900,
    client="192.0.2.1",
)
EXPECTED = {
    "event": "needs_consent",
    "account": "ädä@example.com",
    "time": 1_700_000_000,
    "reason": "the provider said no",
    "url": "https://provider.test/?state=abc",
    "user_code": "ABCD",
    "until": 1_700_000_900,
    "client": "192.0.2.1",
}
HOOK = Secret("https://hooks.test/services/T00/the-secret-of-the-hook")


def python(program: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", program, *arguments)


class Hook(httpx2.AsyncBaseTransport):
    """A web hook in memory."""

    def __init__(self, *answers: httpx2.Response | Exception | None) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []
        self.urls: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.bodies.append(await request.aread())
        self.urls.append(str(request.url))
        answer = self.answers.pop(0)
        if answer is None:
            await trio.sleep_forever()
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None
        return answer


@asynccontextmanager
async def notifier(settings: Settings, hook: Hook | None = None) -> AsyncIterator[Notifier]:
    made = Notifier(lambda: settings, transport=hook, now=lambda: 1_700_000_000.7)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.run)
        yield made
        nursery.cancel_scope.cancel()


async def appears(path: Path) -> str:
    await eventually(lambda: path.exists() and path.read_text())
    return path.read_text()


WRITE = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); t = p.with_suffix('.new'); "


async def test_a_command_reads_one_object(tmp_path: Path) -> None:
    told = tmp_path / "told"
    program = WRITE + "t.write_text(sys.stdin.read()); t.replace(p)"
    async with notifier(Settings(notify_command=python(program, str(told)))) as n:
        n.tell(NEWS)
        text = await appears(told)
    assert json.loads(text) == EXPECTED
    assert text.isascii()
    assert text.count("\n") == 1


async def test_it_gets_no_secret_of_the_proxys_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_APP_SECRET", "the secret that env:MAIL_APP_SECRET refers to")
    told = tmp_path / "told"
    program = WRITE + "import os; t.write_text(' '.join(os.environ)); t.replace(p)"
    async with notifier(Settings(notify_command=python(program, str(told)))) as n:
        n.tell(NEWS)
        names = (await appears(told)).split()
    assert "MAIL_APP_SECRET" not in names
    assert "PATH" in names


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("/nowhere/at all", "a-token-somebody-wrote-here"), "it cannot be run: No such file"),
        (python("import sys; sys.exit(3)", "a-token-somebody-wrote-here"), "it ended with status 3"),
        (python("import sys; sys.stdin.close(); print('x' * 10**6)"), ""),
    ],
    ids=["absent", "failing", "one that does not listen and talks much"],
)
async def test_a_command_that_fails_is_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, command: tuple[str, ...], said: str
) -> None:
    hook = Hook(httpx2.Response(204))
    async with notifier(Settings(notify_command=command, notify_url=HOOK), hook) as n:
        n.tell(NEWS)
        await eventually(lambda: hook.bodies)  # whatever the command does, the next one is told
    assert said in caplog.text
    assert bool(said) is bool(caplog.messages)
    for secret in ("a-token-somebody-wrote-here", "state=abc", "ABCD"):
        assert secret not in caplog.text


async def test_a_command_without_end_is_killed_with_its_children(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mock_clock: trio.testing.MockClock
) -> None:
    """Its time is over when it has begun: virtual time passes by hand only."""
    pids = tmp_path / "pids"
    program = (
        WRITE + "import os, signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "child = subprocess.Popen(['sleep', '600']); t.write_text(f'{os.getpid()} {child.pid}'); t.replace(p); "
        "time.sleep(600)"
    )
    hook = Hook(httpx2.Response(204))
    async with notifier(Settings(notify_command=python(program, str(pids)), notify_url=HOOK), hook) as n:
        n.tell(NEWS)
        begun = (await appears(pids)).split()
        mock_clock.jump(module.COMMAND_SECONDS)
        await eventually(lambda: hook.bodies)
    assert "did not end within 30 s and was killed" in caplog.text
    for pid in begun:
        await eventually(partial(is_gone, int(pid)))


def is_gone(pid: int) -> bool:
    """Whether a process has ended; a killed orphan may stay in the table until somebody asks for it."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


async def test_a_web_hook() -> None:
    hook = Hook(httpx2.Response(200))
    async with notifier(Settings(notify_url=HOOK), hook) as n:
        n.tell(NEWS)
        await trio.testing.wait_all_tasks_blocked()
    assert json.loads(hook.bodies[0]) == EXPECTED
    assert hook.urls == [HOOK.reveal()]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx2.Response(500, text="the-secret-of-the-hook"), "HTTP status 500"),
        (httpx2.Response(302, headers={"Location": "https://elsewhere.test/"}), "HTTP status 302"),
        (httpx2.ConnectError("no route to https://hooks.test/services/T00/the-secret-of-the-hook"), "ConnectError"),
        (None, "no answer within 15 s"),
    ],
    ids=["500", "302", "down", "slow"],
)
async def test_a_web_hook_that_fails_is_a_line(
    autojump_clock: PatientClock,
    caplog: pytest.LogCaptureFixture,
    answer: httpx2.Response | Exception | None,
    said: str,
) -> None:
    hook = Hook(answer, httpx2.Response(204))
    async with notifier(Settings(notify_url=HOOK), hook) as n:
        n.tell(NEWS)
        n.tell(News(Event.CONSENT_GIVEN, "bob@example.com"))
        await trio.sleep(60)
    assert len(hook.bodies) == 2, "the next one is told"
    assert [said in message for message in caplog.messages] == [True]
    for secret in ("the-secret-of-the-hook", "state=abc", "ABCD"):
        assert secret not in caplog.text


async def test_a_flood_is_bounded(autojump_clock: PatientClock, caplog: pytest.LogCaptureFixture) -> None:
    hook = Hook(*[httpx2.Response(204)] * (module.MAX_QUEUED + 1))
    async with notifier(Settings(notify_url=HOOK), hook) as n:
        for _ in range(module.MAX_QUEUED + 50):
            n.tell(NEWS)
        n.tell(NEWS)
        await trio.sleep(60)
    assert len(hook.bodies) <= module.MAX_QUEUED + 1
    assert "51 notifications were not sent" in caplog.text


async def test_with_nobody_to_tell_nothing_is_queued() -> None:
    n = Notifier(Settings)
    for _ in range(module.MAX_QUEUED * 2):
        n.tell(NEWS)
    assert n._receive.statistics().current_buffer_used == 0
    n._receive.close()
    n._send.close()
