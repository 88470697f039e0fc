"""docs/commands.md: each command, each exit status, and examples that would be understood."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from emailproxy.cli import Exit, cli
from emailproxy.cli.commands import COMMANDS
from emailproxy.console.requests import requests
from tests.console.asking import asked

from .test_help import _understood

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def page() -> str:
    return PAGE.read_text()


def test_each_command_is_in_the_table() -> None:
    table = page().partition("## Exit status")[0]
    named = set(re.findall(r"`([a-z-]+)[^`]*`", table))
    assert set(COMMANDS) <= named


def test_each_exit_status_is_in_the_table() -> None:
    section = page().partition("## Exit status")[2].partition("\n## ")[0]
    assert [int(number) for number in re.findall(r"^\| (\d) \|", section, re.MULTILINE)] == [*Exit]


async def test_each_request_is_in_the_table() -> None:
    text = PAGE.with_name("console.md").read_text()
    async with asked() as proxy:
        for path in requests(proxy.context):
            assert f"`{path.replace('{id}', 'ID')}`" in text


def test_examples_are_understood() -> None:
    blocks = "".join(re.findall(r"^```sh\n(.*?)^```", page(), re.MULTILINE | re.DOTALL))
    found = re.findall(r"(?:^|[&;|] |emailproxy )emailproxy ([^\n]*)", blocks, re.MULTILINE)
    assert len(found) > 10
    for line in found:
        words = shlex.split(re.split(r" (?:[<>|#]|&&?|2>) ?|;", line)[0], comments=True)
        with cli.make_context("emailproxy", list(words)) as root:
            _understood(root, cli, [*root._protected_args, *root.args])
