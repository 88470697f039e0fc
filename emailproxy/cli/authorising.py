"""How is an account authorised at a terminal? ``emailproxy authorise``: through the proxy that runs, or without one."""

from __future__ import annotations

import json
import os
import sys
import webbrowser
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import click

from emailproxy.cli.common import Flags, configuration
from emailproxy.cli.exits import Exit, end
from emailproxy.cli.mail_password import PasswordError, has_terminal, mail_password, password_option
from emailproxy.cli.names import AccountName
from emailproxy.cli.reaching import Found, Where, ended, look, run, where_options
from emailproxy.cli.stores_in_use import answer, opened_as_proxy
from emailproxy.cli.tables import moment
from emailproxy.config import Account
from emailproxy.failures import Failure, FailureKind
from emailproxy.oauth.authorising import Desk, authorise
from emailproxy.oauth.browsers import has_browser
from emailproxy.oauth.consent import Pending
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.managing import is_managed
from emailproxy.oauth.opened import AccessToken
from emailproxy.oauth.qr import qr_lines
from emailproxy.oauth.terminal import lines_of
from emailproxy.remote.authorising import Asked, Hands, Result
from emailproxy.remote.authorising import authorise as authorise_there
from emailproxy.remote.errors import AnswerError, RemoteError
from emailproxy.remote.place import ConsolePlace
from emailproxy.secret import Secret

__all__ = ["authorise_command"]

QUIET = ("emailproxy.consent",)
"""What this log says, the command says itself."""

CHANGED = "Was the mail password changed, so that a new consent shall replace the stored tokens?"


@dataclass(frozen=True, slots=True)
class _Wish:
    """What was typed."""

    account: str
    password_file: Path | None
    again: bool
    browser: bool
    as_json: bool

    @property
    def piped(self) -> bool:
        """Whether standard input is the password's."""
        return self.password_file is not None and str(self.password_file) == "-"

    def say(self, text: str) -> None:
        """For a person: beside the JSON, if there is some."""
        click.echo(text, err=self.as_json)

    @property
    def open_browser(self) -> Any:
        """Opens an address, if there is a browser and it is wanted."""
        return webbrowser.open if self.browser and has_browser(os.environ) else None


@click.command("authorise")
@click.argument("account", type=AccountName())
@click.option("--again", is_flag=True, help="Ask for a new consent even if the account works.")
@click.option("--no-browser", is_flag=True, help="Open no browser, only print the address.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object at the end; the rest on stderr.")
@password_option
@where_options
@click.pass_obj
def authorise_command(
    flags: Flags,
    account: str,
    password_file: Path | None,
    *,
    again: bool,
    no_browser: bool,
    as_json: bool,
    where: Where,
) -> None:
    """Authorise ACCOUNT here: sign in once, and its mail clients need nobody any more.

    If a proxy runs, it does it: it receives what the sign-in ends at, and works with the new tokens at once. If none
    does, this command does it alone.

    Asks for the mail password, the one that the mail client uses: it seals the tokens. A managed account needs none.
    Then prints the address to open (and opens it, if there is a browser), with a QR code for a telephone where that
    helps, and waits. Without a browser on this machine, open the address anywhere, and paste the address that the
    sign-in ends at.

    Exit status 0 if the account is authorised, 1 if not.

    \b
    Examples:
      emailproxy --config-file /etc/emailproxy/emailproxy.config authorise you@example.com
      emailproxy authorise you@example.com --no-browser --password-file /run/secrets/mail-password
    """
    wish = _Wish(account, password_file, again, not no_browser, as_json)
    found = look(flags, where)
    if found.place is not None:
        _there(flags, found.place, wish)
    else:
        _alone(flags, found, wish)


def _done(wish: _Wish, account: str, outcome: str, until: float | None, why: str = "") -> None:
    """Say how it ended, and end."""
    if wish.as_json:
        fields = {"account": account, "outcome": outcome, "until": until}
        click.echo(json.dumps(fields | ({"error": why} if why else {}), indent=2))
    if outcome != "authorised":
        end(Exit.FAILED, *([] if wish.as_json else [why or f"{foreign(account)} was not authorised: {outcome}"]))
    if not wish.as_json:
        good = f"; its access token is good until {moment(int(until))}" if until is not None else ""
        click.echo(f"{foreign(account)} is authorised{good}.")


def _password(account: str, wish: _Wish, *, known: bool) -> Secret:
    """The mail password; typed twice if nothing is stored yet that a mistake could be noticed by."""
    again = "The same again, since nothing is stored yet to check it with"
    try:
        return mail_password(account, wish.password_file, confirm=False if known else again)
    except PasswordError as error:
        end(Exit.CONFIGURATION, foreign(error))


# --- through the proxy ------------------------------------------------------------------------------------------------


def _there(flags: Flags, place: ConsolePlace, wish: _Wish) -> None:
    fields: dict[str, object] = {"account": wish.account, "again": wish.again}
    if wish.password_file is not None:
        fields["password"] = _password(wish.account, wish, known=True).reveal()
    while True:
        try:
            result = run(flags, partial(authorise_there, place, fields, _hands(wish)), ends=False)
            break
        except AnswerError as error:
            needs = error.fields.get("needs")
            if needs == "password" and "password" not in fields:
                known = error.fields.get("stored") is True
                fields["password"] = _password(wish.account, wish, known=known).reveal()
            elif needs == "replace" and "replace" not in fields and _may_replace():
                fields["replace"] = True
            else:
                result = Result(wish.account, "failed", why=str(error))
                break
        except RemoteError as error:
            ended(error, flags)
    why = result.why
    if result.outcome == "unknown" and not why:
        why = f"nobody authorised {result.account} in time, or another authorisation of it was completed"
    _done(wish, result.account, result.outcome, result.until, foreign(why, 2000))


def _hands(wish: _Wish) -> Hands:
    def show(asked: Asked) -> None:
        redirect = None if asked.user_code is not None else _redirect_uri(asked.url)
        _announce(wish, asked.account, asked.url, asked.user_code, asked.page, redirect)
        if asked.user_code is None and not wish.piped:
            wish.say(
                "The running proxy receives the end of the sign-in. If the browser runs on another machine and ends at "
                "an\naddress that it cannot open, copy that address, and paste it here.\n"
            )
        _wait(wish, asked.seconds)

    return Hands(
        show=show,
        say=lambda text: click.echo(f"emailproxy: {foreign(text, 2000)}", err=True),
        pasted=None if wish.piped else _typed,
        open_browser=wish.open_browser,
    )


def _typed() -> AsyncIterator[str]:
    return lines_of(sys.stdin.fileno())


def _redirect_uri(url: str) -> str:
    """Where a sign-in that begins at `url` ends."""
    return parse_qs(urlsplit(url).query).get("redirect_uri", [""])[0]


# --- alone ------------------------------------------------------------------------------------------------------------


def _alone(flags: Flags, found: Found, wish: _Wish) -> None:
    config = configuration(flags.config_file)
    account = config.account(wish.account)
    if account is None:
        end(Exit.FAILED, f"{flags.config_file} has no account {foreign(wish.account)}; emailproxy accounts lists them")
    if found.running:
        wish.say(f"{found.note}\nIt goes on meanwhile, and uses the new tokens from the account's next login on.")
    if found.running and wish.piped and account.oauth2_flow == "authorization_code":
        end(Exit.FAILED, "the address that the sign-in ends at must be pasted, so run this in a terminal")
    known, managed = answer(lambda: _stored(flags, account))
    password = None
    if not managed or wish.password_file is not None:
        password = _password(account.name, wish, known=known)
    desk = Desk(
        announce=partial(_announce_alone, wish, running=found.running),
        open_browser=wish.open_browser,
        receives=not found.running,
        pastes=not wish.piped,
    )

    async def attempt(*, replace: bool) -> AccessToken | Failure:
        async with opened_as_proxy(flags) as records:
            return await authorise(records, config.settings, account, password, desk, again=wish.again, replace=replace)

    result = answer(lambda: attempt(replace=False), quiet=QUIET)
    wrong = isinstance(result, Failure) and result.kind is FailureKind.WRONG_CREDENTIALS
    if known and not managed and wrong and _may_replace():
        result = answer(lambda: attempt(replace=True), quiet=QUIET)
    if isinstance(result, Failure):
        _done(wish, account.name, "failed", None, foreign(result.detail, 2000))
    else:
        _done(wish, account.name, "authorised", result.expires_at)


def _may_replace() -> bool:
    """Whether the person says that another password than the stored one is meant."""
    if not has_terminal():
        return False
    click.echo("This is not the password that the stored tokens are sealed with.", err=True)
    return click.confirm(CHANGED, err=True)


async def _stored(flags: Flags, account: Account) -> tuple[bool, bool]:
    """Whether something is stored that the mail password must open, and whether the account is a managed one."""
    async with opened_as_proxy(flags) as records:
        stored = await records.load_fresh(account.name)
    record = stored.record if stored is not None else None
    sealed = record is not None and any((record.access_token, record.refresh_token, record.client_secret_encrypted))
    return sealed or account.inherited_secret is not None, is_managed(record)


def _announce_alone(wish: _Wish, pending: Pending, *, running: bool) -> None:
    question = pending.question
    redirect = None if question.user_code is not None else pending.account.redirect_uri or ""
    _announce(wish, pending.account.name, pending.url, question.user_code, question.page, redirect)
    if question.user_code is None and running:
        wish.say(
            "The proxy that runs receives what the browser is sent to, and will say there that nothing waits for it.\n"
            "Copy that page's address then, and paste it here.\n"
        )
    elif question.user_code is None and not wish.piped:
        wish.say(
            "If the browser runs on another machine, it will end at an address that it cannot open: copy that address, "
            "and paste it here.\n"
        )
    _wait(wish, question.lifetime)


# --- what a person reads ----------------------------------------------------------------------------------------------


def _announce(
    wish: _Wish, name: str, url: str, user_code: str | None, page: str | None, redirect_uri: str | None
) -> None:
    """Say what to do."""
    wish.say(f"\nTo authorise {foreign(name)}, open this address in a browser:\n\n  {url}\n")
    stream = sys.stderr if wish.as_json else sys.stdout
    drawn = qr_lines(url, redirect_uri, stream)
    if drawn is not None:
        click.echo(drawn, file=stream, color=True)
    if user_code is not None:
        where = "compare it with this one" if page not in (None, url) else "enter it there"
        wish.say(f"  code: {foreign(user_code, 64)}   ({where})\n")
        if page not in (None, url):
            wish.say(f"Or open {page} and enter the code.\n")


def _wait(wish: _Wish, seconds: float) -> None:
    wish.say(f"Waiting for you, {max(1, round(seconds / 60))} minutes at the most; Ctrl-C ends it.")
