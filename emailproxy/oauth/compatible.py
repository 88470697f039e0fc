"""How is a record opened that the mail password seals? By a key that is derived from it, as the classic proxy does."""

from __future__ import annotations

import logging
from dataclasses import replace

from emailproxy.config.model import Account, SealedSecret
from emailproxy.failures import FailureKind
from emailproxy.oauth.explain import became_managed, failed, not_managed, too_many_checks
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.opened import Opened, RecordKey, open_stored
from emailproxy.oauth.opening import Login, WrongPasswordError
from emailproxy.oauth.passwords import Passwords
from emailproxy.oauth.sealing import Iterations, SealingKey, check_value, new_salt, parse_salt
from emailproxy.oauth.shares import TooManyChecksError
from emailproxy.secret import Secret
from emailproxy.store.base import Record, Stored, Version

__all__ = ["Compatible"]

log = logging.getLogger("emailproxy.oauth")


class Compatible:
    """The way of the mail password (see `emailproxy.oauth.opening.Opening`).

    Args:
        passwords: derives keys and remembers.
        iterations: PBKDF2 rounds.
    """

    def __init__(self, passwords: Passwords, iterations: Iterations) -> None:
        self._passwords = passwords
        self._iterations = iterations

    def matches(self, login: Login, opened: Opened) -> bool:
        """By digest."""
        return opened.belongs_to(login.digest)

    async def check(self, login: Login, opened: Opened) -> None:
        """By digest: what the store has is older, its password perhaps as well."""
        if not self.matches(login, opened):
            raise WrongPasswordError(opened.base)

    def refuse_again(self, login: Login, opened: Opened) -> None:
        """If it was derived and did not open the record's values."""
        assert isinstance(opened.key, SealingKey)
        if self._passwords.known_wrong(login.digest, opened.key.salt):
            raise WrongPasswordError(opened.base)

    async def open(self, login: Login, stored: Stored) -> Opened | None:
        """Hold the password against the most precious value."""
        sealed = check_value(stored.record)
        if login.vouched:
            if sealed is not None:
                raise not_managed(login.name)
            return None
        salt = parse_salt(stored.record.token_salt)
        if sealed is None:
            await self.check_inherited(login)
            return None
        if salt is None:
            _complain_of_salt(login)
            return None
        key = await self._key_of(login, salt, self._iterations.candidates(stored.record.token_iterations), sealed)
        if key is None:
            raise WrongPasswordError(stored.record)
        return open_stored(login.name, stored, self._passwords.digest(login.name, login.password), key)

    async def sealing(self, login: Login, known: Record, version: Version | None, held: Opened | None) -> Opened:
        """A key of the login's password."""
        if login.managed:
            raise became_managed(login.name)
        target = self._iterations.target(known.token_iterations)
        if held is None or not isinstance(held.key, SealingKey):
            key = await self._new_key(login, _first_salt(login.account), target)
            return Opened(login.digest, key, known, version)
        key = held.key if held.key.iterations >= target else await self._new_key(login, held.key.salt, target)
        return replace(held, key=key, base=known, version=version)

    async def newest_key(self, login: Login, opened: Opened) -> RecordKey | None:
        """One of more iterations."""
        if not self.is_outdated(opened):
            return None
        assert isinstance(opened.key, SealingKey)
        return await self._new_key(login, opened.key.salt, self._iterations.target(opened.base.token_iterations))

    def is_outdated(self, opened: Opened) -> bool:
        """Whether it has fewer iterations than today's values."""
        assert isinstance(opened.key, SealingKey)
        return opened.key.iterations < self._iterations.target(opened.base.token_iterations)

    def noted(self, account: str, opened: Opened) -> Opened:  # noqa: ARG002 - the other way needs it
        """Nothing is."""
        return opened

    # --- what a catch-all template holds ------------------------------------------------------------------------------

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

    async def check_inherited(self, login: Login) -> None:
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

    # --- keys ---------------------------------------------------------------------------------------------------------

    async def _key_of(self, login: Login, salt: bytes, candidates: tuple[int, ...], sealed: str) -> SealingKey | None:
        """The key of the login's password that opens `sealed`; None if the password is wrong."""
        try:
            return await self._passwords.unlock(
                login.name,
                login.password,
                salt=salt,
                candidates=candidates,
                sealed=sealed,
                network=login.network,
            )
        except TooManyChecksError:
            raise too_many_checks(login.name) from None

    async def pretend(self, user: str, password: Secret, network: str) -> None:
        """Cost what a wrong password costs. Raises TooManyChecksError."""
        candidates = self._iterations.candidates(self._iterations.current)
        await self._passwords.pretend(user, password, candidates=candidates, network=network)

    async def _new_key(self, login: Login, salt: bytes, iterations: int) -> SealingKey:
        return await self._passwords.new_key(login.name, login.password, salt=salt, iterations=iterations)


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
