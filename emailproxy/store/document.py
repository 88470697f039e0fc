"""How does one account's record look in a secret manager? One small JSON document, with the account's name inside.

A secret manager bills (and sometimes keeps for ever) every version, so a document leaves out what changes all the time:
the access token, its expiry and the time of the last login. A record that differs only in these is the same document,
and a store need not write it.

``{"v": 1, "account": "user@example.com", "record": {"token_salt": "…", "refresh_token": "…", …}}``

A name in ``record`` that this version does not know is read over, and is gone after the next write. It describes the
tokens beside it, and a writer who does not know it cannot keep it true: an old ``refresh_token_issued`` beside a new
refresh token would be a lie. So a newer version may add a name and keep the format, as long as its absence is harmless;
what an older version must not lose needs another format, which the older one refuses.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Final

from emailproxy.store.base import Record, StoreContentError, StoreTooLargeError

__all__ = ["account_hash", "check_ours", "decode", "encode", "lasting"]

FORMAT: Final = 1
MANAGED_FORMAT: Final = 2
"""Of managed accounts: a version that does not know them would take their records for its own, and lose them."""


def lasting(record: Record) -> Record:
    """`record` without what a secret manager does not keep: what each login or each new access token changes."""
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
        StoreContentError: the name or a value is no text that UTF-8 can hold.
    """
    version = FORMAT if record.sealed_by is None else MANAGED_FORMAT
    document = {"v": version, "account": account, "record": lasting(record).to_options()}
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise StoreContentError(f"{where}: what is not UTF-8 cannot be stored") from None
    if size > limit:
        raise StoreTooLargeError(f"{where}: the record of {account} has {size} octets; the service takes {limit}")
    return text


def decode(account: str, text: str, *, where: str) -> Record:
    """The record of a document; the inverse of `encode`.

    Raises:
        StoreContentError: as `check_ours`; or the record is damaged.
    """
    try:
        return Record.from_options(check_ours(account, text, where=where))
    except ValueError as error:
        raise StoreContentError(f"{where}: the record of {account} is damaged: {error}") from None


def check_ours(account: str, text: str, *, where: str) -> dict[str, str]:
    """What a document says of the account, readable or damaged; for `delete`, which may remove what is damaged.

    Raises:
        StoreContentError: not a document of ours, of a newer format, or of another account. Nothing of it is repeated.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or "v" not in document or not isinstance(document.get("record"), dict):
        raise StoreContentError(
            f"{where}: what is kept for {account} was not written by emailproxy; it is left as it is"
        )
    if document["v"] not in (FORMAT, MANAGED_FORMAT):
        raise StoreContentError(
            f"{where}: the record of {account} has format {document['v']!r:.20}; this version reads {FORMAT} and "
            f"{MANAGED_FORMAT}: upgrade"
        )
    if document.get("account") != account:
        raise StoreContentError(f"{where}: what is kept for {account} belongs to another account; it is left as it is")
    return {str(name): str(value) for name, value in document["record"].items()}


def account_hash(account: str) -> str:
    """A name that every service takes (lower-case letters and digits, 52 of them) and no two accounts share.

    The names of the services forbid ``@`` and dots, or ignore case; the account's own name is in the document.
    """
    # A name that UTF-8 cannot hold gets a hash too, under which nothing will ever be found: `encode` refuses it.
    digest = hashlib.sha256(account.encode("utf-8", "surrogatepass")).digest()
    return "".join(_BASE32[int.from_bytes(digest, "big") >> shift & 31] for shift in range(255, -1, -5))


_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
