"""How does the doctor get a token as a login would, without deciding or using up anything that a login may?

It asks the proxy's own token broker, on the proxy's own store: a refresh token that may be used once is used in turn,
and what replaces it is stored before it is used. Three things are different:

* No person is asked. Where a login would ask for a new authorisation, the doctor says that one is needed.
* A wrong password changes nothing and asks nobody, whatever ``delete_account_token_on_password_error`` says.
* An account without a record gets its token into a store that is forgotten: the first *login* sets the mail password.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Final

from emailproxy.causes.base import Cause
from emailproxy.config import Settings
from emailproxy.failures import Failure, FailureKind, LoginFailed
from emailproxy.oauth.consent import Consents
from emailproxy.oauth.endpoint import TokenResponse
from emailproxy.oauth.flows.base import Flow, Grant
from emailproxy.oauth.flows.registry import FLOWS
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.keeping import Records
from emailproxy.oauth.managing import is_managed
from emailproxy.oauth.refusals import TokenEndpointError
from emailproxy.oauth.sealing import Iterations, check_value
from emailproxy.oauth.tokens import TokenBroker, open_broker
from emailproxy.store.cached import CachedStore
from emailproxy.testing.memory_store import MemoryStore

__all__ = ["NO_TOKENS", "Kept", "kept_of", "opened_broker", "overheard"]

NO_TOKENS: Final = Cause(
    "needs-authorisation",
    "authorise the account: emailproxy authorise ACCOUNT",
    "docs/operation.md",
    "needs a person's authorisation",
)


@dataclass(frozen=True, slots=True)
class Kept:
    """What the store has of an account."""

    sealed: bool
    """There is something that the mail password, or an app password, must open."""


async def kept_of(records: CachedStore, account: str) -> Kept:
    """Look into the store. Raises StoreError."""
    stored = await records.load_fresh(account)
    if stored is None:
        return Kept(sealed=False)
    return Kept(sealed=is_managed(stored.record) or check_value(stored.record) is not None)


@asynccontextmanager
async def opened_broker(
    records: CachedStore,
    kept: Kept,
    settings: Settings,
    *,
    now: Callable[[], float],
    iterations: Iterations,
) -> AsyncIterator[TokenBroker]:
    """A broker that changes nothing but what a refresh must change."""
    careful = replace(settings, delete_account_token_on_password_error=False, encrypt_client_secret_on_first_use=False)
    flows: Mapping[str, Flow] = {name: _Unattended(flow) if flow.interactive else flow for name, flow in FLOWS.items()}
    async with AsyncExitStack() as stack:
        used: Records = (
            records if kept.sealed else await stack.enter_async_context(aclosing(CachedStore(MemoryStore())))
        )
        yield await stack.enter_async_context(
            open_broker(
                records=used,
                consents=Consents(),
                settings=lambda: careful,
                flows=flows,
                now=now,
                iterations=iterations,
            )
        )


class _Unattended:
    """An interactive flow that asks nobody."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow

    @property
    def name(self) -> str:
        return self._flow.name

    @property
    def interactive(self) -> bool:
        return True

    @property
    def confirms_password(self) -> bool:
        return self._flow.confirms_password

    @property
    def provider_checks_password(self) -> bool:
        return self._flow.provider_checks_password

    async def obtain(self, grant: Grant) -> TokenResponse:
        detail = f"account {foreign(grant.account.name)} {NO_TOKENS.said}"
        raise LoginFailed(Failure(FailureKind.MISCONFIGURED, "The account must be authorised.", detail))

    def kind_of(self, error: TokenEndpointError) -> FailureKind:
        return self._flow.kind_of(error)


class _Lines(logging.Handler):
    """Keeps messages."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(foreign(record.getMessage(), 2048))


@contextmanager
def overheard() -> Iterator[list[str]]:
    """The warnings that a login's parts log meanwhile: half of what an operator would read of it.

    In a running proxy there are those of other logins among them, and nothing of its own log is lost.
    """
    handler = _Lines()
    loggers = [logging.getLogger(f"emailproxy.{area}") for area in ("oauth", "store")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        if not logger.isEnabledFor(logging.WARNING):
            logger.setLevel(logging.WARNING)
    try:
        yield handler.lines
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
