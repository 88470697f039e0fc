"""How is a record opened that the service key seals? An app password lets in, and what seals is ours.

An app password is held against one argon2id hash, once for each process; afterwards a login is a look into memory, with
the limits of that password (expiry, networks, protocols) checked every time.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import trio

from emailproxy.config.model import Settings
from emailproxy.failures import FailureKind
from emailproxy.oauth.app_passwords import AppPassword, AppPasswords, merged_uses
from emailproxy.oauth.explain import became_managed, failed, too_many_checks, wrong_app_password
from emailproxy.oauth.hashing import verify
from emailproxy.oauth.opened import Opened, RecordKey, open_stored
from emailproxy.oauth.opening import Login
from emailproxy.oauth.passwords import PasswordDigest, Passwords
from emailproxy.oauth.servicekey import AccountKey, NoSealKeyError, current_key, key_of
from emailproxy.oauth.shares import TooManyChecksError
from emailproxy.protocols.proofs import Proof
from emailproxy.secret import Secret
from emailproxy.store.base import Record, Stored, Version

__all__ = ["Managed", "opened_list"]

MAX_RIGHT: Final = 20_000
"""Right passwords remembered: two for each of the 10,000 accounts that one process may serve."""


class Managed:
    """The way of app passwords (see `emailproxy.oauth.opening.Opening`).

    Args:
        passwords: shares out the threads, and remembers wrong passwords.
        settings: the settings in force, which have the service key.
        now: Unix time.
    """

    def __init__(self, passwords: Passwords, settings: Callable[[], Settings], now: Callable[[], float]) -> None:
        self._passwords = passwords
        self._settings = settings
        self._now = now
        self._pass_key = secrets.token_bytes(32)
        self._right: OrderedDict[PasswordDigest, str] = OrderedDict()
        """The hash that a password was right for."""
        self._uses: dict[str, dict[str, int]] = {}
        """When each was last used, by account and identifier, as far as the store may not know."""

    def pass_for(self, account: str) -> Secret:
        """In place of a password, what lets into `account` whoever was let in by other means; no client can know it.

        Its digest stands for the account. It ends with this process.
        """
        name = account.encode("utf-8", "surrogatepass")
        return Secret(hashlib.blake2b(name, key=self._pass_key, digest_size=32).hexdigest())

    def _digest(self, account: str) -> PasswordDigest:
        return self._passwords.digest(account, self.pass_for(account))

    def prove(self, login: Login, opened: Opened, proof: Proof) -> bytes:
        """What the client hears if `proof` was made from one of the app passwords, and that one is good here and now.

        Raises:
            LoginFailed: it was not, or it is not.
        """
        for entry in opened.passwords.entries:
            answer = entry.answered(proof)
            if answer is None:
                continue
            objection = self._objection(login, entry)
            if objection is not None:
                raise wrong_app_password(login.name, objection)
            self._use(login, entry)
            self._passwords.shares.prove(login.network)
            return answer
        raise wrong_app_password(
            login.name, f"{proof.mechanism}: it is none of the app passwords that were added with --mechanisms for that"
        )

    def matches(self, login: Login, opened: Opened) -> bool:
        """Whether the login was let in already, or its password was right before and still is."""
        if opened.belongs_to(login.digest):
            return True
        entry = self._remembered(login, opened.passwords)
        if entry is None or self._objection(login, entry) is not None:
            return False
        self._use(login, entry)
        return True

    async def check(self, login: Login, opened: Opened) -> None:
        """Against the list in memory."""
        if opened.belongs_to(login.digest):
            await trio.lowlevel.checkpoint()
            return
        await self._check(login, opened.passwords, opened.base)

    def refuse_again(self, login: Login, opened: Opened) -> None:
        """If it was held against the list of `opened` and was in vain, or is not good here and now."""
        entry = self._remembered(login, opened.passwords)
        objection = self._objection(login, entry) if entry is not None else None
        if objection is not None:
            raise wrong_app_password(login.name, objection)
        if self._passwords.known_wrong(login.digest, _mark(opened.base)):
            raise wrong_app_password(login.name)

    async def open(self, login: Login, stored: Stored) -> Opened:
        """Check the password, unless that was done, and open the record with the service key."""
        record = stored.record
        if login.flow.provider_checks_password:
            raise failed(
                FailureKind.MISCONFIGURED,
                login.name,
                f"its flow {login.flow.name} sends the mail password to the provider, so app passwords cannot serve; "
                f"choose another flow, or: emailproxy passwords migrate --back {login.name}",
            )
        try:
            key = key_of(self._settings(), login.name, record.sealed_by or "")
            entries = opened_list(key, record)
        except (NoSealKeyError, ValueError) as error:
            raise failed(FailureKind.MISCONFIGURED, login.name, str(error)) from None
        digest = self._digest(login.name)
        if login.digest != digest:
            await self._check(login, entries, record)
        return replace(open_stored(login.name, stored, digest, key), passwords=entries)

    async def sealing(self, login: Login, known: Record, version: Version | None, held: Opened | None) -> Opened:
        """The account's key; whoever began with a mail password, before it became managed, is too late."""
        await trio.lowlevel.checkpoint()
        if login.vouched and held is None:  # the account is new, and begins as a managed one
            return await self.open(login, Stored(known, version or Version("")))
        if not login.managed or held is None:
            raise became_managed(login.name)
        fresh = await self.open(login, Stored(known, version)) if version is not None else held
        return replace(held, key=fresh.key, passwords=fresh.passwords, base=known, version=version)

    async def newest_key(self, login: Login, opened: Opened) -> RecordKey | None:
        """The current service key's."""
        await trio.lowlevel.checkpoint()
        return current_key(self._settings(), login.name) if self.is_outdated(opened) else None

    def is_outdated(self, opened: Opened) -> bool:
        """Whether the previous service key sealed it."""
        current = self._settings().seal_key
        assert isinstance(opened.key, AccountKey)
        return current is not None and opened.key.identifier != current.identifier

    def noted(self, account: str, opened: Opened) -> Opened:
        """With the times of use."""
        return replace(opened, used=merged_uses(opened.used, self._uses.get(account, {}), opened.passwords))

    async def pretend(self, user: str, password: Secret, network: str) -> None:
        """Cost what a wrong password costs. Raises TooManyChecksError."""
        digest = self._passwords.digest(user, password)
        if self._passwords.known_wrong(digest, _NO_RECORD):
            return
        with self._passwords.alone(digest) as lock:
            async with lock:
                if not self._passwords.known_wrong(digest, _NO_RECORD):
                    await self._passwords.in_turn(network, verify, None, password)
                    self._passwords.remember_wrong(digest, _NO_RECORD)

    # --- one password -------------------------------------------------------------------------------------------------

    async def _check(self, login: Login, entries: AppPasswords, record: Record) -> None:
        """Raise unless the password is one of `entries`, and good here and now."""
        entry = self._remembered(login, entries)
        if entry is None:
            try:
                entry = await self._found(login, entries, _mark(record))
            except TooManyChecksError:
                raise too_many_checks(login.name) from None
        if entry is None:
            raise wrong_app_password(login.name)
        objection = self._objection(login, entry)
        if objection is not None:
            raise wrong_app_password(login.name, objection)
        self._use(login, entry)

    async def _found(self, login: Login, entries: AppPasswords, mark: bytes) -> AppPassword | None:
        """The entry whose hash is the password's. Exactly one hash is checked for nearly every wrong password."""
        with self._passwords.alone(login.digest) as lock:
            async with lock:
                entry = self._remembered(login, entries)
                if entry is not None or self._passwords.known_wrong(login.digest, mark):
                    return entry
                candidates = entries.candidates(login.password)
                for entry in candidates or (None,):
                    kept = entry.hash if entry is not None else None
                    if await self._passwords.in_turn(login.network, verify, kept, login.password) and entry is not None:
                        self._right[login.digest] = entry.hash
                        while len(self._right) > MAX_RIGHT:
                            self._right.popitem(last=False)
                        self._passwords.shares.prove(login.network)
                        return entry
                self._passwords.remember_wrong(login.digest, mark)
                return None

    def _remembered(self, login: Login, entries: AppPasswords) -> AppPassword | None:
        """The entry that this password was right for, if it is still there."""
        kept = self._right.get(login.digest)
        return next((entry for entry in entries.entries if entry.hash == kept), None) if kept is not None else None

    def _objection(self, login: Login, entry: AppPassword) -> str | None:
        return entry.objection(self._now(), login.host, login.server.protocol if login.server is not None else None)

    def _use(self, login: Login, entry: AppPassword) -> None:
        self._uses.setdefault(login.name, {})[entry.id] = int(self._now())


_NO_RECORD: Final = b"no record"


def _mark(record: Record) -> bytes:
    """Tells lists of app passwords apart, for what is remembered of wrong ones."""
    return hashlib.blake2b((record.app_passwords or "").encode(), digest_size=16).digest()


def opened_list(key: AccountKey, record: Record) -> AppPasswords:
    """The account's app passwords.

    Raises:
        ValueError: the list does not open, or is damaged.
    """
    if record.app_passwords is None:
        return AppPasswords()
    text = key.open(record.app_passwords)
    if text is None:
        raise ValueError("its app passwords do not open with its service key: they are damaged, or another account's")
    return AppPasswords.parse(text.reveal())
