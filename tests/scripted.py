"""A mail server that says what a test wants it to say, and remembers what it heard."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from emailproxy.config import MailProtocol, Server


@dataclass
class ScriptedServer:
    """IMAP, POP3 or SMTP over implicit TLS or STARTTLS; accepts `tokens`, echoes every line after login."""

    protocol: MailProtocol
    tls: ssl.SSLContext
    starttls: bool = False
    tokens: set[str] = field(default_factory=lambda: {"good-token"})
    refusal: str | None = None  # instead of the protocol's usual one
    port: int = 0
    connections: int = 0
    heard: list[bytes] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    echoed: bytes = b""
    live: int = 0
    thinking: float = 0.0  # seconds before each echo

    def configured(self, **options: object) -> Server:
        """The server's section."""
        values: dict[str, object] = {
            "section": f"{self.protocol.value}-2000",
            "protocol": self.protocol,
            "local_port": 2000,
            "local_address": "127.0.0.1",
            "server_address": "localhost",
            "server_port": self.port,
            "server_starttls": self.starttls,
        }
        return Server(**(values | options))  # type: ignore[arg-type]

    async def serve(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        self.live += 1
        try:
            dialogue = _Dialogue(self, stream)
            if not self.starttls:
                await dialogue.secure()
            await {MailProtocol.IMAP: _imap, MailProtocol.POP: _pop3, MailProtocol.SMTP: _smtp}[self.protocol](dialogue)
        except (trio.BrokenResourceError, trio.ClosedResourceError, EOFError):
            pass
        finally:
            self.live -= 1


class _Dialogue:
    def __init__(self, server: ScriptedServer, stream: trio.SocketStream) -> None:
        self.server = server
        self.stream: trio.abc.Stream = stream
        self.buffer = b""

    async def secure(self) -> None:
        assert not self.buffer
        self.stream = trio.SSLStream(self.stream, self.server.tls, server_side=True, https_compatible=True)
        await self.stream.do_handshake()

    async def say(self, text: str) -> None:
        await self.stream.send_all(text.replace("\n", "\r\n").encode())

    async def line(self) -> str:
        while b"\n" not in self.buffer:
            data = await self.stream.receive_some()
            if not data:
                raise EOFError
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        self.server.heard.append(line.rstrip(b"\r"))
        return line.rstrip(b"\r").decode()

    def accepts(self, encoded: str) -> bool:
        fields = base64.b64decode(encoded).decode().split("\1")
        token = next(f for f in fields if f.startswith("auth=Bearer "))[12:]
        self.server.users.append(fields[0])
        return token in self.server.tokens

    async def echo(self) -> None:
        while True:
            data, self.buffer = self.buffer or bytes(await self.stream.receive_some()), b""
            if not data:
                await self.stream.aclose()
                return
            self.server.echoed += data
            if self.server.thinking:
                await trio.sleep(self.server.thinking)
            await self.stream.send_all(data)


CHALLENGE = base64.b64encode(b'{"status":"400","schemes":"Bearer"}').decode()


async def _imap(d: _Dialogue) -> None:
    await d.say("* OK ready\n")
    while True:
        tag, verb, *rest = (await d.line()).split(" ")
        if verb == "CAPABILITY":
            capabilities = (
                "IMAP4rev1 ID IDLE STARTTLS" if d.server.starttls else "IMAP4rev1 ID IDLE SASL-IR AUTH=XOAUTH2"
            )
            await d.say(f"* CAPABILITY {capabilities}\n{tag} OK done\n")
        elif verb == "STARTTLS":
            await d.say(f"{tag} OK go\n")
            d.server.starttls = False
            await d.secure()
        elif verb == "ID":
            await d.say(f"* ID NIL\n{tag} OK done\n")
        elif verb == "LOGOUT":
            await d.say(f"* BYE\n{tag} OK done\n")
            await d.stream.aclose()
            return None
        elif verb == "AUTHENTICATE":
            if not rest[1:]:
                await d.say("+ \n")
                rest.append(await d.line())
            if d.accepts(rest[1]):
                await d.say(f"* CAPABILITY IMAP4rev1 IDLE MOVE\n{tag} OK welcome\n")
                return await d.echo()
            await d.say(f"+ {CHALLENGE}\n")
            await d.line()
            await d.say(f"{tag} {d.server.refusal or 'NO AUTHENTICATE failed.'}\n")


async def _pop3(d: _Dialogue) -> None:
    await d.say("+OK ready\n")
    while True:
        verb, *_ = (await d.line()).split(" ")
        if verb == "CAPA":
            await d.say(f"+OK\nTOP\nUIDL\n{'STLS' if d.server.starttls else 'SASL PLAIN XOAUTH2'}\n.\n")
        elif verb == "STLS":
            await d.say("+OK\n")
            d.server.starttls = False
            await d.secure()
        elif verb == "QUIT":
            await d.say("+OK\n")
            await d.stream.aclose()
            return None
        elif verb == "AUTH":
            await d.say("+ \n")
            if d.accepts(await d.line()):
                await d.say("+OK welcome\n")
                return await d.echo()
            await d.say(f"{d.server.refusal or '-ERR Authentication failure: unknown user name or bad password.'}\n")


async def _smtp(d: _Dialogue) -> None:
    await d.say("220 ready\n")
    while True:
        verb, *_ = (await d.line()).split(" ")
        if verb == "EHLO":
            await d.say(f"250-hello\n250-PIPELINING\n250 {'STARTTLS' if d.server.starttls else 'AUTH LOGIN XOAUTH2'}\n")
        elif verb == "STARTTLS":
            await d.say("220 go\n")
            d.server.starttls = False
            await d.secure()
        elif verb == "QUIT":
            await d.say("221 bye\n")
            await d.stream.aclose()
            return None
        elif verb == "AUTH":
            await d.say("334 \n")
            if d.accepts(await d.line()):
                await d.say("235 2.7.0 welcome\n")
                return await d.echo()
            await d.say(f"334 {CHALLENGE}\n")
            await d.line()
            await d.say(f"{d.server.refusal or '535 5.7.3 Authentication unsuccessful'}\n")


@asynccontextmanager
async def serving(
    protocol: MailProtocol, tls: ssl.SSLContext, change: Callable[[ScriptedServer], None] = lambda _: None
) -> AsyncIterator[ScriptedServer]:
    """Run a `ScriptedServer` on a free loopback port."""
    server = ScriptedServer(protocol, tls)
    change(server)
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        server.port = listeners[0].socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, server.serve, listeners)
        yield server
        nursery.cancel_scope.cancel()
