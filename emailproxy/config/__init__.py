"""`emailproxy.config` -> frozen dataclasses, with every fault found before any socket opens."""

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
