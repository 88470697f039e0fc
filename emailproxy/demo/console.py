"""How does the demonstration tell what it does? One line per step, with its time, in what the terminal can show."""

from __future__ import annotations

import contextlib
import imaplib
import poplib
import smtplib
import sys
from collections.abc import Generator

import click
import httpx2
import trio

__all__ = ["Console", "StepFailedError"]

EXPECTED = (
    OSError,
    EOFError,
    imaplib.IMAP4.error,
    poplib.error_proto,
    smtplib.SMTPException,
    httpx2.HTTPError,
    trio.TooSlowError,
)
"""What a step that did not work raises; anything else is a mistake in the demonstration and shows its traceback."""


class StepFailedError(Exception):
    """A step did not work; it has been told already."""


class Console:
    """Prints steps to standard output."""

    def __init__(self) -> None:
        self._good, self._bad = ("✓", "✗") if _can_print("✓✗") else ("ok", "FAILED")

    @contextlib.contextmanager
    def step(self, title: str) -> Generator[list[str]]:
        """One step. What the block appends to the list is printed behind the title; what it raises is explained.

        Raises:
            StepFailedError: the block raised one of `EXPECTED`, or this.
        """
        start = trio.current_time()
        remarks: list[str] = []
        try:
            yield remarks
        except StepFailedError as error:
            self.failure(title, str(error))
            raise
        except EXPECTED as error:
            reason = "took too long" if isinstance(error, trio.TooSlowError) else f"{type(error).__name__}: {error}"
            self.failure(title, reason)
            raise StepFailedError(reason) from error
        seconds = trio.current_time() - start
        remark = f" - {', '.join(remarks)}" if remarks else ""
        self.say(f"{self._good} {seconds * 1000:6.0f} ms  {title}{remark}")

    def failure(self, title: str, reason: str) -> None:
        """Say that a step did not work, and why."""
        self.say(f"{self._bad} {title}: {reason}")

    def say(self, text: str = "") -> None:
        """Print a line, at once: the next one may take a while."""
        click.echo(text)
        sys.stdout.flush()


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
