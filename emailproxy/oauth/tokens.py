"""How does a login get its access token? The broker: password first, then memory, store, refresh, a new grant.

A login is answered from memory if it can be: the password is compared by digest, and the token is good for a while.
Otherwise it joins the flight of its account and password - ten logins cause one request - and the flight goes on when
the login that started it has given up. A flight reads the store again (another replica may have refreshed), refreshes,
and only if the refresh token is dead by the provider's own code asks for a new grant, which may mean a person.

**A wrong password** destroys nothing and decides nothing. It is refused at once, and the stored tokens stay as they
are, in use by whoever has the right one. With ``delete_account_token_on_password_error`` a flow that has a judge of its
own lets that judge decide whether the password was *changed*: for an interactive flow a person, who must sign in and
confirm (`emailproxy.oauth.consent`); for the password flow the provider. Only when the judge has said yes, and new
tokens are there, does the new record replace the old one. Flows without a judge (client_credentials) always refuse.

**The first login** of an account without tokens sets the password, whatever it is; each password that is tried
meanwhile has its own authorisation, and whichever a person completes first, wins.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from typing import Final, NoReturn

import httpx2
import trio

from emailproxy.assertions.issuers import Issuers
from emailproxy.config.model import Account, Server, Settings
from emailproxy.failures import Failure, FailureKind, LoginFailed
from emailproxy.oauth.clients import Clients
from emailproxy.oauth.consent import Consents, Pending
from emailproxy.oauth.counting import Holding, TokenRequests
from emailproxy.oauth.endpoint import TokenEndpoint, open_endpoint
from emailproxy.oauth.explain import failed, needs_password, wrong_app_password, wrong_password
from emailproxy.oauth.first_login import check_first_login
from emailproxy.oauth.flights import Flight, Flights
from emailproxy.oauth.flows.base import Flow
from emailproxy.oauth.flows.registry import FLOWS
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.granting import Granter
from emailproxy.oauth.identifying import Applications
from emailproxy.oauth.keeping import Records
from emailproxy.oauth.managing import ManagingError, check_can_be_managed
from emailproxy.oauth.opened import AHEAD, LAST_CALL, AccessToken, Opened
from emailproxy.oauth.proving import Proofs
from emailproxy.oauth.refreshing import Refresher, margin
from emailproxy.oauth.sealing import Iterations
from emailproxy.oauth.servicekey import NoSealKeyError, current_key
from emailproxy.oauth.turns import Turns, TurnTimes
from emailproxy.oauth.vault import Login, Vault, WrongPasswordError
from emailproxy.oauth.watching import Watcher
from emailproxy.protocols.proofs import Proof
from emailproxy.references.resolver import Resolver
from emailproxy.references.sources import Sources
from emailproxy.secret import Secret
from emailproxy.status import UnsavedAccount
from emailproxy.store.base import Record

__all__ = ["AccessToken", "TokenBroker", "open_broker"]

log = logging.getLogger("emailproxy.oauth")

PATIENCE: Final = 5.0
"""Seconds that a login waits for a refresh while the old token is still good: more than a healthy provider takes."""
LAST_REQUESTS: Final = 5.0
"""Seconds that token requests under way get when the proxy stops: several times what a healthy provider takes, half of
what container runtimes wait before they kill."""
FORCED_SECONDS: Final = 60.0
FORCED_LIMIT: Final = 5
"""Tokens refused by the mail server that are replaced within `FORCED_SECONDS`: one for each protocol and two more. A
mailbox that is closed refuses every token, and must not turn each attempt of a mail client into a token request."""


class TokenBroker:
    """Gets access tokens. Made by `open_broker`, which owns the tasks."""

    def __init__(
        self,
        *,
        nursery: trio.Nursery,
        vault: Vault,
        endpoint: TokenEndpoint,
        flows: Mapping[str, Flow],
        consents: Consents,
        settings: Callable[[], Settings],
        now: Callable[[], float],
        clients: Clients,
        times: TurnTimes,
        watcher: Watcher,
    ) -> None:
        application = Applications(clients, vault, settings).of
        self._endpoint = endpoint
        self._flows = flows
        self._settings = settings
        self._now = now
        self._vault = vault
        self._flights = Flights(nursery)
        turns = Turns(vault.keeper, now, times=times)
        self._refresher = Refresher(vault, endpoint, turns, application, self._reread, now, watcher)
        self._granter = Granter(vault, endpoint, consents, application, settings, watcher)
        self._forced: dict[str, deque[float]] = {}

    @property
    def unsaved(self) -> tuple[UnsavedAccount, ...]:
        """The accounts whose new tokens could not be stored yet."""
        return self._vault.keeper.unsaved

    @property
    def deferred(self) -> int:
        """How many accounts have a newer refresh token than the store, on purpose."""
        return self._vault.keeper.deferred

    @property
    def refused(self) -> Mapping[str, str]:
        """The accounts whose refresh token the provider refused for good, and why."""
        return self._vault.keeper.refused

    @property
    def requests(self) -> TokenRequests:
        """The requests to token endpoints so far."""
        return self._endpoint.requests

    def holdings(self) -> list[Holding]:
        """What is held in memory, account by account."""
        return self._vault.keeper.holdings()

    def is_managed(self, account: str) -> bool | None:
        """Whether this account has app passwords; None: nothing is held for it."""
        opened = self._vault.keeper.latest(account)
        return opened.base.sealed_by is not None if opened is not None else None

    def token_ends(self, account: str) -> float | None:
        """Unix time at which the access token ends that is in memory; None: there is none. Asks nobody."""
        held = self._vault.keeper.latest(account)
        return held.access.expires_at if held is not None and held.access is not None else None

    def at_hand(
        self, account: Account, password: Secret, *, client: str = "", server: Server | None = None
    ) -> AccessToken | None:
        """A token from memory, if `password` is right and the token good for a while; the common case of a login.

        None decides nothing: ask `token`.
        """
        flow = self._flows.get(account.oauth2_flow)
        if flow is None:
            return None
        digest = self._vault.passwords.digest(account.name, password)
        opened = self._vault.trusted(Login(account, flow, password, digest, client, server))
        held = opened.access if opened is not None else None
        return held if held is not None and held.serves(self._now(), AHEAD, None) else None

    async def token(
        self,
        account: Account,
        password: Secret | None,
        *,
        refused: AccessToken | None = None,
        client: str = "",
        server: Server | None = None,
    ) -> AccessToken:
        """A token for `account`, if `password` is right. May take as long as a person takes; the caller's deadline.

        Args:
            account: whom the token is for.
            password: what the mail client sent; None: the operator asks, which managed accounts allow.
            refused: the mail server just refused this one; it is not returned again.
            client: where the login comes from, for the log and the person who is asked.
            server: the listener that it came through; None: the operator asks.

        Raises:
            LoginFailed: there is no token, and why.
        """
        return await self._answer(self._login(account, password, client, server), refused)

    async def begin(
        self, account: Account, password: Secret | None, *, again: bool = False, replace: bool = False
    ) -> AccessToken | Pending:
        """The same as `authorise`, but as soon as a person is asked: the pending authorisation, which goes on alone.

        Raises:
            LoginFailed: there is no token, and why.
        """
        result: AccessToken | Pending | None = None
        failure: Failure | None = None
        login, replaces = await self._operated(account, password, replace=replace)
        async with trio.open_nursery() as nursery:

            async def wait_for_question() -> None:
                nonlocal result
                result = await self._granter.asking(login.digest)
                nursery.cancel_scope.cancel()

            nursery.start_soon(wait_for_question)
            try:
                result = await self._authorised(login, again=again or replaces)
            except LoginFailed as error:
                failure = error.failure
            nursery.cancel_scope.cancel()
        if failure is not None:  # raised out here, where no nursery makes a group of it
            raise LoginFailed(failure)
        assert result is not None
        return result

    async def authorise(
        self, account: Account, password: Secret | None, *, again: bool = False, replace: bool = False
    ) -> AccessToken:
        """A token for `account` on behalf of the operator, who may ask for more than a mail client.

        Args:
            account: whom the token is for.
            password: the mail password; None: managed accounts need none.
            again: get a new grant even if the old one works.
            replace: if it is not the password that seals the stored tokens, it will be: there is a new grant, whose
                tokens replace them.

        Raises:
            LoginFailed: there is no token, and why.
        """
        login, replaces = await self._operated(account, password, replace=replace)
        return await self._authorised(login, again=again or replaces)

    async def _operated(self, account: Account, password: Secret | None, *, replace: bool) -> tuple[Login, bool]:
        """The login of the operator, and whether its password is to replace the right one."""
        login = self._login(account, password, "", None)
        try:
            opened = await self._vault.open(login, fresh=True, certain=True)
            if opened is None and password is None:
                # Otherwise a new account would become a managed one, whether or not that is meant.
                raise needs_password(login.name)
            return login.admitted(opened), False
        except WrongPasswordError as error:
            if not replace or self._seals_client_secret(login, error.record):
                hint = "and the client secret is sealed with that password too" if replace else ""
                raise wrong_password(login.name, hint) from None
            return login, True

    async def _authorised(self, login: Login, *, again: bool) -> AccessToken:
        return await (self._ask_for_grant(login, replaces=False).wait() if again else self._answer(login, None))

    def distrust(self) -> None:
        """Ask the store at the next login of each account: a person has changed something."""
        self._vault.distrust()

    async def refuse_unknown(self, user: str, password: Secret, *, client: str = "") -> NoReturn:
        """Refuse a login of `user`, who has no account, in the words and the time of a wrong password.

        Raises:
            LoginFailed: always.
        """
        await self._vault.refuse_unknown(user, password, client)

    async def prove(self, account: Account, proof: Proof, *, client: str, server: Server) -> tuple[Secret, bytes]:
        """The account's pass, if `proof` was made from one of its app passwords; and what the client hears of that.

        Raises:
            LoginFailed: it was not; also if the account has a mail password, in the words of a wrong one.
        """
        key = self._vault.pass_for(account.name)
        try:
            return key, await self._vault.prove(self._login(account, key, client, server), proof)
        except LoginFailed as error:
            if error.failure.kind is FailureKind.MISCONFIGURED:
                # The client of an account without app passwords hears what one without an account does.
                raise wrong_app_password(account.name, f"{proof.mechanism}: {error.failure.detail}") from None
            raise

    def vouch(self, account: Account) -> Secret:
        """The pass of `account`, for whom the configuration lets in without a password.

        Raises:
            LoginFailed: it cannot be a managed account.
        """
        try:
            check_can_be_managed(account)
            current_key(self._settings(), account.name)
        except (ManagingError, NoSealKeyError) as error:
            raise failed(FailureKind.MISCONFIGURED, account.name, str(error)) from None
        return self._vault.pass_for(account.name)

    def _login(self, account: Account, password: Secret | None, client: str, server: Server | None) -> Login:
        flow = self._flows.get(account.oauth2_flow)
        if flow is None:
            known = ", ".join(sorted(self._flows))
            raise failed(
                FailureKind.MISCONFIGURED,
                account.name,
                f"oauth2_flow {foreign(account.oauth2_flow)} is not offered; known are {known}",
            )
        if password is None:
            password = self.vouch(account)
        if not password:
            raise failed(FailureKind.WRONG_CREDENTIALS, account.name, "the mail client sent an empty password")
        digest = self._vault.passwords.digest(account.name, password)
        vouched = password == self._vault.pass_for(account.name)
        return Login(account, flow, password, digest, client, server, managed=vouched, vouched=vouched)

    async def _answer(self, login: Login, refused: AccessToken | None) -> AccessToken:
        opened = await self._open(login)
        login = login.admitted(opened)
        held = opened.access if opened is not None else None
        if opened is not None and held is not None and held.serves(self._now(), margin(login, opened), refused):
            return held
        spare = held if held is not None and held.serves(self._now(), LAST_CALL, refused) else None
        self._granter.remind(login)
        for _ in range(2):
            flight = self._flights.join(("token", login.digest), partial(self._obtain, login, refused))
            token: AccessToken | None = None
            if spare is None:
                token = await flight.wait()
            else:
                with trio.move_on_after(PATIENCE):
                    token = await flight.wait()
                token = token or spare
            if token.is_not(refused):
                return token
            # The flight was under way before the mail server refused; the next one knows.
        raise failed(
            FailureKind.MISCONFIGURED,
            login.name,
            "the mail server refuses the token, and the provider gives the same one again; check oauth2_scope, and "
            "that the mailbox allows this protocol",
        )

    # --- the password -------------------------------------------------------------------------------------------------

    async def _open(self, login: Login, *, fresh: bool = False, certain: bool = False) -> Opened | None:
        """The account's opened record; None if there is none that this password could be held against.

        Raises:
            LoginFailed: the password is wrong, or nobody can tell.
        """
        try:
            return await self._vault.open(login, fresh=fresh, certain=certain)
        except WrongPasswordError as error:
            self._refuse(login, error.record)
            return None

    async def _reread(self, login: Login) -> Opened | None:
        return await self._open(login, fresh=True, certain=True)

    def _refuse(self, login: Login, record: Record) -> None:
        """The password is wrong. Perhaps let the flow's own judge decide whether it was changed; see the module.

        Returns only if that judge is the provider, who is asked by going on without a record.
        """
        if not self._settings().delete_account_token_on_password_error:
            raise wrong_password(login.name)
        if self._seals_client_secret(login, record):
            raise wrong_password(login.name, "and the client secret is sealed with that password too")
        if login.flow.provider_checks_password:
            if self._vault.passwords.judged_wrong(login.digest):
                raise wrong_password(login.name, "and the provider refused it as well a short while ago")
            return
        if login.flow.interactive and not login.flow.confirms_password:
            # Whoever signs in could not be asked whether the password was changed, or by whom.
            raise wrong_password(login.name, "if it was changed on purpose, run emailproxy authorise for this account")
        if login.flow.interactive:
            self._granter.remind(login)
            self._ask_for_grant(login, replaces=True)
            raise wrong_password(login.name, "if it was changed on purpose, complete the authorisation in the log")
        raise wrong_password(login.name)

    @staticmethod
    def _seals_client_secret(login: Login, record: Record) -> bool:
        """Whether the right password is needed for the client secret as well, so that no judge can do without it."""
        sealed = record.client_secret_encrypted is not None or login.account.inherited_secret is not None
        return login.account.client_secret is None and sealed

    # --- a flight -----------------------------------------------------------------------------------------------------

    async def _obtain(self, login: Login, refused: AccessToken | None) -> AccessToken:
        """What one flight does."""
        opened = await self._open(login, fresh=True)
        login = login.admitted(opened)
        spare: AccessToken | None = None
        if opened is not None:
            if opened.access is not None:
                if opened.access.serves(self._now(), margin(login, opened), refused):
                    return opened.access  # another replica was faster
                if opened.access.serves(self._now(), LAST_CALL, refused):
                    spare = opened.access
            if refused is not None:
                self._count_forced(login)
            try:
                renewed = await self._refresher.renew(login, opened, refused)
            except LoginFailed as error:
                if spare is None:
                    raise
                log.warning("%s; the old token is good for another %d s", error, spare.expires_at - self._now())
                return spare
            if renewed is not None:
                return renewed
        if login.flow.interactive:
            flight = self._ask_for_grant(login, replaces=False)
            return spare or await flight.wait()
        if opened is None:
            check_first_login(login, self._settings())
        try:
            return await self._granter.grant(login, replaces=False)
        except LoginFailed as error:
            if spare is None or error.failure.kind is FailureKind.WRONG_CREDENTIALS:
                raise
            log.warning("%s; the old token is good for another %d s", error, spare.expires_at - self._now())
            return spare

    def _count_forced(self, login: Login) -> None:
        """Bound how often the mail server's refusals cost a token request."""
        now = trio.current_time()
        times = self._forced.setdefault(login.name, deque(maxlen=FORCED_LIMIT))
        if len(times) == FORCED_LIMIT and now - times[0] < FORCED_SECONDS:
            raise failed(
                FailureKind.TEMPORARY,
                login.name,
                f"the mail server refused {FORCED_LIMIT} fresh tokens within {FORCED_SECONDS:g} s; check oauth2_scope, "
                "and that the mailbox allows this protocol",
            )
        times.append(now)

    # --- a new grant --------------------------------------------------------------------------------------------------

    def _ask_for_grant(self, login: Login, *, replaces: bool) -> Flight:
        """The flight in which a person is asked, for this account and password."""
        return self._flights.join(("grant", login.digest), partial(self._granter.grant, login, replaces=replaces))


@asynccontextmanager
async def open_broker(
    *,
    records: Records,
    consents: Consents,
    settings: Callable[[], Settings],
    flows: Mapping[str, Flow] = FLOWS,
    transport: httpx2.AsyncBaseTransport | None = None,
    iterations: Iterations = Iterations(),  # noqa: B008 - frozen
    now: Callable[[], float] = time.time,
    sources: Sources | None = None,
    issuers: Issuers | None = None,
    times: TurnTimes = TurnTimes(),  # noqa: B008 - frozen
    watcher: Watcher | None = None,
) -> AsyncIterator[TokenBroker]:
    """Open a broker.

    On the way out its flights are cancelled; a token request under way gets `LAST_REQUESTS` seconds to bring its answer
    into the store, and a save under way is finished.

    Args:
        records: the store's asynchronous face.
        consents: where people's authorisations wait.
        settings: the settings in force, asked for at each use.
        flows: grants by ``oauth2_flow`` name.
        transport: carries token requests instead of the network.
        iterations: PBKDF2 rounds.
        now: Unix time.
        sources: who follows references, closed with the broker; None: those that are installed.
        issuers: who issues assertions, closed with the broker; None: those that are installed.
        times: how long turns at single-use refresh tokens last.
        watcher: hears what a person should know; None: nobody does.
    """
    async with (
        aclosing(Resolver(lambda: settings().secret_lifetime, sources)) as resolver,
        aclosing(Proofs(now, issuers)) as proofs,
        open_endpoint(transport=transport) as endpoint,
        AsyncExitStack() as last,
        trio.open_nursery() as nursery,
    ):
        vault = Vault(records, nursery, settings, iterations, now)
        last.push_async_callback(vault.keeper.flush)  # when no flight is left
        yield TokenBroker(
            nursery=nursery,
            vault=vault,
            endpoint=endpoint,
            flows=flows,
            consents=consents,
            settings=settings,
            now=now,
            clients=Clients(resolver, proofs),
            times=times,
            watcher=watcher or Watcher(),
        )
        # The provider may have voided the refresh token or the code already, and its answer has the only new one.
        with trio.move_on_after(LAST_REQUESTS, shield=True):
            await endpoint.quiet()
        nursery.cancel_scope.cancel()
