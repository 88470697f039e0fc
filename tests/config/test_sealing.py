"""The service key comes from elsewhere, or there is a fault that does not repeat it."""

from __future__ import annotations

from pathlib import Path

import pytest

from emailproxy.config import ConfigError, load
from emailproxy.config.sealkey import SealKey, new_key_text

from .conftest import ACCOUNT, SERVER


def write(tmp_path: Path, settings: str) -> Path:
    path = tmp_path / "emailproxy.config"
    path.write_text(f"[emailproxy]\n{settings}\n{SERVER}{ACCOUNT}")
    return path


def test_both_keys_are_read(tmp_path: Path) -> None:
    texts = [new_key_text(), new_key_text()]
    for number, text in enumerate(texts):
        (tmp_path / str(number)).write_text(text + "\n")
        (tmp_path / str(number)).chmod(0o600)
    config = load(write(tmp_path, f"seal_key = file:{tmp_path}/0\nseal_key_previous = file:{tmp_path}/1"))
    assert config.settings.seal_key == SealKey.parse(texts[0])
    assert config.settings.seal_key_previous == SealKey.parse(texts[1])
    assert not config.warnings
    assert not any(text in repr(config) for text in texts)


def test_a_key_that_others_can_read_is_warned_about(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(new_key_text())
    (tmp_path / "key").chmod(0o644)
    config = load(write(tmp_path, f"seal_key = file:{tmp_path}/key"))
    assert [warning.option for warning in config.warnings] == ["seal_key"]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "does not belong here"), ("not a key at all", "does not fit"), ("", "empty")],
)
def test_what_is_no_key_is_a_fault_without_it(tmp_path: Path, content: str | None, words: str) -> None:
    key = new_key_text()
    if content is not None:
        (tmp_path / "key").write_text(content)
        (tmp_path / "key").chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, f"seal_key = {key if content is None else f'file:{tmp_path}/key'}"))
    told = " ".join(str(fault) for fault in caught.value.faults)
    assert words in told
    assert key not in told
    assert "not a key at all" not in told
