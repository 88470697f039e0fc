"""``file:``: content, line ends, octets, and what the operating system refuses."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from emailproxy.store.base import StoreAddressError, StoreContentError, StoreDeniedError
from emailproxy_backends.secret_file import LIMIT, FileSource

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.touch(0o600)
    return path


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"s3cret", b"s3cret"),
        (b"s3cret\n", b"s3cret"),
        (b"s3cret\r\n", b"s3cret"),
        (b"s3cret\n\n", b"s3cret\n"),
        (b" s3cret \n", b" s3cret "),
        (b"s3cret\r", b"s3cret\r"),
        (b"\n", b""),
        ("gehéim\n".encode(), "gehéim".encode()),
        # A key in DER, say, may end with this octet.
        (b"\x30\x82\xff\n", b"\x30\x82\xff\n"),
        (b"x" * LIMIT, b"x" * LIMIT),
    ],
)
def test_content(path: Path, content: bytes, value: bytes) -> None:
    path.write_bytes(content)
    assert FileSource().read(str(path)).value.octets == value


def test_last_change(path: Path) -> None:
    path.write_text("x")
    os.utime(path, (1_777_777_777, 1_777_777_777))
    assert FileSource().read(str(path)).changed == dt.datetime.fromtimestamp(1_777_777_777, dt.UTC)


def test_home(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("x")
    monkeypatch.setenv("HOME", str(path.parent))
    assert FileSource().read("~/secret").value.reveal() == "x"


@pytest.mark.skipif(os.name != "posix", reason="modes")
@pytest.mark.parametrize(("mode", "remarked"), [(0o600, False), (0o640, False), (0o444, True), (0o604, True)])
def test_readable_by_everybody(path: Path, mode: int, remarked: bool) -> None:
    path.write_text("x")
    path.chmod(mode)
    assert bool(FileSource().read(str(path)).remark) is remarked


def test_a_mounted_secret_is_a_link(path: Path, tmp_path: Path) -> None:
    """Kubernetes replaces the link when the secret changes."""
    path.write_text("first")
    link = tmp_path / "link"
    link.symlink_to(path)
    source = FileSource()
    assert source.read(str(link)).value.reveal() == "first"
    (tmp_path / "other").write_text("second")
    link.unlink()
    link.symlink_to(tmp_path / "other")
    assert source.read(str(link)).value.reveal() == "second"


def test_not_there(path: Path) -> None:
    path.unlink()
    with pytest.raises(StoreAddressError, match=f"file:{path} cannot be read: No such file.*; create it"):
        FileSource().read(str(path))


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_denied(path: Path) -> None:
    path.chmod(0)
    with (
        as_nobody(),
        pytest.raises(StoreDeniedError, match=f"file:{path} cannot be read: Permission denied; let the proxy's user"),
    ):
        FileSource().read(str(path))


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without the rights of root, who may read everything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_denied_by_the_system(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StoreDeniedError, match="let the proxy's user read it"):
        FileSource().read(str(path))


def test_too_large(path: Path) -> None:
    path.write_bytes(b"x" * (LIMIT + 1))
    with pytest.raises(StoreContentError, match=f"more than {LIMIT} octets"):
        FileSource().read(str(path))


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreAddressError, match="Is a directory"):
        FileSource().read(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
def test_a_pipe_without_a_writer_does_not_block(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(StoreContentError, match="no regular file"):
        FileSource().read(str(pipe))


@pytest.mark.parametrize("rest", ["", "  "])
def test_no_path(rest: str) -> None:
    with pytest.raises(StoreAddressError, match="write file:PATH"):
        FileSource().check(rest)
