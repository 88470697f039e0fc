"""A real proxy is reloaded a hundred times and then drained, under two hundred live sessions: not one octet is lost.

The proxy is a process of its own, told what to do by signals alone; the provider and the mail clients are here.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import trio

from emailproxy.testing.provider import CLIENT_ID, CLIENT_SECRET, USER, Provider, ProviderOptions, open_provider
from tests.patience import HANG, eventually

from .conftest import FreePort

IDLERS, READERS, SENDERS = 100, 60, 40
RELOADS = 100
BULK = 100_000
"""Octets of the message that readers fetch: several records of TLS, several turns of the relay."""
GRACE, DRAIN = 1.0, 600.0
"""The drain's limit is far longer than a test may take: that it ends at all shows that it did not wait for it."""
PAUSE = 1.5
"""Seconds within a message: a session with nothing under way is sent away after one."""
PLAIN = base64.b64encode(f"\0{USER}\0secret".encode()).decode()


class Proxy:
    """The process, and its log."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.seen: Counter[str] = Counter()
        self.lines: list[str] = []
        self._news = trio.Event()

    async def read_log(self) -> None:
        assert self.process.stderr is not None
        buffer = b""
        async for data in self.process.stderr:
            *lines, buffer = (buffer + bytes(data)).split(b"\n")
            for line in lines:
                self.lines.append(line.decode())
                message = str(json.loads(line)["message"])
                for words in ("listening on", "configuration reloaded", "stopping: sessions"):
                    self.seen[words] += words in message
            news, self._news = self._news, trio.Event()
            news.set()

    async def until(self, words: str, count: int) -> None:
        with trio.fail_after(HANG):
            while self.seen[words] < count:
                await self._news.wait()


@asynccontextmanager
async def running(path: Path, provider: Provider) -> AsyncIterator[Proxy]:
    flags = ["--local-server-auth", "--log-format", "json", "--config-file", str(path)]
    command = [sys.executable, "-m", "emailproxy", *flags]
    environment = {**os.environ, "SSL_CERT_FILE": str(provider.ca_path)}
    process = await trio.lowlevel.open_process(
        command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment
    )
    proxy = Proxy(process)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(proxy.read_log)
            yield proxy
            nursery.cancel_scope.cancel()
    finally:
        if process.returncode is None:
            process.kill()


@dataclass
class World:
    """What the clients have in common."""

    imap: int
    smtp: int
    bulk: bytes
    ready: int = 0
    enough: trio.Event = field(default_factory=trio.Event)
    """Clients finish what they do, and begin nothing more."""
    fetched: int = 0
    accepted: set[str] = field(default_factory=set)
    """Messages that the proxy's client was told have been taken."""
    goodbyes: Counter[str] = field(default_factory=Counter)


class Client:
    """One connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    @classmethod
    async def connect(cls, port: int) -> Client:
        return cls(await trio.open_tcp_stream("127.0.0.1", port))

    async def say(self, text: str) -> None:
        await self._stream.send_all(text.encode())

    async def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            await self._more()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    async def line(self) -> str:
        while (end := self._buffer.find(b"\n")) < 0:
            await self._more()
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        assert line.endswith(b"\r\n"), line
        return line.decode().removesuffix("\r\n")

    async def until(self, start: str) -> str:
        while not (line := await self.line()).startswith(start):
            assert not line.startswith(("* BYE", "421")), f"cut off: {line}"
        return line

    async def goodbye(self, start: str) -> None:
        """The protocol's words, then the end of the connection, and nothing between or behind."""
        assert (await self.line()).startswith(start)
        await self.end()

    async def begun(self, text: str, *, reply: str, goodbye: str) -> str | None:
        """The first line of the reply to `text`; None: it was the goodbye, as it may be where nothing is under way."""
        await self.say(text)
        line = await self.line()
        if line.startswith(goodbye):
            await self.end()
            return None
        assert line.startswith(reply), line
        return line

    async def end(self) -> None:
        """Nothing more comes."""
        with pytest.raises(EOFError):
            await self.line()
        assert not self._buffer
        await self.close()

    async def close(self) -> None:
        await self._stream.aclose()

    async def _more(self) -> None:
        try:
            data = await self._stream.receive_some(1 << 20)
        except trio.BrokenResourceError:  # a command of ours has crossed the goodbye
            data = b""
        if not data:
            raise EOFError(bytes(self._buffer[:80]))
        self._buffer += data


async def logged_in_imap(world: World) -> Client:
    client = await Client.connect(world.imap)
    await client.say(f"a LOGIN {USER} secret\r\n")
    assert (await client.until("a ")).startswith("a OK")
    return client


async def idle(world: World) -> None:
    """Waits for news that never comes, and is told goodbye."""
    client = await logged_in_imap(world)
    await client.say("b SELECT INBOX\r\n")
    await client.until("b OK")
    await client.say("c IDLE\r\n")
    await client.until("+")
    world.ready += 1
    await client.goodbye("* BYE [UNAVAILABLE]")
    world.goodbyes["idle"] += 1


async def read(world: World) -> None:
    """Fetches a message again and again, and compares every octet."""
    client = await logged_in_imap(world)
    await client.say("b SELECT Bulk\r\n")
    await client.until("b OK")
    world.ready += 1
    number = 0
    while not world.enough.is_set():
        number += 1
        head = await client.begun(f"f{number} FETCH 1 BODY[]\r\n", reply="* 1 FETCH", goodbye="* BYE [UNAVAILABLE]")
        if head is None:
            break
        size = int(head.rpartition("{")[2].rstrip("}"))
        assert await client.exactly(size) == world.bulk
        assert (await client.until(f"f{number} ")).startswith(f"f{number} OK")
        world.fetched += 1
        await trio.sleep(0.5)  # as somebody who reads
    else:
        await client.goodbye("* BYE [UNAVAILABLE]")
    world.goodbyes["reader"] += 1


async def send(world: World, name: int) -> None:
    """Sends messages, each with a pause in its middle; none is begun when it is enough, and each that was is taken."""
    client = await Client.connect(world.smtp)
    await client.until("220 ")
    await client.say("EHLO sender\r\n")
    await client.until("250 ")
    await client.say(f"AUTH PLAIN {PLAIN}\r\n")
    await client.until("235 ")
    world.ready += 1
    number = 0
    await trio.sleep(PAUSE * name / SENDERS)  # at each moment, some are at each point
    while not world.enough.is_set():
        number += 1
        subject = f"{name}-{number}"
        if await client.begun(f"MAIL FROM:<{USER}>\r\n", reply="250 ", goodbye="421 ") is None:
            break
        await client.say("RCPT TO:<someone@example.com>\r\n")
        await client.until("250 ")
        await trio.sleep(PAUSE * ((name + number) % 2))
        await client.say("DATA\r\n")
        await client.until("354 ")
        await client.say(f"Subject: {subject}\r\n\r\n{'half' * 500}\r\n")
        await trio.sleep(PAUSE * ((name + number + 1) % 2))
        await client.say(f"{'rest' * 500}\r\n.\r\n")
        await client.until("250 ")
        world.accepted.add(subject)
    else:
        await client.goodbye("421 ")
    world.goodbyes["sender"] += 1


def configuration(provider: Provider, imap: int, smtp: int, others: list[tuple[str, int]]) -> str:
    settings = f"[emailproxy]\nconsole_listen = off\ndrain = {DRAIN}\ndrain_grace = {GRACE}\n"
    servers = [("IMAP", imap), ("SMTP", smtp), *others]
    upstream = {"IMAP": provider.imap_port, "SMTP": provider.smtp_port, "POP": provider.pop3_port}
    for protocol, port in servers:
        settings += (
            f"[{protocol}-{port}]\nlocal_address = 127.0.0.1\nserver_address = localhost\n"
            f"server_port = {upstream[protocol]}\n"
        )
    return settings + (
        f"[{USER}]\noauth2_flow = client_credentials\ntoken_url = {provider.token_url}\noauth2_scope = mail\n"
        f"client_id = {CLIENT_ID}\nclient_secret = {CLIENT_SECRET}\n"
    )


async def replace_servers(path: Path, text: str) -> None:
    """Change the servers, and keep what the proxy has written meanwhile."""
    tokens = path.read_text().partition(f"[{USER}]\n")[2]
    servers = text.partition(f"[{USER}]\n")[0]
    new = path.with_name("new")
    new.write_text(f"{servers}[{USER}]\n{tokens}")
    new.replace(path)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
async def test_a_hundred_reloads_and_a_drain_under_two_hundred_sessions(tmp_path: Path, free_port: FreePort) -> None:
    path = tmp_path / "emailproxy.config"
    imap, smtp, *spare = (free_port() for _ in range(6))
    async with open_provider(ProviderOptions(bulk_octets=BULK)) as provider:
        bulk = provider.mailbox.folders["Bulk"].messages[0].octets
        world = World(imap, smtp, bulk)
        path.write_text(configuration(provider, imap, smtp, [("POP", spare[0])]))
        async with running(path, provider) as proxy, trio.open_nursery() as clients:
            await proxy.until("listening on", 3)
            for work, count in ((idle, IDLERS), (read, READERS)):
                for _ in range(count):
                    clients.start_soon(work, world)
            for name in range(SENDERS):
                clients.start_soon(partial(send, world, name))
            await eventually(lambda: world.ready == IDLERS + READERS + SENDERS)
            began_with = world.fetched

            for number in range(RELOADS):
                # One stays, one is removed, one is added, one moves to another protocol.
                others = [(("POP", "IMAP")[number % 2], spare[number % 4]), ("SMTP", spare[(number + 1) % 4])]
                await replace_servers(path, configuration(provider, imap, smtp, others))
                proxy.process.send_signal(signal.SIGHUP)
                await proxy.until("configuration reloaded", number + 1)
            moved = await Client.connect(others[0][1])
            assert (await moved.line()).startswith(("* OK", "+OK"))
            await moved.close()
            assert sum(world.goodbyes.values()) == 0, "nobody was sent away by a reload"

            await eventually(lambda: world.fetched > began_with)
            fetched, accepted = world.fetched, len(world.accepted)
            proxy.process.send_signal(signal.SIGTERM)
            await proxy.until("stopping: sessions", 1)
            with pytest.raises(OSError, match="failed"):
                await Client.connect(imap)
            await trio.sleep(GRACE)
            # Mail moves while it drains, however busy the machine is: what follows waits for it.
            await eventually(lambda: world.fetched > fetched and len(world.accepted) > accepted)
            world.enough.set()
            with trio.fail_after(HANG):
                status = await proxy.process.wait()
        assert status == 0
        assert world.goodbyes == {"idle": IDLERS, "reader": READERS, "sender": SENDERS}
        heads = [message.octets.split(b"\r\n")[0].decode() for message in provider.outbox.messages]
        subjects = [head.removeprefix("Subject: ") for head in heads]
        assert sorted(subjects) == sorted(world.accepted), "what was taken arrived, once"
        assert not [line for line in proxy.lines if "Traceback" in line or '"level": "error"' in line]


class Manager:
    """A service manager: it holds the listening socket, and hears how its service is."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notices.bind(self.address)
        self.notices.setblocking(False)
        self.mail = socket.create_server(("127.0.0.1", 0))

    async def heard(self, line: str) -> list[str]:
        """The notice that has this line."""
        with trio.fail_after(HANG):
            while True:
                await trio.lowlevel.wait_readable(self.notices.fileno())
                lines = self.notices.recv(4096).decode().splitlines()
                if line in lines:
                    return lines

    async def start(self, path: Path, section: str) -> trio.Process:
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": self.address,
            "WATCHDOG_USEC": "2000000",
            "LISTEN_FDS": "1",
            "LISTEN_FDNAMES": section,
        }
        number = self.mail.fileno()
        command = f"exec 3<&{number}; LISTEN_PID=$$ exec {sys.executable} -m emailproxy --config-file {path}"
        return await trio.lowlevel.open_process(
            ["/bin/bash", "-c", command], pass_fds=[number], env=environment, stdin=subprocess.DEVNULL
        )

    def close(self) -> None:
        self.notices.close()
        self.mail.close()


@pytest.mark.skipif(sys.platform != "linux", reason="systemd's protocols")
async def test_a_service_manager_restarts_it_and_no_client_is_refused(tmp_path: Path, brief_path: Path) -> None:
    path = tmp_path / "emailproxy.config"
    server = "[IMAP-1]\nlocal_address = 127.0.0.1\nserver_address = localhost\nserver_port = 9\n"
    account = f"[{USER}]\noauth2_flow = client_credentials\ntoken_url = http://localhost:9/\noauth2_scope = mail\nclient_id = x\nclient_secret = y\n"  # noqa: E501
    path.write_text("[emailproxy]\nconsole_listen = off\n" + server + account)
    manager = Manager(brief_path)
    port = manager.mail.getsockname()[1]
    process = await manager.start(path, "IMAP-1")
    try:
        assert "STATUS=serving IMAP-1; accounts 1" in await manager.heard("READY=1")
        await manager.heard("WATCHDOG=1")
        client = await Client.connect(port)
        assert (await client.line()).startswith("* OK")
        process.send_signal(signal.SIGHUP)
        [_, stamp] = await manager.heard("RELOADING=1")
        assert stamp.startswith("MONOTONIC_USEC=")
        await manager.heard("READY=1")
        await client.close()
        process.send_signal(signal.SIGTERM)
        await manager.heard("STOPPING=1")
        assert await process.wait() == 0

        waiting = await Client.connect(port)  # nobody is there, and the socket is
        process = await manager.start(path, "IMAP-1")
        with trio.fail_after(HANG):
            assert (await waiting.line()).startswith("* OK")
        await waiting.close()
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        manager.close()
