"""Who is a client that shows something else than its password? A proof made from one, or a certificate.

Whoever is let in gets the account's pass in place of a password (`emailproxy.oauth.managed`), with which the login goes
on like any other. A name that is no account is challenged and refused like one: in content, since the salt follows from
the name, and in time, since nothing is looked up before the proof is there, and refusals leave on the session's grid.
"""

from __future__ import annotations

import platform
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

from emailproxy.addresses import network_of
from emailproxy.allowance import AT_ONCE, EVERY
from emailproxy.config import Account, ClientCertificates, Config, Server
from emailproxy.failures import Failure, FailureKind, LoginFailed
from emailproxy.login import Services
from emailproxy.oauth.explain import unknown_account
from emailproxy.peer_certificate import PeerCertificate
from emailproxy.protocols.events import Credentials
from emailproxy.protocols.exchanges import CramExchange, Exchanges, ExternalExchange, ProofExchange, ScramExchange
from emailproxy.protocols.proofs import CramProof, ExternalProof, Proof, ScramProof, scram_salt

__all__ = ["Admitted", "admit", "admit_without_login", "claimed", "exchanges"]

WITHOUT_LOGIN: Final = "default account"
"""In place of a mechanism, for the log."""

_NONE: Final[Exchanges] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Admitted:
    """A client whose proof was right."""

    credentials: Credentials
    """With the account's pass in place of the password."""
    final: bytes = b""
    """What proves to the client that we knew the password too; empty: the mechanism has nothing of that kind."""


def exchanges(services: Services, server: Server, certificate: PeerCertificate | None) -> Exchanges:
    """What the machine of a session at `server` offers besides passwords that are sent, and tokens."""
    if not server.auth_mechanisms and certificate is None:
        return _NONE
    host = platform.node() or "localhost"
    makers: dict[str, Callable[[], ProofExchange]] = {
        "SCRAM-SHA-256": lambda: ScramExchange(secrets.token_urlsafe(18), partial(_salt_of, services)),
        "CRAM-MD5": lambda: CramExchange(f"<{secrets.randbits(64)}.{int(time.time())}@{host}>"),
    }
    offered = {name: makers[name] for name in server.auth_mechanisms}
    return offered if certificate is None else {"EXTERNAL": ExternalExchange, **offered}


def claimed(proof: Proof, certificate: PeerCertificate | None) -> str:
    """Whom the client says to be, for the log and the throttle."""
    match proof:
        case ScramProof() | CramProof():
            return proof.user
        case ExternalProof():
            names = certificate.names if certificate is not None else ()
            return proof.authorisation_identity or next(iter(names), "")


async def admit(
    services: Services, server: Server, proof: Proof, certificate: PeerCertificate | None, client: str
) -> Admitted:
    """Let in whoever made `proof`.

    Args:
        services: what all sessions share.
        server: what the listener stands for.
        proof: what the client showed.
        certificate: the client's.
        client: its address.

    Raises:
        LoginFailed: it proves nothing.
    """
    config = services.config()
    if isinstance(proof, ExternalProof):
        account = _certified(config, server, proof, certificate)
        # The certificate decides: no name that the client sent goes on from here.
        return Admitted(Credentials(account.name, services.tokens.vouch(account), proof.mechanism))
    found = config.account(proof.user)
    if found is None:
        raise unknown_account(proof.user)
    key, final = await services.tokens.prove(found, proof, client=client, server=server)
    return Admitted(Credentials(proof.user, key, proof.mechanism, proof.authorisation_identity), final)


def admit_without_login(services: Services, server: Server, host: str) -> Credentials:
    """Let a client send mail that shows nothing, as the account that the listener names for its network.

    Args:
        services: what all sessions share.
        server: what the listener stands for.
        host: the client's address.

    Raises:
        LoginFailed: it has sent too much, or the account is none that can be opened so.
    """
    name = server.default_account(host) or ""
    account = services.config().account(name)
    if account is None:
        raise LoginFailed(Failure(FailureKind.WRONG_CREDENTIALS, "Authentication required", "no default account"))
    if not services.allowance.take(network_of(host)):
        raise LoginFailed(
            Failure(
                FailureKind.TEMPORARY,
                "Too many connections without a login, please try again later.",
                f"more than {AT_ONCE} connections in a row without a login; then there is one every {EVERY:.0f} s",
            )
        )
    return Credentials(account.name, services.tokens.vouch(account), WITHOUT_LOGIN)


def _certified(config: Config, server: Server, proof: ExternalProof, certificate: PeerCertificate | None) -> Account:
    """The account that the certificate opens: the one that the client asks for, if there is a choice.

    Raises:
        LoginFailed: there is none, or not that one.
    """
    if certificate is None or server.client_certificates is None:
        raise _refused("the client said EXTERNAL, but showed no certificate")
    accounts = _accounts_of(config, server.client_certificates, certificate)
    if not accounts:
        raise _refused(
            f"{certificate} names no account; issue it with the account's mail address (SAN rfc822Name), or write into "
            f"[{server.section}] client_certificate_accounts = sha256:{certificate.fingerprint} ACCOUNT"
        )
    wanted = proof.authorisation_identity
    if wanted is None:
        return accounts[0]
    asked = config.account(wanted)
    if asked is None or asked.name not in {account.name for account in accounts}:
        raise _refused(f"{certificate} opens {accounts[0].name}, and the client asked for another account")
    return asked


def _accounts_of(config: Config, clients: ClientCertificates, certificate: PeerCertificate) -> list[Account]:
    """All accounts that a certificate opens: those that the listener names for it, or else those that it names."""
    table = dict(clients.accounts)
    named = [table.get(key) for key in (f"sha256:{certificate.fingerprint}", *map(str.casefold, certificate.names))]
    names = [name for name in named if name is not None] or [*certificate.mailboxes, *certificate.names]
    found = [config.account(name) for name in names]
    return list({account.name: account for account in found if account is not None}.values())


def _refused(detail: str) -> LoginFailed:
    return LoginFailed(Failure(FailureKind.WRONG_CREDENTIALS, "This certificate does not open an account here", detail))


def _salt_of(services: Services, user: str) -> bytes:
    account = services.config().account(user)
    return scram_salt(account.name if account is not None else user)
