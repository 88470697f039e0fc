"""How does somebody who watches see why a login does not work? The doctor examines in the proxy, each step is told."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from functools import partial
from typing import Final

from emailproxy.config import Account
from emailproxy.console.context import Context
from emailproxy.console.messages import Doctor, DoctorDone
from emailproxy.console.refusing import Body, RequestRefusedError
from emailproxy.doctor.examine import World, examine
from emailproxy.doctor.findings import Finding, Started
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.managing import is_managed
from emailproxy.secret import Secret

__all__ = ["DoctorRequests"]

log = logging.getLogger("emailproxy.console")

MAX_WORDS: Final = 2048
"""Characters of a finding: a token endpoint's words have 500."""


class DoctorRequests:
    """Begins examinations, one at a time: two would mix up what they overhear.

    Args:
        context: the running proxy.
        world: what is outside.
    """

    def __init__(self, context: Context, world: World = World()) -> None:  # noqa: B008 - frozen
        self._context = context
        self._world = world
        self._run: str | None = None

    async def begin(self, _path: Mapping[str, str], body: Body) -> Mapping[str, object]:
        """``{account?, password?, sections?, logins?}``: begin an examination; ``/events`` tells its steps.

        Logins are tried with a token if there is a password, or if the account is a managed one. With ``logins`` they
        must be: ``needs`` is ``password`` in a refusal that the mail password would have prevented.
        """
        account = body.account(self._context.config()) if body.optional_text("account") is not None else None
        password, sections = body.secret("password"), body.texts("sections")
        tries = password is not None
        if account is not None and not tries:
            stored = await self._context.records.load_fresh(account.name)
            tries = stored is not None and is_managed(stored.record)
        if account is not None and not tries and body.flag("logins"):
            error = f"the mail password of {account.name} is needed to try its logins"
            raise RequestRefusedError(403, error, needs="password")
        if self._run is not None:
            raise RequestRefusedError(409, "an examination is under way; wait for its end", run=self._run)
        self._run = run = secrets.token_hex(4)
        name = account.name if account is not None else None
        self._context.tasks.start_soon(partial(self._examine, run, name, password, sections, tries=tries))
        return {"run": run, "account": name, "logins": account is not None and tries}

    async def _examine(
        self, run: str, account: str | None, password: Secret | None, sections: list[str], *, tries: bool
    ) -> None:
        async def give(_: Account) -> Secret | None:
            return password

        failures = 1
        try:  # the fourth fence of the program: a mistake in an examination must not end the proxy
            failures = await examine(
                self._context.config().path,
                None,
                partial(self._tell, run, account),
                account=account,
                ask_password=give if tries else None,
                sections=sections,
                records=self._context.records,
                world=self._world,
            )
        except Exception:
            log.exception("an examination ended by a mistake in emailproxy")
        finally:
            self._run = None
            self._context.publish(DoctorDone(run, account, failures))

    def _tell(self, run: str, account: str | None, event: Started | Finding) -> None:
        if isinstance(event, Started):
            told = Doctor(run, account, event.step, "running", None, "", None, event.subject)
        else:
            told = Doctor(
                run=run,
                account=account,
                step=event.step,
                outcome=event.outcome.value,
                seconds=round(event.seconds, 4) if event.seconds is not None else None,
                words=foreign(event.told, MAX_WORDS),
                advice=foreign(event.advice, MAX_WORDS) if event.advice else None,
                subject=event.subject,
                facts=tuple((name, foreign(value, MAX_WORDS)) for name, value in event.facts.items()),
            )
        self._context.publish(told)
