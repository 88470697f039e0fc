"""What happens in the demonstration? A simulated provider, the proxy in front of it, and one message there and back."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import tempfile
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from emailproxy.app import Options, Proxy
from emailproxy.config import load
from emailproxy.demo.console import EXPECTED, Console, StepFailedError
from emailproxy.demo.mail import MailClient
from emailproxy.demo.person import allow_access
from emailproxy.demo.watch import LogWatch, watch_log
from emailproxy.failures import ProxyError
from emailproxy.testing.provider import Provider, open_provider

__all__ = ["run_demo"]

STEP_LIMIT: Final = 60.0
"""Seconds that a step may take. The slow one is the first login: it derives a key from the password."""

PASSWORD: Final = "demo-password"  # noqa: S105 - the person's choice: any would do


@dataclass(frozen=True, slots=True)
class _Ports:
    """Where the proxy listens on 127.0.0.1."""

    imap: int
    pop3: int
    smtp: int
    redirect: int


@dataclass(slots=True)
class _Progress:
    """What survives an interruption."""

    succeeded: bool = False


async def run_demo(*, once: bool) -> int:
    """Run the demonstration and print it; the exit code: 0 if every step worked, else 1.

    With `once` it ends after the last step, else it goes on until SIGINT or SIGTERM.
    """
    console, progress = Console(), _Progress()
    try:
        with tempfile.TemporaryDirectory(prefix="emailproxy-demo-") as folder:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_end_by_signal, nursery.cancel_scope)
                await _show(console, progress, Path(folder), once=once)
                nursery.cancel_scope.cancel()
    except* ProxyError as group:
        for error in _leaves(group):
            console.failure("The demonstration cannot start", str(error))
    return 0 if progress.succeeded else 1


async def _show(console: Console, progress: _Progress, folder: Path, *, once: bool) -> None:
    console.say("emailproxy demonstration: all on this machine, tokens in a temporary folder.")
    start = trio.current_time()
    async with open_provider() as provider:
        provider.switches.consent = "page"
        console.say(f"A simulated mail provider that accepts OAuth 2.0 tokens only is up: {provider.authorization_url}")
        ports = _Ports(*_free_ports(4))
        config, tokens = folder / "emailproxy.config", folder / "tokens"
        await trio.Path(config).write_text(_configuration(provider, ports), encoding="utf-8")
        with watch_log() as log, _environment(SSL_CERT_FILE=str(provider.ca_path), NO_PROXY="localhost,127.0.0.1"):
            options = Options(cache_store=f"file:{tokens}", local_server_auth=True)
            async with _running(Proxy(await trio.to_thread.run_sync(load, config), options)):
                console.say(f"emailproxy is in front of it, {trio.current_time() - start:.2f} s after the start.\n")
                try:
                    await _steps(console, provider, ports, log, tokens)
                except StepFailedError:
                    console.say("\nThe last lines of the proxy's log:")
                    for line in log.lines:
                        console.say(f"  {line}")
                    return
                progress.succeeded = True
                if not once:
                    await _go_on(console, provider, ports, log)


async def _steps(console: Console, provider: Provider, ports: _Ports, log: LogWatch, tokens: Path) -> None:
    """One message there and back.

    Raises:
        StepFailedError: a step did not work, and it was said why.
    """
    user = provider.mailbox.user
    client = MailClient(user=user, password=PASSWORD, imap=ports.imap, pop3=ports.pop3, smtp=ports.smtp)
    subject = f"Hello from emailproxy {secrets.token_hex(4)}"
    await _first_login(console, client, subject, log)
    with console.step("The message is read back by IMAP, with the same password") as remarks:
        with trio.fail_after(STEP_LIMIT):
            by_imap = await client.read_by_imap(subject)
        remarks.append(f"{len(by_imap)} octets")
    with console.step("And by POP3") as remarks:
        with trio.fail_after(STEP_LIMIT):
            by_pop3 = await client.read_by_pop3(subject)
        if by_pop3 != by_imap:
            raise StepFailedError("POP3 and IMAP brought different octets")
        remarks.append("the same octets")
    with console.step("The tokens are in the store, sealed with the password") as remarks:
        kept = await trio.Path(tokens).read_bytes()
        if b"refresh_token" not in kept or b"access." in kept or b"refresh." in kept:
            raise StepFailedError("the store holds no refresh token, or one that anybody can read")
        requests = provider.counters.token_requests
        remarks.append(f"{requests.total()} token request for {provider.counters.logins.total()} logins")


async def _first_login(console: Console, client: MailClient, subject: str, log: LogWatch) -> None:
    """The login that needs a person: three steps while the mail client waits.

    Raises:
        StepFailedError: a step did not work, and it was said why.
    """
    failure: StepFailedError | None = None
    sending = _Sending(client, subject)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sending.run, log)
        try:
            with console.step("A mail program logs in by SMTP with a password; the proxy asks for consent"):
                with trio.fail_after(STEP_LIMIT):
                    url = await log.announced()
                if url is None:
                    await sending.result()
                    raise StepFailedError("the login went through without a person's consent")
            console.say(f"             {url}")
            with console.step("The person opens that address and clicks Allow"), trio.fail_after(STEP_LIMIT):
                await allow_access(url)
            with console.step("The waiting login succeeds and the message is sent"), trio.fail_after(STEP_LIMIT):
                await sending.result()
        except StepFailedError as error:
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


class _Sending:
    """The mail program's work, going on while a person is asked."""

    def __init__(self, client: MailClient, subject: str) -> None:
        self._client = client
        self._subject = subject
        self._ended = trio.Event()
        self._error: Exception | None = None

    async def run(self, log: LogWatch) -> None:
        """Send, and keep what went wrong for `result`."""
        try:
            await self._client.send(self._subject)
        except EXPECTED as error:
            self._error = error
        self._ended.set()
        log.give_up()

    async def result(self) -> None:
        """Wait for the end; raises what `MailClient.send` raised."""
        await self._ended.wait()
        if self._error is not None:
            raise self._error


async def _go_on(console: Console, provider: Provider, ports: _Ports, log: LogWatch) -> None:
    """Say how to try it by hand, and pass on what the proxy asks of a person, until cancelled."""
    user = provider.mailbox.user
    login = f"curl --user '{user}:{PASSWORD}'"
    console.say(f"""
Now it is yours, until you press Ctrl-C.

  user name  {user}
  password   {PASSWORD}
  IMAP       127.0.0.1:{ports.imap}
  POP3       127.0.0.1:{ports.pop3}
  SMTP       127.0.0.1:{ports.smtp}
  (without TLS on this side; towards the provider it is TLS)

Send a message:

  printf 'Subject: by hand\\r\\n\\r\\nHello.\\r\\n' | {login} --mail-from {user} --mail-rcpt {user} \
--upload-file - smtp://127.0.0.1:{ports.smtp}

Read the first one by IMAP, and by POP3:

  {login} 'imap://127.0.0.1:{ports.imap}/INBOX;MAILINDEX=1'
  {login} pop3://127.0.0.1:{ports.pop3}/1
""")
    while True:
        url = await log.announced()
        if url is not None:
            console.say(f"The proxy asks for a person's consent: open {url}")


async def _end_by_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


@contextlib.asynccontextmanager
async def _running(proxy: Proxy) -> AsyncGenerator[None]:
    """The proxy for the length of a block."""
    async with trio.open_nursery() as nursery:
        await nursery.start(proxy.run)
        yield
        proxy.stop()
        proxy.stop()  # the second time: sessions that are still there are not waited for


@contextlib.contextmanager
def _environment(**values: str) -> Generator[None]:
    """Environment variables for the length of a block: the proxy's usual way to be told what to trust."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody uses right now, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def _configuration(provider: Provider, ports: _Ports) -> str:
    """What a user would write, but for the ports."""
    addresses = provider.addresses()
    servers = [
        ("IMAP", ports.imap, provider.imap_port),
        ("POP", ports.pop3, provider.pop3_port),
        ("SMTP", ports.smtp, provider.smtp_port),
    ]
    sections = [
        f"[{protocol}-{port}]\nserver_address = {provider.host}\nserver_port = {upstream}\nlocal_address = 127.0.0.1\n"
        for protocol, port, upstream in servers
    ]
    sections.append("[emailproxy]\nconsole_listen = off\n")  # its address is one, and somebody's own proxy may have it
    sections.append(
        f"[{addresses['user']}]\n"
        f"permission_url = {provider.authorization_url}\n"
        f"token_url = {provider.token_url}\n"
        "oauth2_scope = https://mail.example.com/\n"
        f"redirect_uri = http://localhost:{ports.redirect}\n"
        f"client_id = {addresses['client_id']}\n"
        f"client_secret = {addresses['client_secret']}\n"
        "use_pkce = True\n"
    )
    return "\n".join(sections)


def _leaves(group: BaseExceptionGroup[ProxyError]) -> Generator[ProxyError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
