"""How does the provider misbehave, and what has it seen? Switches a test may throw at any time, and counters."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Counters", "Switches"]


@dataclass(slots=True)
class Switches:
    """What to do differently from now on. Every field can be changed while the provider runs."""

    consent: Literal["automatic", "page", "deny"] = "automatic"
    """The authorization endpoint redirects at once, shows a page with a button, or answers ``access_denied``."""
    token_delay: float = 0.0
    """Seconds before the token endpoint answers."""
    token_failure: Literal["", "server_error", "not_json", "hang_up"] = ""
    """Every token request fails: status 500 with JSON, status 200 with HTML, or no answer at all."""
    token_errors: list[str] = field(default_factory=list)
    """OAuth error codes for the next token requests, one each (e.g. ``invalid_grant``), then normal again."""
    expires_in: int | str | None = 3600
    """As sent in the token response; None leaves it out. Tokens live for `token_lifetime` whatever this says."""
    token_lifetime: float = 3600.0
    """Seconds for which an access token is really accepted."""
    token_size: int = 1600
    """Characters of an access token: those of big providers have 1 to 3 thousand, and short ones hide faults."""
    rotate_refresh_tokens: bool = False
    """A refresh answers with a new refresh token and the old one is void."""
    refuse_logins: int = 0
    """The next so many logins are refused although their token is valid."""
    drop_connections: bool = False
    """Mail connections are closed before the greeting."""
    mail_delay: float = 0.0
    """Seconds before each mail greeting."""


@dataclass(slots=True)
class Counters:
    """What happened since the start."""

    authorizations: int = 0
    """Requests to the authorization endpoint."""
    token_requests: Counter[str] = field(default_factory=Counter)
    """By grant type."""
    connections: Counter[str] = field(default_factory=Counter)
    """By protocol: ``imap``, ``pop3``, ``smtp``."""
    logins: Counter[str] = field(default_factory=Counter)
    """Accepted ones, by protocol."""
    refused: Counter[str] = field(default_factory=Counter)
    """Refused logins, by protocol."""
