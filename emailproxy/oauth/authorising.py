"""How does a person authorise an account without a mail client, and without a running proxy?

The same broker, flows and pending authorisations as in the proxy, for one account. What comes of it is stored like
after a login: a proxy that runs meanwhile reads the store, and neither overwrites what the other has stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import httpx2
import trio

from emailproxy.config import Account, Settings
from emailproxy.failures import Failure, LoginFailed
from emailproxy.oauth.consent import Consents, Pending
from emailproxy.oauth.keeping import Records
from emailproxy.oauth.opened import AccessToken
from emailproxy.oauth.redirects import RedirectAddress, serve_redirects
from emailproxy.oauth.sealing import Iterations
from emailproxy.oauth.terminal import read_pasted_redirects
from emailproxy.oauth.tokens import open_broker
from emailproxy.secret import Secret

__all__ = ["Desk", "authorise"]

PAGE_SECONDS = 1.0
"""For the browser to get its last page, which it asked for before the tokens were there."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the person has at hand."""

    announce: Callable[[Pending], None]
    """Shows what to do; must not block or raise."""
    open_browser: Callable[[str], object] | None = None
    """Opens an address in a browser; blocks. None: there is none."""
    receives: bool = True
    """Redirects may be received here; otherwise somebody else does."""
    pastes: bool = True
    """Standard input is there for the address that a sign-in ended at."""


async def authorise(
    records: Records,
    settings: Settings,
    account: Account,
    password: Secret | None,
    desk: Desk,
    *,
    again: bool = False,
    replace: bool = False,
    transport: httpx2.AsyncBaseTransport | None = None,
    iterations: Iterations = Iterations(),  # noqa: B008 - frozen
) -> AccessToken | Failure:
    """Get and store tokens for `account`; what came of it. The person may take as long as the authorisation lives.

    Args:
        records: the store.
        settings: the settings in force.
        account: whose tokens.
        password: the mail password, which seals them; None: the account is a managed one.
        desk: what the person has at hand.
        again: ask for consent even if there are tokens that work.
        replace: the person knows that this is another password than the one that seals the stored tokens.
        transport: carries token requests instead of the network.
        iterations: PBKDF2 rounds.
    """
    result: AccessToken | Failure
    redirected = account.oauth2_flow == "authorization_code"
    bound: list[RedirectAddress] = []
    asked: list[Pending] = []
    async with trio.open_nursery() as nursery:

        def announce(pending: Pending) -> None:
            asked.append(pending)
            if pending.announcements == 1:
                desk.announce(pending)
                if desk.open_browser is not None:
                    nursery.start_soon(_open, desk.open_browser, pending.url)

        consents = Consents(announce)
        async with open_broker(
            records=records,
            consents=consents,
            settings=lambda: settings,
            transport=transport,
            iterations=iterations,
        ) as broker:
            if redirected and desk.receives:
                bound += await nursery.start(serve_redirects, [account], consents)
            if redirected and desk.pastes:
                nursery.start_soon(read_pasted_redirects, consents)
            try:
                result = await broker.authorise(account, password, again=again, replace=replace)
            except LoginFailed as error:
                result = error.failure
        if bound and asked:
            await trio.sleep(PAGE_SECONDS)
        nursery.cancel_scope.cancel()
    return result


async def _open(open_browser: Callable[[str], object], url: str) -> None:
    """A browser may need its time, and a text browser all of it."""
    await trio.to_thread.run_sync(open_browser, url, abandon_on_cancel=True)
