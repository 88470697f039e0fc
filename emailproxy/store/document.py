"""How does one account's record look in a secret manager? One small JSON document, with the account's name inside.

A secret manager bills (and sometimes keeps for ever) every version, so a document leaves out what changes all the time:
the access token, its expiry and the time of the last login. A record that differs only in these is the same document,
and a store need not write it.

``{"v": 1, "account": "user@example.com", "record": {"token_salt": "…", "refresh_token": "…", …}}``
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Final

from emailproxy.store.base import Record, StoreContentError, StoreTooLargeError

__all__ = ["account_hash", "decode", "encode", "lasting"]

FORMAT: Final = 1


def lasting(record: Record) -> Record:
    """`record` without what a secret manager does not keep."""
    return replace(record, access_token=None, access_token_expiry=None, last_activity=None)


def encode(account: str, record: Record, *, limit: int, where: str) -> str:
    """The document of `record`, the same text for the same lasting record.

    Args:
        account: the account's name.
        record: what to keep; only what is lasting is kept.
        limit: the service's greatest size of a value, octets of UTF-8.
        where: the store's address, for the message.

    Raises:
        StoreTooLargeError: the document does not fit.
    """
    document = {"v": FORMAT, "account": account, "record": lasting(record).to_options()}
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    size = len(text.encode())
    if size > limit:
        raise StoreTooLargeError(f"{where}: the record of {account} has {size} octets; the service takes {limit}")
    return text


def decode(account: str, text: str, *, where: str) -> Record:
    """The record of a document; the inverse of `encode`.

    Raises:
        StoreContentError: not a document of ours, of a newer format, or of another account. Nothing of it is repeated.
    """
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict) or "v" not in document or not isinstance(document.get("record"), dict):
        raise StoreContentError(
            f"{where}: what is kept for {account} was not written by emailproxy; it is left as it is"
        )
    if document["v"] != FORMAT:
        raise StoreContentError(
            f"{where}: the record of {account} has format {document['v']!r:.20}; this version reads {FORMAT}: upgrade"
        )
    if document.get("account") != account:
        raise StoreContentError(f"{where}: what is kept for {account} belongs to another account; it is left as it is")
    try:
        return Record.from_options({str(name): str(value) for name, value in document["record"].items()})
    except ValueError as error:
        raise StoreContentError(f"{where}: the record of {account} is damaged: {error}") from None


def account_hash(account: str) -> str:
    """A name that every service takes (lower-case letters and digits, 52 of them) and no two accounts share.

    The names of the services forbid ``@`` and dots, or ignore case; the account's own name is in the document.
    """
    digest = hashlib.sha256(account.encode("utf-8", "surrogateescape")).digest()
    return "".join(_BASE32[int.from_bytes(digest, "big") >> shift & 31] for shift in range(255, -1, -5))


_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
