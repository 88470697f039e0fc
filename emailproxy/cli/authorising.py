"""How is an account authorised at a terminal? ``emailproxy authorise``."""

from __future__ import annotations

import os
import sys
import webbrowser
from functools import partial
from pathlib import Path

import click

from emailproxy.cli.common import Flags, configuration
from emailproxy.cli.exits import Exit, end
from emailproxy.cli.mail_password import PasswordError, has_terminal, mail_password, password_option
from emailproxy.cli.names import AccountName
from emailproxy.cli.stores_in_use import answer, opened_as_proxy
from emailproxy.cli.tables import moment
from emailproxy.config import Account
from emailproxy.failures import Failure, FailureKind
from emailproxy.oauth.authorising import Desk, authorise
from emailproxy.oauth.browsers import has_browser
from emailproxy.oauth.consent import Pending
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.opened import AccessToken
from emailproxy.oauth.qr import qr_code
from emailproxy.secret import Secret
from emailproxy.status import Presence, read_status

__all__ = ["authorise_command"]

QUIET = ("emailproxy.consent",)
"""What this log says, the command says itself."""


@click.command("authorise", short_help="Authorise an account here, without a mail client.")
@click.argument("account", type=AccountName())
@click.option("--again", is_flag=True, help="Ask for a new consent even if the account works.")
@click.option("--no-browser", is_flag=True, help="Open no browser, only print the address.")
@password_option
@click.pass_obj
def authorise_command(flags: Flags, account: str, password_file: Path | None, *, again: bool, no_browser: bool) -> None:
    """Authorise ACCOUNT here: sign in once, and its mail clients need nobody any more.

    Asks for the mail password, the one that the mail client uses: it seals the tokens. Then prints the address to open
    (and opens it, if there is a browser), with a QR code for a telephone where that helps, and waits. Without a
    browser on this machine, open the address anywhere, and paste the address that the sign-in ends at.

    A proxy may run meanwhile, or not: it finds the new tokens at the account's next login.

    Exit status 0 if the account is authorised, 1 if not.

    \b
    Examples:
      emailproxy --config-file /etc/emailproxy/emailproxy.config authorise you@example.com
      emailproxy authorise you@example.com --no-browser --password-file /run/secrets/mail-password
    """
    config = configuration(flags.config_file)
    found = config.account(account)
    if found is None:
        end(Exit.FAILED, f"{flags.config_file} has no account {foreign(account)}; emailproxy accounts lists them")
    reading = read_status(flags.config_file)
    running = reading.presence is Presence.RUNNING
    if running and reading.status is not None:
        click.echo(
            f"A proxy runs with this configuration (process {reading.status.pid}). It goes on meanwhile, and uses the "
            "new tokens from the account's next login on."
        )
    piped = password_file is not None and str(password_file) == "-"
    if running and piped and found.oauth2_flow == "authorization_code":
        end(Exit.FAILED, "the address that the sign-in ends at must be pasted, so run this in a terminal")
    known = answer(lambda: _is_known(flags, found))
    password = _password(found, password_file, known=known)
    desk = Desk(
        announce=partial(_announce, running=running, pastes=not piped),
        open_browser=webbrowser.open if not no_browser and has_browser(os.environ) else None,
        receives=not running,
        pastes=not piped,
    )

    async def attempt(*, replace: bool) -> AccessToken | Failure:
        async with opened_as_proxy(flags) as records:
            return await authorise(records, config.settings, found, password, desk, again=again, replace=replace)

    result = answer(lambda: attempt(replace=False), quiet=QUIET)
    if known and isinstance(result, Failure) and result.kind is FailureKind.WRONG_CREDENTIALS and has_terminal():
        click.echo("This is not the password that the stored tokens are sealed with.")
        if click.confirm("Was the mail password changed, so that a new consent shall replace them?"):
            result = answer(lambda: attempt(replace=True), quiet=QUIET)
    if isinstance(result, Failure):
        end(Exit.FAILED, foreign(result.detail, 2000))
    click.echo(f"{foreign(found.name)} is authorised; its access token is good until {moment(int(result.expires_at))}.")


def _password(account: Account, file: Path | None, *, known: bool) -> Secret:
    """The mail password; typed twice if nothing is stored yet that a mistake could be noticed by."""
    again = "The same again, since nothing is stored yet to check it with"
    try:
        return mail_password(account.name, file, confirm=False if known else again)
    except PasswordError as error:
        end(Exit.CONFIGURATION, foreign(error))


async def _is_known(flags: Flags, account: Account) -> bool:
    """Whether something is stored that the mail password must open."""
    async with opened_as_proxy(flags) as records:
        stored = await records.load_fresh(account.name)
    record = stored.record if stored is not None else None
    sealed = record is not None and any((record.access_token, record.refresh_token, record.client_secret_encrypted))
    return sealed or account.inherited_secret is not None


def _announce(pending: Pending, *, running: bool, pastes: bool) -> None:
    """Say what to do, for a person who reads it in a terminal."""
    question = pending.question
    click.echo(f"\nTo authorise {foreign(pending.account.name)}, open this address in a browser:\n\n  {pending.url}\n")
    drawn = qr_code(pending, sys.stdout)
    if drawn is not None:
        click.echo(drawn, color=True)
    if question.user_code is not None:
        where = "compare it with this one" if question.page not in (None, question.url) else "enter it there"
        click.echo(f"  code: {question.user_code}   ({where})\n")
        if question.page not in (None, question.url):
            click.echo(f"Or open {question.page} and enter the code.\n")
    elif running:
        click.echo(
            "The proxy that runs receives what the browser is sent to, and will say there that nothing waits for it.\n"
            "Copy that page's address then, and paste it here.\n"
        )
    elif pastes:
        click.echo(
            "If the browser runs on another machine, it will end at an address that it cannot open: copy that address, "
            "and paste it here.\n"
        )
    minutes = max(1, round(question.lifetime / 60))
    click.echo(f"Waiting for you, {minutes} minutes at the most; Ctrl-C ends it.")
