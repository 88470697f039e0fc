"""How does a file become a `Config`? Read once, checked whole, every fault reported together."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from emailproxy.config.accounts import read_accounts
from emailproxy.config.errors import ConfigError
from emailproxy.config.model import Config, Fault
from emailproxy.config.options import Findings
from emailproxy.config.servers import read_servers
from emailproxy.config.settings import read_settings
from emailproxy.config.syntax import decode, parse

__all__ = ["load"]

# Ten thousand accounts with their tokens are about 60 MB; a disk image by mistake must not fill the memory.
MAX_FILE_OCTETS: Final = 256 * 1024 * 1024


def load(path: Path) -> Config:
    """Read and check the configuration file `path`.

    Blocks, and opens no socket. Certificates and keys that the file names are read as well.

    Raises:
        ConfigError: with every fault of the file, and its warnings.
    """
    text, encoding_faults = _read(path)
    syntax = parse(text, path)
    findings = Findings(str(path), dict.fromkeys([*encoding_faults, *syntax.faults]))
    settings = read_settings(syntax.sections, findings)
    servers = read_servers(syntax.sections, findings)
    accounts, templates = read_accounts(syntax.sections, catch_all=settings.allow_catch_all_accounts, findings=findings)
    if not accounts and not templates and not findings.faults:
        findings.warn(None, None, "there is no account, so nobody can log in", "add a section named by a mail address")
    if findings.faults:
        raise ConfigError(findings.faults, findings.warnings)
    return Config(path, servers, accounts, templates, settings, tuple(findings.warnings))


def _read(path: Path) -> tuple[str, tuple[Fault, ...]]:
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_FILE_OCTETS + 1)
    except FileNotFoundError:
        remedy = f"write one, beginning with a sample: emailproxy sample-config > {path}"
        raise ConfigError([Fault(str(path), None, None, "there is no such file", remedy)]) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        remedy = "name a file that the proxy's user may read"
        raise ConfigError([Fault(str(path), None, None, f"it cannot be read: {reason}", remedy)]) from None
    if len(octets) > MAX_FILE_OCTETS:
        raise ConfigError([Fault(str(path), None, None, "it is too large", "name a configuration file")])
    return decode(octets, path)
