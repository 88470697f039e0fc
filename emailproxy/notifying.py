"""How does news of accounts reach a person? Through a command of theirs, or a web hook; one JSON object each.

Nobody waits for it: news is queued, the queue is bounded, each delivery has a deadline, and what fails is a line in the
log. The command gets the object on its standard input, never as an argument, which every user of the machine may read.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Final

import httpx2
import trio

from emailproxy import __version__
from emailproxy.config import Settings
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.watching import News
from emailproxy.secret import Secret

__all__ = ["Notifier"]

log = logging.getLogger("emailproxy.notify")

MAX_QUEUED: Final = 256
"""News that wait: a company's first morning, at a second each. What is beyond that is in the log all the same."""
COMMAND_SECONDS: Final = 30.0
"""For a command: enough to hand over a mail. Then it is killed, with what it has started."""
URL_SECONDS: Final = 15.0
"""For a web hook's answer, of which only the status is read."""

_INHERITED: Final = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
        *("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "XAUTHORITY"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy", "no_proxy"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    }
)
"""Of the proxy's environment, which may hold secrets (``env:NAME``), what programs need to find their way."""


class Notifier:
    """Delivers news.

    Args:
        settings: the settings in force, asked for at each use.
        transport: carries web requests instead of the network.
        now: Unix time.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._now = now
        self._send, self._receive = trio.open_memory_channel[tuple[News, float]](MAX_QUEUED)
        self._lost = 0

    def tell(self, news: News) -> None:
        """Queue `news`. Never blocks, never raises."""
        settings = self._settings()
        if settings.notify_command is None and settings.notify_url is None:
            return
        try:
            self._send.send_nowait((news, self._now()))
        except (trio.WouldBlock, trio.BrokenResourceError):
            self._lost += 1
            if self._lost == 1:
                log.warning("more than %d notifications wait to be sent; what comes now is not sent", MAX_QUEUED)

    async def run(self) -> None:
        """Deliver what is queued, one after the other, until cancelled."""
        async with self._receive:
            async for news, happened in self._receive:
                if self._lost and self._receive.statistics().current_buffer_used == 0:
                    log.warning("%d notifications were not sent, since too many waited", self._lost)
                    self._lost = 0
                settings = self._settings()
                body = _body(news, happened)
                what = f"{news.event.value} of {foreign(news.account)}"
                if settings.notify_command is not None:
                    await _run(settings.notify_command, body, what)
                if settings.notify_url is not None:
                    await self._post(settings.notify_url, body, what)

    async def _post(self, url: Secret, body: bytes, what: str) -> None:
        # The URL of a web hook is a secret: no message says it, so no error is quoted.
        problem = f"no answer within {URL_SECONDS:g} s"
        headers = {"Content-Type": "application/json", "User-Agent": f"emailproxy/{__version__}"}
        try:
            with trio.move_on_after(URL_SECONDS):
                async with (
                    httpx2.AsyncClient(transport=self._transport, timeout=None, follow_redirects=False) as client,
                    client.stream("POST", url.reveal(), content=body, headers=headers) as answer,
                ):
                    problem = "" if answer.is_success else f"HTTP status {answer.status_code}"
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError, OSError) as error:
            problem = type(error).__name__
        if problem:
            log.warning("notify_url: %s was not taken: %s", what, problem)


def _body(news: News, happened: float) -> bytes:
    fields: dict[str, object] = {
        "event": news.event.value,
        "account": news.account,
        "time": int(happened),
        "reason": news.reason or None,
        "url": news.url,
        "user_code": news.user_code,
        "until": int(happened + news.seconds) if news.seconds is not None else None,
        "client": news.client or None,
    }
    # ASCII: whatever the command's locale is, it reads the same.
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode("ascii") + b"\n"


async def _run(command: tuple[str, ...], body: bytes, what: str) -> None:
    problem = f"it did not end within {COMMAND_SECONDS:g} s and was killed"
    try:
        with trio.move_on_after(COMMAND_SECONDS):
            done = await trio.run_process(
                command,
                stdin=body,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                env=_environment(os.environ),
                start_new_session=True,
                deliver_cancel=_kill,
            )
            problem = "" if done.returncode == 0 else f"it ended with status {done.returncode}"
    except (OSError, ValueError) as error:
        problem = f"it cannot be run: {getattr(error, 'strerror', None) or type(error).__name__}"
    if problem:
        # Its arguments are not shown: there are people who write tokens there.
        log.warning("notify_command %s: %s: %s", foreign(command[0]), what, problem)


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in environment.items() if name in _INHERITED or name.startswith("LC_")}


async def _kill(process: trio.Process) -> None:
    """Kill a command and what it has started, all of which is a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await trio.lowlevel.checkpoint()
