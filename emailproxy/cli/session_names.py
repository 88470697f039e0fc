"""Which sessions can stand on a command line? Those that are open: what the Tab key offers."""

from __future__ import annotations

import click
import trio
from click.shell_completion import CompletionItem

from emailproxy.cli.names import Word, config_file_of
from emailproxy.config import ConfigError
from emailproxy.remote.calls import snapshot
from emailproxy.remote.errors import RemoteError
from emailproxy.remote.place import ConsolePlace, configured_place

__all__ = ["SessionId"]

PATIENCE = 1.0
"""Seconds that somebody who has pressed a key waits."""


class SessionId(Word):
    """The id of a mail session."""

    name = "session"

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002 - click's interface
        incomplete: str,
    ) -> list[CompletionItem]:
        """Those of the proxy that runs with the configuration, with whose they are."""
        try:
            place = configured_place(config_file_of(ctx))
            found = trio.run(_sessions, place)
        except (ConfigError, RemoteError):
            return []
        return [CompletionItem(name, help=whose) for name, whose in found if name.startswith(incomplete.lower())]


async def _sessions(place: ConsolePlace) -> list[tuple[str, str]]:
    with trio.move_on_after(PATIENCE):
        told = await snapshot(place)
        return [(each.id, f"{each.account or 'not logged in'} from {each.client}") for each in told.sessions]
    return []
