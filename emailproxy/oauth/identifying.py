"""As which application does a login ask for tokens? By what is configured, sealed, or typed."""

from __future__ import annotations

from collections.abc import Callable

from emailproxy.config.model import Settings
from emailproxy.oauth.clients import Clients
from emailproxy.oauth.endpoint import ClientCredentials
from emailproxy.oauth.first_login import password_is_secret
from emailproxy.oauth.flows.base import text_of_password
from emailproxy.oauth.opened import Opened
from emailproxy.oauth.vault import Login, Vault
from emailproxy.secret import Secret

__all__ = ["Applications"]


class Applications:
    """Client credentials of logins.

    Args:
        clients: what the configuration says.
        vault: secrets that are sealed with mail passwords.
        settings: the settings in force, asked for at each use.
    """

    def __init__(self, clients: Clients, vault: Vault, settings: Callable[[], Settings]) -> None:
        self._clients = clients
        self._vault = vault
        self._settings = settings

    async def of(self, login: Login, opened: Opened | None) -> ClientCredentials:
        """How we identify ourselves for this login.

        Raises:
            TokenEndpointError: there is no ``client_id``.
            LoginFailed: it, or the secret, is a reference that cannot be followed.
        """
        account = login.account
        if account.asserts:
            return await self._clients.credentials(account, None)
        secret = await self._clients.configured_secret(account)
        secret = secret or (opened.client_secret if opened is not None else None)
        if secret is None:
            secret = await self._vault.inherited_secret(login)
        if secret is None and password_is_secret(login, self._settings()):
            secret = Secret(text_of_password(login.password))
        return await self._clients.credentials(account, secret)
