"""With which signed statement does an account's application prove who it is? Made anew for each token request.

A certificate's files are read at each use, so that a renewed one needs no reload. Nothing here keeps an assertion.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

import trio

from emailproxy.assertions.base import IssuerAddress, Statement
from emailproxy.assertions.issuers import Issuers
from emailproxy.config.credential import MAX_OCTETS, CredentialError, parse_credential
from emailproxy.config.google_key import parse_google_key
from emailproxy.config.identity import Certificate
from emailproxy.config.model import Account
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.refusals import Meaning, TokenEndpointError
from emailproxy.oauth.signing import client_assertion, mailbox_assertion
from emailproxy.references.base import Fetched
from emailproxy.secret import Secret
from emailproxy.store.base import StoreError, StoreUnavailableError

__all__ = ["Assertion", "Proofs"]

DEADLINE: Final = 12.0
"""Seconds for an assertion, the import of an SDK included; more than the ten that an issuer's own time limits take."""
THREADS: Final = 8
"""At a time: more would only queue at a metadata service, which throttles."""

Assertion = Callable[[Statement], Awaitable[Secret]]
"""Makes an assertion. Raises TokenEndpointError."""


class Proofs:
    """Makes the assertions of accounts. Use it from one trio run; close it with `aclose`.

    Args:
        now: Unix time.
        issuers: who issues them elsewhere; None: the installed ones.
    """

    def __init__(self, now: Callable[[], float], issuers: Issuers | None = None) -> None:
        self._now = now
        self._issuers = issuers if issuers is not None else Issuers()
        self._limiter = trio.CapacityLimiter(THREADS)

    def of(self, account: Account, client_id: str, secret: Secret | None) -> Assertion | None:
        """What makes the account's assertions; None if its application uses none."""
        if account.client_assertion is not None:
            return partial(self._issued, "client_assertion", account.client_assertion)
        if account.certificate is not None:
            return partial(self._signed, partial(_by_certificate, account.certificate, client_id))
        if account.signer is not None:
            return partial(self._issued, "client_id", account.signer)
        if account.oauth2_flow == "service_account" and secret is not None:
            return partial(self._signed, partial(_by_key, client_id == "file", secret))
        return None

    async def aclose(self) -> None:
        """Close the issuers, even when cancelled."""
        if not self._issuers.opened:
            await trio.lowlevel.checkpoint()
            return
        with trio.CancelScope(shield=True), trio.move_on_after(DEADLINE):
            await trio.to_thread.run_sync(self._issuers.close, abandon_on_cancel=True)

    async def _issued(self, option: str, address: IssuerAddress, statement: Statement) -> Secret:
        try:
            return await self._in_thread(partial(self._issuers.issue, address), statement)
        except StoreError as error:
            meaning = Meaning.TEMPORARY if isinstance(error, StoreUnavailableError) else Meaning.MISCONFIGURED
            raise TokenEndpointError(meaning, f"{option}: {foreign(error)}") from None

    async def _signed(self, sign: Callable[[float, Statement], Secret], statement: Statement) -> Secret:
        return await self._in_thread(partial(sign, self._now()), statement)

    async def _in_thread(self, make: Callable[[Statement], Secret], statement: Statement) -> Secret:
        try:
            with trio.fail_after(DEADLINE):
                return await trio.to_thread.run_sync(make, statement, limiter=self._limiter, abandon_on_cancel=True)
        except trio.TooSlowError:
            raise TokenEndpointError(Meaning.TEMPORARY, f"no assertion within {DEADLINE:.0f} s") from None
        except CredentialError as error:
            raise TokenEndpointError.misconfigured(foreign(error)) from None


def _by_certificate(kept: Certificate, client_id: str, now: float, statement: Statement) -> Secret:
    certificate = _octets("jwt_certificate_path", kept.certificate)
    key = _octets("jwt_key_path", kept.key) if kept.key is not None else None
    credential = parse_credential(certificate, key, kept.passphrase)
    return client_assertion(credential, kept.algorithm, client_id, statement, now)


def _by_key(is_path: bool, secret: Secret, now: float, statement: Statement) -> Secret:
    octets = _octets("client_secret", Path(secret.reveal()).expanduser()) if is_path else secret.octets
    return mailbox_assertion(parse_google_key(octets), statement, now)


def _octets(option: str, place: Path | Fetched) -> bytes:
    if isinstance(place, Fetched):
        return place.value.octets
    try:
        with place.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        raise CredentialError(option, f"{place} cannot be read: {reason}", "name a readable file") from None
    if len(octets) > MAX_OCTETS:
        raise CredentialError(option, f"{place} is too large", "name the file with the certificate or key")
    return octets
