from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

import pytest
import trio

from emailproxy.oauth import terminal as module
from emailproxy.oauth.consent import Consents, Outcome, OutcomeKind, Pending
from emailproxy.oauth.question import Question
from emailproxy.oauth.terminal import read_pasted_redirects
from tests.patience import HANG, eventually

from .support import ACCOUNT

DONE = Outcome(OutcomeKind.AUTHORISED, ACCOUNT.name, "The account is authorised.")
PASTED = "http://localhost:8080/done?code=abc&state=the-state\n"


def begin(consents: Consents, *, replaces: bool = False) -> Pending:
    return consents.begin(
        ACCOUNT, Question("https://provider.test/", "the-state"), replaces=replaces, client="192.0.2.1"
    )


async def exchange(consents: Consents, pending: Pending) -> None:
    await pending.answer()
    consents.end(pending, DONE)


async def paste(consents: Consents, pending: Pending, *parts: str) -> str:
    reader, writer = os.pipe()
    sink = io.StringIO()
    with os.fdopen(reader) as source:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(exchange, consents, pending)

            async def read() -> None:
                await read_pasted_redirects(consents, source=source, sink=sink)
                nursery.cancel_scope.cancel()

            nursery.start_soon(read)
            for part in parts:
                os.write(writer, part.encode())
                await trio.sleep(0.01)
            os.close(writer)
    return sink.getvalue()


async def test_a_pasted_address() -> None:
    consents = Consents()
    told = await paste(consents, begin(consents), "hello\n\n", PASTED[:20], PASTED[20:])
    assert told.splitlines() == [
        "This is not the address that the sign-in ended at.",
        "ada@example.com: The account is authorised.",
    ]


async def test_without_a_last_line_break() -> None:
    consents = Consents()
    assert "authorised" in await paste(consents, begin(consents), PASTED.strip())


async def test_an_endless_line_is_dropped() -> None:
    consents = Consents()
    told = await paste(consents, begin(consents), *["x" * 4000] * 8, "\n", PASTED)
    assert told.splitlines() == ["ada@example.com: The account is authorised."]


async def test_a_new_password_is_pasted_twice() -> None:
    consents = Consents()
    first, second = (await paste(consents, begin(consents, replaces=True), PASTED, PASTED)).splitlines()
    assert "192.0.2.1" in first
    assert "paste the same address again" in first
    assert second == "ada@example.com: The account is authorised."


async def test_no_standard_input_at_all() -> None:
    await read_pasted_redirects(Consents(), source=io.StringIO(PASTED), sink=io.StringIO())


async def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("hello\n")
    sink = io.StringIO()
    with (tmp_path / "in").open() as source:
        await read_pasted_redirects(Consents(), source=source, sink=sink)
    assert "not the address" in sink.getvalue()


async def test_a_terminal_that_hung_up_ends_the_reading_and_nothing_else() -> None:
    master, slave = os.openpty()
    with os.fdopen(slave) as source:
        os.close(master)
        with trio.fail_after(HANG):
            await read_pasted_redirects(Consents(), source=source, sink=io.StringIO())


async def test_a_folder_as_standard_input(tmp_path: Path) -> None:
    class Folder(io.StringIO):
        def fileno(self) -> int:
            return descriptor

    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with trio.fail_after(HANG):
            await read_pasted_redirects(Consents(), source=Folder(), sink=io.StringIO())
    finally:
        os.close(descriptor)


async def test_answers_that_nobody_can_read_any_more_end_nothing() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"hello\n" * 3)
    os.close(writer)
    gone, sink = os.pipe()
    os.close(gone)
    with os.fdopen(reader) as source, contextlib.suppress(BrokenPipeError), os.fdopen(sink, "w") as closed:
        await read_pasted_redirects(Consents(), source=source, sink=closed)


async def test_it_can_be_cancelled_and_takes_nothing() -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source:
        with trio.move_on_after(0.05) as scope:
            await read_pasted_redirects(Consents(), source=source, sink=io.StringIO())  # type: ignore[arg-type]
        assert scope.cancelled_caught
        os.write(writer, b"for the shell\n")
        os.close(writer)
        assert source.read() == b"for the shell\n"


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo terminal")
async def test_a_terminal_of_another_job_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    main, secondary = os.openpty()
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp() + 1)
    monkeypatch.setattr(module, "BACKGROUND_SECONDS", 0.01)
    with os.fdopen(secondary) as source:
        os.write(main, b"for the shell\n")
        with trio.move_on_after(0.05) as scope:
            await read_pasted_redirects(Consents(), source=source, sink=io.StringIO())
        assert scope.cancelled_caught
    os.close(main)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="a pseudo-terminal is needed")
async def test_a_terminal_is_told_what_it_is_for(caplog: pytest.LogCaptureFixture) -> None:
    """A person reads there where the browser's address goes; a pipe or a service's input needs no such word."""
    caplog.set_level("INFO", logger="emailproxy.consent")
    consents = Consents()
    told = await paste(consents, begin(consents), PASTED)
    assert "authorised" in told
    assert "can be pasted" not in caplog.text
    leader, follower = os.openpty()
    try:
        with os.fdopen(follower) as source:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: read_pasted_redirects(consents, source=source, sink=io.StringIO()))
                await eventually(lambda: "can be pasted into this terminal" in caplog.text)
                nursery.cancel_scope.cancel()
    finally:
        os.close(leader)
