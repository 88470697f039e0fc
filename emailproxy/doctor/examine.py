"""What is examined, in which order? The whole of it, with or without an account."""

from __future__ import annotations

import ssl
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, aclosing, closing
from dataclasses import dataclass, field
from pathlib import Path

import trio

from emailproxy.config import Account, Config, ConfigError, load
from emailproxy.doctor.account import AccountExamination
from emailproxy.doctor.endpoint import examine_endpoint
from emailproxy.doctor.findings import Examination, Finding, Outcome, ProblemError, Tell, Verdict
from emailproxy.doctor.servers import examine_server
from emailproxy.doctor.targets import Target, is_foreign, targets
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.sealing import Iterations
from emailproxy.references.report import resolve
from emailproxy.references.sources import Sources
from emailproxy.secret import Secret
from emailproxy.status import Presence, StatusReading, read_status
from emailproxy.store.base import StoreError
from emailproxy.store.cached import CachedStore
from emailproxy.store.registry import open_store
from emailproxy.store.seeded import SeededStore
from emailproxy.tls import UpstreamTls

__all__ = ["World", "examine"]

NOBODY = "nobody@emailproxy.invalid"
"""An account that cannot exist (RFC 2606): reading its record shows that a store answers."""


AskPassword = Callable[[Account], Awaitable[Secret | None]]


@dataclass(frozen=True, slots=True)
class World:
    """What is outside, and what tests replace."""

    ssl_context: ssl.SSLContext | None = None
    """Verifies servers; None: the system's authorities, or those of ``SSL_CERT_FILE``."""
    now: Callable[[], float] = time.time
    iterations: Iterations = field(default_factory=Iterations)


async def examine(
    config_file: Path,
    cache_store: str | None,
    tell: Tell,
    *,
    account: str | None = None,
    ask_password: AskPassword | None = None,
    sections: Iterable[str] = (),
    records: CachedStore | None = None,
    world: World = World(),
) -> int:
    """Examine everything, or everything that one account needs and the account itself; how many steps failed.

    Args:
        config_file: the configuration.
        cache_store: the store's address; None: the configuration file.
        tell: hears of each step.
        account: whose logins are tried; None: nobody's.
        ask_password: gives the mail password of that account (None: the service key opens its record); not asked before
            everything before it was looked at.
        sections: only the servers of these listeners; none: all.
        records: the store, opened already; it stays open.
        world: what is outside.
    """
    examination = Examination(tell)
    config = await _configuration(examination, config_file)
    if config is None:
        return examination.failures
    whole = _Whole(examination, config, cache_store, records, tuple(sections), world)
    await whole.run(account, ask_password)
    return examination.failures


async def _configuration(examination: Examination, path: Path) -> Config | None:
    subject = "configuration"
    with closing(Sources()) as sources:
        try:
            config = await trio.to_thread.run_sync(load, path, sources)
            uses = config.references
        except ConfigError as error:
            for fault in error.faults:
                examination.report(Finding(subject, "file", Outcome.FAILED, str(fault), fault.remedy))
            return None
        servers, accounts = len(config.servers), len(config.accounts) + len(config.templates)
        told = f"{path}: {_counted(servers, 'server')}, {_counted(accounts, 'account')}"
        examination.report(Finding(subject, "file", Outcome.OK, told))
        for warning in config.warnings:
            examination.report(Finding(subject, "file", Outcome.WARNING, str(warning), warning.remedy))
        for finding in await trio.to_thread.run_sync(resolve, uses, sources) if uses else ():
            outcome = Outcome.OK if finding.good else Outcome.FAILED
            examination.report(Finding(subject, "reference", outcome, str(finding)))
    return config


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class _Whole:
    """All that follows the configuration."""

    examination: Examination
    config: Config
    cache_store: str | None
    records: CachedStore | None
    sections: tuple[str, ...]
    world: World

    async def run(self, name: str | None, ask_password: AskPassword | None) -> None:
        account = self.config.account(name) if name is not None else None
        if name is not None and account is None:
            told = f"{self.config.path} has no section for {foreign(name)}"
            advice = "add one, or allow catch-all accounts; emailproxy check lists what there is"
            self.examination.report(Finding(f"account {foreign(name)}", "section", Outcome.FAILED, told, advice))
            return
        status = await trio.to_thread.run_sync(read_status, self.config.path)
        self._running(status)
        asked = account is not None and ask_password is not None
        password = await ask_password(account) if account is not None and ask_password is not None else None
        tls = UpstreamTls(self.world.ssl_context)
        reachable = [
            target
            for target in self._targets(account)
            if await examine_server(self.examination, target, tls, self.world.now)
        ]
        every = (*self.config.accounts.values(), *self.config.templates.values())
        accounts = every if account is None else (account,)
        for url in dict.fromkeys(each.token_url for each in accounts):
            await examine_endpoint(self.examination, url, self.world.now, self.world.ssl_context)
        try:
            opened = await self._opened_store()
        except StoreError as error:
            self.examination.report(Finding("store", "open", Outcome.FAILED, foreign(error)))
            return
        async with AsyncExitStack() as stack:
            if opened is not self.records:
                await stack.enter_async_context(aclosing(opened))
            if account is None or not asked:
                await self.examination.attempt("store", "read", lambda: _read(opened))
                return
            await AccountExamination(
                self.examination,
                self.config,
                account,
                password,
                opened,
                status,
                tls,
                self.world.now,
                self.world.iterations,
            ).run(reachable)

    def _targets(self, account: Account | None) -> list[Target]:
        """The servers to look at; those that `account`'s token is not for are told and left out."""
        found = targets(self.config, account, self.sections)
        if account is None or self.sections:
            return found
        own = []
        for target in found:
            if is_foreign(account, target):
                told = f"another provider's server: it is not shown a token of {foreign(account.token_url)}"
                advice = f"if it is this account's, insist with --server {target.section}"
                self.examination.report(Finding(str(target), "provider", Outcome.SKIPPED, told, advice))
            else:
                own.append(target)
        return own

    def _running(self, status: StatusReading) -> None:
        found = status.status
        if status.presence is Presence.RUNNING and found is not None:
            if found.ready:
                self.examination.report(
                    Finding("proxy", "running", Outcome.OK, f"process {found.pid} runs, and is ready")
                )
                return
            told = f"process {found.pid} runs; its store has not answered since it started"
            self.examination.report(Finding("proxy", "running", Outcome.WARNING, told, "see emailproxy cache status"))
        elif status.presence is Presence.STALE:
            told = "the proxy that used this configuration has ended, and not cleanly"
            self.examination.report(Finding("proxy", "running", Outcome.WARNING, told, "look for the end of its log"))
        else:
            self.examination.report(Finding("proxy", "running", Outcome.SKIPPED, "none runs with this configuration"))

    async def _opened_store(self) -> CachedStore:
        if self.records is not None:
            return self.records
        return await trio.to_thread.run_sync(self._open_store, abandon_on_cancel=True)

    def _open_store(self) -> CachedStore:
        file = open_store(f"file:{self.config.path}")
        if self.cache_store is None:
            return CachedStore(file)
        return CachedStore(SeededStore(open_store(self.cache_store), file))


async def _read(records: CachedStore) -> Verdict:
    try:
        await records.load_fresh(NOBODY)
    except StoreError as error:
        raise ProblemError(foreign(error), advice="emailproxy cache doctor STORE tries every step") from None
    return Verdict(f"{records.address} answers; emailproxy cache doctor tries writing too")
