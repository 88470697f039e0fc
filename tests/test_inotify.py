"""Files are replaced, written and linked anew in every way that editors and machines have; each is noticed."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from emailproxy import inotify
from emailproxy.inotify import places, watching
from tests.clocks import PatientClock
from tests.patience import HANG


def write(path: Path) -> None:
    path.write_text("new")


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("new")
    other.replace(path)


def remove_and_write(path: Path) -> None:
    path.unlink()
    path.write_text("new")


@pytest.mark.parametrize("change", [write, replace, remove_and_write])
async def test_each_way_to_change_a_file(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with watching([path]) as watch, trio.fail_after(HANG):
        change(path)
        await watch.changed()


async def test_a_file_that_comes_later(tmp_path: Path) -> None:
    with watching([tmp_path / "file"]) as watch, trio.fail_after(HANG):
        write(tmp_path / "file")
        await watch.changed()


async def test_certbot_replaces_a_link(tmp_path: Path) -> None:
    archive, live = tmp_path / "archive", tmp_path / "live"
    archive.mkdir()
    live.mkdir()
    for number in (1, 2):
        (archive / f"cert{number}.pem").write_text(str(number))
    (live / "cert.pem").symlink_to("../archive/cert1.pem")
    with watching([live / "cert.pem"]) as watch, trio.fail_after(HANG):
        (live / "new").symlink_to("../archive/cert2.pem")
        (live / "new").replace(live / "cert.pem")
        await watch.changed()


async def test_kubernetes_replaces_a_folder(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"..v{number}").mkdir()
        (tmp_path / f"..v{number}" / "tls.crt").write_text(str(number))
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "tls.crt").symlink_to("..data/tls.crt")
    with watching([tmp_path / "tls.crt"]) as watch, trio.fail_after(HANG):
        (tmp_path / "..tmp").symlink_to("..v2")
        (tmp_path / "..tmp").replace(tmp_path / "..data")
        await watch.changed()


async def test_other_files_of_the_folder_do_not_wake_us(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    woken = trio.Event()
    with watching([path]) as watch:
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                await watch.changed()
                woken.set()

            nursery.start_soon(wait)
            for number in range(20):
                write(tmp_path / f"another{number}")
                replace(tmp_path / f"another{number}")
                await trio.testing.wait_all_tasks_blocked()
            assert not woken.is_set()
            write(path)
            with trio.fail_after(HANG):
                await woken.wait()


def test_links_that_lead_in_circles_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    found = places(tmp_path / "a")
    assert {(tmp_path, "a"), (tmp_path, "b")} <= found
    with watching([tmp_path / "a"]):
        pass


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with watching([tmp_path / "file"]):
            pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before


async def test_without_the_kernel_it_is_time_to_look_every_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: PatientClock, caplog: pytest.LogCaptureFixture
) -> None:
    def none_left(wanted: object) -> tuple[int, dict[int, set[bytes]]]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(inotify, "_opened", none_left)
    began = trio.current_time()
    with watching([tmp_path]) as watch:
        await watch.changed()
    assert trio.current_time() - began == inotify.POLL
    assert "inotify: No space left on device" in caplog.text
