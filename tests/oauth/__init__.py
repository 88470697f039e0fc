"""Tests of how an account gets its token."""
