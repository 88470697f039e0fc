"""What happens to accounts that a person should hear of, before the mail stops? Four kinds of news, told in one place.

Who needs consent and who gave it (`emailproxy.oauth.consent`), whose consent ends soon, and for whom the provider has
given no token several times in a row. A login with another than the stored password is no news: a stranger could make
it, and so bring the owner to sign in for him.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import trio

from emailproxy.failures import Failure, FailureKind
from emailproxy.oauth.consent import Outcome, OutcomeKind, Pending
from emailproxy.oauth.endpoint import TokenResponse

__all__ = ["Event", "News", "Watcher"]

SOON: Final = 3 * 86400.0
"""Seconds before the known end of a consent: a weekend and a day. Google's consents for apps in testing live seven."""
IN_A_ROW: Final = 5
"""Failures: a provider that is restarted costs one or two, and mail clients come back every few minutes."""
AGAIN: Final = 86400.0
"""Seconds after which the same is told again if it is still so."""
FIRST_PAUSE: Final = 900.0
"""Seconds until another address to sign in at is told, which is when the first one ends; doubles each time up to
`AGAIN`, so that somebody who is on holiday finds ten messages and not a thousand."""
REMEMBERED: Final = 4096
"""Accounts: with a catch-all template, strangers choose the names."""


class Event(enum.Enum):
    """What happened, by the word that programs read."""

    NEEDS_CONSENT = "needs_consent"
    CONSENT_GIVEN = "consent_given"
    CONSENT_ENDS = "consent_ends"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class News:
    """One event of one account."""

    event: Event
    account: str
    reason: str = ""
    url: str | None = field(default=None, repr=False)
    """Where the person signs in. Whoever has it could sign in there with a mailbox of his own."""
    user_code: str | None = field(default=None, repr=False)
    seconds: float | None = None
    """Until the authorisation, or the consent, ends."""
    client: str = ""
    """Where the login came from that needs consent."""


@dataclass(slots=True)
class _Known:
    """What is remembered of an account."""

    failures: int = 0
    told_failing: float | None = None
    told_ending: float | None = None
    ends: float | None = None
    """When the refresh token ends, on trio's clock."""
    told_consent: float | None = None
    pause: float = FIRST_PAUSE


class Watcher:
    """Decides what is worth telling.

    Args:
        tell: hears it; must not block or raise.
    """

    def __init__(self, tell: Callable[[News], None] | None = None) -> None:
        self._tell = tell
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def asked(self, pending: Pending) -> None:
        """Somebody is asked for consent (again)."""
        if self._tell is None or pending.replaces:
            return
        known, now = self._of(pending.account.name), trio.current_time()
        if known.told_consent is not None:
            if now - known.told_consent < known.pause:
                return
            known.pause = min(known.pause * 2, AGAIN)
        known.told_consent = now
        self._tell(
            News(
                Event.NEEDS_CONSENT,
                pending.account.name,
                pending.reason,
                url=pending.url,
                user_code=pending.question.user_code,
                seconds=max(0.0, pending.expires_at - now),
                client=pending.client,
            )
        )

    def settled(self, pending: Pending, outcome: Outcome) -> None:
        """An authorisation is over."""
        if self._tell is None or outcome.kind is not OutcomeKind.AUTHORISED:
            return
        self._tell(News(Event.CONSENT_GIVEN, pending.account.name))

    def granted(self, account: str, response: TokenResponse) -> None:
        """The provider gave tokens."""
        if self._tell is None:
            return
        known, now = self._of(account), trio.current_time()
        known.failures, known.told_failing = 0, None
        known.told_consent, known.pause = None, FIRST_PAUSE
        if response.refresh_expires_in is not None:
            known.ends = now + response.refresh_expires_in
        elif response.refresh_token is not None:
            known.ends = None  # the new one's end is not known
        if known.ends is None or known.ends - now > SOON:
            known.told_ending = None
        elif known.told_ending is None or now - known.told_ending >= AGAIN:
            known.told_ending = now
            self._tell(
                News(
                    Event.CONSENT_ENDS,
                    account,
                    "the provider ends the refresh token then, and a person must sign in again",
                    seconds=max(0.0, known.ends - now),
                )
            )

    def failed(self, account: str, failure: Failure) -> None:
        """The provider gave no token, and no person and no password is to blame."""
        if self._tell is None or failure.kind not in (FailureKind.TEMPORARY, FailureKind.MISCONFIGURED):
            return
        known, now = self._of(account), trio.current_time()
        known.failures += 1
        again = known.told_failing is None or now - known.told_failing >= AGAIN
        if known.failures >= IN_A_ROW and again:
            known.told_failing = now
            self._tell(News(Event.FAILING, account, f"{known.failures} times in a row: {failure.detail}"))

    def _of(self, account: str) -> _Known:
        known = self._known.setdefault(account, _Known())
        self._known.move_to_end(account)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return known
