"""Help: each command has its own, with an example that can be typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from emailproxy.cli import cli

from .support import run


def commands(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            each = command.get_command(context, name)
            assert each is not None
            yield from commands(each, *path, name)


EVERY = [pytest.param(path, command, id=" ".join(path) or "emailproxy") for path, command in commands(cli)]


@pytest.mark.parametrize(("path", "command"), EVERY)
def test_help_has_an_example_that_would_be_understood(path: tuple[str, ...], command: click.Command) -> None:
    code, out, _ = run(*path, "--help")
    assert code == 0
    examples = re.findall(r"^ +emailproxy (.*)$", out.partition("Example")[2], re.MULTILINE)
    assert examples, "no example"
    assert any(example.split(" > ")[0] == " ".join(path) or " ".join(path) in example for example in examples)
    for example in examples:
        words = shlex.split(re.split(r" (?:[<>|]|&&) ", re.sub(r"\$\(.*\)", "0000002a", example))[0], comments=True)
        with cli.make_context("emailproxy", list(words), resilient_parsing=False) as root:
            _understood(root, cli, [*root._protected_args, *root.args])


def _understood(context: click.Context, group: click.Group, words: list[str]) -> None:
    """Parse `words` without running anything."""
    if not words:
        return
    name, command, rest = group.resolve_command(context, words)
    assert command is not None
    with command.make_context(name, rest, parent=context) as inner:
        if isinstance(command, click.Group):
            _understood(inner, command, [*inner._protected_args, *inner.args])
