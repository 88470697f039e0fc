"""Who may come in? Whoever has the token, and a browser that was let in with a code from somebody who has it.

A browser never gets the token itself: `Access.issue` gives a code that works once and for a minute, and who comes with
it gets a cookie. The cookie is signed with a key made of the token: it outlives a restart of the proxy, and ends when
the token is changed.

Wrong tokens are counted for each address, and at `WRONG` of them in a minute no more are looked at from there. Cookies
are: nobody can guess one, so whoever shares the address of a guesser stays in.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

import trio

from emailproxy.secret import Secret

__all__ = ["COOKIE", "COOKIE_SECONDS", "Access", "TooManyTriesError"]

COOKIE: Final = "emailproxy_session"
COOKIE_SECONDS: Final = 12 * 3600
"""A working day."""
CODE_SECONDS: Final = 60.0
"""From the command that prints the link to the browser that opens it."""
MAX_CODES: Final = 32
"""Codes that wait at once; a person needs one, and the oldest go."""
WRONG: Final = 10
WRONG_SECONDS: Final = 60.0
"""Wrong tokens from one address in that time, after which it is not listened to: a person mistypes two or three."""
MAX_ADDRESSES: Final = 4096
"""Addresses whose mistakes are remembered, 1 MB at the most; beyond that the longest unseen is forgotten."""


class TooManyTriesError(Exception):
    """No token is looked at from this address for a while."""


class Access:
    """Judges tokens, codes and cookies.

    Args:
        token: what lets in.
        now: Unix time.
    """

    def __init__(self, token: Secret, now: Callable[[], float] = time.time) -> None:
        self._token = _digest(token.reveal())
        self._key = _digest("cookies of the console\0" + token.reveal())
        self._now = now
        self._codes: OrderedDict[bytes, float] = OrderedDict()
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def admits(self, token: str, address: str) -> bool:
        """Whether this is the token.

        Args:
            token: what came.
            address: where from.

        Raises:
            TooManyTriesError: nobody looked.
        """
        tries = self._wrong.get(address)
        now = trio.current_time()
        if tries is not None:
            while tries and now - tries[0] >= WRONG_SECONDS:
                tries.popleft()
            if len(tries) >= WRONG:
                raise TooManyTriesError
        if hmac.compare_digest(_digest(token), self._token):
            return True
        self._wrong.setdefault(address, deque(maxlen=WRONG)).append(now)
        self._wrong.move_to_end(address)
        if len(self._wrong) > MAX_ADDRESSES:
            self._wrong.popitem(last=False)
        return False

    def issue(self) -> str:
        """A code that lets one browser in, once, within `CODE_SECONDS`."""
        code = secrets.token_urlsafe(24)
        # By its digest: how long a look-up takes tells nothing about the code then.
        self._codes[_digest(code)] = trio.current_time() + CODE_SECONDS
        while len(self._codes) > MAX_CODES:
            self._codes.popitem(last=False)
        return code

    def redeem(self, code: str) -> str | None:
        """The cookie's value for who comes with `code`; None: it is none (any more)."""
        deadline = self._codes.pop(_digest(code), None)
        if deadline is None or deadline <= trio.current_time():
            return None
        said = f"{int(self._now()) + COOKIE_SECONDS}.{secrets.token_urlsafe(12)}"
        return f"{said}.{self._signature(said)}"

    def knows(self, cookie: str) -> bool:
        """Whether this is the value of a cookie of ours that has not ended."""
        said, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode("utf-8", "replace"), self._signature(said).encode()):
            return False
        return int(said.partition(".")[0]) > self._now()

    def _signature(self, said: str) -> str:
        return hmac.new(self._key, said.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
