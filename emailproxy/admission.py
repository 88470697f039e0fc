"""Who is a client that shows something else than its password? A proof made from one (SCRAM-SHA-256, CRAM-MD5).

Whoever is let in gets the account's pass in place of a password (`emailproxy.oauth.managed`), with which the login goes
on like any other. A name that is no account is challenged and refused like one: in content, since the salt follows from
the name, and in time, since nothing is looked up before the proof is there, and refusals leave on the session's grid.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

from emailproxy.config import Server
from emailproxy.login import Services
from emailproxy.oauth.explain import unknown_account
from emailproxy.protocols.events import Credentials
from emailproxy.protocols.exchanges import CramExchange, Exchanges, ProofExchange, ScramExchange
from emailproxy.protocols.proofs import Proof, scram_salt

__all__ = ["Admitted", "admit", "exchanges"]

_NONE: Final[Exchanges] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Admitted:
    """A client whose proof was right."""

    credentials: Credentials
    """With the account's pass in place of the password."""
    final: bytes
    """What proves to the client that we knew the password too; empty: the mechanism has nothing of that kind."""


def exchanges(services: Services, server: Server, hostname: str) -> Exchanges:
    """What the machine of a session at `server` offers besides passwords that are sent."""
    if not server.auth_mechanisms:
        return _NONE
    makers: dict[str, Callable[[], ProofExchange]] = {
        "SCRAM-SHA-256": lambda: ScramExchange(secrets.token_urlsafe(18), partial(_salt_of, services)),
        "CRAM-MD5": lambda: CramExchange(f"<{secrets.randbits(64)}.{int(time.time())}@{hostname}>"),
    }
    return {name: makers[name] for name in server.auth_mechanisms}


async def admit(services: Services, server: Server, proof: Proof, user: str, client: str) -> Admitted:
    """Let in whoever made `proof`.

    Args:
        services: what all sessions share.
        server: what the listener stands for.
        proof: what the client showed.
        user: whom it is to be an account of.
        client: its address.

    Raises:
        LoginFailed: it proves nothing.
    """
    account = services.config().account(user)
    if account is None:
        raise unknown_account(user)
    key, final = await services.tokens.prove(account, proof, client=client, server=server)
    return Admitted(Credentials(user, key, proof.mechanism, proof.authorisation_identity), final)


def _salt_of(services: Services, user: str) -> bytes:
    account = services.config().account(user)
    return scram_salt(account.name if account is not None else user)
