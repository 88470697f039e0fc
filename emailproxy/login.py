"""How do a client's credentials become a connection that is logged in to the mail server?

The account decides, the token broker judges the password and gives a token, the mail server judges the token. A token
that it refuses is replaced once before the client hears of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Final, NoReturn, Protocol

import trio

from emailproxy.allowance import Allowance
from emailproxy.audience import NOBODY, Audience
from emailproxy.causes.mail_server import holder_of, refusal_cause, unknown_refusal
from emailproxy.config import Account, Config, MailProtocol, Server
from emailproxy.failures import Failure, FailureKind, LoginFailed
from emailproxy.oauth.tokens import AccessToken
from emailproxy.protocols.events import Credentials
from emailproxy.protocols.proofs import Proof
from emailproxy.readiness import EachByTask, Readiness
from emailproxy.secret import Secret
from emailproxy.throttle import Throttle
from emailproxy.upstream import (
    ClientHello,
    JoinedUpstream,
    UpstreamRefusedError,
    UpstreamServers,
    UpstreamUnavailableError,
)

__all__ = ["NO_SERVER", "Services", "Tokens", "log_in", "no_server"]

log = logging.getLogger("emailproxy.login")

LOGIN_WAITS: Final = {MailProtocol.IMAP: 60.0, MailProtocol.POP: 60.0, MailProtocol.SMTP: 30.0}
"""Seconds a login waits for a person's consent before the client hears "later"."""

NO_SERVER: Final = "There is no mail server for this account here."


class Tokens(Protocol):
    """What a login needs of the token broker."""

    def at_hand(
        self, account: Account, password: Secret, *, client: str = "", server: Server | None = None
    ) -> AccessToken | None:
        """A token from memory, if nobody needs to be asked for one."""
        ...

    async def token(
        self,
        account: Account,
        password: Secret,
        *,
        refused: AccessToken | None = None,
        client: str = "",
        server: Server | None = None,
    ) -> AccessToken:
        """A token that the mail server will probably accept; never `refused`. Raises LoginFailed."""
        ...

    async def prove(self, account: Account, proof: Proof, *, client: str, server: Server) -> tuple[Secret, bytes]:
        """What stands for the password from now on, and what the client hears. Raises LoginFailed if it is wrong."""
        ...

    def vouch(self, account: Account) -> Secret:
        """What stands for the password of one whom the configuration lets in. Raises LoginFailed."""
        ...

    async def refuse_unknown(self, user: str, password: Secret, *, client: str = "") -> NoReturn:
        """What a wrong password costs and gets, for a user who has no account. Raises LoginFailed."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What all sessions share."""

    config: Callable[[], Config]
    """The configuration in force now."""
    tokens: Tokens
    upstreams: UpstreamServers
    throttle: Throttle
    audience: Audience = NOBODY
    """Hears of sessions and logins."""
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    """The next session's."""
    allowance: Allowance = field(default_factory=Allowance)
    """Of clients that send mail without a login."""
    readiness: Callable[[], Readiness] = EachByTask
    """Makes what waits for the sockets of a session after its login."""


async def log_in(
    services: Services, server: Server, credentials: Credentials, hello: ClientHello, client: str
) -> tuple[Account, JoinedUpstream]:
    """Log in to `server` as `credentials` ask. The caller owns the connection of the result.

    Args:
        services: what all sessions share.
        server: what the listener stands for; the account may name another mail server.
        credentials: what the mail client sent.
        hello: what it told of itself.
        client: its address, for the log and for the person who is asked for consent.

    Raises:
        LoginFailed: with what to tell the client and the operator.
    """
    config = services.config()
    _check_identity(credentials)
    account = config.account(credentials.user)
    wait = config.settings.login_wait
    if wait is None:
        wait = LOGIN_WAITS[server.protocol]
    if account is None:
        with trio.move_on_after(wait):
            await services.tokens.refuse_unknown(credentials.user, credentials.password, client=client)
        raise _not_in_time(wait)
    refused: AccessToken | None = None
    while True:
        token: AccessToken | None = None
        if refused is None:
            token = services.tokens.at_hand(account, credentials.password, client=client, server=server)
        if token is None:
            with trio.move_on_after(wait):
                token = await services.tokens.token(
                    account, credentials.password, refused=refused, client=client, server=server
                )
        if token is None:
            raise _not_in_time(wait)
        destination = account.mail_server(server)
        if destination is None:
            # Only now that the password was right: who has no server is nobody else's business.
            raise _failed(FailureKind.MISCONFIGURED, NO_SERVER, no_server(server, account))
        try:
            user = account.user_at(server.protocol)
            return account, await services.upstreams.log_in(destination, user, token.value, hello)
        except UpstreamUnavailableError as error:
            raise _failed(
                FailureKind.TEMPORARY, "The mail server cannot be reached at the moment.", str(error)
            ) from None
        except UpstreamRefusedError as error:
            if error.refused.temporary:
                raise _failed(
                    FailureKind.TEMPORARY,
                    "The mail server is busy, please try again later.",
                    _told(error, account, server),
                ) from None
            if refused is not None:
                raise _failed(
                    FailureKind.MISCONFIGURED,
                    "The mail server refuses this account.",
                    f"a fresh token was refused too: {_told(error, account, server)}",
                ) from None
            # The token may have been revoked early.
            log.info("%s: token refused, trying a fresh one: %s", account.name, error)
            refused = token


def _told(error: UpstreamRefusedError, account: Account, server: Server) -> str:
    """The mail server's words, and what to do."""
    cause = refusal_cause(server.protocol.value, str(error), holder_of(account.oauth2_flow))
    return f"{error} -> {cause.advice if cause is not None else unknown_refusal(temporary=error.refused.temporary)}"


def _check_identity(credentials: Credentials) -> None:
    """Refuse to act as somebody else, whether or not there is such an account. Raises LoginFailed."""
    identity = credentials.authorisation_identity
    if identity is not None and identity.casefold() != credentials.user.casefold():
        # To ignore it would open another mailbox than the client asked for (RFC 4616 section 2).
        raise _failed(
            FailureKind.MISCONFIGURED,
            "Acting as another user is not possible here.",
            "the client asked for an authorisation identity other than its user name; set only the user name",
        )


def _not_in_time(wait: float) -> LoginFailed:
    return _failed(
        FailureKind.TEMPORARY,
        "No token for this account yet, please try again later.",
        f"no token within {wait:g} s: consent is pending or the token endpoint is slow; see the lines above",
    )


def no_server(server: Server, account: Account) -> str:
    """For the operator: `server` leaves the mail server to the account, and the account does not name one."""
    option = f"{server.protocol.value.lower()}_server"
    return f"[{server.section}] has no server_address, and [{account.section}] neither {option} nor provider; add one"


def _failed(kind: FailureKind, text: str, detail: str) -> LoginFailed:
    return LoginFailed(Failure(kind, text, detail))
