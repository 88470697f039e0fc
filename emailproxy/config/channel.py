"""Where does the control channel listen, and who may come in? What the options of the console say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emailproxy.references.base import Fetched
from emailproxy.secret import Secret

__all__ = ["DEFAULT_PLACE", "Channel", "Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """An address to listen on: a host and a port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: Path | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


DEFAULT_PLACE: Final = Place("127.0.0.1", 8025)


@dataclass(frozen=True, slots=True)
class Channel:
    """The options of the console in ``[emailproxy]``."""

    listen: Place | None = DEFAULT_PLACE
    """None: there is no console."""
    written: bool = False
    """The configuration says where, so it is an error if that cannot be; otherwise the console is left out then."""
    token: Secret | None = None
    """None: it is in a file beside the configuration, made at the first start."""
    certificate_path: Path | Fetched | None = None
    """A file, or the PEM itself where the configuration refers to it."""
    key_path: Path | Fetched | None = None
    metrics: Place | None = None
    """Where health and metrics are served instead; None: beside the console."""
