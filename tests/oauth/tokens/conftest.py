"""Virtual time for every test of this folder."""

from __future__ import annotations

import pytest

from tests.clocks import PatientClock


@pytest.fixture
def clock(patient_clock: PatientClock) -> PatientClock:
    """Virtual time; pytest-trio wants to see it among the arguments."""
    return patient_clock
