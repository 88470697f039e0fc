"""Which store does a command act on, and how does it end if that store does not answer?

A command runs in trio like the proxy, for the sake of `emailproxy.store.cached`: every call has a deadline, an
interruption (Ctrl-C) ends a read at once and lets a write that has begun complete.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import click
import trio

from emailproxy.cli.common import Flags
from emailproxy.cli.exits import Exit, end
from emailproxy.oauth.foreign import foreign
from emailproxy.store.base import CacheStore, StoreAddressError, StoreError
from emailproxy.store.cached import CachedStore
from emailproxy.store.registry import open_store
from emailproxy.store.seeded import SeededStore

__all__ = ["InUse", "answer", "opened", "opened_as_proxy", "opened_in_use"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class InUse:
    """The store that the proxy would use with the same flags."""

    records: CachedStore
    seed: CachedStore | None
    """The configuration file, whose records count until `records` has its own; None: it is the store."""


def answer(function: Callable[[], Awaitable[T]], *, log_level: int = logging.WARNING, quiet: Collection[str] = ()) -> T:
    """What `function` returns; a StoreError is a line on stderr and the end, an interruption the end as well.

    Args:
        function: the command's work.
        log_level: the least that a store's log says on stderr meanwhile.
        quiet: logs whose errors only are said.
    """
    log = logging.getLogger("emailproxy")
    handler = _Handler(log_level)
    handler.addFilter(lambda record: record.levelno >= logging.ERROR or record.name not in quiet)
    log.addHandler(handler)
    before = log.level
    log.setLevel(log_level)
    try:
        return trio.run(function)
    except StoreAddressError as error:
        end(Exit.CONFIGURATION, foreign(error))
    except StoreError as error:
        end(Exit.FAILED, foreign(error))
    except KeyboardInterrupt:
        end(Exit.FAILED, "interrupted")
    except BaseExceptionGroup as group:  # a nursery of ours was open when the signal came
        if group.split(KeyboardInterrupt)[1] is not None:
            raise
        end(Exit.FAILED, "interrupted")
    finally:
        log.setLevel(before)
        log.removeHandler(handler)


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[CachedStore]:
    """The store at `address`.

    Raises:
        StoreAddressError: there is none.
    """
    # In a thread: the import of an SDK takes half a second, in which Ctrl-C shall work.
    store = await trio.to_thread.run_sync(open_store, address, abandon_on_cancel=True)
    async with aclosing(CachedStore(store)) as records:
        yield records


@asynccontextmanager
async def opened_as_proxy(flags: Flags) -> AsyncIterator[CachedStore]:
    """The store as the proxy opens it with `flags`: the configuration file fills its gaps.

    Raises:
        StoreAddressError: there is none.
    """

    def made() -> CacheStore:
        file = open_store(f"file:{flags.config_file}")
        return file if flags.cache_store is None else SeededStore(open_store(flags.cache_store), file)

    store = await trio.to_thread.run_sync(made, abandon_on_cancel=True)
    async with aclosing(CachedStore(store)) as records:
        yield records


@asynccontextmanager
async def opened_in_use(flags: Flags) -> AsyncIterator[InUse]:
    """The store that the proxy would use with `flags`.

    Raises:
        StoreAddressError: there is none.
    """
    file = f"file:{flags.config_file}"
    if flags.cache_store is None:
        if not await trio.Path(flags.config_file).exists():
            raise StoreAddressError(
                f"{flags.config_file}: there is no such file; name the configuration with --config-file, or a store "
                "with --cache-store, before the command"
            )
        async with opened(file) as records:
            yield InUse(records, None)
        return
    async with opened(flags.cache_store) as records, opened(file) as seed:
        yield InUse(records, seed if seed.address != records.address else None)


class _Handler(logging.Handler):
    """A store's warnings as lines like those that commands print."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"emailproxy: {foreign(record.getMessage())}", err=True)
