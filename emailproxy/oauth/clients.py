"""How does the proxy say who it is, where the configuration only refers to that? And what if the provider disagrees?

A reference is followed at each token request (mostly from memory, see `emailproxy.references.resolver`). A provider
that does not accept what it led to may only be ahead: the secret was rotated. So it is read again, and if it is another
one by now, the token request is repeated once, before any login hears of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from emailproxy.config.model import Account
from emailproxy.oauth.audience import audience_of
from emailproxy.oauth.endpoint import ClientCredentials
from emailproxy.oauth.explain import no_value
from emailproxy.oauth.proving import Proofs
from emailproxy.oauth.refusals import TokenEndpointError
from emailproxy.references.base import Reference
from emailproxy.references.resolver import Resolver
from emailproxy.secret import Secret
from emailproxy.store.base import StoreError

__all__ = ["Clients"]

CLIENT_ID: Final = "client_id"
CLIENT_SECRET: Final = "client_secret"  # noqa: S105 - an option's name


class Clients:
    """Client credentials of accounts.

    Args:
        resolver: follows references.
        proofs: makes assertions.
    """

    def __init__(self, resolver: Resolver, proofs: Proofs) -> None:
        self._resolver = resolver
        self._proofs = proofs

    async def configured_secret(self, account: Account) -> Secret | None:
        """The account's ``client_secret``; None if the configuration has none.

        Raises:
            LoginFailed: it is a reference that cannot be followed.
        """
        return await self._followed(account, CLIENT_SECRET, account.client_secret)

    async def credentials(self, account: Account, secret: Secret | None) -> ClientCredentials:
        """What identifies us to the account's provider, with `secret`, wherever that comes from.

        Raises:
            TokenEndpointError: there is no ``client_id``.
            LoginFailed: it is a reference that cannot be followed.
        """
        identifier = account.client_id
        if isinstance(identifier, Reference):
            followed = await self._followed(account, CLIENT_ID, identifier)
            identifier = followed.reveal() if followed is not None else None
        if not identifier:
            raise TokenEndpointError.misconfigured("client_id is missing")
        return replace(self._made(account, identifier, secret), renewed=self._renewal(account, identifier, secret))

    def _made(self, account: Account, identifier: str, secret: Secret | None) -> ClientCredentials:
        return ClientCredentials(identifier, secret, self._proofs.of(account, identifier, secret), audience_of(account))

    def _renewal(
        self, account: Account, identifier: str, secret: Secret | None
    ) -> Callable[[], Awaitable[ClientCredentials | None]] | None:
        """How to get other credentials when these were refused; None if nothing of them is a reference."""
        if not (isinstance(account.client_id, Reference) or isinstance(account.client_secret, Reference)):
            return None

        async def renewed() -> ClientCredentials | None:
            other_id = await self._newer(account, CLIENT_ID, account.client_id, Secret(identifier))
            other_secret = await self._newer(account, CLIENT_SECRET, account.client_secret, secret)
            if other_id is None and other_secret is None:
                return None
            return self._made(account, other_id.reveal() if other_id else identifier, other_secret or secret)

        return renewed

    async def _followed(self, account: Account, option: str, value: Secret | Reference | None) -> Secret | None:
        if not isinstance(value, Reference):
            return value
        try:
            found = await self._resolver.value(value)
        except StoreError as error:
            raise no_value(account.name, option, error) from None
        if not _is_text(found):
            raise no_value(account.name, option, f"what {value} holds is no text in UTF-8; keep text there")
        return found

    async def _newer(self, account: Account, option: str, value: object, refused: Secret | None) -> Secret | None:
        if not isinstance(value, Reference) or refused is None:
            return None
        newer = await self._resolver.newer(value, refused)
        if newer is not None and not _is_text(newer):
            raise no_value(account.name, option, f"what {value} holds is no text in UTF-8; keep text there")
        return newer


def _is_text(value: Secret) -> bool:
    try:
        value.reveal().encode()
    except UnicodeEncodeError:
        return False
    return True
