"""`emailproxy.config` -> frozen dataclasses, with every fault found before any socket opens."""

from emailproxy.config.model import Account, Config, Fault, MailProtocol, Server, Settings

__all__ = ["Account", "Config", "Fault", "MailProtocol", "Server", "Settings"]
