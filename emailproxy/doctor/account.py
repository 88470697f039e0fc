"""Does one account work? Its record, a token, what the token says of itself, and logins with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import trio

from emailproxy.causes.base import Cause
from emailproxy.causes.lookup import cause_told
from emailproxy.causes.mail_server import Token, holder_of
from emailproxy.config import Account, Config
from emailproxy.doctor.claims import claims_in, facts_of, judge_claims
from emailproxy.doctor.findings import Examination, Finding, Outcome, ProblemError, Verdict
from emailproxy.doctor.logins import RefusedError, try_login
from emailproxy.doctor.targets import Target
from emailproxy.doctor.tokens import NO_TOKENS, Kept, kept_of, opened_broker, overheard
from emailproxy.failures import FailureKind, LoginFailed
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.sealing import Iterations
from emailproxy.oauth.tokens import AccessToken, TokenBroker
from emailproxy.secret import Secret
from emailproxy.status import Presence, StatusReading
from emailproxy.store.base import StoreError
from emailproxy.store.cached import CachedStore
from emailproxy.tls import UpstreamTls

__all__ = ["AccountExamination"]

TOKEN_LIMIT: Final = 90.0
"""Seconds for a token: two requests of 30 s, the pause between, and a turn to wait for."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9@._+-]{1,254}")
"""What may stand in a command that somebody copies into a shell."""

_WRONG_PASSWORD: Final = Cause(
    "wrong-mail-password",
    "use the password that the mail client uses for this account; nothing was changed now",
    "docs/operation.md",
)


@dataclass(slots=True)
class AccountExamination:
    """Steps for `account`."""

    examination: Examination
    config: Config
    account: Account
    password: Secret | None
    """None: the service key opens the record, if the account is a managed one."""
    records: CachedStore
    status: StatusReading
    tls: UpstreamTls
    now: Callable[[], float]
    iterations: Iterations

    @property
    def subject(self) -> str:
        """What findings are about."""
        return f"account {foreign(self.account.name)}"

    @property
    def holder(self) -> Token:
        """Whom a token of this account stands for."""
        return holder_of(self.account.oauth2_flow)

    async def run(self, targets: Sequence[Target]) -> None:
        """All steps; `targets` are those that may see the token and can be reached."""
        kept: list[Kept] = []

        async def look() -> Verdict:
            try:
                kept.append(await kept_of(self.records, self.account.name))
            except StoreError as error:
                raise ProblemError(foreign(error), advice="emailproxy cache doctor STORE tries every step") from None
            told = "there is a record" if kept[0].sealed else "there is no record with tokens yet"
            return Verdict(f"{self.records.address}: {told}")

        if not await self.examination.attempt(self.subject, "record", look):
            return
        if self._unsaved():
            told = "the running proxy holds newer tokens, which the store could not take yet: no token is asked for"
            advice = "see emailproxy cache status, and let the proxy reach its store"
            self.examination.report(Finding(self.subject, "token", Outcome.SKIPPED, told, advice))
            return
        async with opened_broker(
            self.records, kept[0], self.config.settings, now=self.now, iterations=self.iterations
        ) as broker:
            await self._with_token(broker, targets, kept[0])

    async def _with_token(self, broker: TokenBroker, targets: Sequence[Target], kept: Kept) -> None:
        tokens: list[AccessToken] = []

        async def obtain() -> Verdict:
            tokens.append(await self._token(broker, None))
            return self._describe(tokens[0], kept)

        if not await self.examination.attempt(self.subject, "token", obtain):
            for target in targets:
                self.examination.report(
                    Finding(str(target), "login", Outcome.SKIPPED, "there is no token to log in with")
                )
            return
        claims = claims_in(tokens[0].value)
        if claims is not None:
            protocols = list(dict.fromkeys(target.server.protocol.value for target in targets))
            for verdict in judge_claims(claims, self._names(), protocols, self.now()):
                advice = verdict.cause.advice if verdict.cause is not None else ""
                self.examination.report(
                    Finding(self.subject, "claims", verdict.outcome, verdict.told, advice, verdict.cause)
                )
        for target in targets:
            await self.examination.attempt(str(target), "login", partial(self._logged_in, broker, tokens, target))

    async def _logged_in(self, broker: TokenBroker, tokens: list[AccessToken], target: Target) -> Verdict:
        """The same as `_login`, with advice that names this mailbox and this application where it is known."""
        try:
            return await self._login(broker, tokens, target)
        except ProblemError as problem:
            readable = (claims_in(token.value) for token in reversed(tokens))
            claims = facts_of(next((each for each in readable if each is not None), {}))
            known = {
                "MAILBOX": self.account.user_at(target.server.protocol),
                "OBJECT_ID": claims.get("oid", "") if self.holder is Token.APPLICATION else "",
                "CLIENT_ID": claims.get("appid", ""),
            }
            for name, value in known.items():
                if _PLAIN.fullmatch(value):
                    problem.advice = problem.advice.replace(name, value)
            raise

    async def _login(self, broker: TokenBroker, tokens: list[AccessToken], target: Target) -> Verdict:
        """Log in; as in a real login, a token that is refused is replaced once, since it may have been revoked."""
        user = self.account.user_at(target.server.protocol)
        try:
            return await try_login(target.server, user, tokens[-1].value, self.holder, self.tls)
        except RefusedError as refused:
            if len(tokens) > 1:
                raise
            try:
                tokens.append(await self._token(broker, tokens[-1]))
            except ProblemError:
                raise refused from None
        return await try_login(target.server, user, tokens[-1].value, self.holder, self.tls)

    async def _token(self, broker: TokenBroker, refused: AccessToken | None) -> AccessToken:
        """Raises ProblemError."""
        with overheard() as lines:
            try:
                with trio.fail_after(TOKEN_LIMIT):
                    return await broker.token(self.account, self.password, refused=refused, client="emailproxy doctor")
            except trio.TooSlowError:
                raise ProblemError(f"no token within {TOKEN_LIMIT:g} s", advice="see 'token endpoint' above") from None
            except LoginFailed as error:
                raise _problem(error, lines, self.account.name) from None

    def _describe(self, token: AccessToken, kept: Kept) -> Verdict:
        """What is told of a token: never the token."""
        claims = claims_in(token.value)
        minutes = int((token.expires_at - self.now()) // 60)
        facts = {"expires_in_minutes": str(minutes), "octets": str(len(token.value.octets))}
        told = f"good for {minutes} min"
        if claims is None:
            told += "; it is opaque: only the provider can read what it allows"
        else:
            facts |= facts_of(claims)
        if not kept.sealed:
            told += "; nothing was stored, since the first login with a mail client sets the mail password"
        return Verdict(told, facts=facts)

    def _names(self) -> set[str]:
        """Who may be meant by the token's user."""
        account = self.account
        return {account.name, account.identity, *(user for _, user in account.protocol_users)}

    def _unsaved(self) -> bool:
        status = self.status.status
        if self.status.presence is not Presence.RUNNING or status is None:
            return False
        return any(entry.account.casefold() == self.account.name.casefold() for entry in status.unsaved)


def _problem(error: LoginFailed, lines: list[str], account: str) -> ProblemError:
    """What the broker said, with what it logged on the way if that says more."""
    told = str(error)
    if NO_TOKENS.said in told:
        mine = f"account {foreign(account)}"
        refusals = [line for line in lines if "needs a new grant" in line and mine in line]
        if not refusals:
            advice = NO_TOKENS.advice.replace("ACCOUNT", account) if _PLAIN.fullmatch(account) else ""
            return ProblemError("there are no tokens of this account yet", NO_TOKENS, advice)
        told = refusals[-1]
    if error.failure.kind is FailureKind.WRONG_CREDENTIALS and " -> " not in told:  # the provider had no part in it
        return ProblemError(told, _WRONG_PASSWORD)
    cause = cause_told(told)
    words, arrow, advice = told.partition(" -> ")
    return ProblemError(words, cause, advice if arrow else "")
