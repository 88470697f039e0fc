"""What does a token file of sasl-xoauth2 hold? One JSON object for one account.

``{"access_token": "…", "expiry": "1700000000", "refresh_token": "…", "user": "you@example.com"}``, with
``client_id`` and other settings of that account where they differ from the program's. Older files have no ``user``; the
file's name is the account's then.
"""

from __future__ import annotations

import json
from pathlib import Path

from emailproxy.importing.tokens import ForeignToken, ForeignTokenError, read_file
from emailproxy.secret import Secret

__all__ = ["read"]


def read(paths: list[Path]) -> list[ForeignToken]:
    """The tokens of these files.

    Raises:
        ForeignTokenError: one cannot be read, is none of sasl-xoauth2, or nobody can tell whose it is.
    """
    return [_token(path) for path in paths]


def _token(path: Path) -> ForeignToken:
    try:
        document = json.loads(read_file(path))
    except (ValueError, RecursionError):
        document = None
    refresh_token = document.get("refresh_token") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(refresh_token, str) or not refresh_token:
        raise ForeignTokenError(f'{path} is no token file of sasl-xoauth2: a JSON object with "refresh_token"')
    account = document.get("user") or path.name
    if not isinstance(account, str) or "@" not in account:
        raise ForeignTokenError(f"{path} does not tell whose token it is; rename it to the account's address")
    client_id = document.get("client_id")
    token = Secret(refresh_token)
    return ForeignToken(
        account=account,
        where=str(path),
        open=lambda _password: token,
        client_id=client_id if isinstance(client_id, str) and client_id else None,
    )
