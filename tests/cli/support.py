"""What the tests of commands share: accounts in files, a command that is typed, and its output searched for secrets."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from click.testing import CliRunner

from emailproxy.cli import cli
from emailproxy.store.base import CacheStore, Record
from emailproxy_backends.file import FileStore
from tests.oauth.support import PASSWORD, sealed_record

SECRETS: set[str] = {PASSWORD.reveal(), "old-refresh", "old-access"}
"""What no output may hold; every record made by `record` adds its texts."""


def record(**changes: object) -> Record:
    """A record with tokens that are really sealed."""
    made = dataclasses.replace(sealed_record(last_activity=1_789_999_000), **changes)  # type: ignore[arg-type]
    for name in ("token_salt", "access_token", "refresh_token", "client_secret_encrypted"):
        value = getattr(made, name)
        if value is not None:
            SECRETS.add(value)
    return made


def file_store(path: Path, **records: Record) -> FileStore:
    """The file at `path` with these records, named by the part before the @."""
    store = FileStore(path)
    for name, kept in records.items():
        store.save(account(name), kept, None)
    return store


def account(name: str) -> str:
    return f"{name}@example.com"


def loaded(store: CacheStore, name: str) -> Record | None:
    stored = store.load(account(name))
    return stored.record if stored is not None else None


def run(*arguments: str | Path, typed: str | None = None) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command; no secret is in either."""
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert_no_secret(result.stdout + result.stderr)
    return result.exit_code, result.stdout, result.stderr


def assert_no_secret(text: str) -> None:
    assert not [secret for secret in SECRETS if secret in text]
