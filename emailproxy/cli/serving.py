"""How does a proxy run that listens already? In trio, until a signal ends it; every way to end has its exit status.

Importing this loads everything that a running proxy needs, but for what its store needs (`emailproxy.cli.starting`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import trio

from emailproxy.app import NothingToServeError, Options, Proxy, handle_signals
from emailproxy.cli.exits import Exit
from emailproxy.console.installed import ConsoleMissingError
from emailproxy.store.base import StoreError
from emailproxy.systemd import ServiceManager
from emailproxy.tracing import open_tracing

if TYPE_CHECKING:
    from emailproxy.activation import Inherited
    from emailproxy.binding import Bound
    from emailproxy.cli.early_signals import EarlySignals
    from emailproxy.config import Config

__all__ = ["Options", "serve"]


def serve(
    config: Config, options: Options, log_level: str, inherited: Inherited, bound: Bound, signals: EarlySignals
) -> int:
    """Run the proxy with the sockets `bound` until a signal stops it; the exit status."""
    proxy = Proxy(
        config,
        options,
        manager=ServiceManager.of_environment(),
        inherited=inherited,
        bound=bound,
        tracing=open_tracing(),
    )
    return trio.run(_serve, proxy, log_level, signals)


async def _serve(proxy: Proxy, log_level: str, signals: EarlySignals) -> int:
    status = Exit.STOPPED
    async with trio.open_nursery() as nursery:
        await nursery.start(handle_signals, proxy, log_level)
        signals.release()  # those that came while everything was loaded
        try:
            await proxy.run()
        except (StoreError, ConsoleMissingError) as error:
            click.echo(f"emailproxy: {error}", err=True)
            status = Exit.CONFIGURATION
        except NothingToServeError as error:
            click.echo(f"emailproxy: {error}", err=True)
            status = Exit.NOTHING_TO_SERVE
        nursery.cancel_scope.cancel()
    return status
