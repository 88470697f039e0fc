"""Commands that are loaded when they are typed: the table is right, and help needs none of them."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from emailproxy.cli import cli
from emailproxy.cli.commands import COMMANDS, OF_ACCOUNTS, OF_CACHE

from .support import run


@pytest.mark.parametrize(
    ("path", "table"), [((), COMMANDS), (("cache",), OF_CACHE), (("accounts",), OF_ACCOUNTS)], ids=str
)
def test_each_entry_leads_to_its_command(path: tuple[str, ...], table: dict[str, tuple[str, str]]) -> None:
    group: click.Command | None = cli
    for name in path:
        assert isinstance(group, click.Group)
        group = group.get_command(click.Context(group), name)
    assert isinstance(group, click.Group)
    context = click.Context(group)
    assert set(table) <= set(group.list_commands(context))
    for name, (place, short_help) in table.items():
        command = group.get_command(context, name)
        assert command is not None
        assert command.name == name, place
        assert command.get_short_help_str(limit=120) == short_help
        assert short_help.endswith(".")


def test_a_command_that_is_not_there() -> None:
    code, _, err = run("statsu")
    assert code == 2
    assert "No such command 'statsu'" in err


@pytest.mark.parametrize("words", ["--version", "--help", "cache --help", "nosuch"])
def test_who_asks_for_little_loads_little(words: str) -> None:
    program = (
        "import sys\n"
        "from emailproxy.cli import main\n"
        f"sys.argv = ['emailproxy', *{words.split()!r}]\n"
        "try:\n    main()\nfinally:\n    print('LOADED', *sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    shown, _, loaded = done.stdout.partition("LOADED ")
    assert shown or done.returncode
    wanted = {"emailproxy.app", "emailproxy.session", "httpx2", "authlib", "cryptography"}
    if not words.startswith("cache"):
        wanted |= {"trio", "emailproxy.config", "emailproxy.cli.running", "emailproxy.cli.cache"}
    assert wanted & set(loaded.split()) == set()


def test_help_lists_every_command_with_its_line() -> None:
    out = run("--help")[1]
    for name, (_, short_help) in COMMANDS.items():
        assert f"  {name} " in out
        assert short_help.split()[-1] in out
