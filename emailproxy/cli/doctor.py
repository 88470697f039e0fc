"""Why does it not work? ``emailproxy doctor``: a line for each step as it happens, and what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import click
import trio

from emailproxy.cli.common import Flags
from emailproxy.cli.exits import Exit, end
from emailproxy.cli.mail_password import PasswordError, mail_password, password_option
from emailproxy.cli.names import AccountName, ListenerName
from emailproxy.cli.reaching import Where, ended, look, run, where_options
from emailproxy.cli.stores_in_use import answer, opened_as_proxy
from emailproxy.config import Account
from emailproxy.doctor.examine import examine
from emailproxy.doctor.findings import Finding, Outcome, Started, Tell
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.managing import is_managed
from emailproxy.remote.doctor import examine_there
from emailproxy.remote.errors import AnswerError, RemoteError
from emailproxy.remote.place import ConsolePlace
from emailproxy.secret import Secret
from emailproxy.store.base import StoreError

__all__ = ["MOST_FAILURES", "doctor"]

MOST_FAILURES: Final = 100
"""The highest exit status: above 125 they belong to the shell."""

_TICKS: Final = {
    Outcome.OK: ("✓", "green"),
    Outcome.WARNING: ("!", "yellow"),
    Outcome.FAILED: ("✗", "red"),
    Outcome.SKIPPED: ("-", "bright_black"),
}
_WORDS: Final = {Outcome.OK: "ok", Outcome.WARNING: "WARNING", Outcome.FAILED: "FAILED", Outcome.SKIPPED: "skipped"}
_STEP_WIDTH: Final = 12
_TOLD_WIDTH: Final = 2048
"""Characters of a finding that are shown: a token endpoint's words have 500."""


@click.command()
@click.argument("account", required=False, type=AccountName())
@password_option
@click.option(
    "--server",
    "sections",
    metavar="SECTION",
    type=ListenerName(),
    multiple=True,
    help="Only the mail server behind this listener, e.g. IMAP-1993; may be given again.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object at the end.")
@click.option("--here", is_flag=True, help="Examine from here, even if a proxy runs that could do it.")
@where_options
@click.pass_obj
def doctor(
    flags: Flags,
    account: str | None,
    password_file: Path | None,
    sections: tuple[str, ...],
    *,
    as_json: bool,
    here: bool,
    where: Where,
) -> None:
    """Try each step of a login, and say which one does not work and what to do.

    Without ACCOUNT: the configuration, each mail server (DNS, TLS, does it take tokens), each token endpoint and its
    clock, the store. With ACCOUNT: all of that for this account, then a token, what it allows, and a real login to each
    of its servers. You are asked for the account's mail password, which opens its record; a managed account needs none.

    A proxy that runs does it itself: as its own user, from where it is. Otherwise, or with --here, this command does.
    Nothing is changed but what a login changes, and no person is asked for an authorisation.

    Exit status: how many steps failed, 100 at the most; 0 if none did. A command line that is not understood is 2.

    \b
    Examples:
      emailproxy doctor
      emailproxy doctor you@example.com
      emailproxy doctor you@example.com --json --password-file - < password
    """
    if account is None and password_file is not None:
        raise click.UsageError("--password-file is for an ACCOUNT; name it")
    findings: list[Finding] = []
    show = _Show(quiet=as_json)

    def tell(event: Started | Finding) -> None:
        if isinstance(event, Finding):
            findings.append(event)
        show(event)

    def ask(name: str) -> Secret:
        show.pause()
        try:
            return mail_password(name, password_file)
        except PasswordError as error:
            end(Exit.CONFIGURATION, foreign(error))

    seen = look(flags, where) if not here else None
    wish = _Wish(account, sections, ask, tell)
    if seen is not None and seen.place is not None:
        failures = _there(flags, seen.place, wish, given=password_file is not None)
    else:
        if seen is not None and seen.running and not as_json:
            click.echo(f"{seen.note}\n")
        failures = answer(partial(_examine, flags, wish, given=password_file is not None))
    if as_json:
        fields = {"account": account, "failures": failures, "findings": [_fields(finding) for finding in findings]}
        click.echo(json.dumps(fields, indent=2))
    else:
        click.echo(f"\n{_summary(failures, findings)}")
    sys.exit(min(failures, MOST_FAILURES))


@dataclass(frozen=True, slots=True)
class _Wish:
    """What was typed, and who hears of the steps."""

    account: str | None
    sections: tuple[str, ...]
    ask: Callable[[str], Secret]
    """Gives the mail password of an account; blocks."""
    tell: Tell


async def _examine(flags: Flags, wish: _Wish, *, given: bool) -> int:
    """The examination from here."""

    async def ask(known: Account) -> Secret | None:
        if not given and await _is_managed(flags, known):
            return None
        return await trio.to_thread.run_sync(wish.ask, known.name)

    return await examine(
        flags.config_file,
        flags.cache_store,
        wish.tell,
        account=wish.account,
        ask_password=ask,
        sections=wish.sections,
    )


async def _is_managed(flags: Flags, account: Account) -> bool:
    """Whether it needs no password, as far as can be known; a store that does not answer is a finding of its own."""
    try:
        async with opened_as_proxy(flags) as records:
            stored = await records.load_fresh(account.name)
    except StoreError:
        return False
    return stored is not None and is_managed(stored.record)


def _there(flags: Flags, place: ConsolePlace, wish: _Wish, *, given: bool) -> int:
    """The examination in the running proxy."""
    fields: dict[str, object] = {"sections": list(wish.sections)}
    if wish.account is not None:
        fields |= {"account": wish.account, "logins": True}
        if given:
            fields["password"] = wish.ask(wish.account).reveal()

    def lost(why: str, seconds: float) -> None:
        click.echo(f"emailproxy: {foreign(why)}; coming back in {seconds:g} s", err=True)

    while True:
        try:
            return run(flags, partial(examine_there, place, fields, wish.tell, lost), ends=False)
        except AnswerError as error:
            if error.fields.get("needs") != "password" or "password" in fields or wish.account is None:
                end(Exit.FAILED, error)
            fields["password"] = wish.ask(wish.account).reveal()
        except RemoteError as error:
            ended(error, flags)


class _Show:
    """Prints steps: in a terminal with ticks, colours and what is under way; elsewhere plain lines."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._rich = sys.stdout.isatty() and "✓✗".encode(sys.stdout.encoding or "ascii", "replace") != b"??"
        self._subject = ""
        self._open = False

    def __call__(self, event: Started | Finding) -> None:
        if self._quiet:
            return
        self.pause()
        if event.subject != self._subject:
            self._subject = event.subject
            click.echo(click.style(event.subject, bold=True) if self._rich else event.subject)
        if isinstance(event, Finding):
            for line in _lines(event, rich=self._rich):
                click.echo(line)
        elif self._rich:
            click.echo(f"  … {event.step}", nl=False)
            self._open = True

    def pause(self) -> None:
        """Take back the line that says what is under way."""
        if self._open:
            click.echo("\r\x1b[K", nl=False)
            self._open = False


def _lines(finding: Finding, *, rich: bool) -> list[str]:
    if rich:
        tick, colour = _TICKS[finding.outcome]
        mark = click.style(tick, fg=colour)
    else:
        mark = f"{_WORDS[finding.outcome]:7}"
    seconds = f"  ({finding.seconds * 1000:.0f} ms)" if finding.seconds is not None else ""
    lines = [f"  {mark} {finding.step:{_STEP_WIDTH}}  {foreign(finding.told, _TOLD_WIDTH)}{seconds}"]
    if finding.step == "token":
        lines += [f"        {name}: {foreign(value, _TOLD_WIDTH)}" for name, value in finding.facts.items()]
    if finding.advice:
        what = "Do this" if finding.outcome is Outcome.FAILED else "Note"
        text = f"      {what}: {foreign(finding.advice, _TOLD_WIDTH)}"
        lines.append(click.style(text, bold=True) if rich and finding.outcome is Outcome.FAILED else text)
    return lines


def _summary(failures: int, findings: list[Finding]) -> str:
    warnings = sum(finding.outcome is Outcome.WARNING for finding in findings)
    said = f"{failures} of {len(findings)} steps failed" if failures else f"all is well in {len(findings)} steps"
    return f"{said}; {warnings} to look at" if warnings else said


def _fields(finding: Finding) -> dict[str, object]:
    fields: dict[str, object] = {
        "subject": finding.subject,
        "step": finding.step,
        "outcome": finding.outcome.value,
        "told": foreign(finding.told, _TOLD_WIDTH),
        "seconds": round(finding.seconds, 4) if finding.seconds is not None else None,
    }
    if finding.advice:
        fields["advice"] = finding.advice
    if finding.cause is not None:
        fields |= {"cause": finding.cause.name, "source": finding.cause.source}
    if finding.facts:
        fields["facts"] = dict(finding.facts)
    return fields
