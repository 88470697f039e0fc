"""The file store keeps the contract: as a file of its own, and inside a person's configuration file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from emailproxy.store.base import Record
from emailproxy.testing.store_contract import StoreContract
from emailproxy_backends.file import FileStore

CONFIGURATION = """\
# Mine, and not to be touched.
[emailproxy]
allow_catch_all_accounts = True

[IMAP-1993]
server_address = imap.example.com
server_port = 993

[@example.com]   ; everybody
token_url : https://example.com/token
client_secret = %not%interpolated
\tover two lines
"""


class TestOwnFile(StoreContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "cache.ini"

    def open_store(self) -> FileStore:
        return FileStore(self.path)

    def kept(self, record: Record) -> Record:
        return replace(record, refresh_token_issued=None)


class TestConfigurationFile(TestOwnFile):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "emailproxy.config"
        self.path.write_text(CONFIGURATION)

    def teardown_method(self) -> None:
        assert self.path.read_text().startswith(CONFIGURATION)
