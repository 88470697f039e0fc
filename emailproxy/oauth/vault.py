"""Does this login's password open the account's record, and how is the record sealed again?

The one place where passwords, records and memory meet. What is opened stays in memory (`emailproxy.oauth.keeping`), so
that the next login is compared by digest; when the store has another version, it is opened again, which costs
microseconds as long as the salt is the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import inf
from typing import Final, NoReturn

import trio

from emailproxy.addresses import host_of, network_of
from emailproxy.config.model import Settings
from emailproxy.failures import LoginFailed
from emailproxy.oauth.compatible import Compatible
from emailproxy.oauth.endpoint import TokenResponse
from emailproxy.oauth.explain import (
    no_store,
    too_many_checks,
    unknown_account,
    wrong_app_password,
    wrong_password,
)
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.keeping import Keeper, Order, Records, SupersededError
from emailproxy.oauth.managed import Managed
from emailproxy.oauth.opened import AHEAD, AccessToken, Opened
from emailproxy.oauth.opening import Login, Opening, WrongPasswordError
from emailproxy.oauth.passwords import Passwords
from emailproxy.oauth.sealing import Iterations
from emailproxy.oauth.servicekey import current_key
from emailproxy.oauth.shares import TooManyChecksError
from emailproxy.protocols.proofs import Proof
from emailproxy.references.base import Reference
from emailproxy.secret import Secret
from emailproxy.store.base import Record, Stored, StoreError

__all__ = ["Login", "Vault", "WrongPasswordError"]

log = logging.getLogger("emailproxy.oauth")

TRUST_SECONDS: Final = 60.0
"""How long memory is trusted without asking the store: a login that asks nobody costs microseconds. So a password that
another process replaced is accepted here for another minute; the new one is accepted at once, and a flight always
asks."""
TRUST_BILLED_SECONDS: Final = 3600.0
"""The same for secret managers, which bill every read and have quotas: a thousand accounts that are polled every five
minutes would read nine million times a month. It is what an access token lives anyway, which whoever had the old
password may hold; and a flight, which most accounts have once an hour, always asks."""


class Vault:
    """Opens and seals records.

    Args:
        records: the store.
        nursery: where failed saves are repeated and old records sealed anew.
        settings: the settings in force.
        iterations: PBKDF2 rounds.
        now: Unix time.
    """

    def __init__(
        self,
        records: Records,
        nursery: trio.Nursery,
        settings: Callable[[], Settings],
        iterations: Iterations,
        now: Callable[[], float],
    ) -> None:
        self.passwords = Passwords()
        self.keeper = Keeper(records, nursery, now)
        self._compatible = Compatible(self.passwords, iterations)
        self._managed = Managed(self.passwords, settings, now)
        self._records = records
        self._nursery = nursery
        self._settings = settings
        self._now = now
        self._rotating: set[str] = set()
        self._seen: dict[str, float] = {}

    def held(self, login: Login) -> Opened | None:
        """What is in memory for this account, if this password opens it."""
        held = self.keeper.latest(login.name)
        return held if held is not None and self._way(held.base).matches(login, held) else None

    def trusted(self, login: Login) -> Opened | None:
        """What is in memory, if this password opens it and the store need not be asked about it yet."""
        latest = self.keeper.latest(login.name)
        if latest is None or not (latest.unsaved or self._is_trusted(login.name, latest)):
            return None
        return latest if self._way(latest.base).matches(login, latest) else None

    def _is_trusted(self, account: str, opened: Opened) -> bool:
        """Whether memory answers a login without a look into the store."""
        age = trio.current_time() - self._seen.get(account, -inf)
        if not self._records.bills_writes:
            return age < TRUST_SECONDS
        # Without a good access token there is a flight, which reads anyway.
        return age < TRUST_BILLED_SECONDS or opened.access is None or not opened.access.serves(self._now(), AHEAD, None)

    def distrust(self) -> None:
        """Ask the store at the next login of each account: a person has changed something."""
        self._seen.clear()

    async def open(self, login: Login, *, fresh: bool = False, certain: bool = False) -> Opened | None:
        """The account's opened record; None if there is nothing sealed that a password could be held against.

        Args:
            login: the account and its password.
            fresh: ask the store itself, not its cache.
            certain: if the store cannot be asked, memory is no answer either.

        Raises:
            WrongPasswordError: there is, and the password does not open it.
            LoginFailed: nobody can tell now.
        """
        latest = self.keeper.latest(login.name)
        if latest is not None and latest.unsaved:
            # What the store has is older than what we hold, its password perhaps as well.
            await self._way(latest.base).check(login, latest)
            return latest
        if latest is not None and not fresh and self._is_trusted(login.name, latest):
            way = self._way(latest.base)
            if way.matches(login, latest):
                await trio.lowlevel.checkpoint()
                return latest
            way.refuse_again(login, latest)
        try:
            stored = await (self._records.load_fresh if fresh else self._records.load)(login.name)
        except StoreError as error:
            held = self.held(login)
            if held is None or certain:
                raise no_store(login.name, error) from None
            log.warning("account %s: going on with what is in memory: %s", foreign(login.name), foreign(error))
            return held
        return await self._match(login, stored)

    def pass_for(self, account: str) -> Secret:
        """See `Managed.pass_for`."""
        return self._managed.pass_for(account)

    async def prove(self, login: Login, proof: Proof) -> bytes:
        """See `Managed.prove`; `login` has the account's pass.

        Raises:
            LoginFailed: also if the account is none that has app passwords, in the words of a wrong one.
        """
        opened = await self.open(login)
        if opened is None:
            raise wrong_app_password(login.name, f"{proof.mechanism}: the account has no app passwords")
        return self._managed.prove(login, opened, proof)

    async def _match(self, login: Login, stored: Stored | None) -> Opened | None:
        """Hold `stored` against the password."""
        latest = self.keeper.latest(login.name)
        if stored is None:
            if latest is not None and not latest.unsaved:
                self.keeper.forget(login.name)
            if not login.vouched:
                await self._compatible.check_inherited(login)
            return None
        held = self.held(login)
        if held is not None and (held.unsaved or held.version == stored.version):
            self._seen[login.name] = trio.current_time()
            return held
        opened = await self._way(stored.record).open(login, stored)
        if opened is None:
            return None
        held = self.held(login)
        if held is not None and (held.unsaved or held.version == stored.version):
            return held  # another login was faster
        if held is not None:
            opened = opened.joined(held, self._now())
        self.keeper.hold(login.name, opened)
        self._seen[login.name] = trio.current_time()
        self._rotate_later(login.admitted(opened), opened)
        return opened

    def _way(self, record: Record) -> Opening:
        """How `record` is opened and sealed."""
        return self._compatible if record.sealed_by is None else self._managed

    async def _unlock(self, login: Login, stored: Stored) -> Opened | None:
        """Open a record that somebody else wrote meanwhile; None if this login cannot."""
        try:
            return await self._way(stored.record).open(login, stored)
        except (WrongPasswordError, LoginFailed):
            return None

    async def inherited_secret(self, login: Login) -> Secret | None:
        """The client secret that a catch-all template holds for this account, opened; None if there is none.

        Raises:
            LoginFailed: it is sealed with another password than this account's.
        """
        return await self._compatible.inherited_secret(login)

    async def refuse_unknown(self, user: str, password: Secret, client: str) -> NoReturn:
        """Refuse a login of `user`, who has no account, in the words and the time of a wrong password.

        Raises:
            LoginFailed: always.
        """
        way = self._compatible if self._settings().seal_key is None else self._managed
        try:
            await way.pretend(user, password, network_of(host_of(client)))
        except TooManyChecksError:
            raise too_many_checks(user) from None
        raise unknown_account(user)

    # --- sealing ------------------------------------------------------------------------------------------------------

    async def renew(self, login: Login, opened: Opened, response: TokenResponse, *, at_once: bool = False) -> Opened:
        """Seal and store refreshed tokens; what is held afterwards.

        Args:
            login: the account and its password.
            opened: what was renewed.
            response: the provider's.
            at_once: even a store that bills writes must have them now.

        Raises:
            LoginFailed: the mail password was changed elsewhere meanwhile.
        """
        return await self._keep(login, opened.renewed(response, self._now()), at_once=at_once)

    async def accept(self, login: Login, response: TokenResponse) -> AccessToken:
        """Seal and store a new grant's tokens with the login's password; they replace whatever record there is."""
        try:
            stored = await self._records.load_fresh(login.name)
        except StoreError as error:
            log.warning("account %s: the store cannot be read: %s", foreign(login.name), foreign(error))
            stored = None
        latest, held = self.keeper.latest(login.name), self.held(login)
        known = stored.record if stored is not None else latest.base if latest is not None else self._new(login)
        version = stored.version if stored is not None else latest.version if latest is not None else None
        opened = await self._way(known).sealing(login, known, version, held)
        if login.flow.interactive and response.refresh_token is None:
            log.warning(
                "account %s: the provider gave no refresh token, so a person is asked again when the token expires; "
                "oauth2_scope needs offline_access at Microsoft, permission_url needs prompt=consent at some others",
                foreign(login.name),
            )
            # An old refresh token that is dead must not come back to life beside the new access token.
            opened = replace(opened, refresh=None if opened.dead else opened.refresh)
        kept = await self._keep(login, opened.renewed(response, self._now()), replaces=True)
        assert kept.access is not None
        return kept.access

    def _new(self, login: Login) -> Record:
        """What there is of an account that has no record."""
        return current_key(self._settings(), login.name).stamped(Record()) if login.vouched else Record()

    async def _keep(self, login: Login, opened: Opened, *, replaces: bool = False, at_once: bool = False) -> Opened:
        """Store before use (`emailproxy.oauth.keeping`)."""
        held, way = self.held(login), self._way(opened.base)
        if held is not None and self._way(held.base) is way and way.is_outdated(opened) and not way.is_outdated(held):
            # Sealed anew while the request was under way.
            opened = replace(opened, key=held.key, version=held.version)
        opened = way.noted(login.name, opened)
        plain = login.account.client_secret
        if isinstance(plain, Reference):
            # It is followed at each use. What was sealed before is out of date, and must not bring the file store to
            # remove the reference as if it were the plain secret.
            plain = None
            opened = replace(opened, client_secret=None, base=replace(opened.base, client_secret_encrypted=None))
        seal = self._settings().encrypt_client_secret_on_first_use or opened.base.client_secret_encrypted is not None
        try:
            return await self.keeper.keep(
                login.name,
                opened,
                partial(self._unlock, login),
                Order(login.account.refresh_tokens, plain if seal else None, replaces, at_once),
            )
        except SupersededError:
            raise wrong_password(login.name, "it was changed in another process meanwhile") from None

    def _rotate_later(self, login: Login, opened: Opened) -> None:
        """Seal a record of an older key, or of fewer iterations, with the newest, once, behind the login."""
        if self._way(opened.base).is_outdated(opened) and login.name not in self._rotating:
            self._rotating.add(login.name)
            self._nursery.start_soon(self._rotate, login)

    async def _rotate(self, login: Login) -> None:
        try:
            held = self.held(login)
            if held is None:
                return
            way = self._way(held.base)
            key = await way.newest_key(login, held)
            held = self.held(login)  # it may have been refreshed meanwhile
            if key is None or held is None or self._way(held.base) is not way or not way.is_outdated(held):
                return
            log.info("account %s: sealing stored values with the newest key", foreign(login.name))
            await self._keep(login, replace(held, key=key))
        except LoginFailed as error:
            log.info("account %s: not sealed anew: %s", foreign(login.name), error)
        finally:
            self._rotating.discard(login.name)
