"""Does a mail server let the account in? A real login, one look at the mailbox that changes nothing, and a goodbye.

The look is there because servers say yes too early: Exchange answers ``OK AUTHENTICATE completed`` and then "User is
authenticated but not connected", Gmail tells at the first command that POP is switched off.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from emailproxy.causes.base import Meaning
from emailproxy.causes.mail_server import Token, refusal_cause, unknown_refusal
from emailproxy.causes.network import connection_cause
from emailproxy.config import MailProtocol, MailServer
from emailproxy.doctor.conversation import Conversation, connected, deadline
from emailproxy.doctor.findings import ProblemError, Verdict
from emailproxy.protocols.events import LoggedIn, LoginRefused
from emailproxy.protocols.sasl import TokenExchange, UpstreamLogin
from emailproxy.secret import Secret
from emailproxy.tls import UpstreamTls
from emailproxy.upstream import CONNECT_LIMIT, LOGIN_LIMIT

__all__ = ["RefusedError", "try_login"]

_LOOKS: Final = {
    # Neither selects the mailbox nor marks a message; STAT counts.
    MailProtocol.IMAP: ("STATUS INBOX (MESSAGES)", re.compile(rb"D1 OK\b.*", re.IGNORECASE | re.DOTALL)),
    MailProtocol.POP: ("STAT", re.compile(rb"\+OK\b.*", re.IGNORECASE | re.DOTALL)),
}
"""What is asked after login, and how yes looks. SMTP has nothing to look at."""


class RefusedError(ProblemError):
    """The server does not want this token, and perhaps another one."""


async def try_login(server: MailServer, user: str, token: Secret, holder: Token, tls: UpstreamTls) -> Verdict:
    """Log in to `server` as `user`.

    Args:
        server: where.
        user: the user name.
        token: the access token.
        holder: whom the token stands for.
        tls: verifies the server.

    Raises:
        RefusedError: the server refused.
        ProblemError: it did not get that far.
    """
    login = UpstreamLogin(user=user, token=token, host=server.address, port=server.port)
    async with connected(server, tls, login) as conversation:
        if not server.starttls:
            with deadline(CONNECT_LIMIT, "finish the TLS handshake"):
                await conversation.secure()
        with deadline(LOGIN_LIMIT, "answer the login"):
            event = await conversation.finish()
        if isinstance(event, LoginRefused):
            raise _refused(server, event, holder)
        if not isinstance(event, LoggedIn):
            told = str(getattr(event, "detail", event))
            cause = refusal_cause(server.protocol.value, told, holder) or connection_cause(told)
            raise ProblemError(told, cause)
        words = TokenExchange(login, ()).words
        await _look(server, conversation, holder, words)
        return Verdict(f"logged in; the server said {words(' '.join(event.lines))!r}")


def _refused(server: MailServer, refused: LoginRefused, holder: Token) -> ProblemError:
    challenge = f"; challenge {refused.challenge}" if refused.challenge else ""
    told = f"the server said {refused.reply!r}{challenge}"
    cause = refusal_cause(server.protocol.value, told, holder)
    advice = "" if cause is not None else unknown_refusal(temporary=refused.temporary)
    if refused.temporary or (cause is not None and cause.meaning is Meaning.TEMPORARY):
        return ProblemError(told, cause, advice)
    return RefusedError(told, cause, advice)


async def _look(
    server: MailServer, conversation: Conversation, holder: Token, words: Callable[[bytes | str], str]
) -> None:
    """Raises ProblemError: logged in, and yet not let in."""
    with deadline(LOGIN_LIMIT, "answer"):
        look = _LOOKS.get(server.protocol)
        if look is not None:
            command, good = look
            answer = await conversation.ask(command)
            if good.fullmatch(answer) is None:
                told = f"logged in, but to {command} the server said {words(answer)!r}"
                cause = refusal_cause(server.protocol.value, told, holder)
                raise ProblemError(told, cause, "" if cause else "ask whoever runs the server what that means")
        await conversation.leave()
