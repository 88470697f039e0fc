"""May this login be an account's first, which decides what the mail password is? Only if somebody can vouch for it.

In a flow with a person, she vouches, who sees the client's address and consents; in the password flow the provider
does. Where nobody does (an application that has access to the mailbox), whoever comes first would be let in. On a
listener that only this machine reaches, that is one of its own programs, as with the classic proxy. Elsewhere it is
refused, and the log says what to do. The client hears "its administrator must act", not "wrong password": its password
may well be the right one, and the mistake is ours.
"""

from __future__ import annotations

from emailproxy.config.model import Settings
from emailproxy.config.options import is_loopback
from emailproxy.failures import FailureKind
from emailproxy.oauth.explain import failed
from emailproxy.oauth.opening import Login

__all__ = ["check_first_login"]


def check_first_login(login: Login, settings: Settings) -> None:
    """Refuse the first login of an account for which nobody can vouch.

    Raises:
        LoginFailed: with what to do.
    """
    if login.vouched or login.flow.interactive or login.flow.provider_checks_password or settings.trust_first_login:
        return
    server = login.server
    if server is None or (is_loopback(server.local_address or "") and not server.proxy_protocol_from):
        return
    account = login.account
    if account.client_secret is None and account.inherited_secret is not None:
        return  # its password has opened that
    if password_is_secret(login, settings):
        return  # the provider checks it
    raise failed(
        FailureKind.MISCONFIGURED,
        login.name,
        f"this would be the account's first login, its flow {login.flow.name} needs no person, and [{server.section}] "
        "can be reached from other machines, so anybody's password would be taken; either give the account a password: "
        f"emailproxy passwords add {login.name}; or log in once through a listener with local_address = localhost; or "
        "write trust_first_login = True into [emailproxy], and the first password that comes is taken",
    )


def password_is_secret(login: Login, settings: Settings) -> bool:
    """Whether the mail password serves as the client secret, if the account has no other."""
    return (
        settings.use_login_password_as_client_credentials_secret
        and login.flow.name == "client_credentials"
        and login.account.client_secret is None
        and not login.account.asserts
        and not login.managed
    )
