"""Which authorisations wait for a person, and how does the person's answer reach the right one?

A login that needs a person's consent begins a `Pending` authorisation: an address to open in a browser, and a secret
``state`` that the provider sends back with the answer. However the answer arrives - the HTTP listener, a URL pasted
into the terminal - it is handed to `Consents.complete`, which finds the pending authorisation by its state alone, in
constant time. Anything else that arrives ends nothing. Of a device code (RFC 8628) the provider itself tells the end:
its flow asks for it, and no answer from outside can complete that authorisation.

**Who asked?** In compatible mode the mail password that began an authorisation seals the tokens it brings. So every
password has a pending authorisation of its own: whoever completes one accepts that password and no other. Nobody can
see from a URL whose login asked for it, hence three precautions against a stranger who tries a password and waits for
an obliging person to sign in:

- A login with a password other than the stored one (`Pending.replaces`) never changes an account by itself, and the
  person is asked to confirm the change after signing in, with the address that the login came from. Until then the
  code is not exchanged and the old record stays as it is.
- The number of pending authorisations per account is bounded, and at the bound new ones are refused, not old ones
  evicted: a flood of passwords cannot push out the one that a person is just completing. The newest that was announced
  is the one that the log shows last.
- As soon as one is completed, the account's others are withdrawn.
"""

from __future__ import annotations

import enum
import hmac
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

import trio

from emailproxy.config.model import Account
from emailproxy.failures import Failure, FailureKind, LoginFailed, ProxyError
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.question import Question

__all__ = ["ConsentLimitError", "Consents", "Outcome", "OutcomeKind", "Pending", "new_state"]

log = logging.getLogger("emailproxy.consent")

ANNOUNCE_SECONDS: Final = 60.0
"""Mail clients try again every few seconds; a person reads one line a minute."""
MAX_PER_ACCOUNT: Final = 4
"""Different passwords of one account that may wait at once: a person's programs, and a typing mistake."""
MAX_REPLACING: Final = 2
"""Of these, how many may come from logins with another than the stored password."""
MAX_PENDING: Final = 1000
"""All accounts together: a whole company on its first morning. A catch-all account makes names free of charge."""
MAX_REDIRECT: Final = 16 * 1024
"""Octets of a redirect URL: codes of Microsoft have 2 KB; no browser or server likes more than this."""
MAX_RECENT: Final = 128
"""Finished authorisations whose outcome a reloaded page still gets."""


class ConsentLimitError(ProxyError):
    """Too many authorisations are pending already."""


class OutcomeKind(enum.Enum):
    """What became of an answer."""

    AUTHORISED = "authorised"
    """The code was exchanged and the tokens are in use."""
    DENIED = "denied"
    """The person, or the provider on sight of the person, said no."""
    FAILED = "failed"
    """The person said yes, but no token came of it."""
    UNKNOWN = "unknown"
    """No such authorisation is pending: expired, withdrawn, or never ours."""
    MALFORMED = "malformed"
    """Not an authorisation answer at all."""
    UNCONFIRMED = "unconfirmed"
    """The password would change: call again with ``confirmed=True`` if the person agrees."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to tell the person."""

    kind: OutcomeKind
    account: str = ""
    message: str = ""
    """One sentence of ours."""
    reference: str = ""
    """Ties a failure to the log line that has the whole story."""
    client: str = ""
    """For `OutcomeKind.UNCONFIRMED`: where the login with the other password came from."""


class Pending:
    """One authorisation that waits for a person. Made by `Consents.begin`."""

    def __init__(
        self, account: Account, question: Question, *, client: str, replaces: bool, reason: str, expires_at: float
    ) -> None:
        self.id = secrets.token_hex(4)
        """Names it among those that are pending. Not its secret, which is the question's ``state``."""
        self.account = account
        self.question = question
        """What the person is asked to do."""
        self.reason = reason
        """Why there is no token without a person, for people."""
        self.client = client
        """Where the login that asked came from, for the person's judgement."""
        self.replaces = replaces
        """Whether the login's password is another than the stored one."""
        self.expires_at = expires_at
        """On trio's clock."""
        self.began = time.time()
        """Unix time."""
        self._code: str | None = None
        self._failure: Failure | None = None
        self._answered = trio.Event()
        self._settled = trio.Event()
        self._outcome: Outcome | None = None
        self.announced_at: float | None = None
        self.announcements = 0

    def __repr__(self) -> str:
        return f"<Pending {self.account.name}>"

    @property
    def url(self) -> str:
        """What the person opens."""
        return self.question.url

    def matches(self, state: str) -> bool:
        """Whether `state` is this authorisation's, in constant time."""
        return hmac.compare_digest(self.question.state.encode(), state.encode("utf-8", "surrogateescape"))

    async def answer(self) -> str:
        """Wait for the person, at most until `expires_at`; the authorisation code.

        Raises:
            LoginFailed: denied, withdrawn or too late (all temporary: the next login asks again).
        """
        with trio.move_on_at(self.expires_at):
            await self._answered.wait()
        if self._code is not None:
            return self._code
        if self._failure is None:
            self._failure = self._too_late()
        raise LoginFailed(self._failure)

    @property
    def open(self) -> bool:
        """Whether an answer can still be accepted."""
        return not self._answered.is_set() and not self._settled.is_set()

    def accept(self, code: str) -> None:
        """The provider sent a code."""
        self._code = code
        self._answered.set()

    def refuse(self, failure: Failure) -> None:
        """There will be no code."""
        self._failure = failure
        self._answered.set()

    def deny(self, error: str, description: str = "") -> None:
        """The person, or the provider on sight of the person, said no in these words."""
        words = f"{foreign(error, 64)}: {foreign(description)}" if description else foreign(error, 64)
        self.refuse(_waiting(self.account.name, f"the authorisation was denied: {words}"))

    def expire(self) -> None:
        """Nobody answered in time, says the provider."""
        self.refuse(self._too_late())

    def _too_late(self) -> Failure:
        minutes = self.question.lifetime / 60
        return _waiting(
            self.account.name, f"nobody authorised the account within {minutes:.3g} minutes; the next login asks again"
        )

    def settle(self, outcome: Outcome) -> None:
        """Say how it ended, to every browser that waits. The first word counts."""
        if self._outcome is None:
            self._outcome = outcome
            self._settled.set()

    async def outcome(self) -> Outcome:
        """Wait until it is settled."""
        await self._settled.wait()
        assert self._outcome is not None
        return self._outcome


class Consents:
    """All authorisations that wait for a person.

    Args:
        announce: called with each announcement, beside the log; it must not block or raise.
        settled: called when one is over, likewise.
    """

    def __init__(
        self,
        announce: Callable[[Pending], None] | None = None,
        settled: Callable[[Pending, Outcome], None] | None = None,
    ) -> None:
        self._announce = announce
        self._settled = settled
        self._pending: list[Pending] = []
        self._recent: OrderedDict[str, Outcome] = OrderedDict()

    def pending(self) -> tuple[Pending, ...]:
        """What waits now, oldest first."""
        return tuple(p for p in self._pending if p.open and p.expires_at > trio.current_time())

    def begin(
        self, account: Account, question: Question, *, client: str = "", replaces: bool = False, reason: str = ""
    ) -> Pending:
        """Begin an authorisation and announce it. Call `end` when it is over, however it ends.

        Args:
            account: whose tokens are asked for.
            question: what the person is to do; its state is from `new_state`, used once.
            client: where the login came from.
            replaces: the login's password is another than the stored one.
            reason: why a person is needed.

        Raises:
            ConsentLimitError: too many are pending.
        """
        mine = [p for p in self.pending() if p.account.name == account.name]
        if len(self._pending) >= MAX_PENDING:
            raise ConsentLimitError(f"{MAX_PENDING} authorisations are pending already")
        if len(mine) >= MAX_PER_ACCOUNT or (replaces and sum(p.replaces for p in mine) >= MAX_REPLACING):
            raise ConsentLimitError(f"{len(mine)} authorisations of this account are pending already")
        pending = Pending(
            account,
            question,
            client=foreign(client, 64),
            replaces=replaces,
            reason=foreign(reason),
            expires_at=trio.current_time() + question.lifetime,
        )
        self._pending.append(pending)
        self.remind(pending)
        return pending

    def remind(self, pending: Pending) -> None:
        """Announce `pending` (again), at most once in `ANNOUNCE_SECONDS`."""
        now = trio.current_time()
        if not pending.open or (pending.announced_at is not None and now - pending.announced_at < ANNOUNCE_SECONDS):
            return
        pending.announced_at = now
        pending.announcements += 1
        name = foreign(pending.account.name)
        extra = {"account": name, "url": pending.url, "client": pending.client, "replaces": pending.replaces}
        if pending.question.user_code is not None:
            extra["user_code"] = pending.question.user_code
        log.warning("account %s needs authorisation: %s", name, pending.question.instruction, extra=extra)
        if pending.replaces:
            log.warning(
                "account %s: that authorisation was asked for by a login from %s whose password is not the stored one; "
                "complete it only if the password was changed in the mail program on purpose",
                name,
                pending.client or "an unknown address",
            )
        if self._announce is not None:
            self._announce(pending)

    def end(self, pending: Pending, outcome: Outcome) -> None:
        """`pending` is over; browsers that wait, and pages that are reloaded, get `outcome`."""
        pending.settle(outcome)
        if pending in self._pending:
            if self._settled is not None:
                self._settled(pending, outcome)
            self._pending.remove(pending)
            self._recent[pending.question.state] = outcome
            while len(self._recent) > MAX_RECENT:
                self._recent.popitem(last=False)

    def withdraw_others(self, done: Pending) -> None:
        """The account of `done` is authorised: its other authorisations must not be completed by mistake."""
        for other in self._pending:
            if other is not done and other.account.name == done.account.name and other.open:
                other.refuse(_waiting(other.account.name, "another authorisation of this account was completed"))

    async def complete(self, redirect_url: str, *, confirmed: bool = False) -> Outcome:
        """Hand over the provider's answer and wait for what becomes of it.

        Args:
            redirect_url: the whole URL that the browser was sent to, or only its query (``?code=...&state=...``).
            confirmed: the person agreed that the mail password changes.

        Never raises for what is in `redirect_url`.
        """
        fields = _fields(redirect_url)
        if fields is None:
            return Outcome(OutcomeKind.MALFORMED, message="This is not the address that the sign-in ended at.")
        path, state, code, error, description = fields
        found = [p for p in self._pending if p.matches(state)]  # all are compared
        if not found:
            return self._past(state)
        pending = found[0]
        if path and _path(pending.account.redirect_uri or "") != path:
            # Another account's redirect with this state: an answer of another provider (a mix-up) is not ours.
            log.warning(
                "account %s: an authorisation answer came to %s, which is not its redirect_uri; ignored",
                foreign(pending.account.name),
                foreign(path),
            )
            return _UNKNOWN
        if pending.open and pending.expires_at <= trio.current_time():
            return _UNKNOWN
        if pending.open:
            if error:
                pending.deny(error, description)
            elif not code:
                return Outcome(OutcomeKind.MALFORMED, message="The address has no authorisation code in it.")
            elif pending.replaces and not confirmed:
                return Outcome(
                    OutcomeKind.UNCONFIRMED,
                    account=pending.account.name,
                    message="The mail password of this account would change.",
                    client=pending.client,
                )
            else:
                pending.accept(code)
        return await pending.outcome()

    def decline(self, redirect_url: str) -> Outcome:
        """The person does not want the mail password to change: end that authorisation, keep the record."""
        fields = _fields(redirect_url)
        found = [p for p in self._pending if p.open and p.matches(fields[1])] if fields is not None else []
        if not found:
            return _UNKNOWN
        found[0].refuse(_waiting(found[0].account.name, "the person declined the new mail password"))
        return Outcome(OutcomeKind.DENIED, account=found[0].account.name, message="The mail password stays as it was.")

    def _past(self, state: str) -> Outcome:
        """The outcome of a finished authorisation (a reloaded page), else unknown."""
        outcome = _UNKNOWN
        for used, past in self._recent.items():
            if hmac.compare_digest(used.encode(), state.encode("utf-8", "surrogateescape")):
                outcome = past
        return outcome


_UNKNOWN: Final = Outcome(
    OutcomeKind.UNKNOWN,
    message="No authorisation is waiting here for this answer. If emailproxy authorise waits in a terminal, paste this "
    "page's address there. Otherwise it may have expired: let the mail program log in again and open the new address.",
)


def new_state() -> str:
    """A ``state`` for one authorisation: 192 random bits (RFC 6749 section 10.10 asks for 128)."""
    return secrets.token_urlsafe(24)


def _waiting(account: str, why: str) -> Failure:
    return Failure(
        FailureKind.TEMPORARY,
        "This account waits for its owner's authorisation",
        f"account {foreign(account)}: {why}",
    )


def _path(url: str) -> str:
    try:
        return urlsplit(url).path or "/"
    except ValueError:
        return "/"


def _fields(redirect_url: str) -> tuple[str, str, str, str, str] | None:
    """Path (empty if unknown), state, code, error and its description; None if it is no answer."""
    text = redirect_url.strip().strip("<>\"'")
    if len(text) > MAX_REDIRECT:
        return None
    try:
        parts = urlsplit(text)
        query = parse_qs(parts.query, max_num_fields=64, keep_blank_values=True)
    except ValueError:
        return None
    state, code, error, description = (
        query.get(name, [""]) for name in ("state", "code", "error", "error_description")
    )
    if len(state) != 1 or len(code) != 1 or not state[0]:
        return None
    path = (parts.path or "/") if parts.scheme else ""
    return path, state[0], code[0], error[0], description[0]
