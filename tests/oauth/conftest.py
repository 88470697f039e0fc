"""Clocks for tests in which threads and deadlines meet."""

from __future__ import annotations

import pytest
import trio.testing


@pytest.fixture
def patient_clock() -> trio.testing.MockClock:
    """Virtual time that jumps only when nothing happened for a while: a key derivation in a thread is not nothing."""
    return trio.testing.MockClock(autojump_threshold=0.05)
