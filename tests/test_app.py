"""The whole proxy in one trio run: it starts, logs in, reloads, drains and stops."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest
import trio
from trio_websocket import ConnectionClosed

from emailproxy import changes, draining
from emailproxy.app import NothingToServeError, Options, Proxy
from emailproxy.audience import NOBODY, Audience, LiveSession, Nobody
from emailproxy.config import Server, load
from emailproxy.config.channel import Place
from emailproxy.console import messages
from emailproxy.console.messages import Message, decode
from emailproxy.failures import Failure, FailureKind
from emailproxy.status import Presence, read_status
from emailproxy.store.base import StoreAddressError
from emailproxy.systemd import ServiceManager
from emailproxy.testing.provider import CLIENT_ID, CLIENT_SECRET, USER, Provider, open_provider
from tests.patience import HANG, eventually

from .conftest import FreePort
from .console.served import watching

QUIET = "[emailproxy]\nconsole_listen = off\n"
"""No console: its default address is one, and tests run side by side."""


def section(port: int, provider: Provider) -> str:
    return (
        f"[IMAP-{port}]\nlocal_address = 127.0.0.1\nserver_address = localhost\nserver_port = {provider.imap_port}\n\n"
    )


def account(provider: Provider) -> str:
    return (
        f"# the human's comment\n[{USER}]\noauth2_flow = client_credentials\ntoken_url = {provider.token_url}\n"
        f"oauth2_scope = mail\nclient_id = {CLIENT_ID}\nclient_secret = {CLIENT_SECRET}\n"
    )


@pytest.fixture
async def provider(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Provider]:
    async with open_provider() as provider:
        monkeypatch.setenv("SSL_CERT_FILE", str(provider.ca_path))
        yield provider


@asynccontextmanager
async def running(path: Path, audience: Audience = NOBODY, **options: object) -> AsyncIterator[Proxy]:
    proxy = Proxy(load(path), Options(local_server_auth=True, **options), audience)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        await nursery.start(proxy.run)
        yield proxy
        proxy.stop()
        proxy.stop()


class Client:
    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.buffer = b""

    @classmethod
    async def connect(cls, port: int) -> Client:
        client = cls(await trio.open_tcp_stream("127.0.0.1", port))
        assert (await client.line()).startswith("* OK")
        return client

    async def line(self) -> str:
        while b"\n" not in self.buffer:
            data = await self.stream.receive_some()
            if not data:
                raise EOFError(self.buffer)
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode().rstrip()

    async def command(self, text: str) -> str:
        tag = text.split(maxsplit=1)[0]
        await self.stream.send_all(text.encode() + b"\r\n")
        with trio.fail_after(HANG):
            while not (line := await self.line()).startswith(tag):
                pass
        return line


async def greeted_with(port: int, capability: str) -> str:
    """The first greeting that names `capability`, which the upstream is asked for in the background."""
    with trio.fail_after(HANG):
        while True:
            client = Client(await trio.open_tcp_stream("127.0.0.1", port))
            greeting = await client.line()
            await client.stream.aclose()
            if capability in greeting:
                return greeting
            await trio.sleep(0.02)


async def test_a_login_through_everything(tmp_path: Path, provider: Provider, free_port: FreePort) -> None:
    path, port = tmp_path / "emailproxy.config", free_port()
    path.write_text(QUIET + section(port, provider) + account(provider))
    async with running(path) as proxy:
        assert [(server.section, host, port) for server, host, port in proxy.addresses] == [
            (f"IMAP-{port}", "127.0.0.1", port)
        ]
        client = await Client.connect(port)
        assert (await client.command(f"a LOGIN {USER} secret")).startswith("a OK")
        assert (await client.command("b SELECT INBOX")).startswith("b OK")
        second = await Client.connect(port)
        assert (await second.command(f"a LOGIN {USER} wrong")).startswith("a NO [AUTHENTICATIONFAILED]")
        assert (await second.command(f"b LOGIN {USER} secret")).startswith("b OK")
        assert provider.counters.token_requests["client_credentials"] == 1
        await client.stream.aclose()
        await second.stream.aclose()
    text = path.read_text()
    assert text.startswith(QUIET + section(port, provider) + account(provider)), "the human's text stays"
    assert "refresh_token" in text or "access_token" in text
    # A new process uses the stored token.
    async with running(path):
        client = await Client.connect(port)
        assert (await client.command(f"a LOGIN {USER} secret")).startswith("a OK")
        await client.stream.aclose()
    assert provider.counters.token_requests["client_credentials"] == 1


class Listening(Nobody):
    """Notes what the proxy says."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []
        self.sessions: list[LiveSession] = []

    def session_opened(self, session: LiveSession) -> None:
        self.sessions.append(session)
        self.heard.append(("opened", session.id, session.account, session.octets, session.ending))

    def session_logged_in(self, session: LiveSession) -> None:
        self.heard.append(("logged in", session.id, session.account, session.logged_in_at is not None))

    def session_closed(self, session: LiveSession) -> None:
        self.heard.append(("closed", session.id, session.ending))

    def login_finished(
        self, session: LiveSession, account: str, mechanism: str, failure: Failure | None, milliseconds: float
    ) -> None:
        assert milliseconds >= 0
        self.heard.append(("login", session.id, account, mechanism, failure and failure.kind))

    def listener_bound(self, server: Server, addresses: Sequence[tuple[str, int]]) -> None:
        self.heard.append(("bound", server.section, list(addresses)))

    def listener_closed(self, section: str) -> None:
        self.heard.append(("unbound", section))

    def reloaded(self) -> None:
        self.heard.append(("reloaded",))

    def draining(self) -> None:
        self.heard.append(("draining",))


async def test_the_audience_hears_of_everything_in_its_order(
    tmp_path: Path, provider: Provider, free_port: FreePort
) -> None:
    path, port = tmp_path / "emailproxy.config", free_port()
    path.write_text(QUIET + section(port, provider) + account(provider))
    audience = Listening()
    async with running(path, audience) as proxy:
        client = await Client.connect(port)
        assert (await client.command(f"a LOGIN {USER} secret")).startswith("a OK")
        session = audience.sessions[0]
        before = session.octets
        assert (await client.command("b NOOP")).startswith("b OK")
        up, down = session.octets
        assert (up - before[0], down > before[1]) == (len("b NOOP\r\n"), True)
        assert list(proxy.sessions) == [session]
        wrong = await Client.connect(port)
        assert (await wrong.command("a LOGIN nobody secret")).startswith("a NO")
        await wrong.command("b LOGOUT")
        await wrong.stream.aclose()
        assert await proxy.reload() == ()
        assert proxy.reloaded_at is not None
        path.write_text("nonsense\n")
        assert len(await proxy.reload()) >= 1
        was_draining = proxy.draining
        await client.stream.aclose()
        await eventually(lambda: not proxy.sessions)
    assert (was_draining, proxy.draining) == (False, True)
    name, bound = f"IMAP-{port}", ("bound", f"IMAP-{port}", [("127.0.0.1", port)])
    first = [each for each in audience.heard if each[1:2] == ("00000001",)]
    assert first == [
        ("opened", "00000001", None, (0, 0), ""),
        ("login", "00000001", USER, "LOGIN", None),
        ("logged in", "00000001", USER, True),
        ("closed", "00000001", "closed"),
    ]
    assert [each for each in audience.heard if each[1:2] == ("00000002",)] == [
        ("opened", "00000002", None, (0, 0), ""),
        ("login", "00000002", "nobody", "LOGIN", FailureKind.WRONG_CREDENTIALS),
        ("closed", "00000002", "left without a login"),
    ]
    others = [each for each in audience.heard if each[0] not in {"opened", "login", "logged in", "closed"}]
    assert others == [bound, bound, ("reloaded",), ("draining",), ("unbound", name)]


async def test_tokens_go_to_the_store_that_was_named(tmp_path: Path, provider: Provider, free_port: FreePort) -> None:
    path, port = tmp_path / "emailproxy.config", free_port()
    path.write_text(QUIET + section(port, provider) + account(provider))
    before = path.read_text()
    async with running(path, cache_store=str(tmp_path / "tokens.cache")):
        client = await Client.connect(port)
        assert (await client.command(f"a LOGIN {USER} secret")).startswith("a OK")
        await client.stream.aclose()
    assert path.read_text() == before
    assert USER in (tmp_path / "tokens.cache").read_text()


async def test_a_reload_follows_references_again(
    tmp_path: Path,
    provider: Provider,
    free_port: FreePort,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "emailproxy.config"
    monkeypatch.setenv("EMAILPROXY_TEST_HOST", "localhost")
    text = section(free_port(), provider) + account(provider)
    path.write_text(text.replace("server_address = localhost", "server_address = env:EMAILPROXY_TEST_HOST"))
    async with running(path) as proxy:
        monkeypatch.setenv("EMAILPROXY_TEST_HOST", "127.0.0.1")
        await proxy.reload()
        assert [server.server_address for server in proxy.config.servers] == ["127.0.0.1"]
        # One that leads nowhere leaves everything as it was.
        monkeypatch.delenv("EMAILPROXY_TEST_HOST")
        await proxy.reload()
        assert [server.server_address for server in proxy.config.servers] == ["127.0.0.1"]
    assert "server_address: env:EMAILPROXY_TEST_HOST is not set; set it" in caplog.text
    assert "the one in force stays" in caplog.text


async def test_reload(
    tmp_path: Path, provider: Provider, caplog: pytest.LogCaptureFixture, free_port: FreePort
) -> None:
    caplog.set_level(logging.INFO)
    path, first, second = tmp_path / "emailproxy.config", free_port(), free_port()
    path.write_text(QUIET + section(first, provider) + account(provider))
    async with running(path) as proxy:
        client = await Client.connect(first)
        assert (await client.command(f"a LOGIN {USER} secret")).startswith("a OK")
        in_force = proxy.config

        path.write_text(section(first, provider).replace("server_port = ", "server_port = 9") + "[IMAPS-1]\n")
        await proxy.reload()
        assert proxy.config is in_force
        assert "the one in force stays" in caplog.text

        another = section(second, provider).replace(
            f"server_port = {provider.imap_port}\n",
            f"server_port = {provider.imap_starttls_port}\nserver_starttls = True\n",
        )
        path.write_text(QUIET + another + account(provider).replace(USER, "other@example.com"))
        await proxy.reload()
        assert [port for _, _, port in proxy.addresses] == [second]
        assert (await client.command("b NOOP")).startswith("b OK"), "a live session stays"
        await greeted_with(second, "IDLE")  # a server that is new is asked as well
        other = await Client.connect(second)
        assert (await other.command(f"a LOGIN {USER} secret")).startswith("a NO [AUTHENTICATIONFAILED]")
        with pytest.raises(OSError, match="failed"):
            await trio.open_tcp_stream("127.0.0.1", first)
        await client.stream.aclose()
        await other.stream.aclose()


async def test_a_drain_lets_sessions_finish_then_says_goodbye(
    tmp_path: Path, provider: Provider, caplog: pytest.LogCaptureFixture, free_port: FreePort
) -> None:
    caplog.set_level(logging.INFO)
    path, port = tmp_path / "emailproxy.config", free_port()
    path.write_text(QUIET + "drain = 1.5\n" + section(port, provider) + account(provider))
    async with trio.open_nursery() as nursery:
        proxy = Proxy(load(path), Options(local_server_auth=True))
        await nursery.start(proxy.run)
        relayed, waiting = await Client.connect(port), await Client.connect(port)
        assert (await relayed.command(f"a LOGIN {USER} secret")).startswith("a OK")
        proxy.stop()
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(OSError, match="failed"):
            await trio.open_tcp_stream("127.0.0.1", port)
        assert (await relayed.command("b NOOP")).startswith("b OK")
        with trio.fail_after(HANG):
            assert (await relayed.line()).startswith("* BYE [UNAVAILABLE] Shutting down")
            assert (await waiting.line()).startswith("* BYE [UNAVAILABLE] Shutting down")
            assert await relayed.stream.receive_some() == b""
    assert f"session of {USER} from" in caplog.text  # a session that ended otherwise than closed is news
    assert "ended: stopped;" in caplog.text
    await relayed.stream.aclose()
    await waiting.stream.aclose()


async def test_who_has_not_logged_in_does_not_hold_the_drain(
    tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch, free_port: FreePort
) -> None:
    monkeypatch.setattr(draining, "LOGIN_DRAIN", 0.1)
    path, port = tmp_path / "emailproxy.config", free_port()
    path.write_text(QUIET + "drain = 3600\n" + section(port, provider) + account(provider))
    async with trio.open_nursery() as nursery:
        proxy = Proxy(load(path), Options(local_server_auth=True))
        await nursery.start(proxy.run)
        relayed, waiting = await Client.connect(port), await Client.connect(port)
        assert (await relayed.command(f"a LOGIN {USER} secret")).startswith("a OK")
        proxy.stop()
        with trio.fail_after(HANG):
            assert (await waiting.line()).startswith("* BYE [UNAVAILABLE] Shutting down")
        assert (await relayed.command("b NOOP")).startswith("b OK")
        await relayed.stream.aclose()
        await waiting.stream.aclose()


async def test_a_drain_ends_with_the_last_session(tmp_path: Path, provider: Provider, free_port: FreePort) -> None:
    path, port = tmp_path / "emailproxy.config", free_port()
    path.write_text(QUIET + "drain = 3600\n" + section(port, provider) + account(provider))
    async with trio.open_nursery() as nursery:
        proxy = Proxy(load(path), Options(local_server_auth=True))
        await nursery.start(proxy.run)
        client = await Client.connect(port)
        proxy.stop()
        await trio.testing.wait_all_tasks_blocked()
        await client.stream.aclose()
        await eventually(lambda: not nursery.child_tasks)


async def test_every_listener_failing_is_an_error_and_one_of_two_is_not(
    tmp_path: Path, provider: Provider, caplog: pytest.LogCaptureFixture, free_port: FreePort
) -> None:
    path, free = tmp_path / "emailproxy.config", free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = taken.getsockname()[1]
        path.write_text(QUIET + section(busy, provider) + account(provider))
        with pytest.raises(NothingToServeError):
            await Proxy(load(path), Options()).run()
        assert f"[IMAP-{busy}] cannot listen on 127.0.0.1 port {busy}" in caplog.text
        path.write_text(QUIET + section(busy, provider) + section(free, provider) + account(provider))
        async with running(path) as proxy:
            assert [port for _, _, port in proxy.addresses] == [free]


async def test_an_unknown_store_opens_nothing(tmp_path: Path, provider: Provider, free_port: FreePort) -> None:
    path = tmp_path / "emailproxy.config"
    path.write_text(QUIET + section(free_port(), provider) + account(provider))
    with pytest.raises(StoreAddressError):
        await Proxy(load(path), Options(cache_store="nosuch:thing")).run()


async def test_what_servers_offer_is_known_before_the_first_login(
    tmp_path: Path, provider: Provider, free_port: FreePort
) -> None:
    path, port = tmp_path / "emailproxy.config", free_port()
    path.write_text(QUIET + section(port, provider) + account(provider))
    async with running(path):
        greeting = await greeted_with(port, "IDLE")
        assert "XOAUTH2" not in greeting
        assert "AUTH=PLAIN" in greeting


async def test_it_says_how_it_is_doing_while_it_runs(
    tmp_path: Path, provider: Provider, free_port: FreePort, caplog: pytest.LogCaptureFixture
) -> None:
    path, port = tmp_path / "emailproxy.config", free_port()
    path.write_text(QUIET + section(port, provider) + account(provider))
    with caplog.at_level(logging.INFO):
        async with running(path):
            with trio.fail_after(HANG):
                while (status := read_status(path).status) is None or not status.ready:
                    await trio.sleep(0.02)
            assert status.store == f"file:{path}"
            assert status.health.reachable
    assert read_status(path).presence is Presence.ABSENT
    assert f"ready: file:{path} answers" in caplog.messages


class Heard:
    """A service manager that listens."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    def lines(self) -> list[str]:
        found = []
        while True:
            try:
                found += self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return [line for line in found if not line.startswith("MONOTONIC_USEC=")]


async def test_the_service_manager_hears_of_it(
    tmp_path: Path, brief_path: Path, provider: Provider, free_port: FreePort
) -> None:
    path, port = tmp_path / "emailproxy.config", free_port()
    path.write_text(QUIET + section(port, provider) + account(provider))
    manager = Heard(brief_path / "notify")
    async with trio.open_nursery() as nursery:
        ours = ServiceManager(str(brief_path / "notify"), watchdog=3600)
        proxy = Proxy(load(path), Options(local_server_auth=True), manager=ours)
        await nursery.start(proxy.run)
        serving = f"STATUS=serving IMAP-{port}; accounts 1"
        await trio.testing.wait_all_tasks_blocked()
        assert manager.lines() == ["READY=1", serving, "WATCHDOG=1"]
        await proxy.reload()
        assert manager.lines() == ["RELOADING=1", "READY=1", serving]
        path.write_text("[IMAPS-1]\n")
        faults = await proxy.reload()
        assert faults
        assert proxy.faults == faults
        fault = f"STATUS=serving; the configuration file has faults and was not reloaded: {len(faults)}"
        assert manager.lines() == ["RELOADING=1", "READY=1", fault]
        proxy.stop()
    assert manager.lines() == ["STOPPING=1", "STATUS=stopping, sessions at first: 0", "EXTEND_TIMEOUT_USEC=40000000"]
    manager.socket.close()


async def test_a_changed_file_is_read_again_and_the_proxys_own_writes_are_not(
    tmp_path: Path,
    provider: Provider,
    free_port: FreePort,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(changes, "QUIET", 0.05)
    caplog.set_level(logging.INFO)
    path, port, another = tmp_path / "emailproxy.config", free_port(), free_port()
    path.write_text(QUIET + "reload_on_change = True\n" + section(port, provider) + account(provider))
    async with running(path) as proxy:
        client = await Client.connect(port)
        assert (await client.command(f"a LOGIN {USER} secret")).startswith("a OK")
        await eventually(lambda: "access_token" in path.read_text())
        await trio.sleep(0.3)  # a look at what was written takes a twentieth of that
        assert "reloaded" not in caplog.text
        path.write_text(path.read_text().replace(f"[IMAP-{port}]", f"[IMAP-{another}]"))
        await eventually(lambda: [bound for _, _, bound in proxy.addresses] == [another])
        assert (await client.command("b NOOP")).startswith("b OK")
        await client.stream.aclose()
    assert f"{path} has changed: reloading" in caplog.text


async def test_reloads_wait_for_each_other(tmp_path: Path, provider: Provider, free_port: FreePort) -> None:
    path = tmp_path / "emailproxy.config"
    ports = [free_port() for _ in range(4)]
    path.write_text(QUIET + section(ports[0], provider) + account(provider))
    async with running(path) as proxy:
        async with trio.open_nursery() as nursery:
            for port in ports:
                path.write_text(QUIET + section(port, provider) + account(provider))
                nursery.start_soon(proxy.reload)
                await trio.sleep(0)
        assert [port for _, _, port in proxy.addresses] == ports[-1:]


async def test_metrics_and_health_of_a_running_proxy(tmp_path: Path, provider: Provider, free_port: FreePort) -> None:
    path, port, operations = tmp_path / "emailproxy.config", free_port(), free_port()
    options = f"[emailproxy]\nconsole_listen = off\nmetrics_listen = 127.0.0.1:{operations}\n"
    path.write_text(options + section(port, provider) + account(provider))
    url = f"http://127.0.0.1:{operations}"
    async with running(path) as proxy, httpx2.AsyncClient(base_url=url, timeout=HANG) as client:
        mail = await Client.connect(port)
        assert (await mail.command(f"a LOGIN {USER} secret")).startswith("a OK")
        with trio.fail_after(HANG):
            while (answer := await client.get("/readyz")).status_code != 200:
                await trio.sleep(0.02)
        assert answer.json()["checks"]["listeners"]["reason"] == "1 of 1 are bound"
        assert (await client.get("/livez")).json()["live"] is True
        text = (await client.get("/metrics")).text
        for line in (
            'emailproxy_logins_total{account_class="compatible",outcome="ok",protocol="imap"} 1.0',
            'emailproxy_sessions{protocol="imap",state="relay"} 1.0',
            'emailproxy_token_requests_total{code="ok",grant="client_credentials"} 1.0',
            f'emailproxy_listener_up{{listener="IMAP-{port}"}} 1.0',
        ):
            assert line in text.splitlines()
        assert USER not in text
        proxy.stop()
        await trio.testing.wait_all_tasks_blocked()
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["checks"]["draining"]["ok"]) == (503, False)
        assert (await client.get("/livez")).status_code == 200
        await mail.stream.aclose()


async def test_the_console_shows_a_session_and_stays_to_the_end(
    tmp_path: Path, provider: Provider, free_port: FreePort
) -> None:
    path, port, console = tmp_path / "emailproxy.config", free_port(), free_port()
    listen = f"[emailproxy]\nconsole_listen = 127.0.0.1:{console}\nconsole_token = a-token-that-nobody-guesses\n"
    path.write_text(listen + "drain = 3600\ndrain_grace = 3600\n" + section(port, provider) + account(provider))
    heard: list[Message] = []

    async def watch(*, task_status: trio.TaskStatus[None]) -> None:
        with suppress(ConnectionClosed):
            place = Place("127.0.0.1", console)
            async with watching(place, authorization="Bearer a-token-that-nobody-guesses") as socket:
                task_status.started()
                while True:
                    message = decode(await socket.get_message()).message
                    assert message is not None
                    heard.append(message)

    async def until(kind: type[Message], number: int = 1) -> None:
        await eventually(lambda: sum(isinstance(each, kind) for each in heard) >= number)

    async with trio.open_nursery() as nursery, running(path) as proxy:
        await nursery.start(watch)
        client = await Client.connect(port)
        assert (await client.command(f"a LOGIN {USER} secret")).startswith("a OK")
        await until(messages.Session, 2)
        assert (await client.command("b NOOP")).startswith("b OK")
        await until(messages.Traffic)
        # It is there while the proxy drains, so that people can see what it waits for, and then at once no more.
        proxy.stop()
        await until(messages.ListenerGone)
        await client.stream.aclose()
        await until(messages.SessionClosed)
    login = next(each for each in heard if isinstance(each, messages.Login))
    assert (login.account, login.outcome, login.listener) == (USER, "ok", f"IMAP-{port}")
    closed = next(each for each in heard if isinstance(each, messages.SessionClosed))
    assert closed.up >= len("b NOOP\r\n")
    assert closed.down > 0
    with pytest.raises(OSError, match="failed"):
        await trio.open_tcp_stream("127.0.0.1", console)


async def test_a_sign_in_ends_at_the_console_instead_of_a_listener_of_its_own(
    tmp_path: Path, provider: Provider, free_port: FreePort, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path, console, elsewhere = tmp_path / "emailproxy.config", free_port(), free_port()
    path.write_text(
        f"[emailproxy]\nconsole_listen = 127.0.0.1:{console}\nconsole_token = a-token-that-nobody-guesses\n"
        + section(free_port(), provider)
        + "".join(
            f"[{name}@example.com]\npermission_url = https://provider.test/authorize\n"
            f"token_url = {provider.token_url}\noauth2_scope = mail\nclient_id = x\n"
            f"redirect_uri = http://localhost:{redirect}/end\n\n"
            for name, redirect in (("ada", console), ("bob", elsewhere))
        )
    )
    async with running(path), httpx2.AsyncClient(timeout=HANG) as browser:
        await eventually(lambda: f"redirects are received at http://localhost:{elsewhere}" in caplog.text)
        assert f"redirects are received at http://localhost:{console}" not in caplog.text
        answer = await browser.get(f"http://localhost:{console}/end?code=x&state=foreign")
        assert "Nothing is waiting for this sign-in" in answer.text
    assert "cannot be received" not in caplog.text
