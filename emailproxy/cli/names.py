"""Which names can stand on a command line? Accounts and listeners of the configuration: what the Tab key offers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from emailproxy.config import ConfigError, section_names
from emailproxy.config.servers import is_server

__all__ = ["AccountName", "ListenerName", "Word", "config_file_of"]

if TYPE_CHECKING:
    Word = click.ParamType[str]
else:  # older versions of click have no such brackets
    Word = click.ParamType


class AccountName(Word):
    """The name of an account; any is taken, since a catch-all section completes it."""

    name = "account"

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002 - click's interface
        incomplete: str,
    ) -> list[CompletionItem]:
        """The configuration's own accounts."""
        return _offered((name for name in _sections(ctx) if "@" in name.lstrip("@")), incomplete)


class ListenerName(Word):
    """The section of a listener, such as ``IMAP-1993``."""

    name = "section"

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """The configuration's."""
        return _offered((name for name in _sections(ctx) if is_server(name)), incomplete)


def config_file_of(context: click.Context) -> Path:
    """What ``--config-file`` says; also while a line is being completed, when no command has begun."""
    return Path(context.find_root().params["config_file"])


def _sections(context: click.Context) -> list[str]:
    try:
        return section_names(config_file_of(context))
    except ConfigError:
        return []


def _offered(names: Any, incomplete: str) -> list[CompletionItem]:
    folded = incomplete.casefold()
    return [CompletionItem(name) for name in names if name.casefold().startswith(folded)]
