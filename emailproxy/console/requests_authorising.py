"""How does a running proxy authorise an account? It asks the person itself, and its listener gets the answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

import trio

from emailproxy.console import messages
from emailproxy.console.context import Context
from emailproxy.console.messages import fields_of
from emailproxy.console.refusing import Body, RequestRefusedError
from emailproxy.failures import Failure, FailureKind, LoginFailed
from emailproxy.oauth.consent import OutcomeKind, Pending
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.managing import is_managed, is_sealed_by_mail_password

__all__ = ["AuthorisingRequests"]

log = logging.getLogger("emailproxy.console")

BEGIN_SECONDS: Final = 90.0
"""For the question, or a token of a flow without a person: two requests of 30 seconds, and the store."""
ANSWER_SECONDS: Final = 90.0
"""For the exchange of the code that an address brings; the same again."""

_STATUS: Final = {FailureKind.WRONG_CREDENTIALS: 403, FailureKind.MISCONFIGURED: 422}
_STATUS_OF_ANSWER: Final = {OutcomeKind.UNCONFIRMED: 409, OutcomeKind.MALFORMED: 400, OutcomeKind.UNKNOWN: 404}


class AuthorisingRequests:
    """Begins authorisations, and takes addresses that people paste.

    Args:
        context: the running proxy.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    async def begin(self, _path: Mapping[str, str], body: Body) -> Mapping[str, object]:
        """``{account, password?, again?, replace?}``: begin an authorisation.

        The answer has ``pending`` (as in ``/events``, where its outcome is told), or ``until`` if the account works
        without anybody. ``needs`` is ``password`` in a refusal that the mail password would have prevented (``stored``
        says whether there is something that it must open), and
        ``replace`` where the password is another than the stored one.
        """
        account = body.account(self._context.config())
        password = body.secret("password")
        stored = await self._context.records.load_fresh(account.name)
        managed = stored is not None and is_managed(stored.record)
        if password is None and not managed:
            error = f"the mail password of {account.name} is needed, since that seals its tokens"
            sealed = stored is not None and is_sealed_by_mail_password(stored.record)
            known = sealed or account.inherited_secret is not None
            raise RequestRefusedError(403, error, needs="password", stored=known)
        log.info("account %s: authorisation asked for through the console", foreign(account.name))
        begun = None
        with trio.move_on_after(BEGIN_SECONDS):
            try:
                begun = await self._context.broker.begin(
                    account, password, again=body.flag("again"), replace=body.flag("replace")
                )
            except LoginFailed as error:
                raise _refused(error.failure, replaceable=not managed) from None
        if begun is None:
            raise RequestRefusedError(504, "the provider is slow; the log tells what becomes of it")
        if not isinstance(begun, Pending):
            return {"account": account.name, "until": begun.expires_at}
        return {"account": account.name, "pending": fields_of(self._told(begun))}

    async def answer(self, _path: Mapping[str, str], body: Body) -> Mapping[str, object]:
        """``{url, confirmed?}``: hand over the address that a sign-in ended at, and wait for what becomes of it.

        ``needs`` is ``confirmation`` in a refusal that ``confirmed`` would have prevented: the mail password changes.
        """
        outcome = None
        with trio.move_on_after(ANSWER_SECONDS):
            outcome = await self._context.consents.complete(body.text("url"), confirmed=body.flag("confirmed"))
        if outcome is None:
            raise RequestRefusedError(504, "the provider is slow; the sign-in goes on, and /events tells its end")
        fields: dict[str, object] = {"account": outcome.account, "outcome": outcome.kind.value}
        if outcome.reference:
            fields["ref"] = outcome.reference
        if outcome.kind is OutcomeKind.AUTHORISED:
            return fields | {"message": outcome.message}
        if outcome.kind is OutcomeKind.UNCONFIRMED:
            fields |= {"needs": "confirmation", "client": outcome.client}
        raise RequestRefusedError(_STATUS_OF_ANSWER.get(outcome.kind, 422), outcome.message, **fields)

    def _told(self, pending: Pending) -> messages.Pending:
        """`pending` as everybody who watches was told of it."""
        return next(
            each
            for each in reversed(self._context.snapshot().pending)
            if (each.account, each.url, each.began) == (pending.account.name, pending.url, pending.began)
        )


def _refused(failure: Failure, *, replaceable: bool) -> RequestRefusedError:
    fields: dict[str, object] = {"ref": failure.reference, "kind": failure.kind.value}
    if failure.kind is FailureKind.WRONG_CREDENTIALS and replaceable:
        fields["needs"] = "replace"
    # To whoever operates the proxy the whole story is told, not the sentence for mail clients.
    return RequestRefusedError(_STATUS.get(failure.kind, 503), foreign(failure.detail, 2000), **fields)
