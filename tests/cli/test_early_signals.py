"""Signals that come before the proxy can answer them. What a whole process makes of them: test_starting."""

from __future__ import annotations

import signal
import sys

import pytest

from emailproxy.cli.early_signals import EarlySignals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def test_one_that_stops_stops_at_once() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended, EarlySignals():
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_one_that_was_swallowed_still_stops() -> None:
    with EarlySignals() as signals:
        with pytest.raises(SystemExit):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(SystemExit):
            signals.hold()


def test_others_wait_and_then_all_do() -> None:
    heard: list[int] = []
    numbers = [signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM]
    with EarlySignals() as signals:
        signal.raise_signal(signal.SIGHUP)
        signals.hold()
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGTERM)
        before = [signal.signal(number, lambda number, _: heard.append(number)) for number in numbers]
        assert heard == []
        signals.release()
        assert heard == numbers
        signals.release()
        assert heard == numbers, "each once"
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
