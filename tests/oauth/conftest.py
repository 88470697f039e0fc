"""Clocks for tests in which threads and deadlines meet."""

from __future__ import annotations

import pytest

from tests.clocks import PatientClock


@pytest.fixture
def patient_clock() -> PatientClock:
    """Virtual time that waits for threads: a key derivation is not idleness."""
    return PatientClock()
