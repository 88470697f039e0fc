"""Fixtures of this folder."""

from tests.oauth.conftest import patient_clock

__all__ = ["patient_clock"]
