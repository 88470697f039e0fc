"""How does a refresh token from elsewhere become a record? Sealed with the mail password, as after a consent."""

from __future__ import annotations

from dataclasses import replace

from emailproxy.config.model import Account
from emailproxy.failures import ProxyError
from emailproxy.oauth.sealing import Iterations, check_value, derive_key, new_salt, parse_salt
from emailproxy.secret import Secret
from emailproxy.store.base import Record

__all__ = ["PasswordMismatchError", "is_in_use", "sealed_record"]


class PasswordMismatchError(ProxyError):
    """Something of the account that must not be lost is sealed with another password; the message says what."""


def sealed_record(
    account: Account,
    refresh_token: Secret,
    password: Secret,
    existing: Record | None,
    iterations: Iterations | None = None,
) -> Record:
    """The record to store for `refresh_token`. Derives keys, which takes a second.

    Args:
        account: whose it is; a client secret that it inherits shares its salt with the record.
        refresh_token: what the other program had.
        password: the account's mail password.
        existing: what is replaced. A client secret that is sealed in it is kept, since it may be nowhere else.
        iterations: PBKDF2 rounds.

    Raises:
        PasswordMismatchError: a client secret is sealed with another password.
    """
    rounds = iterations or Iterations()
    sealed_secret = existing.client_secret_encrypted if existing is not None else None
    client_secret = None
    salt = new_salt()
    target = rounds.current
    if existing is not None and sealed_secret is not None and account.client_secret is None:
        known = parse_salt(existing.token_salt)
        client_secret = _opened(sealed_secret, known, existing.token_iterations, password, rounds)
        if client_secret is None:
            raise PasswordMismatchError(
                f"the client secret of {account.name} is sealed with another password; give that one, or write "
                "client_secret into the configuration again"
            )
        target = rounds.target(existing.token_iterations)
    inherited = account.inherited_secret
    if inherited is not None and account.client_secret is None and client_secret is None:
        known = parse_salt(inherited.token_salt)
        if known is None or _opened(inherited.value, known, inherited.token_iterations, password, rounds) is None:
            raise PasswordMismatchError(
                f"the client secret of the catch-all section, which {account.name} has, is sealed with another password"
            )
        salt = known  # the classic proxy opens an account's values and what it inherits with one key
    key = derive_key(password, salt, target)
    record = Record(token_salt=key.salt_text, token_iterations=target, refresh_token=key.seal(refresh_token))
    return replace(record, client_secret_encrypted=key.seal(client_secret)) if client_secret is not None else record


def is_in_use(record: Record) -> bool:
    """Whether there is something in `record` that a password opens."""
    return check_value(record) is not None


def _opened(
    value: str, salt: bytes | None, recorded: int | None, password: Secret, iterations: Iterations
) -> Secret | None:
    if salt is None:
        return None
    for number in iterations.candidates(recorded):
        secret = derive_key(password, salt, number).open(value)
        if secret is not None:
            return secret
    return None
