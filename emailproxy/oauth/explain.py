"""What do a mail client and an operator hear when there is no token? Every `Failure` of the broker, in one place."""

from __future__ import annotations

from emailproxy.failures import Failure, FailureKind, LoginFailed
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.refusals import Meaning, TokenEndpointError
from emailproxy.store.base import (
    StoreAddressError,
    StoreContentError,
    StoreDeniedError,
    StoreError,
    StoreTooLargeError,
    StoreUnavailableError,
)

__all__ = [
    "became_managed",
    "failed",
    "needs_password",
    "no_store",
    "no_token",
    "no_turn",
    "no_value",
    "not_managed",
    "too_many_checks",
    "unknown_account",
    "wrong_app_password",
    "wrong_password",
]

_TEXTS = {
    FailureKind.WRONG_CREDENTIALS: "User name or password is wrong",
    FailureKind.TEMPORARY: "The sign-in service cannot be used right now, please try again later",
    FailureKind.MISCONFIGURED: "The sign-in of this account must be corrected by its administrator",
}


def failed(kind: FailureKind, account: str, detail: str) -> LoginFailed:
    """A login of `account` that fails for the reason in `detail`, which is the operator's alone."""
    return LoginFailed(Failure(kind, _TEXTS[kind], f"account {foreign(account)}: {detail}"))


def wrong_password(account: str, hint: str = "") -> LoginFailed:
    """The mail password does not open the stored tokens; nothing was changed."""
    detail = "the mail password is not the one that seals the stored tokens"
    return failed(FailureKind.WRONG_CREDENTIALS, account, f"{detail}; {hint}" if hint else detail)


def needs_password(account: str) -> LoginFailed:
    """Whoever operates the proxy has given no password, and no service key could do without."""
    return failed(FailureKind.WRONG_CREDENTIALS, account, "its mail password is needed, since that seals its tokens")


def wrong_app_password(account: str, why: str = "it is none of the account's app passwords") -> LoginFailed:
    """The account is managed, and what the client sent lets nobody in, or not here and now."""
    return failed(FailureKind.WRONG_CREDENTIALS, account, why)


def not_managed(account: str) -> LoginFailed:
    """Whoever wants in sends no password, and only one opens the account's tokens."""
    return failed(
        FailureKind.MISCONFIGURED,
        account,
        "only its mail password opens its tokens, and none was sent; let the service key seal them: "
        f"emailproxy passwords migrate {account}",
    )


def became_managed(account: str) -> LoginFailed:
    """The account changed between compatible and managed while a login was under way, which may write no more."""
    return failed(
        FailureKind.TEMPORARY,
        account,
        "it became a managed account, or ceased to be one, while this login was under way; log in again",
    )


def unknown_account(user: str) -> LoginFailed:
    """There is no such account. The client hears what a wrong password gets, or it could find out who has one.

    That is no lie about a mistake of ours: the user name is half of what the client sent, and it is wrong here.
    """
    return failed(
        FailureKind.WRONG_CREDENTIALS,
        user[:128],
        "the configuration has no section for it; add one, or allow catch-all accounts",
    )


def too_many_checks(account: str) -> LoginFailed:
    """Nobody looked at the password, so it must not be called wrong."""
    return failed(
        FailureKind.TEMPORARY, account[:128], "too many passwords from its address are being tried; this one was not"
    )


def no_token(account: str, error: TokenEndpointError, permanent: FailureKind) -> LoginFailed:
    """The token endpoint gave no token; `permanent` is what a permanent refusal means here."""
    kind = {
        Meaning.PERMANENT: permanent,
        Meaning.TEMPORARY: FailureKind.TEMPORARY,
        Meaning.MISCONFIGURED: FailureKind.MISCONFIGURED,
    }[error.meaning]
    return failed(kind, account, str(error))


def no_value(account: str, option: str, problem: StoreError | str) -> LoginFailed:
    """What the account's `option` refers to cannot be had, or used."""
    temporary = isinstance(problem, StoreUnavailableError)
    kind = FailureKind.TEMPORARY if temporary else FailureKind.MISCONFIGURED
    return failed(kind, account, f"{option}: {foreign(problem)}")


def no_store(account: str, error: StoreError) -> LoginFailed:
    """The store could not be read, so nobody knows whether the password is right."""
    return failed(_kind_of(error), account, f"the record cannot be read: {foreign(error)}")


def no_turn(account: str, error: StoreError) -> LoginFailed:
    """The refresh token may be used once, and the store, which says whose turn that is, does not take our word."""
    return failed(
        _kind_of(error),
        account,
        f"its refresh token is for single use, and the turn to use it was not got: {foreign(error)}",
    )


def _kind_of(error: StoreError) -> FailureKind:
    needs_person = isinstance(error, StoreAddressError | StoreContentError | StoreDeniedError | StoreTooLargeError)
    return FailureKind.MISCONFIGURED if needs_person else FailureKind.TEMPORARY
