"""How does a command reach the proxy that runs? Through its console; and what it says if nobody is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
import trio

from emailproxy.cli.common import Flags
from emailproxy.cli.exits import Exit, end
from emailproxy.config import ConfigError
from emailproxy.console.messages import Snapshot
from emailproxy.oauth.foreign import foreign
from emailproxy.remote.calls import snapshot
from emailproxy.remote.errors import BadAddressError, NotRunningError, RefusedError, RemoteError
from emailproxy.remote.place import ConsolePlace, configured_place, place_at
from emailproxy.status import Presence, StatusReading, read_status

__all__ = ["Found", "Where", "ended", "look", "reach", "run", "where_options"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Where:
    """Which proxy is meant, if not the one that runs with the configuration."""

    url: str | None
    token_file: Path | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at the proxy has found."""

    place: ConsolePlace | None
    """Its console, if that answers."""
    snapshot: Snapshot | None
    reading: StatusReading
    """What its status file says."""
    problem: str = ""
    """Why the console does not answer."""

    @property
    def running(self) -> bool:
        """Whether a proxy runs, with or without a console."""
        return self.place is not None or self.reading.presence is Presence.RUNNING

    @property
    def note(self) -> str:
        """A sentence for who expected that the proxy would answer; empty if it has."""
        if self.place is not None:
            return ""
        if not self.running:
            return "No proxy runs with this configuration, so this is what can be known without one."
        pid = f" (process {self.reading.status.pid})" if self.reading.status is not None else ""
        return f"A proxy runs with this configuration{pid}, but cannot be asked: {self.problem}"


def where_options(command: F) -> F:
    """The options ``--url`` and ``--token-file``, as the argument ``where``."""

    def combined(*arguments: Any, url: str | None, token_file: Path | None, **more: Any) -> Any:
        return command(*arguments, where=Where(url, token_file), **more)

    combined.__name__, combined.__doc__ = command.__name__, command.__doc__
    combined.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    file = click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        help="Has the console's token.  [default: what the configuration says, or CONFIG.console-token]",
    )
    url = click.option(
        "--url", metavar="URL", help="The proxy's console.  [default: what the configuration says, or 127.0.0.1:8025]"
    )
    return url(file(combined))  # type: ignore[return-value]


def reach(flags: Flags, where: Where) -> ConsolePlace:
    """The console of the proxy that is meant, or the end."""
    try:
        return _place(flags, where)
    except ConfigError as error:
        end(Exit.CONFIGURATION, *error.faults)
    except RemoteError as error:
        ended(error, flags)


def look(flags: Flags, where: Where) -> Found:
    """Ask the proxy how it is, if there is one that answers. One that was named and does not answer is the end.

    What else there is to say of a faulty configuration, the command says that reads it.
    """
    reading = read_status(flags.config_file)
    named = where.url is not None or where.token_file is not None
    try:
        place = _place(flags, where)
        return Found(place, run(flags, partial(snapshot, place), ends=False), reading)
    except ConfigError as error:
        if named:
            end(Exit.CONFIGURATION, *error.faults)
        return Found(None, None, reading, foreign(error.faults[0]))
    except RemoteError as error:
        if named:
            ended(error, flags)
        return Found(None, None, reading, foreign(error))


def run(flags: Flags, function: Callable[[], Awaitable[T]], *, ends: bool = True, endless: bool = False) -> T:
    """What `function` returns; that the proxy does not answer is a line on stderr and the end, as is Ctrl-C.

    Args:
        flags: what stands before the command.
        function: the command's work.
        ends: errors end the command.
        endless: Ctrl-C is how it is meant to end.

    Raises:
        RemoteError: without `ends`.
    """
    try:
        return trio.run(function)
    except RemoteError as error:
        if not ends:
            raise
        ended(error, flags)
    except KeyboardInterrupt:
        _interrupted(endless=endless)
    except BaseExceptionGroup as group:  # a nursery of ours was open when the signal came
        if group.split(KeyboardInterrupt)[1] is not None:
            raise
        _interrupted(endless=endless)


def _interrupted(*, endless: bool) -> NoReturn:
    if endless:
        end(Exit.STOPPED)
    end(Exit.FAILED, "interrupted")


def ended(error: RemoteError, flags: Flags) -> NoReturn:
    """End with what this error means."""
    sentence = foreign(error, 2000)
    match error:
        case NotRunningError():
            reading = read_status(flags.config_file)
            if reading.presence is Presence.RUNNING and reading.status is not None:
                sentence += f"; the proxy with this configuration is process {reading.status.pid}"
            end(Exit.NOT_RUNNING, sentence)
        case RefusedError():
            end(Exit.REFUSED, sentence)
        case BadAddressError():
            end(Exit.CONFIGURATION, sentence)
        case _:
            end(Exit.FAILED, sentence)


def _place(flags: Flags, where: Where) -> ConsolePlace:
    if where.url is not None:
        return place_at(where.url, flags.config_file, where.token_file)
    return configured_place(flags.config_file, where.token_file)
