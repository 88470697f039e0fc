"""How does a client that brings its own token reach the mail server? Nobody here judges it, keeps it or gets another.

The mail server says yes or no, and a no is told as these mechanisms have it. The user name and the token go on as they
came; an account of the same name only says where to, if it has a server of its own.
"""

from __future__ import annotations

from emailproxy.config import Server
from emailproxy.failures import Failure, FailureKind, LoginFailed
from emailproxy.login import Services
from emailproxy.protocols.events import TokenCredentials
from emailproxy.upstream import ClientHello, JoinedUpstream, UpstreamRefusedError, UpstreamUnavailableError

__all__ = ["pass_on"]

REFUSED = "The mail server does not accept this token."


async def pass_on(
    services: Services, server: Server, credentials: TokenCredentials, hello: ClientHello
) -> JoinedUpstream:
    """Log in with the client's token. The caller owns the connection of the result.

    Args:
        services: what all sessions share.
        server: what the listener stands for.
        credentials: what the mail client sent.
        hello: what it told of itself.

    Raises:
        LoginFailed: with what to tell the client and the operator.
    """
    account = services.config().account(credentials.user)
    destination = account.mail_server(server) if account is not None else server.mail_server
    if destination is None:
        # In the words of the other refusal: who has an account here is nobody's business.
        raise _failed(
            FailureKind.WRONG_CREDENTIALS,
            REFUSED,
            f"[{server.section}] has no server_address, and no account of this name says where its token goes",
        )
    try:
        return await services.upstreams.log_in(destination, credentials.user, credentials.token, hello)
    except UpstreamUnavailableError as error:
        raise _failed(FailureKind.TEMPORARY, "The mail server cannot be reached at the moment.", str(error)) from None
    except UpstreamRefusedError as error:
        if error.refused.temporary:
            raise _failed(
                FailureKind.TEMPORARY, "The mail server is busy, please try again later.", str(error)
            ) from None
        raise _failed(
            FailureKind.WRONG_CREDENTIALS, REFUSED, f"the token that the client brought was refused: {error}"
        ) from None


def _failed(kind: FailureKind, text: str, detail: str) -> LoginFailed:
    return LoginFailed(Failure(kind, text, detail))
