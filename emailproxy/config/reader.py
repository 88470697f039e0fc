"""How does a file become a `Config`? Read once, checked whole, every fault reported together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from emailproxy.assertions.issuers import Issuers
from emailproxy.config.accounts import ACCOUNT_OPTIONS, read_accounts
from emailproxy.config.channel import Channel
from emailproxy.config.console import CONSOLE_OPTIONS, read_channel
from emailproxy.config.elsewhere import Elsewhere
from emailproxy.config.errors import ConfigError
from emailproxy.config.model import Account, Config, Fault, Server, Settings
from emailproxy.config.options import Findings, Option, Reader
from emailproxy.config.servers import SERVER_OPTIONS, is_server, needs_managed_accounts, read_servers
from emailproxy.config.settings import SETTINGS_OPTIONS, SETTINGS_SECTION, read_settings
from emailproxy.config.syntax import Section, decode, parse
from emailproxy.references.base import Reference, Use
from emailproxy.references.sources import Sources
from emailproxy.uncollected import uncollected

__all__ = ["load", "load_channel", "section_names"]

# 50,000 accounts with their tokens, or 700,000 without; a disk image by mistake must not fill the memory.
MAX_FILE_OCTETS: Final = 256 * 1024 * 1024


def load(path: Path, sources: Sources | None = None, issuers: Issuers | None = None) -> Config:
    """Read and check the configuration file `path`.

    Blocks. Certificates and keys that the file names are read as well, and references are followed, but for those that
    are followed at each use.

    Args:
        path: the file.
        sources: who follows references; None: those that are installed.
        issuers: who issues assertions; None: those that are installed.

    Raises:
        ConfigError: with every fault of the file, and its warnings.
    """
    with ExitStack() as opened:
        if sources is None:
            sources = opened.enter_context(closing(Sources()))
        if issuers is None:
            issuers = opened.enter_context(closing(Issuers()))
        return _load(path, sources, issuers)


def load_channel(path: Path, sources: Sources | None = None) -> Channel:
    """What the configuration file `path` says of the console, whatever else is in it. Blocks.

    Args:
        path: the file.
        sources: who follows references; None: those that are installed.

    Raises:
        ConfigError: the file cannot be read, or what it says of the console is faulty.
    """
    text, _ = _read(path)
    sections = [section for section in parse(text, path).sections.values() if section.name == SETTINGS_SECTION]
    findings = Findings(str(path))
    with ExitStack() as opened:
        if sources is None:
            sources = opened.enter_context(closing(Sources()))
        followed = Elsewhere(sources, findings).followed(sections, CONSOLE_OPTIONS)
    found = followed.get(SETTINGS_SECTION)
    options = {name: Option.of(found, name) for name in found.options} if found is not None else {}
    channel = read_channel(Reader(SETTINGS_SECTION, options, findings))
    if findings.faults:
        raise ConfigError(findings.faults, findings.warnings, ())
    return channel


def section_names(path: Path) -> list[str]:
    """The names of all sections of the configuration file `path`, whatever stands in them. Blocks.

    Raises:
        ConfigError: the file cannot be read.
    """
    text, _ = _read(path)
    return list(parse(text, path).sections)


def _load(path: Path, sources: Sources, issuers: Issuers) -> Config:
    text, encoding_faults = _read(path)
    with uncollected():
        syntax = parse(text, path)
    findings = Findings(str(path), dict.fromkeys([*encoding_faults, *syntax.faults]))
    elsewhere = Elsewhere(sources, findings)
    sections = dict(syntax.sections)
    sections |= elsewhere.followed([s for s in sections.values() if s.name == SETTINGS_SECTION], SETTINGS_OPTIONS)
    settings = read_settings(sections, findings)
    catch_all = settings.allow_catch_all_accounts
    # Two kinds of sections at once, so that all that is read is read at the same time.
    used = [s for s in sections.values() if is_server(s.name) or _is_account(s.name, catch_all=catch_all)]
    sections |= elsewhere.followed(used, SERVER_OPTIONS | ACCOUNT_OPTIONS)
    with uncollected():
        return _understood(path, sections, settings, findings, elsewhere.uses, issuers)


def _understood(
    path: Path,
    sections: Mapping[str, Section],
    settings: Settings,
    findings: Findings,
    uses: tuple[Use, ...],
    issuers: Issuers,
) -> Config:
    """What the sections say, when all references have been followed. Raises ConfigError."""
    catch_all = settings.allow_catch_all_accounts
    servers = read_servers(sections, findings)
    accounts, templates = read_accounts(sections, catch_all=catch_all, findings=findings, issuers=issuers)
    if settings.seal_key is None and "seal_key" not in _given(sections):
        _check_seal_key(servers, findings)
    if settings.encrypt_client_secret_on_first_use:
        _warn_of_sealing([*accounts.values(), *templates.values()], findings)
    _warn_of_routes(servers, [*accounts.values(), *templates.values()], findings)
    if not accounts and not templates and not findings.faults:
        findings.warn(None, None, "there is no account, so nobody can log in", "add a section named by a mail address")
    if findings.faults:
        raise ConfigError(findings.faults, findings.warnings, uses)
    config = Config(path, servers, accounts, templates, settings, uses, tuple(findings.warnings))
    _check_default_accounts(config, findings)
    if findings.faults:
        raise ConfigError(findings.faults, findings.warnings, uses)
    return config


def _given(sections: Mapping[str, Section]) -> frozenset[str]:
    """The options of ``[emailproxy]``, right or wrong."""
    section = sections.get(SETTINGS_SECTION)
    return frozenset(section.options) if section is not None else frozenset()


def _is_account(section: str, *, catch_all: bool) -> bool:
    return "@" in section and (catch_all or not section.startswith("@"))


def _warn_of_sealing(accounts: Iterable[Account], findings: Findings) -> None:
    named = [account.section for account in accounts if isinstance(account.client_secret, Reference)]
    if named:
        more = f" and {len(named) - 1} more" if len(named) > 1 else ""
        findings.warn(
            SETTINGS_SECTION,
            "encrypt_client_secret_on_first_use",
            f"has no effect where client_secret is a reference: [{named[0]}]{more}",
            "nothing needs to be done: a reference is never sealed, nor removed from this file",
        )


def _check_default_accounts(config: Config, findings: Findings) -> None:
    """Name those that are no accounts: a device would find out, and nobody would look."""
    for server in config.servers:
        for each in server.default_accounts:
            if config.account(each.account) is None:
                shown = each.account if each.account.isprintable() else "it"
                findings.fault(
                    server.section, "default_account", f"there is no account {shown}", "add it, or correct its name"
                )


def _check_seal_key(servers: Iterable[Server], findings: Findings) -> None:
    """Name the ports that let in otherwise than by a password that is sent, which only managed accounts allow."""
    for server in servers:
        option = needs_managed_accounts(server)
        if option is not None:
            findings.fault(
                server.section,
                option,
                "it is for managed accounts, and there is no service key",
                "emailproxy seal init PATH makes one; then write seal_key = file:PATH into [emailproxy]",
            )


def _warn_of_routes(servers: Iterable[Server], accounts: Collection[Account], findings: Findings) -> None:
    """Name the ports at which nobody can log in: neither they nor any account has a mail server for them."""
    for server in servers:
        if accounts and not any(account.mail_server(server) for account in accounts):
            option = f"{server.protocol.value.lower()}_server"
            findings.warn(
                server.section,
                "server_address",
                f"without it, each account needs {option} or provider, and none has one",
                "add it, or name the servers in the accounts",
            )


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
