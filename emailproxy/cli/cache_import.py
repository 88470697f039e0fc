"""How do accounts come from another program without a new consent? ``emailproxy cache import``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Final

import click

from emailproxy.cli.common import Flags, configuration
from emailproxy.cli.exits import Exit, end
from emailproxy.cli.mail_password import PasswordError, mail_password, password_option
from emailproxy.cli.stores_in_use import answer, opened_in_use
from emailproxy.config import Account, Config
from emailproxy.importing import davmail, sasl_xoauth2
from emailproxy.importing.sealing import PasswordMismatchError, is_in_use, sealed_record
from emailproxy.importing.tokens import ForeignToken, ForeignTokenError
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.managing import is_managed
from emailproxy.store.base import Record, Stored, StoreError

__all__ = ["import_"]

_PROGRAMS: Final = {"davmail": davmail.read, "sasl-xoauth2": sasl_xoauth2.read}


@click.command("import")
@click.option(
    "--from", "program", type=click.Choice(list(_PROGRAMS)), required=True, help="Which program wrote the files."
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--account", "accounts", metavar="NAME", multiple=True, help="Only this one; may be given again.")
@password_option
@click.option("--overwrite", is_flag=True, help="Replace the record that the account has already.")
@click.pass_obj
def import_(
    flags: Flags,
    program: str,
    files: tuple[Path, ...],
    accounts: tuple[str, ...],
    password_file: Path | None,
    *,
    overwrite: bool,
) -> None:
    """Take over refresh tokens that another program has, so that nobody has to consent again.

    DavMail: its davmail.properties, or the file that davmail.oauth.tokenFilePath names in there. sasl-xoauth2: an
    account's token file. Each account must be in the configuration, with the client_id and a scope that its token was
    issued to. You are asked for its mail password, the one that the mail client shall use from now on; it seals the
    token. What DavMail encrypted opens only with the password that the mail client gave to DavMail. The files are not
    changed.

    Exit status 1 if a token was not imported.

    \b
    Examples:
      emailproxy cache import --from davmail ~/.davmail.properties
      emailproxy cache import --from sasl-xoauth2 /etc/tokens/you@example.com --password-file -
    """
    config = configuration(flags.config_file)
    try:
        tokens = _PROGRAMS[program](list(files))
        wanted = _wanted(tokens, accounts)
        if password_file is not None and len(wanted) > 1:
            end(Exit.CONFIGURATION, "--password-file holds one password; name its account with --account")
        failures = 0
        for token in wanted:
            failures += not _import(flags, config, token, password_file, overwrite=overwrite)
    except (ForeignTokenError, PasswordError) as error:
        end(Exit.FAILED, foreign(error))
    if failures:
        sys.exit(Exit.FAILED)


def _wanted(tokens: list[ForeignToken], accounts: tuple[str, ...]) -> list[ForeignToken]:
    """Those that were asked for. Raises ForeignTokenError if one is missing."""
    if not accounts:
        return tokens
    by_name = {token.account.casefold(): token for token in tokens}
    missing = [name for name in accounts if name.casefold() not in by_name]
    if missing:
        raise ForeignTokenError(f"there is no token of {', '.join(missing)}; there are some of {', '.join(by_name)}")
    return [by_name[name.casefold()] for name in dict.fromkeys(accounts)]


def _import(flags: Flags, config: Config, token: ForeignToken, password_file: Path | None, *, overwrite: bool) -> bool:
    """Import one token and say what became of it."""
    account = config.account(token.account)
    if account is None:
        return _refused(token.account, f"{config.path} has no such account; add it, and import again")
    existing, taken = answer(partial(_existing, flags, account.name))
    if existing is not None and is_in_use(existing.record) and not overwrite:
        return _refused(account.name, f"{taken} has a record of it already; --overwrite replaces that")
    if existing is not None and is_managed(existing.record):
        return _refused(
            account.name,
            f"it is a managed account, with app passwords; emailproxy passwords migrate --back {account.name} first",
        )
    # An encrypted token tells a mistyped password by itself.
    password = mail_password(account.name, password_file, confirm=not token.needs_its_password)
    refresh_token = token.open(password)
    if refresh_token is None:
        return _refused(account.name, f"that password does not open what DavMail keeps in {token.where}")
    try:
        record = sealed_record(account, refresh_token, password, existing.record if existing is not None else None)
    except PasswordMismatchError as error:
        return _refused(account.name, str(error))
    address = answer(partial(_save, flags, account.name, record, existing, taken))
    click.echo(f"{foreign(account.name)}: imported into {address}; the mail client logs in with that password")
    for line in _client(account, token, config):
        click.echo(f"  {foreign(line)}")
    return True


def _client(account: Account, token: ForeignToken, config: Config) -> list[str]:
    """What must be the same for the provider to accept the token."""
    if token.client_id is None:
        return [f"client_id and oauth2_scope in {config.path} must be those that the token was issued to"]
    if token.client_id == account.client_id:
        return [f"client_id is the one in {config.path}; oauth2_scope must be covered by the consent"]
    other = f"the token was issued to client_id = {token.client_id}, and {config.path} has another one"
    return [f"{other}: the provider will refuse the token until both are the same"]


def _refused(account: str, reason: str) -> bool:
    click.echo(f"emailproxy: {foreign(account)}: {foreign(reason)}", err=True)
    return False


async def _existing(flags: Flags, account: str) -> tuple[Stored | None, str]:
    """The record that the proxy would use, and the address of the store that has it."""
    async with opened_in_use(flags) as place:
        stored = await place.records.load_fresh(account)
        if stored is not None or place.seed is None:
            return stored, place.records.address
        return await place.seed.load_fresh(account), place.seed.address


async def _save(flags: Flags, account: str, record: Record, existing: Stored | None, taken: str) -> str:
    async with opened_in_use(flags) as place:
        expected = existing.version if existing is not None and taken == place.records.address else None
        await place.records.save(account, record, expected)
        back = await place.records.load_fresh(account)
        if back is None or back.record.refresh_token != record.refresh_token:
            raise StoreError(f"{place.records.address}: the record of {account} is not read back as it was written")
        return place.records.address
