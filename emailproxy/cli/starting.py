"""In which order does a proxy come up? Everything is checked, then it listens, and only then is most of it loaded.

Whoever connects meanwhile waits in the queue of a listening socket instead of being turned away: for mail clients, a
restart is over when the sockets are bound, after less than a third of the time that everything takes. A service
manager hears that the proxy is ready when it serves. So what is imported at the head of this file, and by that, is
what checking and binding need: not even the event loop, and no library for HTTP, OAuth, cryptography or a secret
manager. A test keeps the list.
"""

from __future__ import annotations

import gc
import logging
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from emailproxy.activation import Inherited
from emailproxy.binding import Bound, looked_up
from emailproxy.cli.common import configuration
from emailproxy.cli.early_signals import EarlySignals
from emailproxy.cli.exits import Exit, end
from emailproxy.console.installed import ConsoleMissingError, require_installed
from emailproxy.uncollected import uncollected

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["start"]

log = logging.getLogger("emailproxy.app")


def start(
    config_file: Path, *, cache_store: str | None, external_auth: bool, local_server_auth: bool, log_level: str
) -> int:
    """Run the proxy until a signal stops it; the exit status."""
    with ExitStack() as started:
        with uncollected():
            config = configuration(config_file)
            _check_store(cache_store)
            try:
                require_installed(config)
            except ConsoleMissingError as error:
                end(Exit.CONFIGURATION, error)
            inherited = Inherited.of_environment()
            servers = looked_up(config.servers)  # may take its time; the process can still be killed meanwhile
            # Before the log says that we listen: whoever reads that may send a signal at once.
            signals = started.enter_context(EarlySignals())
            bound = started.enter_context(closing(Bound.of(servers, inherited)))
            if not bound:
                end(Exit.NOTHING_TO_SERVE, "no listener could be opened, see the errors above")
            from emailproxy.cli import serving  # all the rest

            gc.freeze()  # to look for garbage in what stays would hold up the first clients

        signals.hold()
        options = serving.Options(
            cache_store=cache_store, external_auth=external_auth, local_server_auth=local_server_auth
        )
        return serving.serve(config, options, log_level, inherited, bound, signals)


def _check_store(address: str | None) -> None:
    """End if there is no such store. Where to look for its provider is known by what is loaded for that."""
    if address is None:
        return
    from emailproxy.store.base import StoreError
    from emailproxy.store.registry import check_address

    try:
        check_address(address)
    except StoreError as error:
        end(Exit.CONFIGURATION, error)
