"""Does this login's password open the account's record, and how is the record sealed again?

The one place where passwords, records and memory meet. What is opened stays in memory (`emailproxy.oauth.keeping`), so
that the next login is compared by digest; when the store has another version, it is opened again, which costs
microseconds as long as the salt is the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Final

import trio

from emailproxy.config.model import Account, SealedSecret, Settings
from emailproxy.failures import FailureKind, LoginFailed
from emailproxy.oauth.endpoint import TokenResponse
from emailproxy.oauth.explain import failed, no_store, wrong_password
from emailproxy.oauth.flows.base import Flow
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.keeping import Keeper, Order, Records, SupersededError
from emailproxy.oauth.opened import AHEAD, AccessToken, Opened, open_stored
from emailproxy.oauth.passwords import PasswordDigest, Passwords, TooManyChecksError
from emailproxy.oauth.sealing import Iterations, SealingKey, check_value, new_salt, parse_salt
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


@dataclass(frozen=True, slots=True)
class Login:
    """Who wants a token, and with what."""

    account: Account
    flow: Flow
    password: Secret
    digest: PasswordDigest
    client: str
    """Where it comes from."""

    @property
    def name(self) -> str:
        """The account's, as the store knows it."""
        return self.account.name


class WrongPasswordError(Exception):
    """The password does not open the record, which stays as it is."""

    def __init__(self, record: Record) -> None:
        super().__init__("the password does not open the record")
        self.record = record


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
        self._records = records
        self._nursery = nursery
        self._settings = settings
        self._iterations = iterations
        self._now = now
        self._rotating: set[str] = set()
        self._seen: dict[str, float] = {}

    def held(self, login: Login) -> Opened | None:
        """What is in memory for this account, if this password opens it."""
        held = self.keeper.latest(login.name)
        return held if held is not None and held.belongs_to(login.digest) else None

    def trusted(self, account: str, password: Secret) -> Opened | None:
        """What is in memory, if this password opens it and the store need not be asked about it yet."""
        latest = self.keeper.latest(account)
        if latest is None or not (latest.unsaved or self._is_trusted(account, latest)):
            return None
        return latest if latest.belongs_to(self.passwords.digest(account, password)) else None

    def _is_trusted(self, account: str, opened: Opened) -> bool:
        """Whether memory answers a login without a look into the store."""
        age = trio.current_time() - self._seen.get(account, -inf)
        if not self._records.bills_writes:
            return age < TRUST_SECONDS
        # Without a good access token there is a flight, which reads anyway.
        return age < TRUST_BILLED_SECONDS or opened.access is None or not opened.access.serves(self._now(), AHEAD, None)

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
            if latest.belongs_to(login.digest):
                return latest
            raise WrongPasswordError(latest.base)
        if latest is not None and not fresh and self._is_trusted(login.name, latest):
            if latest.belongs_to(login.digest):
                await trio.lowlevel.checkpoint()
                return latest
            if self.passwords.known_wrong(login.digest, latest.key.salt):
                raise WrongPasswordError(latest.base)
        try:
            stored = await (self._records.load_fresh if fresh else self._records.load)(login.name)
        except StoreError as error:
            held = self.held(login)
            if held is None or certain:
                raise no_store(login.name, error) from None
            log.warning("account %s: going on with what is in memory: %s", foreign(login.name), foreign(error))
            return held
        return await self._match(login, stored)

    async def _match(self, login: Login, stored: Stored | None) -> Opened | None:
        """Hold `stored` against the password."""
        latest = self.keeper.latest(login.name)
        if stored is None:
            if latest is not None and not latest.unsaved:
                self.keeper.forget(login.name)
            await self._check_inherited(login)
            return None
        held = self.held(login)
        if held is not None and (held.unsaved or held.version == stored.version):
            self._seen[login.name] = trio.current_time()
            return held
        if check_value(stored.record) is None:
            await self._check_inherited(login)
            return None
        if parse_salt(stored.record.token_salt) is None:
            _complain_of_salt(login)
            return None
        opened = await self._unlock(login, stored)
        if opened is None:
            raise WrongPasswordError(stored.record)
        held = self.held(login)
        if held is not None and (held.unsaved or held.version == stored.version):
            return held  # another login was faster
        if held is not None:
            opened = opened.joined(held, self._now())
        self.keeper.hold(login.name, opened)
        self._seen[login.name] = trio.current_time()
        self._rotate_later(login, opened)
        return opened

    async def _unlock(self, login: Login, stored: Stored) -> Opened | None:
        """Open `stored`; None if another password seals it."""
        record = stored.record
        salt, sealed = parse_salt(record.token_salt), check_value(record)
        if salt is None or sealed is None:
            return None
        key = await self._key_of(login, salt, self._iterations.candidates(record.token_iterations), sealed)
        return open_stored(login.name, stored, login.digest, key) if key is not None else None

    async def inherited_secret(self, login: Login) -> Secret | None:
        """The client secret that a catch-all template holds for this account, opened; None if there is none.

        Raises:
            LoginFailed: it is sealed with another password than this account's.
        """
        inherited = login.account.inherited_secret
        if inherited is None:
            return None
        secret = await self._unlock_inherited(login, inherited)
        if secret is None:
            raise failed(
                FailureKind.MISCONFIGURED,
                login.name,
                "the client secret in the catch-all section is sealed with another password than this account's",
            )
        return secret

    async def _check_inherited(self, login: Login) -> None:
        """An account without a record of its own: the password must open what it inherits, or it is wrong."""
        inherited = login.account.inherited_secret
        if inherited is None or login.account.client_secret is not None:
            return
        if await self._unlock_inherited(login, inherited) is None:
            raise WrongPasswordError(Record(client_secret_encrypted=inherited.value))

    async def _unlock_inherited(self, login: Login, inherited: SealedSecret) -> Secret | None:
        salt = parse_salt(inherited.token_salt)
        if salt is None:
            raise failed(FailureKind.MISCONFIGURED, login.name, "token_salt in the catch-all section is no base64")
        key = await self._key_of(login, salt, self._iterations.candidates(inherited.token_iterations), inherited.value)
        return key.open(inherited.value) if key is not None else None

    async def _key_of(self, login: Login, salt: bytes, candidates: tuple[int, ...], sealed: str) -> SealingKey | None:
        """The key of the login's password that opens `sealed`; None if the password is wrong."""
        try:
            return await self.passwords.unlock(
                login.name, login.password, salt=salt, candidates=candidates, sealed=sealed
            )
        except TooManyChecksError:
            raise failed(
                FailureKind.TEMPORARY, login.name, "too many different passwords are being tried; this one was not"
            ) from None

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
        known = stored.record if stored is not None else latest.base if latest is not None else Record()
        version = stored.version if stored is not None else latest.version if latest is not None else None
        target = self._iterations.target(known.token_iterations)
        if held is not None:
            key = held.key if held.key.iterations >= target else await self._new_key(login, held.key.salt, target)
            opened = replace(held, key=key, base=known, version=version)
        else:
            opened = Opened(
                login.digest, await self._new_key(login, _first_salt(login.account), target), known, version
            )
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

    async def _new_key(self, login: Login, salt: bytes, iterations: int) -> SealingKey:
        return await self.passwords.new_key(login.name, login.password, salt=salt, iterations=iterations)

    async def _keep(self, login: Login, opened: Opened, *, replaces: bool = False, at_once: bool = False) -> Opened:
        """Store before use (`emailproxy.oauth.keeping`)."""
        held = self.held(login)
        if held is not None and held.key.salt == opened.key.salt and held.key.iterations > opened.key.iterations:
            # Sealed anew while the request was under way.
            opened = replace(opened, key=held.key, version=held.version)
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
        """Seal a record of an older iteration count with the current one, once, behind the login."""
        target = self._iterations.target(opened.base.token_iterations)
        if opened.key.iterations < target and login.name not in self._rotating:
            self._rotating.add(login.name)
            self._nursery.start_soon(self._rotate, login, target)

    async def _rotate(self, login: Login, target: int) -> None:
        try:
            held = self.held(login)
            if held is None:
                return
            key = await self._new_key(login, held.key.salt, target)
            held = self.held(login)  # it may have been refreshed meanwhile
            if held is None or held.key.iterations >= target:
                return
            log.info("account %s: sealing stored values with %d iterations", foreign(login.name), target)
            await self._keep(login, replace(held, key=key))
        except LoginFailed as error:
            log.info("account %s: not sealed anew: %s", foreign(login.name), error)
        finally:
            self._rotating.discard(login.name)


def _first_salt(account: Account) -> bytes:
    """The salt of an account's first record: a fresh one, but for an account that inherits a sealed secret.

    That one gets the secret's, since the classic proxy opens an account's values and what it inherits with one key.
    """
    inherited = account.inherited_secret
    shared = parse_salt(inherited.token_salt) if inherited is not None and account.client_secret is None else None
    return shared or new_salt()


def _complain_of_salt(login: Login) -> None:
    """Sealed values without a usable salt: no password opens them, so none can be wrong."""
    problem = "token_salt is missing or no base64, so no password opens the stored values"
    if not (login.flow.interactive or login.flow.provider_checks_password):
        raise failed(FailureKind.MISCONFIGURED, login.name, f"{problem}; remove them from the account")
    log.warning("account %s: %s; asking for new ones", foreign(login.name), problem)
