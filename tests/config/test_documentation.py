"""docs/configuration.md names every option, and its examples load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emailproxy.config.accounts import ACCOUNT_OPTIONS, CACHED_OPTIONS, FLOWS
from emailproxy.config.servers import SERVER_OPTIONS
from emailproxy.config.settings import SETTINGS_OPTIONS

from .conftest import ACCOUNT, SERVER, Load

REFERENCE = Path(__file__).parents[2] / "docs" / "configuration.md"
EXAMPLES = re.findall(r"```ini\n(.*?)```", REFERENCE.read_text(), re.DOTALL)


WORDS = ACCOUNT_OPTIONS | CACHED_OPTIONS | SERVER_OPTIONS | SETTINGS_OPTIONS | set(FLOWS)


@pytest.mark.parametrize("word", sorted(WORDS))
def test_every_word_is_explained(word: str) -> None:
    assert f"`{word}`" in REFERENCE.read_text()


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_loads(loaded: Load, example: str) -> None:
    text = example + ("" if "[IMAP-" in example else SERVER) + ACCOUNT.replace("ada@", "eve@")
    # The files that examples name are nowhere here.
    assert [fault for fault in loaded(text).faults if "No such file" not in fault.problem] == []


@pytest.mark.parametrize("option", sorted((ACCOUNT_OPTIONS | SERVER_OPTIONS | SETTINGS_OPTIONS) - {"starttls"}))
def test_every_option_has_an_example(option: str) -> None:
    assert re.search(rf"^{option} = ", "\n".join(EXAMPLES), re.MULTILINE)
