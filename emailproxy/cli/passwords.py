"""Who may log in to a managed account, and how does an account become one? ``emailproxy passwords``."""

from __future__ import annotations

import ipaddress
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from emailproxy.cli.common import Flags
from emailproxy.cli.exits import Exit, end
from emailproxy.cli.holding import hold_refreshes
from emailproxy.cli.mail_password import PasswordError, mail_password, password_option
from emailproxy.cli.names import AccountName
from emailproxy.cli.record_changes import change_record, configured, stored_record
from emailproxy.cli.tables import moment, table
from emailproxy.config import MailProtocol
from emailproxy.oauth.app_passwords import AppPassword, parse_uses
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.managing import (
    MECHANISMS,
    ManagingError,
    Terms,
    add_password,
    is_managed,
    list_passwords,
    revoke_password,
    to_compatible,
    to_managed,
)
from emailproxy.oauth.servicekey import NoSealKeyError
from emailproxy.secret import Secret
from emailproxy.store.base import Record

__all__ = ["migrate", "passwords"]

DAY = 86_400


@click.group()
def passwords() -> None:
    """Give accounts app passwords, one for each device, and take them back.

    An account that has some is a managed one: its tokens are sealed with the service key (emailproxy seal init), not
    with a mail password. Passwords are kept as argon2id hashes in the account's record, in the store that the proxy
    would use with the same flags, which stand before the command.

    There is no read-only password: after login the proxy carries octets and reads no commands, so it could not keep
    that promise. Ask the provider for a scope that only reads, where there is one.

    \b
    Example:
      emailproxy passwords add you@example.com --name printer --send-only --network 192.0.2.0/24
    """


@passwords.command(short_help="Make an app password and show it, once.")
@click.argument("account", type=AccountName())
@click.option("--name", help="What it is for; shown in the list and the log.  [default: today's date and time]")
@click.option(
    "--expires", metavar="DAYS|DATE", help="After so many days, or at the end of a day such as 2027-03-31 (UTC)."
)
@click.option("--network", "networks", metavar="CIDR", multiple=True, help="Only from there; may be given again.")
@click.option(
    "--protocol",
    "protocols",
    type=click.Choice([protocol.value.lower() for protocol in MailProtocol]),
    multiple=True,
    help="Only for that; may be given again.",
)
@click.option("--send-only", is_flag=True, help="The same as --protocol smtp.")
@click.option(
    "--mechanisms",
    metavar="NAMES",
    default="",
    help="Also for devices that do not send it: scram-sha-256, cram-md5, or both with a comma.",
)
@click.pass_obj
def add(
    flags: Flags,
    account: str,
    name: str | None,
    expires: str | None,
    networks: tuple[str, ...],
    protocols: tuple[str, ...],
    mechanisms: str,
    *,
    send_only: bool,
) -> None:
    """Make an app password for ACCOUNT and print it on stdout. It is shown this once, and kept nowhere.

    An account without a record becomes a managed one by that: the first login with the app password asks for the
    consent that its flow needs. One that has a mail password is migrated first.

    Some devices do not send a password, but prove that they have it. For them, --mechanisms keeps more than a hash,
    sealed with the service key: for scram-sha-256 what only checks, for cram-md5 the password itself. The listener
    must offer the mechanism as well (auth_mechanisms).

    \b
    Examples:
      emailproxy passwords add you@example.com --name phone
      emailproxy passwords add scanner@example.com --name lobby --send-only --network 10.1.0.0/16 --expires 365
    """
    if send_only and protocols and set(protocols) != {"smtp"}:
        end(Exit.CONFIGURATION, "--send-only means --protocol smtp; leave one of the two out")
    now = time.time()
    terms = Terms(
        name if name is not None else moment(int(now)),
        _expiry(expires, now) if expires is not None else None,
        [_network(text) for text in networks],
        [MailProtocol[text.upper()] for text in (("smtp",) if send_only else dict.fromkeys(protocols))],
        _mechanisms(mechanisms),
    )
    config, known = configured(flags, account)

    def change(record: Record | None) -> tuple[Record, tuple[Secret, AppPassword]]:
        changed, password, entry = add_password(config.settings, known, record, terms, now)
        return changed, (password, entry)

    address, (password, entry) = change_record(flags, known.name, change)
    kept = "sealed" if entry.plain is not None else "as a hash"
    click.echo(
        f"{foreign(known.name)}: app password {entry.id} ({foreign(entry.name)}), kept {kept} in {address}", err=True
    )
    if entry.plain is not None:
        click.echo(
            "CRAM-MD5 needs the password itself: whoever has the service key and the store can read it.", err=True
        )
    for name in entry.mechanisms:
        if not any(name in server.auth_mechanisms for server in config.servers):
            click.echo(f"No listener offers {name} yet: write auth_mechanisms = {name.lower()} into one.", err=True)
    click.echo(f"Good {_terms(entry)}. This is the only time that it is shown:", err=True)
    click.echo(password.reveal())


@passwords.command("list", short_help="List an account's app passwords.")
@click.argument("account", type=AccountName())
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object, times in Unix seconds.")
@click.pass_obj
def list_(flags: Flags, account: str, *, as_json: bool) -> None:
    """List the app passwords of ACCOUNT: identifier, name, dates and limits; no password and no hash.

    "last used" is as of the last time that the proxy stored something for the account, mostly new tokens: to write it
    for each login would cost money in a secret manager.

    \b
    Example:
      emailproxy passwords list you@example.com
    """
    config, known = configured(flags, account)
    address, record = stored_record(flags, known.name)
    if record is None or not is_managed(record):
        if as_json:
            click.echo(json.dumps({"account": known.name, "managed": False, "passwords": []}, indent=2))
            return
        click.echo(f"{foreign(known.name)}: no app passwords; {_how_to_begin(known.name, record)}")
        return
    try:
        entries = list_passwords(config.settings, known.name, record).entries
    except (NoSealKeyError, ValueError) as error:
        end(Exit.FAILED, foreign(f"{known.name}: {error}"))
    uses = parse_uses(record.app_passwords_used)
    if as_json:
        fields = [_fields(entry, uses) for entry in entries]
        click.echo(json.dumps({"account": known.name, "managed": True, "passwords": fields}, indent=2))
        return
    if not entries:
        click.echo(f"{foreign(known.name)}: no app password is left, so nobody can log in")
        return
    head = ("id", "name", "created", "last used", "good")
    for line in table(head, (_row(entry, uses) for entry in entries)):
        click.echo(line)
    click.echo(f"\n{len(entries)} in {address}, sealed with service key {record.sealed_by}")


@passwords.command(short_help="Take an app password back.")
@click.argument("account", type=AccountName())
@click.argument("password", metavar="ID|NAME")
@click.pass_obj
def revoke(flags: Flags, account: str, password: str) -> None:
    """Take back the app password of ACCOUNT with this identifier or name.

    A running proxy refuses it when it looks into the store again: within a minute, in a secret manager within an
    hour, or at once when it is told to reload (SIGHUP). Sessions that are open stay open.

    \b
    Example:
      emailproxy passwords revoke you@example.com phone
    """
    config, known = configured(flags, account)

    def change(record: Record | None) -> tuple[Record, tuple[AppPassword, int]]:
        if record is None or not is_managed(record):
            raise ManagingError(f"{known.name} has no app passwords; {_how_to_begin(known.name, record)}")
        changed, entry, left = revoke_password(config.settings, known.name, record, password)
        return changed, (entry, left)

    address, (entry, left) = change_record(flags, known.name, change)
    click.echo(f"{foreign(known.name)}: revoked {entry.id or '-'} ({foreign(entry.name)}) in {address}; {left} left")
    if not left:
        click.echo(f"nobody can log in until emailproxy passwords add {foreign(known.name)}")


@passwords.command(short_help="Turn a mail password into app passwords, or back, without a new consent.")
@click.argument("account", type=AccountName())
@click.option("--back", is_flag=True, help="From app passwords to one mail password, which seals the tokens.")
@click.option("--stopped", is_flag=True, help="No proxy runs on this store, so there is none to wait for.")
@password_option
@click.pass_obj
def migrate(flags: Flags, account: str, password_file: Path | None, *, back: bool, stopped: bool) -> None:
    """Make ACCOUNT a managed one: its tokens are sealed with the service key, without a new consent.

    You are asked for its mail password, once. That stays good, as the app password "mail password", so no device
    needs a change today; give each device one of its own, and then revoke it. With --back the account gets one mail
    password again, which you choose, and its app passwords end.

    Proxies may run meanwhile. Where refresh tokens rotate, --back keeps them from refreshing, and waits a minute and
    a half for one that has begun.

    \b
    Examples:
      emailproxy accounts migrate you@example.com
      emailproxy passwords migrate --back you@example.com
    """
    config, known = configured(flags, account)
    _, before = stored_record(flags, known.name)
    if before is None or (back and not is_managed(before)) or (not back and is_managed(before)):
        end(Exit.FAILED, f"{foreign(known.name)}: nothing to migrate; {_how_to_begin(known.name, before)}")
    try:
        password = mail_password(known.name, password_file, confirm=back)
    except PasswordError as error:
        end(Exit.CONFIGURATION, foreign(error))

    if back and not stopped:
        hold_refreshes(flags, known)

    def change(record: Record | None) -> tuple[Record, None]:
        if record is None or is_managed(record) is not back:
            raise ManagingError(f"the record of {known.name} was changed meanwhile; look, and try again")
        if back:
            return to_compatible(config.settings, known.name, record, password, None), None
        return to_managed(config.settings, known, record, password, time.time(), None), None

    address, _ = change_record(flags, known.name, change)
    if back:
        click.echo(
            f"{foreign(known.name)}: the mail password seals its tokens in {address}; its app passwords are gone"
        )
    else:
        click.echo(f"{foreign(known.name)}: the service key seals its tokens in {address}; the mail password goes on")


def _how_to_begin(account: str, record: Record | None) -> str:
    if is_managed(record):
        return f"it is a managed account; emailproxy passwords list {foreign(account)}"
    verb = "add" if record is None else "migrate"
    return f"emailproxy passwords {verb} {foreign(account)} makes it a managed account"


def _expiry(text: str, now: float) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text[:6]) <= 36_500 and len(text) <= 5:
        return int(now) + int(text) * DAY
    try:
        # The end of that day.
        ends = int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) + DAY
    except ValueError:
        end(Exit.CONFIGURATION, "--expires takes a number of days, or a date such as 2027-03-31")
    if ends <= now:
        end(Exit.CONFIGURATION, f"--expires {text} is over already")
    return ends


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text.strip()))
    except ValueError:
        end(Exit.CONFIGURATION, f"--network {foreign(text)} is no network; write 192.0.2.0/24, or one address")


def _mechanisms(text: str) -> list[str]:
    """Those that are named, in the order in which they are offered."""
    named = {name.strip().upper() for name in text.split(",") if name.strip()}
    if unknown := sorted(named - set(MECHANISMS)):
        end(Exit.CONFIGURATION, foreign(f"--mechanisms: {unknown[0]:.40} is none; write scram-sha-256, cram-md5"))
    return [name for name in MECHANISMS if name in named]


def _terms(entry: AppPassword) -> str:
    """What it is good for, in words."""
    parts = ["to send only" if entry.protocols == ("SMTP",) else f"for {', '.join(entry.protocols) or 'all'}"]
    if entry.networks:
        parts.append(f"from {', '.join(entry.networks)}")
    if entry.expires is not None:
        parts.append(f"until {moment(entry.expires)}" + (" (over)" if entry.expires <= time.time() else ""))
    if entry.mechanisms:
        parts.append(f"also by {', '.join(entry.mechanisms)}")
    return " ".join(parts)


def _row(entry: AppPassword, uses: dict[str, int]) -> tuple[str, ...]:
    return (entry.id or "-", entry.name, moment(entry.created), moment(uses.get(entry.id)), _terms(entry))


def _fields(entry: AppPassword, uses: dict[str, int]) -> dict[str, object]:
    return {
        "id": entry.id,
        "name": entry.name,
        "created": entry.created,
        "last_used": uses.get(entry.id),
        "expires": entry.expires,
        "networks": list(entry.networks),
        "protocols": list(entry.protocols),
        "mechanisms": list(entry.mechanisms),
    }
