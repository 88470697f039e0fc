"""The console page in a real browser; see conftest.py."""
