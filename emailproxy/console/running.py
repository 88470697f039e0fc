"""Where does the console run now? Opened with the proxy, moved by a reload, closed at the very end.

Beside the mail, never before it: a console that cannot listen where it was asked to is an error in the log, and one
that nobody asked for, at the address that it has by default, a warning. Only a configuration that can never work ends a
start: a console that was asked for, and is not installed.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import trio

from emailproxy.audience import Audience
from emailproxy.config import Config, Fault
from emailproxy.config.channel import Channel, Place
from emailproxy.config.options import is_loopback
from emailproxy.console.context import Context
from emailproxy.console.hub import Hub
from emailproxy.console.installed import ConsoleMissingError, is_installed, require_installed
from emailproxy.console.scene import Scene, Sight
from emailproxy.console.sockets import Bound, PlaceError, bind
from emailproxy.console.tokenfile import TokenFileError, made_token
from emailproxy.oauth.redirects import RedirectAddress, redirect_addresses
from emailproxy.references.base import Fetched
from emailproxy.tls import downstream_context

if TYPE_CHECKING:
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp

    from emailproxy.console.access import Access

__all__ = ["Console"]

log = logging.getLogger("emailproxy.console")


@dataclass(slots=True)
class _Post:
    """One place that is served, and how to end that."""

    bound: Bound
    scope: trio.CancelScope
    over: trio.Event


class Console:
    """The console of one proxy.

    Args:
        sight: what is shown of the proxy.
        reload: reads the configuration again, which may end the console's connections, and `apply` this one.
        stop: begins to drain; called again: ends at once.
        tasks: where the console runs, and what goes on behind an answer; ends last of all.
        join: lets an audience hear what happens from now on.

    Attributes:
        hub: the audience that tells watchers.
    """

    def __init__(
        self,
        sight: Sight,
        reload: Callable[[], Awaitable[tuple[Fault, ...]]],
        stop: Callable[[], None],
        tasks: trio.Nursery,
        join: Callable[[Audience], None],
    ) -> None:
        self._sight = sight
        self._join = join
        self._operation_routes: list[BaseRoute] = []
        self._scene = Scene(sight, time.time, trio.current_time)
        self._hub = self.hub = Hub(self._scene, sight.records)
        self._reload = reload
        self._context = Context(
            config=sight.config,
            sessions=sight.sessions,
            reload=self._reload_behind,
            stop=stop,
            broker=sight.broker,
            consents=sight.consents,
            records=sight.records,
            snapshot=self._hub.snapshot,
            publish=self._hub.publish,
            tasks=tasks,
            operations=lambda: self._operation_routes,
        )
        self._applying = trio.Lock()
        self._channel: Channel | None = None
        self._main: _Post | None = None
        self._operations: _Post | None = None
        self._hub_scope: trio.CancelScope | None = None
        self._tls: ssl.SSLContext | None = None

    @property
    def addresses(self) -> tuple[Place, ...]:
        """Where it listens, with ports as they are."""
        return self._main.bound.addresses if self._main is not None else ()

    def receives(self, address: RedirectAddress) -> bool:
        """Whether redirects to `address` arrive here. Only in plain text: no redirect_uri of ours has TLS."""
        if self._tls is not None:
            return False
        return any(
            place.port == address.port and (place.host == address.host or _both_local(place.host, address.host))
            for place in self.addresses
            if place.path is None
        )

    async def apply(self, config: Config) -> None:
        """Listen where `config` says, and no longer where it did before. What cannot be is said in the log."""
        channel = config.settings.channel
        try:
            require_installed(config)
        except ConsoleMissingError as error:
            log.error("%s", error)
        if not is_installed():
            return
        async with self._applying:  # a signal may ask for a reload while another one is under way
            if channel == self._channel:
                self._renew(channel)
            else:
                await self._move(config, channel)

    async def _reload_behind(self) -> tuple[Fault, ...]:
        """Reload for a request, whose connection may be ended by that: the reload goes on."""
        faults: list[Fault] = []
        over = trio.Event()

        async def run() -> None:
            faults.extend(await self._reload())
            over.set()

        self._context.tasks.start_soon(run)
        await over.wait()
        return tuple(faults)

    # --- moving -------------------------------------------------------------------------------------------------------

    async def _move(self, config: Config, channel: Channel) -> None:
        before = self._channel
        if channel.certificate_path is not None:
            try:
                tls: ssl.SSLContext | None = _context(channel)
            except (OSError, ValueError) as error:  # includes ssl.SSLError
                log.error("[emailproxy] console_certificate_path cannot be used: %s", error)
                return
        else:
            tls = None
        # Another place is taken before the old one is left; the same one cannot be.
        same = before is not None and before.listen == channel.listen
        if same:
            await self._leave()
        bound = await _bound(channel.listen, written=channel.written)
        if bound is None and channel.listen is not None and self._main is not None:
            log.error("the console stays where it was")
            return
        await self._leave()
        self._tls = tls
        if self._operations is not None and (before is None or before.metrics != channel.metrics):
            await self._end(self._operations)
            self._operations = None
        wanted = bound is not None or channel.metrics is not None
        await self._hear(wanted=wanted)
        if wanted and not self._operation_routes:
            self._count()
        if bound is not None:
            self._scene.addresses = tuple(str(place) for place in bound.addresses)
            self._main = await self._serve(bound, await self._application(config, channel), lambda: self._tls)
            for place in bound.addresses:
                log.info("console at %s", _shown(place, secured=tls is not None))
        if self._operations is None and channel.metrics is not None:
            await self._serve_operations(channel.metrics)
        complete = (self._main is not None) is (channel.listen is not None)
        complete = complete and (self._operations is not None) is (channel.metrics is not None)
        self._channel = channel if complete else None  # what could not be is tried again at the next reload

    async def _leave(self) -> None:
        """Answer no more where the console was."""
        old, self._main = self._main, None
        self._scene.addresses = ()
        if old is not None:
            await self._end(old)

    def _renew(self, channel: Channel) -> None:
        """Its files may have changed."""
        if self._main is None or channel.certificate_path is None:
            return
        try:
            self._tls = _context(channel)
        except (OSError, ValueError) as error:
            log.error("[emailproxy] console_certificate_path cannot be used, the old one stays: %s", error)

    async def _access(self, config: Config, channel: Channel) -> Access | None:
        from emailproxy.console.access import Access

        token = channel.token
        if token is None:
            try:
                token = await trio.to_thread.run_sync(made_token, config.path)
            except TokenFileError as error:
                log.error("nobody can use the console: %s", error)
                return None
        return Access(token)

    async def _application(self, config: Config, channel: Channel) -> ASGIApp:
        from emailproxy.console.files import page_files
        from emailproxy.console.server import Parts, application

        access = await self._access(config, channel)
        page = await trio.to_thread.run_sync(page_files)
        return application(
            Parts(
                context=self._context,
                hub=self._hub,
                access=access,
                page=page,
                redirect_paths=self._redirect_paths,
                operations_here=channel.metrics is None,
            )
        )

    def _redirect_paths(self) -> frozenset[str] | None:
        config = self._context.config()
        accounts = [*config.accounts.values(), *config.templates.values()]
        here = [address.paths for address in redirect_addresses(accounts) if self.receives(address)]
        if not here:
            return None
        return frozenset().union(*here) if all(here) else frozenset()

    async def _serve_operations(self, place: Place) -> None:
        from emailproxy.console.server import operations_application

        bound = await _bound(place, written=True)
        if bound is not None:
            self._operations = await self._serve(bound, operations_application(self._context), lambda: None)
            for each in bound.addresses:
                log.info("health and metrics at %s", _shown(each, secured=False))

    async def _hear(self, *, wanted: bool) -> None:
        """Let the hub hear, or sleep: then the proxy's calls cost it nothing."""
        if wanted and self._hub_scope is None:
            self._hub_scope = await self._context.tasks.start(_scoped, self._hub.run)
        elif not wanted and self._hub_scope is not None:
            self._hub_scope.cancel()
            self._hub_scope = None

    def _count(self) -> None:
        """Begin to count what happens, and to know how we are. Once somebody may have asked, this goes on."""
        from emailproxy.console.health import Health
        from emailproxy.console.metrics import Metrics

        metrics = Metrics(self._sight)
        for server, host, port in self._sight.listening():
            metrics.listener_bound(server, [(host, port)])
        self._join(metrics)
        self._operation_routes = [*Health(self._sight).routes(), *metrics.routes()]

    async def _serve(self, bound: Bound, app: ASGIApp, tls: Callable[[], ssl.SSLContext | None]) -> _Post:
        from emailproxy.console.serving import serve

        over = trio.Event()

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            try:
                await serve(app, bound, tls, task_status=task_status)
            finally:
                over.set()

        return _Post(bound, await self._context.tasks.start(_scoped, run), over)

    async def _end(self, post: _Post) -> None:
        post.scope.cancel()
        await post.over.wait()


async def _scoped(function: Callable[..., Awaitable[None]], *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
    """Run a task that is ended by the scope that it starts with."""
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(function))
            task_status.started(scope)


async def _bound(place: Place | None, *, written: bool) -> Bound | None:
    """Listen at `place`, or say in the log why not."""
    if place is None:
        await trio.lowlevel.checkpoint()
        return None
    try:
        return await bind(place)
    except PlaceError as error:
        if written:
            log.error("the console cannot listen at %s", error)
        else:
            log.warning("no console at its default address %s; set console_listen to another one, or to off", error)
        return None


def _context(channel: Channel) -> ssl.SSLContext:
    assert channel.certificate_path is not None
    certificate, key = (
        each.value if isinstance(each, Fetched) else each for each in (channel.certificate_path, channel.key_path)
    )
    assert certificate is not None
    context = downstream_context(certificate, key, "1.2")
    context.set_alpn_protocols(["http/1.1"])
    return context


def _shown(place: Place, *, secured: bool) -> str:
    return str(place) if place.path is not None else f"{'https' if secured else 'http'}://{place}"


def _both_local(one: str, other: str) -> bool:
    """Whether a browser that goes to `other` may reach what listens at `one`."""
    return is_loopback(one) and other == "localhost"
