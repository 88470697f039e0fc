"""What the tests of the configuration share: texts, and what `load` says about them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from emailproxy.config import Config, ConfigError, Fault, load

SERVER = """\
[IMAP-1993]
local_address = localhost
server_address = imap.example.com
server_port = 993
"""
ACCOUNT = """\
[ada@example.com]
permission_url = https://login.example.com/authorize
token_url = https://login.example.com/token
oauth2_scope = mail offline_access
redirect_uri = http://localhost:8080
client_id = id
"""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of loading a text."""

    config: Config | None
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]

    @property
    def good(self) -> Config:
        assert self.faults == ()
        assert self.config is not None
        return self.config

    def fault(self) -> tuple[str | None, str | None, str]:
        """The only fault: section, option, problem and remedy."""
        assert len(self.faults) == 1, self.faults
        (fault,) = self.faults
        return fault.section, fault.option, f"{fault.problem}; {fault.remedy}"

    def warning(self) -> tuple[str | None, str | None, str]:
        """The only warning."""
        assert self.faults == ()
        assert len(self.warnings) == 1, self.warnings
        (fault,) = self.warnings
        return fault.section, fault.option, f"{fault.problem}; {fault.remedy}"


Load = Callable[[str], Outcome]


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    """Write a text to a file, load it, and give back everything that is said about it."""

    def load_text(text: str) -> Outcome:
        path = tmp_path / "emailproxy.config"
        path.write_text(text, encoding="utf-8")
        try:
            config = load(path)
        except ConfigError as error:
            return Outcome(None, error.faults, error.warnings)
        return Outcome(config, (), config.warnings)

    return load_text
