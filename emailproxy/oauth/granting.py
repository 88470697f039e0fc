"""How does an account get a first or a new token? By its flow, perhaps with a person; then it is sealed and stored."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import trio

from emailproxy.config.model import Settings
from emailproxy.failures import FailureKind, LoginFailed
from emailproxy.oauth.consent import ConsentLimitError, Consents, Outcome, OutcomeKind, Pending
from emailproxy.oauth.endpoint import ClientCredentials, TokenEndpoint
from emailproxy.oauth.explain import failed, no_token, wrong_password
from emailproxy.oauth.first_login import password_is_secret
from emailproxy.oauth.flows.base import Grant
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.opened import AccessToken, Opened
from emailproxy.oauth.passwords import PasswordDigest
from emailproxy.oauth.question import Question
from emailproxy.oauth.refusals import TokenEndpointError
from emailproxy.oauth.vault import Login, Vault
from emailproxy.oauth.watching import Watcher

__all__ = ["Granter"]

log = logging.getLogger("emailproxy.consent")

Client = Callable[[Login, Opened | None], Awaitable[ClientCredentials]]
"""How we identify ourselves to the provider. Raises TokenEndpointError, LoginFailed."""


class Granter:
    """Gets grants.

    Args:
        vault: seals and keeps what was granted.
        endpoint: where grants are exchanged for tokens.
        consents: where people's authorisations wait.
        client: how we identify ourselves.
        settings: the settings in force.
        watcher: hears of grants, and of failures that are nobody's in person.
    """

    def __init__(
        self,
        vault: Vault,
        endpoint: TokenEndpoint,
        consents: Consents,
        client: Client,
        settings: Callable[[], Settings],
        watcher: Watcher,
    ) -> None:
        self._vault = vault
        self._endpoint = endpoint
        self._consents = consents
        self._client = client
        self._settings = settings
        self._watcher = watcher
        self._asking: dict[PasswordDigest, Pending] = {}
        self._asked = trio.Event()

    def remind(self, login: Login) -> None:
        """A login waits for a person (again): say so."""
        pending = self._asking.get(login.digest)
        if pending is not None:
            self._consents.remind(pending)

    async def asking(self, digest: PasswordDigest) -> Pending:
        """Wait until a person is being asked because of a login with this password; the authorisation."""
        while (pending := self._asking.get(digest)) is None:
            await self._asked.wait()
        return pending

    async def grant(self, login: Login, *, replaces: bool) -> AccessToken:
        """Get a token by the account's flow, and seal it with the login's password.

        Args:
            login: the account and its password.
            replaces: the password is another than the stored one, and nobody has said yet that this is right.

        Raises:
            LoginFailed: there is none, and why.
        """
        asked: list[Pending] = []

        def ask(question: Question) -> Pending:
            try:
                pending = self._consents.begin(
                    login.account, question, client=login.client, replaces=replaces, reason=self._why(login)
                )
            except ConsentLimitError as error:
                raise failed(FailureKind.TEMPORARY, login.name, str(error)) from None
            asked.append(pending)
            self._asking[login.digest] = pending
            news, self._asked = self._asked, trio.Event()
            news.set()
            return pending

        outcome = Outcome(OutcomeKind.FAILED, login.name, "The proxy is shutting down.")
        try:
            client = await self._client(login, self._vault.held(login))
            grant = Grant(login.account, client, login.password, self._endpoint, ask)
            response = await login.flow.obtain(grant)
            with trio.CancelScope(shield=True):  # from here on the tokens must reach the store
                token = await self._vault.accept(login, response)
            self._watcher.granted(login.name, response)
            outcome = Outcome(OutcomeKind.AUTHORISED, login.name, "The account is authorised.")
        except TokenEndpointError as error:
            failure = no_token(login.name, error, login.flow.kind_of(error)).failure
            is_secret = error.code == "invalid_client" and password_is_secret(login, self._settings())
            if failure.kind is FailureKind.MISCONFIGURED and is_secret:
                failure = wrong_password(login.name, f"it is the client secret, and the provider said: {error}").failure
            if failure.kind is FailureKind.WRONG_CREDENTIALS and login.flow.provider_checks_password:
                self._vault.passwords.judge_wrong(login.digest)
            outcome = Outcome(OutcomeKind.FAILED, login.name, "The provider gave no token.", failure.reference)
            if asked:
                log.warning("%s (ref %s)", failure.detail, failure.reference, extra={"ref": failure.reference})
            self._watcher.failed(login.name, failure)
            raise LoginFailed(failure) from None
        except LoginFailed as error:
            outcome = Outcome(
                OutcomeKind.DENIED, login.name, "The account was not authorised.", error.failure.reference
            )
            if asked:
                told = error.failure
                log.warning("%s (ref %s)", told.detail, told.reference, extra={"ref": told.reference})
            raise
        finally:
            self._asking.pop(login.digest, None)
            for pending in asked:
                self._consents.end(pending, outcome)
        for pending in asked:
            log.warning("account %s is authorised", foreign(login.name))
            self._consents.withdraw_others(pending)
        return token

    def _why(self, login: Login) -> str:
        held = self._vault.held(login)
        if held is None:
            return "no tokens are kept that this mail password opens"
        return held.dead or "no refresh token is kept, and the access token has ended"
