"""Is this the mail password, and which keys does it derive? PBKDF2 once; afterwards a keyed digest in memory.

The digest (HMAC-SHA256 under a key that lives and dies with this process) stands for "this account and this
password". It is all that is kept: of right passwords together with the keys they derived, of recent wrong ones to
refuse them again in microseconds. Neither a flood of wrong passwords nor a broken client can keep more than the
limiter's threads busy, nor make one account's queue grow without end.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NewType

import trio

from emailproxy.oauth.sealing import SealingKey, derive_key
from emailproxy.secret import Secret

__all__ = ["PasswordDigest", "Passwords", "TooManyChecksError"]

PasswordDigest = NewType("PasswordDigest", bytes)
"""Stands for one account and one password, in this process only."""

MAX_WRONG: Final = 4096
"""Wrong passwords remembered, all accounts together: about 1 MB at worst."""
WRONG_SECONDS: Final = 300.0
"""Long enough to silence a client that retries every minute; short enough that nothing stays wrong for long."""
MAX_KEYS: Final = 20_000
"""Derived keys kept: two for each of the 10,000 accounts that one process may serve."""
MAX_WAITING: Final = 16
"""Checks of one account that may wait for a thread: a mail client opens fewer connections than that at once."""

BY_PROVIDER: Final = b""
"""Stands where a salt would: no record has an empty one."""


class TooManyChecksError(Exception):
    """So many different passwords are tried on one account that this one is not looked at now."""


@dataclass(slots=True)
class _Queue:
    """Who waits for checks of one account."""

    lock: trio.Lock = field(default_factory=trio.Lock)
    length: int = 0


class Passwords:
    """Remembers which password of which account was right or wrong, and derives keys without flooding the threads."""

    def __init__(self, threads: int = 2) -> None:
        self._process_key = secrets.token_bytes(32)
        # Two: a derivation keeps a core busy for some tenths of a second, and the relay needs the others.
        self._limiter = trio.CapacityLimiter(threads)
        self._keys: OrderedDict[tuple[PasswordDigest, bytes, int], SealingKey] = OrderedDict()
        self._wrong: OrderedDict[tuple[PasswordDigest, bytes], float] = OrderedDict()
        self._queues: dict[str, _Queue] = {}

    def digest(self, account: str, password: Secret) -> PasswordDigest:
        """What stands for this account and password from now on; compare with `hmac.compare_digest`."""
        name = account.encode("utf-8", "surrogateescape")
        message = len(name).to_bytes(4, "big") + name + password.octets
        # Keyed BLAKE2 is a MAC by itself (RFC 7693, section 2.9), and a tenth of the price of HMAC through OpenSSL 3.
        return PasswordDigest(hashlib.blake2b(message, key=self._process_key, digest_size=32).digest())

    @contextmanager
    def _queue(self, account: str) -> Iterator[trio.Lock]:
        """The account's lock, which exists only while somebody is in the queue."""
        queue = self._queues.setdefault(account, _Queue())
        if queue.length >= MAX_WAITING:
            raise TooManyChecksError
        queue.length += 1
        try:
            yield queue.lock
        finally:
            queue.length -= 1
            if not queue.length:
                del self._queues[account]

    async def unlock(
        self, account: str, password: Secret, *, salt: bytes, candidates: tuple[int, ...], sealed: str
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

        Raises:
            TooManyChecksError: too many other checks of this account are waiting already.
        """
        digest = self.digest(account, password)
        key = self._known(digest, salt, candidates, sealed)
        if key is not None or self.known_wrong(digest, salt):
            return key
        with self._queue(account) as lock:
            async with lock:
                key = self._known(digest, salt, candidates, sealed)
                if key is not None or self.known_wrong(digest, salt):
                    return key
                for iterations in candidates:
                    key = await self._derive(password, salt, iterations)
                    if key.open(sealed) is not None:
                        self._keep(digest, key)
                        return key
                self._remember_wrong(digest, salt)
                return None

    def judged_wrong(self, digest: PasswordDigest) -> bool:
        """Whether the provider refused this password a short while ago (`judge_wrong`)."""
        return self.known_wrong(digest, BY_PROVIDER)

    def judge_wrong(self, digest: PasswordDigest) -> None:
        """The provider refused this password; do not ask again so soon, which might lock the mailbox."""
        self._remember_wrong(digest, BY_PROVIDER)

    async def new_key(self, account: str, password: Secret, *, salt: bytes, iterations: int) -> SealingKey:
        """A key to seal with; remembered, so that the next login of this password need not derive it.

        Never refused: whoever asks has already shown a right password or a token.
        """
        digest = self.digest(account, password)
        key = self._keys.get((digest, salt, iterations))
        if key is None:
            key = await self._derive(password, salt, iterations)
            self._keep(digest, key)
        return key

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

    def _remember_wrong(self, digest: PasswordDigest, salt: bytes) -> None:
        self._wrong[digest, salt] = trio.current_time()
        while len(self._wrong) > MAX_WRONG:
            self._wrong.popitem(last=False)

    def _keep(self, digest: PasswordDigest, key: SealingKey) -> None:
        self._keys[digest, key.salt, key.iterations] = key
        while len(self._keys) > MAX_KEYS:
            self._keys.popitem(last=False)
