"""How is a command found that nobody has loaded yet? By a table, which also knows what help says of it in a line."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from emailproxy.uncollected import uncollected

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LazyGroup"]


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used, so that each command pays for itself alone.

    Args:
        lazy: for each command where it is (``module:attribute``), and its `click.Command.short_help`.
    """

    def __init__(self, *arguments: Any, lazy: Mapping[str, tuple[str, str]], **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, of those that are loaded as well as of the others."""
        return sorted({*super().list_commands(ctx), *self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, which is imported if it has not been."""
        if cmd_name in self._lazy and cmd_name not in self.commands:
            place, short_help = self._lazy[cmd_name]
            module, _, attribute = place.partition(":")
            with uncollected():
                command: click.Command = getattr(import_module(module), attribute)
            command.short_help = short_help
            self.add_command(command, cmd_name)
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of commands in the help, from the table."""
        told = {name: short_help for name, (_, short_help) in self._lazy.items()}
        told |= {name: each.get_short_help_str(limit=120) for name, each in self.commands.items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted(told.items()))
