"""How are app passwords listed, made and taken back while the proxy runs? In its own store; it knows at once."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

import trio

from emailproxy.config import Account, MailProtocol
from emailproxy.console.context import Context
from emailproxy.console.refusing import Body, RequestRefusedError
from emailproxy.failures import ProxyError
from emailproxy.oauth.app_passwords import AppPassword, parse_uses
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.managing import (
    MECHANISMS,
    Terms,
    add_password,
    is_managed,
    list_passwords,
    revoke_password,
)
from emailproxy.store.base import Record, StoreConflictError, StoreError

__all__ = ["PasswordRequests"]

log = logging.getLogger("emailproxy.console")

MAX_CONFLICTS: Final = 5
"""Other writers in a row: the proxy itself refreshes an account once an hour."""

T = TypeVar("T")


class PasswordRequests:
    """Requests about one account's app passwords.

    Args:
        context: the running proxy.
        now: Unix time.
    """

    def __init__(self, context: Context, now: Callable[[], float] = time.time) -> None:
        self._context = context
        self._now = now
        # A hash costs 20 MB and a tenth of a second: one at a time leaves the rest to logins.
        self._limiter = trio.CapacityLimiter(1)

    async def list(self, _path: Mapping[str, str], body: Body) -> Mapping[str, object]:
        """``{account}``: what there is, without a password or a hash."""
        account = body.account(self._context.config())
        stored = await self._context.records.load_fresh(account.name)
        if stored is None or not is_managed(stored.record):
            return {"account": account.name, "managed": False, "passwords": []}
        settings, record = self._context.config().settings, stored.record
        try:
            entries = await trio.to_thread.run_sync(
                list_passwords, settings, account.name, record, limiter=self._limiter
            )
        except (ProxyError, ValueError) as error:
            raise RequestRefusedError(409, foreign(f"{account.name}: {error}")) from None
        uses = parse_uses(record.app_passwords_used)
        passwords = [_fields(entry) | {"last_used": uses.get(entry.id)} for entry in entries.entries]
        return {"account": account.name, "managed": True, "passwords": passwords}

    async def add(self, _path: Mapping[str, str], body: Body) -> Mapping[str, object]:
        """``{account, name, expires?, networks?, protocols?, mechanisms?}``: make one, whose ``password`` is told once.

        ``expires`` is Unix time, ``networks`` are CIDR, ``protocols`` of ``IMAP``, ``POP`` and ``SMTP``,
        ``mechanisms`` of ``SCRAM-SHA-256`` and ``CRAM-MD5``, for devices that prove a password instead of sending it.
        """
        account = body.account(self._context.config())
        settings, now = self._context.config().settings, self._now()
        terms = _terms(body, now)

        def change(record: Record | None) -> tuple[Record, Mapping[str, object]]:
            changed, password, entry = add_password(settings, account, record, terms, now)
            return changed, _fields(entry) | {"password": password.reveal()}

        made = await self._changed(account, change)
        log.info("account %s: app password %s made through the console", foreign(account.name), made["id"])
        return {"account": account.name} | dict(made)

    async def revoke(self, _path: Mapping[str, str], body: Body) -> Mapping[str, object]:
        """``{account, name}``: take the one of this identifier or name back; ``left`` says how many there are still."""
        account, name = body.account(self._context.config()), body.text("name")
        settings = self._context.config().settings

        def change(record: Record | None) -> tuple[Record, tuple[AppPassword, int]]:
            if record is None or not is_managed(record):
                raise RequestRefusedError(404, f"{account.name} has no app passwords")
            changed, entry, left = revoke_password(settings, account.name, record, name)
            return changed, (entry, left)

        entry, left = await self._changed(account, change)
        log.info("account %s: app password %s revoked through the console", foreign(account.name), entry.id or "-")
        return {"account": account.name, "id": entry.id, "name": entry.name, "left": left}

    async def _changed(self, account: Account, change: Callable[[Record | None], tuple[Record, T]]) -> T:
        """Save what `change` makes of the record; again if the proxy was faster."""
        records = self._context.records
        for _ in range(MAX_CONFLICTS):
            stored = await records.load_fresh(account.name)
            before = stored.record if stored is not None else None
            try:
                record, result = await trio.to_thread.run_sync(partial(change, before), limiter=self._limiter)
            except (RequestRefusedError, StoreError):
                raise
            except (ProxyError, ValueError) as error:
                raise RequestRefusedError(409, foreign(error)) from None
            try:
                await records.save(account.name, record, stored.version if stored is not None else None)
            except StoreConflictError:
                continue
            self._context.broker.distrust()  # the next login of each account looks into the store
            return result
        raise RequestRefusedError(503, f"the record of {account.name} changes all the time; try again")


def _terms(body: Body, now: float) -> Terms:
    expires = body.integer("expires")
    if expires is not None and expires <= now:
        raise RequestRefusedError(400, "expires is over already")
    return Terms(
        body.text("name"),
        expires,
        [_network(text) for text in body.texts("networks")],
        list(dict.fromkeys(_protocol(text) for text in body.texts("protocols"))),
        _mechanisms(body.texts("mechanisms")),
    )


def _mechanisms(names: Sequence[str]) -> list[str]:
    """Those that are named, in the order in which they are offered."""
    named = {name.strip().upper() for name in names}
    if unknown := sorted(named - set(MECHANISMS)):
        raise RequestRefusedError(400, f"{foreign(unknown[0], 64)} is none of {' and '.join(MECHANISMS)}")
    return [name for name in MECHANISMS if name in named]


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text.strip()))
    except ValueError:
        raise RequestRefusedError(
            400, f"{foreign(text, 64)} is no network; write 192.0.2.0/24, or one address"
        ) from None


def _protocol(text: str) -> MailProtocol:
    try:
        return MailProtocol(text.upper())
    except ValueError:
        raise RequestRefusedError(400, f"{foreign(text, 64)} is none of IMAP, POP and SMTP") from None


def _fields(entry: AppPassword) -> dict[str, object]:
    return {
        "id": entry.id,
        "name": entry.name,
        "created": entry.created,
        "expires": entry.expires,
        "networks": list(entry.networks),
        "protocols": list(entry.protocols),
        "mechanisms": list(entry.mechanisms),
    }
