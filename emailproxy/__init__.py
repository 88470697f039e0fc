"""emailproxy: IMAP, POP3 and SMTP with a password downstream, OAuth 2.0 upstream."""

__version__: str

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    """``__version__``, looked up when somebody asks: to load what knows it costs as much as to read a file."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("emailproxy-cloud")
    except PackageNotFoundError:  # run from a source tree that was never installed
        found = "0.0.0"
    globals()["__version__"] = found
    return found
