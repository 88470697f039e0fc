"""Who reads a file again when it changes? Certificates that were renewed, and, if asked, the configuration.

`Settings.reload_on_change` says what is watched. Waiting costs nothing (`emailproxy.inotify`); a change is looked at
when the folder has been quiet for a moment, and only what a person changed counts: the proxy keeps its tokens in the
same file.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import trio

from emailproxy.config import Config
from emailproxy.config.fingerprint import Fingerprint, fingerprint
from emailproxy.config.model import ReloadOnChange
from emailproxy.inotify import FileWatch, watching

__all__ = ["Changes"]

log = logging.getLogger("emailproxy.app")

QUIET: Final = 0.5
"""Seconds without a further change: a certificate and its key come in two writes, and an editor makes several."""

LONGEST_QUIET: Final = 5.0
"""Seconds after which it is looked at although changes go on."""

SHARE: Final = 20.0
"""After a look that took a second, the next is this many seconds later at the least: a file of 60 MB, which each new
token changes, costs a twentieth of a core at the most."""

MAX_OCTETS: Final = 256 * 1024 * 1024
"""As much as is read of a configuration."""


class Changes:
    """Watches the files of a running proxy.

    Args:
        config: the configuration in force.
        reload: reads it again.
        renew: reads the certificates of the listeners again.
        replaced: an event that is set, and then replaced, when a new configuration is in force.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        reload: Callable[[], Awaitable[object]],
        renew: Callable[[], Awaitable[object]],
        replaced: Callable[[], trio.Event],
    ) -> None:
        self._config = config
        self._reload = reload
        self._renew = renew
        self._replaced = replaced

    async def run(self) -> None:
        """Act on changes until cancelled."""
        known: dict[Path, object] = {}
        while True:
            replaced = self._replaced()
            config = self._config()
            paths = watched(config)
            if not paths:
                known.clear()
                await replaced.wait()
                continue
            with watching(paths) as watch:
                began = trio.current_time()
                now, changed = await trio.to_thread.run_sync(_look, paths, config.path, dict(known))
                took = trio.current_time() - began
                # A file that is gone for a moment is compared with what it was before.
                known = {path: print_ if print_ is not None else known.get(path) for path, print_ in now.items()}
                if config.path in changed or any(path not in certificates(config) for path in changed):
                    log.info("%s has changed: reloading the configuration", ", ".join(map(str, changed)))
                    await self._reload()
                    continue
                if changed:
                    log.info("%s has changed: reading the certificates again", ", ".join(map(str, changed)))
                    await self._renew()
                    continue
                await _first(replaced, watch)
            await trio.sleep(took * SHARE)


def certificates(config: Config) -> set[Path]:
    """The files with certificates and keys of the listeners, and of the console."""
    channel = config.settings.channel
    paths = [p for s in config.servers for p in (s.local_certificate_path, s.local_key_path)]
    paths += [channel.certificate_path, channel.key_path]
    return {path for path in paths if isinstance(path, Path)}


def watched(config: Config) -> set[Path]:
    """The files whose change counts."""
    match config.settings.reload_on_change:
        case ReloadOnChange.NOTHING:
            return set()
        case ReloadOnChange.CERTIFICATES:
            return certificates(config)
        case ReloadOnChange.EVERYTHING:
            files = {
                Path(use.reference.rest).expanduser() for use in config.references if use.reference.prefix == "file"
            }
            return {config.path} | certificates(config) | files


async def _first(replaced: trio.Event, watch: FileWatch) -> None:
    """Wait until a new configuration is in force, or files have changed and are quiet."""
    async with trio.open_nursery() as nursery:

        async def until_replaced() -> None:
            await replaced.wait()
            nursery.cancel_scope.cancel()

        nursery.start_soon(until_replaced)
        await watch.changed()
        with trio.move_on_after(LONGEST_QUIET):
            quiet = False
            while not quiet:
                with trio.move_on_after(QUIET) as silence:
                    await watch.changed()
                quiet = silence.cancelled_caught
        nursery.cancel_scope.cancel()


def _look(paths: set[Path], config: Path, known: Mapping[Path, object]) -> tuple[Mapping[Path, object], list[Path]]:
    """What the files are now, and which of them are not what is known of them. Blocks."""
    now = {path: _fingerprint(path, is_config=path == config) for path in paths}
    return now, [path for path in paths if path in known and _differs(known[path], now[path])]


def _fingerprint(path: Path, *, is_config: bool) -> object:
    """What is compared; None while the file cannot be read."""
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS)
    except OSError:
        return None
    return fingerprint(octets) if is_config else hashlib.sha256(octets).digest()


def _differs(before: object, now: object) -> bool:
    """Whether it is worth a look; a file that is gone for the moment is not."""
    if now is None:
        return False
    if isinstance(before, Fingerprint) and isinstance(now, Fingerprint):
        return before.differs(now)
    return before != now
