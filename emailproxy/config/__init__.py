"""`emailproxy.config` -> frozen dataclasses, with every fault found before any socket opens."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from emailproxy.config.errors import ConfigError
from emailproxy.config.model import (
    Account,
    ClientCertificates,
    Config,
    Fault,
    MailProtocol,
    MailServer,
    Server,
    Settings,
)
from emailproxy.config.reader import load, load_channel, section_names

if TYPE_CHECKING:
    from emailproxy.config.samples import PROVIDERS, sample
    from emailproxy.config.summary import describe

__all__ = [
    "PROVIDERS",
    "Account",
    "ClientCertificates",
    "Config",
    "ConfigError",
    "Fault",
    "MailProtocol",
    "MailServer",
    "Server",
    "Settings",
    "describe",
    "load",
    "load_channel",
    "sample",
    "section_names",
]


_SAID_TO_PEOPLE: Final = {"PROVIDERS": "samples", "sample": "samples", "describe": "summary"}


def __getattr__(name: str) -> object:
    """What is said to people, and nothing that a start needs: loaded when somebody asks for it."""
    if name not in _SAID_TO_PEOPLE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_SAID_TO_PEOPLE[name]}"), name)
    return found
