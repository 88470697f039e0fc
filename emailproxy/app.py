"""What belongs to a running proxy, and how does it start, change and stop? The composition root.

Three nurseries, from the outside in: *background* (probes, redirect listeners, the terminal, accept loops), *farewell*
(the deadline of a drain) and *sessions*. A stop closes the accept loops, leaves the sessions nursery when the last
session has ended, and only then takes the rest down.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

import trio

from emailproxy.activation import Inherited
from emailproxy.audience import NOBODY, Audience, Audiences
from emailproxy.binding import Bound
from emailproxy.changes import Changes
from emailproxy.config import Config, ConfigError, Fault, MailServer, Server, load
from emailproxy.connection import Scratch
from emailproxy.console.installed import require_installed
from emailproxy.console.running import Console
from emailproxy.console.scene import Sight
from emailproxy.draining import drain
from emailproxy.failures import ProxyError
from emailproxy.listener import ListenerSet
from emailproxy.login import Services, Tokens
from emailproxy.logs import toggle_debug
from emailproxy.lookout import Lookout
from emailproxy.notifying import Notifier
from emailproxy.oauth.consent import Consents, Outcome, Pending
from emailproxy.oauth.qr import show_code
from emailproxy.oauth.redirects import serve_redirects
from emailproxy.oauth.terminal import read_pasted_redirects
from emailproxy.oauth.tokens import TokenBroker, open_broker
from emailproxy.oauth.watching import Watcher
from emailproxy.reporting import Reporter
from emailproxy.session import Session
from emailproxy.store.cached import CachedStore
from emailproxy.store.registry import open_store
from emailproxy.store.seeded import SeededStore
from emailproxy.systemd import ServiceManager
from emailproxy.throttle import Throttle
from emailproxy.tls import UpstreamTls
from emailproxy.tracing import TracedTokens, TracedUpstreams, Tracing
from emailproxy.upstream import UpstreamServers

__all__ = ["NothingToServeError", "Options", "Proxy", "handle_signals"]

log = logging.getLogger("emailproxy.app")

PROBES = 8
"""Servers asked for their capabilities at a time: enough for any start to be quick, no burst at a provider."""


class NothingToServeError(ProxyError):
    """No listener could be opened; the message says why of each."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line decides and a reload does not change."""

    cache_store: str | None = None
    """The store's address; None: the configuration file itself."""
    external_auth: bool = False
    """Redirected addresses are pasted only; no redirect listener is opened."""
    local_server_auth: bool = False
    """Redirects are received only; the terminal is not read. Wins over `external_auth`."""


class Proxy:
    """One running proxy.

    Args:
        config: checked and frozen; `reload` replaces it by what its file says then.
        options: the command line's.
        audience: hears what happens.
        manager: the service manager that is told how we are.
        inherited: listening sockets that it has bound; closed when `run` ends.
        bound: the sockets of `config`'s servers, if they are bound already; `run` takes them over.
        tracing: traces logins; closed when `run` ends.
    """

    def __init__(
        self,
        config: Config,
        options: Options,
        audience: Audience = NOBODY,
        *,
        manager: ServiceManager | None = None,
        inherited: Inherited | None = None,
        bound: Bound | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._config = config
        self._options = options
        self._audience = audience
        self._manager = manager or ServiceManager()
        self._inherited = inherited or Inherited()
        self._bound = bound
        self._tracing = tracing
        self._reloading = trio.Lock()
        self._faults: tuple[Fault, ...] = ()
        self._reloaded_at: float | None = None
        self._stopping = trio.Event()
        self._hurrying = trio.Event()
        self._reloaded = trio.Event()
        self._listeners: ListenerSet | None = None
        self._broker: TokenBroker | None = None
        self._console: Console | None = None

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._config

    @property
    def sessions(self) -> list[Session]:
        """The sessions that are alive now."""
        return [] if self._listeners is None else self._listeners.sessions

    @property
    def reloaded_at(self) -> float | None:
        """Unix time at which the configuration in force was read anew; None: it is the first."""
        return self._reloaded_at

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What was wrong with the file when it was last read; nothing if it is what is in force."""
        return self._faults

    @property
    def reload_is_due(self) -> bool:
        """Whether a reload waits for another one to end, and so reads all that is in the file now."""
        return self._reloading.statistics().tasks_waiting > 0

    @property
    def draining(self) -> bool:
        """Whether the proxy has been told to stop."""
        return self._stopping.is_set()

    @property
    def addresses(self) -> list[tuple[Server, str, int]]:
        """What is bound: the server it stands for, address and port."""
        return [] if self._listeners is None else self._listeners.addresses

    def stop(self) -> None:
        """Drain and end; called again: end at once."""
        if self._stopping.is_set():
            self._hurrying.set()
        self._stopping.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until `stop`; announces itself when the listeners are bound.

        Raises:
            StoreError: the store's address is wrong or its extra is missing.
            NothingToServeError: no listener could be opened.
            ConsoleMissingError: the configuration asks for a console, and the extra is not installed.
        """
        _raise_file_limit()
        for warning in self._config.warnings:
            log.warning("%s", warning)
        require_installed(self._config)
        store = file = open_store(f"file:{self._config.path}")
        if self._options.cache_store is not None:
            store = SeededStore(open_store(self._options.cache_store), file)
        notifier = Notifier(lambda: self._config.settings)
        watcher = Watcher(notifier.tell)
        console: Console

        def announce(pending: Pending) -> None:
            show_code(pending)
            watcher.asked(pending)
            console.hub.asked(pending)

        def settled(pending: Pending, outcome: Outcome) -> None:
            watcher.settled(pending, outcome)
            console.hub.settled(pending, outcome)

        consents = Consents(announce, settled)
        async with (
            aclosing(CachedStore(store)) as records,
            open_broker(
                records=records, consents=consents, settings=lambda: self._config.settings, watcher=watcher
            ) as broker,
            aclosing(Lookout()) as lookout,
            trio.open_nursery() as background,
        ):
            log.info("tokens are kept in %s", store.address)
            self._broker = broker
            reporter = Reporter(lambda: self._config, records, broker, consents)
            sight = Sight(
                config=lambda: self._config,
                sessions=lambda: self.sessions,
                status=lambda: reporter.status,
                reloaded_at=lambda: self._reloaded_at,
                records=records,
                broker=broker,
                consents=consents,
                faults=lambda: self._faults,
                listening=lambda: self.addresses,
                draining=self._stopping.is_set,
            )
            audience = Audiences(self._audience)
            console = self._console = Console(sight, self.reload, self.stop, background, audience.add)
            audience.add(console.hub)
            self._audience = audience
            scratch = Scratch()
            if self._tracing is None:
                upstreams = UpstreamServers(UpstreamTls(), scratch)
                tokens: Tokens = broker
            else:
                upstreams = TracedUpstreams(self._tracing, UpstreamTls(), scratch)
                tokens = TracedTokens(self._tracing, broker)
                audience.add(self._tracing)
            services = Services(lambda: self._config, tokens, upstreams, Throttle(), audience, readiness=lookout.open)
            background.start_soon(lookout.run)
            async with trio.open_nursery() as farewell:
                async with trio.open_nursery() as sessions:
                    listeners = self._listeners = ListenerSet(services, scratch, sessions, background, self._inherited)
                    if self._bound is None:
                        await listeners.apply(self._config.servers)
                    else:
                        listeners.adopt(self._config.servers, self._bound)
                    bound = bool(listeners.addresses)
                    if bound:
                        await console.apply(self._config)
                        background.start_soon(self._probe, upstreams)
                        background.start_soon(self._receive_consent, consents, console)
                        background.start_soon(reporter.await_store)
                        background.start_soon(reporter.keep_status)
                        background.start_soon(notifier.run)
                        background.start_soon(self._follow_changes, listeners, console)
                        if self._manager.watchdog is not None:
                            background.start_soon(self._manager.keep_watch)
                        self._manager.ready(self._summary)
                        task_status.started()
                        await self._stopping.wait()
                        audience.draining()
                        self._manager.stopping(
                            f"stopping, sessions at first: {listeners.live}", self._config.settings.drain
                        )
                        listeners.stop()
                        farewell.start_soon(drain, listeners, self._config.settings, self._hurrying)
                farewell.cancel_scope.cancel()
            background.cancel_scope.cancel()
        self._inherited.close()
        if self._tracing is not None:
            await self._tracing.close()
        if not bound:  # raised out here, where no nursery makes a group of it
            raise NothingToServeError("no listener could be opened, see the errors above")
        log.info("stopped")

    async def reload(self) -> tuple[Fault, ...]:
        """Read the configuration file again. A faulty file changes nothing and is explained in the log.

        Returns:
            What is wrong with it; nothing if it is in force now, or if the proxy does not serve (any more).
        """
        if self._listeners is None or self._stopping.is_set():
            return ()
        async with self._reloading:  # one after the other: the last to read the file is the last to be in force
            self._manager.reloading()
            try:
                await self._read_again(self._listeners)
            finally:
                if not self._stopping.is_set():
                    self._manager.ready(self._summary)
        return self._faults

    async def _read_again(self, listeners: ListenerSet) -> None:
        try:
            # Certificates are read as well: not for the event loop.
            config = await trio.to_thread.run_sync(load, self._config.path, abandon_on_cancel=True)
        except ConfigError as error:
            for fault in error.faults:
                log.error("%s", fault)
            log.error("configuration not reloaded because of these faults; the one in force stays")
            self._faults = tuple(error.faults)
            return
        for warning in config.warnings:
            log.warning("%s", warning)
        self._config = config
        self._faults = ()
        if self._broker is not None:
            self._broker.distrust()
        await listeners.apply(config.servers)
        if self._console is not None:
            await self._console.apply(config)
        self._reloaded_at = time.time()
        reloaded, self._reloaded = self._reloaded, trio.Event()
        reloaded.set()
        self._audience.reloaded()
        log.info("configuration reloaded: servers %d, accounts %d", len(config.servers), len(config.accounts))

    @property
    def _summary(self) -> str:
        """One line for the service manager."""
        if self._faults:
            return f"serving; the configuration file has faults and was not reloaded: {len(self._faults)}"
        listening = sorted({server.section for server, _, _ in self.addresses})
        return f"serving {', '.join(listening)}; accounts {len(self._config.accounts)}"

    async def _follow_changes(self, listeners: ListenerSet, console: Console) -> None:
        async def renew() -> None:
            await listeners.renew()
            await console.apply(self._config)

        await Changes(lambda: self._config, self.reload, renew, lambda: self._reloaded).run()

    async def _probe(self, upstreams: UpstreamServers) -> None:
        """Ask each distinct server for its capabilities, so that the first client already sees them."""
        limit = trio.CapacityLimiter(PROBES)

        async def probe(server: MailServer) -> None:
            async with limit:
                await upstreams.probe(server)

        while True:
            reloaded = self._reloaded
            async with trio.open_nursery() as nursery:
                for server in self._config.mail_servers():
                    if not upstreams.capabilities(server):
                        nursery.start_soon(probe, server)
            await reloaded.wait()

    async def _receive_consent(self, consents: Consents, console: Console) -> None:
        """Listen for redirects of all accounts, and for pasted ones where there is a terminal."""
        external_only = self._options.external_auth and not self._options.local_server_auth
        async with trio.open_nursery() as nursery:
            if not self._options.local_server_auth:
                nursery.start_soon(_read_terminal, consents, external_only)
            while not external_only:
                reloaded = self._reloaded
                async with trio.open_nursery() as current:
                    accounts = [*self._config.accounts.values(), *self._config.templates.values()]
                    current.start_soon(partial(serve_redirects, accounts, consents, elsewhere=console.receives))
                    await reloaded.wait()
                    current.cancel_scope.cancel()


async def _read_terminal(consents: Consents, external_only: bool) -> None:
    await read_pasted_redirects(consents)
    if external_only:
        log.warning(
            "--external-auth: standard input has ended, so nobody can paste an address and complete an authorisation; "
            "start in a terminal, or with --local-server-auth"
        )


async def handle_signals(
    proxy: Proxy, log_level: str, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """SIGTERM, SIGINT and SIGQUIT stop, SIGHUP reloads, SIGUSR1 toggles debug. Only in the main thread."""
    stops = {signal.SIGTERM, signal.SIGINT}
    others = {getattr(signal, name) for name in ("SIGQUIT", "SIGHUP", "SIGUSR1") if hasattr(signal, name)}
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(*stops, *others) as signals:
            task_status.started()
            async for number in signals:
                match signal.Signals(number).name:
                    case "SIGHUP":
                        log.info("SIGHUP: reloading the configuration")
                        if not proxy.reload_is_due:
                            nursery.start_soon(proxy.reload)  # in the background: it may wait for a secret manager
                    case "SIGUSR1":
                        log.warning("SIGUSR1: debug is %s", "on" if toggle_debug(log_level) else "off")
                    case name:
                        log.info("%s: stopping", name)
                        proxy.stop()


def _raise_file_limit() -> None:
    """Two descriptors a session: the soft limit of 1,024 that many systems set would be 500 sessions."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:  # macOS names an unlimited hard limit that it does not accept
            log.debug("open files stay limited to %d: %s", soft, error)
