"""What is a flow? Something that gets the first token of an account; what it needs for that; how it is told apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from emailproxy.config.model import Account
from emailproxy.failures import FailureKind
from emailproxy.oauth.consent import Pending
from emailproxy.oauth.endpoint import ClientCredentials, TokenEndpoint, TokenResponse
from emailproxy.oauth.question import Question
from emailproxy.oauth.refusals import TokenEndpointError
from emailproxy.secret import Secret

__all__ = ["Flow", "Grant", "text_of_password"]


@dataclass(frozen=True, slots=True)
class Grant:
    """One attempt to get a token for an account: everything a flow may use."""

    account: Account
    client: ClientCredentials
    password: Secret
    """The mail password as the client sent it."""
    endpoint: TokenEndpoint
    ask: Callable[[Question], Pending]
    """Shows a question to a person; `Pending.answer` waits for what becomes of it. Only for flows that are
    `interactive`.

    Raises LoginFailed if too many wait already.
    """


class Flow(Protocol):
    """An OAuth grant. Stateless: one object serves all accounts."""

    @property
    def name(self) -> str:
        """The value of ``oauth2_flow``."""
        ...

    @property
    def interactive(self) -> bool:
        """Whether a person takes part."""
        ...

    @property
    def confirms_password(self) -> bool:
        """Whether that person passes a page of ours after signing in, where a new mail password can be confirmed."""
        ...

    @property
    def provider_checks_password(self) -> bool:
        """Whether the provider itself judges the mail password, so that a new one is accepted if the provider does."""
        ...

    async def obtain(self, grant: Grant) -> TokenResponse:
        """Get a token.

        Raises:
            TokenEndpointError: the provider refused or did not answer, or the account lacks an option.
            LoginFailed: a person refused or did not answer.
        """
        ...

    def kind_of(self, error: TokenEndpointError) -> FailureKind:
        """What a *permanent* refusal of this grant means for the login."""
        ...


def text_of_password(password: Secret) -> str:
    """The password as a form parameter holds it: Unicode (RFC 6749 appendix B).

    A password that is not UTF-8 comes from a mail client that writes ISO 8859-1, as old ones do.
    """
    try:
        return password.octets.decode("utf-8")
    except UnicodeDecodeError:
        return password.octets.decode("latin-1")
