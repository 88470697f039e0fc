"""Is this the mail password, and which keys does it derive? PBKDF2 once; afterwards a keyed digest in memory.

The digest (HMAC-SHA256 under a key that lives and dies with this process) stands for "this account and this
password". It is all that is kept: of right passwords together with the keys they derived, of recent wrong ones to
refuse them again in microseconds. Neither a flood of wrong passwords nor a broken client can keep more than a few
threads busy, nor hold up those who come from elsewhere (`emailproxy.oauth.shares`).
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NewType, TypeVar, TypeVarTuple, Unpack

import trio
from cryptography.fernet import Fernet

from emailproxy.oauth.sealing import SealingKey, derive_key
from emailproxy.oauth.shares import OURS, Shares
from emailproxy.secret import Secret

__all__ = ["PasswordDigest", "Passwords"]

T = TypeVar("T")
Args = TypeVarTuple("Args")

PasswordDigest = NewType("PasswordDigest", bytes)
"""Stands for one account and one password, in this process only."""

MAX_WRONG: Final = 4096
"""Wrong passwords remembered, all accounts together: about 1 MB at worst."""
WRONG_SECONDS: Final = 300.0
"""Long enough to silence a client that retries every minute; short enough that nothing stays wrong for long."""
MAX_KEYS: Final = 20_000
"""Derived keys kept: two for each of the 10,000 accounts that one process may serve."""
BY_PROVIDER: Final = b""
"""Stands where a salt would: no record has an empty one."""


DECOY_SALT: Final = b"no account's"
"""Stands where a salt would for names that are no account; shorter than any record's."""


@dataclass(slots=True)
class _Check:
    """One password that is being checked, and how many wait for the outcome."""

    lock: trio.Lock = field(default_factory=trio.Lock)
    waiting: int = 0


class Passwords:
    """Remembers which password of which account was right or wrong, and derives keys without flooding the threads."""

    def __init__(self, threads: int = 2) -> None:
        self._process_key = secrets.token_bytes(32)
        # Two: a derivation keeps a core busy for some tenths of a second, and the relay needs the others.
        self.shares = Shares(threads)
        self._limiter = trio.CapacityLimiter(threads)
        self._keys: OrderedDict[tuple[PasswordDigest, bytes, int], SealingKey] = OrderedDict()
        self._wrong: OrderedDict[tuple[PasswordDigest, bytes], float] = OrderedDict()
        self._checks: dict[PasswordDigest, _Check] = {}
        self._decoy = Fernet(Fernet.generate_key()).encrypt(b"").decode("ascii")

    def digest(self, account: str, password: Secret) -> PasswordDigest:
        """What stands for this account and password from now on; compare with `hmac.compare_digest`."""
        name = account.encode("utf-8", "surrogateescape")
        message = len(name).to_bytes(4, "big") + name + password.octets
        # Keyed BLAKE2 is a MAC by itself (RFC 7693, section 2.9), and a tenth of the price of HMAC through OpenSSL 3.
        return PasswordDigest(hashlib.blake2b(message, key=self._process_key, digest_size=32).digest())

    @contextmanager
    def alone(self, digest: PasswordDigest) -> Iterator[trio.Lock]:
        """The lock of those who bring this password now."""
        check = self._checks.setdefault(digest, _Check())
        check.waiting += 1
        try:
            yield check.lock
        finally:
            check.waiting -= 1
            if not check.waiting:
                del self._checks[digest]

    async def unlock(
        self,
        account: str,
        password: Secret,
        *,
        salt: bytes,
        candidates: tuple[int, ...],
        sealed: str,
        network: str = OURS,
    ) -> SealingKey | None:
        """The key of `password` that opens `sealed`, or None: the password is wrong.

        Callers that bring one password together wait for one derivation. A caller that is cancelled meanwhile leaves
        when the derivation is over, so the work is never lost and never repeated.

        Args:
            account: whose password it is.
            password: what the mail client sent.
            salt: the record's salt.
            candidates: iteration counts to try, likeliest first.
            sealed: the value that decides.
            network: where the password comes from.

        Raises:
            TooManyChecksError: too many other passwords from there are waiting already.
        """
        digest = self.digest(account, password)
        key = self._known(digest, salt, candidates, sealed)
        if key is not None or self.known_wrong(digest, salt):
            return key
        with self.alone(digest) as lock:
            async with lock:
                key = self._known(digest, salt, candidates, sealed)
                if key is not None or self.known_wrong(digest, salt):
                    return key
                async with self.shares.turn(network):
                    for iterations in candidates:
                        key = await self._derive(password, salt, iterations)
                        if key.open(sealed) is not None:
                            self._keep(digest, key)
                            self.shares.prove(network)
                            return key
                self.remember_wrong(digest, salt)
                return None

    async def pretend(self, account: str, password: Secret, *, candidates: tuple[int, ...], network: str) -> None:
        """Do what a wrong password of an account costs, for a name that is none.

        Raises:
            TooManyChecksError: as `unlock`.
        """
        await self.unlock(
            account, password, salt=DECOY_SALT, candidates=candidates, sealed=self._decoy, network=network
        )

    def judged_wrong(self, digest: PasswordDigest) -> bool:
        """Whether the provider refused this password a short while ago (`judge_wrong`)."""
        return self.known_wrong(digest, BY_PROVIDER)

    def judge_wrong(self, digest: PasswordDigest) -> None:
        """The provider refused this password; do not ask again so soon, which might lock the mailbox."""
        self.remember_wrong(digest, BY_PROVIDER)

    async def new_key(self, account: str, password: Secret, *, salt: bytes, iterations: int) -> SealingKey:
        """A key to seal with; remembered, so that the next login of this password need not derive it.

        Never refused: whoever asks has already shown a right password or a token.
        """
        digest = self.digest(account, password)
        key = self._keys.get((digest, salt, iterations))
        if key is None:
            async with self.shares.turn(OURS):
                key = await self._derive(password, salt, iterations)
            self._keep(digest, key)
        return key

    async def in_turn(self, network: str, check: Callable[[Unpack[Args]], T], *arguments: *Args) -> T:
        """What `check` says, which is slow and blocks: in a thread, when it is the turn of `network`.

        Raises:
            TooManyChecksError: too many other passwords from there are waiting already.
        """
        async with self.shares.turn(network):
            return await trio.to_thread.run_sync(check, *arguments, limiter=self._limiter)

    async def _derive(self, password: Secret, salt: bytes, iterations: int) -> SealingKey:
        return await trio.to_thread.run_sync(derive_key, password, salt, iterations, limiter=self._limiter)

    def _known(
        self, digest: PasswordDigest, salt: bytes, candidates: tuple[int, ...], sealed: str
    ) -> SealingKey | None:
        for iterations in candidates:
            key = self._keys.get((digest, salt, iterations))
            if key is not None and key.open(sealed) is not None:
                self._keys.move_to_end((digest, salt, iterations))
                return key
        return None

    def known_wrong(self, digest: PasswordDigest, salt: bytes) -> bool:
        """Whether this password was wrong for the record with this salt a short while ago."""
        seen = self._wrong.get((digest, salt))
        if seen is None:
            return False
        if trio.current_time() - seen < WRONG_SECONDS:
            return True
        del self._wrong[digest, salt]
        return False

    def remember_wrong(self, digest: PasswordDigest, salt: bytes) -> None:
        """This password was held against the record with this salt, or mark, in vain."""
        self._wrong[digest, salt] = trio.current_time()
        while len(self._wrong) > MAX_WRONG:
            self._wrong.popitem(last=False)

    def _keep(self, digest: PasswordDigest, key: SealingKey) -> None:
        self._keys[digest, key.salt, key.iterations] = key
        while len(self._keys) > MAX_KEYS:
            self._keys.popitem(last=False)
