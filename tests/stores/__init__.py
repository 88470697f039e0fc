"""Tests of the stores in secret managers, with the real SDKs against emulators and doubles (nox -s stores)."""
