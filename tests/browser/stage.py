"""How does a test show the page a state that a real proxy is seldom in? A stand-in for it, which says what it is told.

It serves the page from the package and speaks the real message format (`emailproxy.console.messages`); nothing else of
it is the proxy's. What must be proven of the proxy is proven with the proxy (test_console.py).
"""

from __future__ import annotations

import json
import math
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

import emailproxy.console
from emailproxy.console import messages
from emailproxy.console.messages import Message, Resumed, Snapshot
from tests.patience import HANG

__all__ = ["Answer", "Stage"]

PAGE: Final = Path(emailproxy.console.__file__).parent / "page"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""At least as strict as the proxy's, so that what the page does here it may do there."""
START_SECONDS: Final = HANG

Answer = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""What answers a POST: its path below ``/api/`` and its body in, the answer out."""


class Stage:
    """A web server in a thread of its own.

    Args:
        port: of 127.0.0.1.
        snapshot: what is said to who connects.
        answer: answers requests; None: everything is done at once.
    """

    def __init__(self, port: int, snapshot: Callable[[], Snapshot], answer: Answer | None = None) -> None:
        self.port = port
        self.snapshot = snapshot
        self.answer = answer
        self.signed_in = True
        self.format = messages.FORMAT
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        """Requests so far."""
        self._stream = secrets.token_hex(4)
        self._sequence = 0
        self._watchers: dict[WebSocket, trio.MemorySendChannel[str]] = {}
        self._token: trio.lowlevel.TrioToken | None = None
        self._stop: trio.Event | None = None
        self._started = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    # -- for the test's thread

    def start(self) -> None:
        self._started.clear()
        self._thread = threading.Thread(target=trio.run, args=(self._run,), name="stage", daemon=True)
        self._thread.start()
        assert self._started.wait(START_SECONDS), "the stage did not start"

    def stop(self) -> None:
        """As a proxy that ends: every watcher loses its connection."""
        if self._thread is None:
            return
        assert self._token is not None
        assert self._stop is not None
        trio.from_thread.run_sync(self._stop.set, trio_token=self._token)
        self._thread.join(START_SECONDS)
        assert not self._thread.is_alive()
        self._thread = None

    def say(self, *said: Message, at: float | None = None) -> None:
        """Tell every watcher; `at` is the time that the messages have, if not now."""
        assert self._token is not None
        trio.from_thread.run_sync(self._say, said, at, trio_token=self._token)

    def new_life(self) -> None:
        """What follows is another process's: its stream has nothing in common with the last one's."""
        self._stream, self._sequence = secrets.token_hex(4), 0

    # -- in its own

    def _say(self, said: tuple[Message, ...], at: float | None) -> None:
        for message in said:
            self._sequence += 1
            text = self._encode(message, at)
            for channel in self._watchers.values():
                channel.send_nowait(text)

    def _encode(self, message: Message, at: float | None = None) -> str:
        text = messages.encode(message, self._stream, self._sequence, time.time() if at is None else at)
        if self.format == messages.FORMAT:
            return text
        return json.dumps({**json.loads(text), "format": self.format})

    async def _run(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._stop = trio.Event()
        config = Config()
        config.bind = [f"127.0.0.1:{self.port}"]
        config.errorlog = None
        config.graceful_timeout = 0.1
        config.shutdown_timeout = 1.0
        app = Starlette(
            routes=[
                WebSocketRoute("/events", self._events),
                Route("/api/snapshot", self._look, methods=["GET"]),
                Route("/api/{path:path}", self._request, methods=["POST"]),
                Mount("/", StaticFiles(directory=PAGE, html=True)),
            ]
        )

        async def with_policy(scope: Any, receive: Any, send: Any) -> None:
            async def told(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] += [
                        (b"content-security-policy", POLICY.encode()),
                        (b"cache-control", b"no-store"),
                    ]
                await send(message)

            await app(scope, receive, told)

        stop = self._stop

        async def stopped() -> None:
            await stop.wait()
            for watcher in list(self._watchers):
                await watcher.close(1001)

        async with trio.open_nursery() as nursery:
            await nursery.start(
                lambda task_status: serve(with_policy, config, shutdown_trigger=stopped, task_status=task_status)
            )
            self._started.set()

    async def _events(self, socket: WebSocket) -> None:
        if not self.signed_in:
            await socket.close()
            return
        await socket.accept()
        asked = socket.query_params
        resumes = asked.get("stream") == self._stream and asked.get("after") == str(self._sequence)
        send, receive = trio.open_memory_channel[str](math.inf)
        send.send_nowait(self._encode(Resumed() if resumes else self.snapshot()))
        self._watchers[socket] = send
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, socket, nursery.cancel_scope)
                async for text in receive:
                    await socket.send_text(text)
        except* (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            del self._watchers[socket]

    async def _listen(self, socket: WebSocket, scope: trio.CancelScope) -> None:
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
        scope.cancel()

    async def _look(self, _: Request) -> Response:
        await trio.lowlevel.checkpoint()
        return JSONResponse({"ok": self.signed_in}, 200 if self.signed_in else 401)

    async def _request(self, request: Request) -> Response:
        body = json.loads(await request.body())
        path = request.path_params["path"]
        assert request.headers["x-emailproxy"] == "1"
        self.asked.append((path, body))
        answer = self.answer(path, body) if self.answer is not None else {"ok": True}
        return JSONResponse(answer, 200 if answer.get("ok") else 422)
