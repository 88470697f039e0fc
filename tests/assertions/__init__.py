"""Tests of who issues assertions."""
