"""How is an account's access token renewed with its refresh token, when other processes may do the same?

Where a used refresh token is merely dead, whoever comes second is refused, looks into the store, and goes on with the
newer one that is there. Where its second use ends the authorisation, processes take turns (`emailproxy.oauth.turns`),
and no refresh happens without one.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from math import inf
from typing import Final

import trio

from emailproxy.config.model import RefreshTokens
from emailproxy.failures import FailureKind
from emailproxy.oauth.endpoint import ClientCredentials, TokenEndpoint, TokenResponse
from emailproxy.oauth.explain import failed, no_token
from emailproxy.oauth.flows.refresh import refresh
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.opened import AHEAD, LAST_CALL, AccessToken, Opened
from emailproxy.oauth.refusals import Meaning, TokenEndpointError
from emailproxy.oauth.turns import PATIENCE, Turns
from emailproxy.oauth.vault import Login, Vault
from emailproxy.oauth.watching import Watcher

__all__ = ["Refresher", "margin"]

log = logging.getLogger("emailproxy.oauth")

SECOND_LOOK: Final = 2.0
"""Seconds after which a refused refresh token is looked for again: another process may have used it, and not yet stored
the new one."""

Open = Callable[[Login], Awaitable[Opened | None]]
"""Reads an account's record from the store. Raises LoginFailed, also if the store does not answer."""
Client = Callable[[Login, Opened], Awaitable[ClientCredentials]]
"""How we identify ourselves to the provider. Raises TokenEndpointError, LoginFailed."""


def margin(login: Login, opened: Opened) -> float:
    """Seconds that the access token must be good for, or it is refreshed.

    While new tokens are not stored, another refresh would only make more to lose; but a reusable refresh token is none.
    """
    waits = opened.unsaved and login.account.refresh_tokens is not RefreshTokens.REUSABLE
    return LAST_CALL if waits else AHEAD


class Refresher:
    """Renews access tokens.

    Args:
        vault: opens and keeps records.
        endpoint: where refresh tokens are used.
        turns: whose turn it is.
        client: how we identify ourselves.
        reread: reads the record from the store.
        now: Unix time.
        watcher: hears of new tokens, and of failures.
    """

    def __init__(
        self,
        vault: Vault,
        endpoint: TokenEndpoint,
        turns: Turns,
        client: Client,
        reread: Open,
        now: Callable[[], float],
        watcher: Watcher,
    ) -> None:
        self._watcher = watcher
        self._vault = vault
        self._endpoint = endpoint
        self._turns = turns
        self._client = client
        self._reread = reread
        self._now = now

    async def renew(self, login: Login, opened: Opened, refused: AccessToken | None) -> AccessToken | None:
        """A new access token, or a good one that another process got meanwhile; None if only a new grant helps.

        Args:
            login: the account and its password.
            opened: its record, just read.
            refused: the access token that the mail server does not want.

        Raises:
            LoginFailed: not now.
        """
        give_up = trio.current_time() + PATIENCE
        tried: Opened | None = opened
        first = tried
        recovered = False
        while tried is not None and tried.refresh is not None and not tried.dead:
            if tried is not first and tried.access is not None and self._is_good(login, tried, refused):
                return tried.access
            try:
                client = await self._client(login, tried)
            except TokenEndpointError as error:
                raise no_token(login.name, error, FailureKind.TEMPORARY) from None
            # Where turns are not taken, a command that changes the record takes one (`emailproxy.cli.holding`).
            if login.account.refresh_tokens is not RefreshTokens.SINGLE_USE and tried.lease is None:
                mine, deadline = tried, inf
            else:
                stored = await self._stored(login, tried)
                if stored is not tried:
                    tried = stored
                    continue
                turn = await self._turns.take(login, tried, self._reread, give_up)
                if turn.deadline is None or turn.opened is None:
                    tried = turn.opened
                    continue
                mine, deadline = turn.opened, turn.deadline
            try:
                response = await self._request(login, client, mine, deadline)
            except TokenEndpointError as error:
                if mine.lease is not None and not error.retry:
                    await self._turns.give_back(login, mine)
                if error.meaning is not Meaning.PERMANENT:
                    failure = no_token(login.name, error, FailureKind.TEMPORARY)
                    self._watcher.failed(login.name, failure.failure)
                    raise failure from None
                tried = await self._newer(login, mine) if not recovered else None
                recovered = True
                if tried is None:
                    log.warning("account %s needs a new grant: %s", foreign(login.name), error)
                    self._declare_dead(login, mine, error)
                    return None
                continue
            self._watcher.granted(login.name, response)
            with trio.CancelScope(shield=True):  # from here on the tokens must reach the store
                kept = await self._vault.renew(login, mine, response, at_once=recovered)
            return kept.access
        return None

    def _is_good(self, login: Login, opened: Opened, refused: AccessToken | None) -> bool:
        return opened.access is not None and opened.access.serves(self._now(), margin(login, opened), refused)

    async def _stored(self, login: Login, opened: Opened) -> Opened | None:
        """For single use: new tokens that are in memory only are stored first, or nothing is refreshed."""
        if not opened.unsaved:
            return opened
        await self._vault.keeper.settle(login.name)
        stored = await self._reread(login)
        if stored is not None and stored.unsaved:
            why = next((entry.error for entry in self._vault.keeper.unsaved if entry.account == login.name), "")
            raise failed(
                FailureKind.TEMPORARY,
                login.name,
                f"its refresh token is for single use and not stored yet, so it is not used: {foreign(why)}",
            )
        return stored

    async def _request(self, login: Login, client: ClientCredentials, opened: Opened, deadline: float) -> TokenResponse:
        assert opened.refresh is not None
        with trio.CancelScope(deadline=deadline) as scope:
            return await refresh(self._endpoint, login.account, client, opened.refresh)
        assert scope.cancelled_caught
        raise TokenEndpointError.unreachable("no answer in the time that a turn to refresh has")

    async def _newer(self, login: Login, refused: Opened) -> Opened | None:
        """The record, if it has another refresh token than the one that was `refused`."""
        if refused.deferred:
            # The store has another one on purpose, whatever its age: the next read is not to prefer ours.
            self._vault.keeper.hold(login.name, replace(refused, dead="refused", deferred=False, version=None))
        newer = await self._reread(login)
        unchanged = newer is not None and newer.refresh == refused.refresh
        if unchanged and login.account.refresh_tokens is RefreshTokens.ROTATING:
            await trio.sleep(SECOND_LOOK)
            newer = await self._reread(login)
        if newer is None or newer.refresh is None or newer.refresh == refused.refresh:
            return None
        log.info("account %s: the store has another refresh token, trying that", foreign(login.name))
        return newer

    def _declare_dead(self, login: Login, refused: Opened, error: TokenEndpointError) -> None:
        """Nobody tries this refresh token again; it stays in the store, since a refusal may be a mistake."""
        latest = self._vault.held(login)
        if latest is not None and latest.refresh == refused.refresh:
            self._vault.keeper.hold(login.name, replace(latest, dead=str(error)))
