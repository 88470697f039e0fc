"""Can there be a console? Told without loading one, so that a start that cannot succeed ends before it listens."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from emailproxy.failures import ProxyError

if TYPE_CHECKING:
    from emailproxy.config.model import Config

__all__ = ["ConsoleMissingError", "is_installed", "require_installed"]

_NEEDED: Final = ("starlette", "hypercorn", "prometheus_client")


class ConsoleMissingError(ProxyError):
    """The configuration asks for a console, and what it needs is not installed."""


def is_installed() -> bool:
    """Whether the extra ``console`` is."""
    return all(find_spec(name) is not None for name in _NEEDED)


def require_installed(config: Config) -> None:
    """Raise ConsoleMissingError if `config` asks for a console in words, and what it needs is not installed."""
    channel = config.settings.channel
    wanted = (channel.written and channel.listen is not None) or channel.metrics is not None
    if wanted and not is_installed():
        raise ConsoleMissingError(
            "[emailproxy] console_listen and metrics_listen need the extra console: install "
            "emailproxy-cloud[console], or remove these options"
        )
