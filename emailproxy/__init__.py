"""emailproxy: IMAP, POP3 and SMTP with a password downstream, OAuth 2.0 upstream."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("emailproxy-cloud")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0.0.0"

__all__ = ["__version__"]
