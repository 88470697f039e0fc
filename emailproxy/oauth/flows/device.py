"""How does a person anywhere give us a token, without a redirect? The device authorisation grant (RFC 8628).

The provider gives us a code; a person enters it on a telephone, say; meanwhile we ask the token endpoint how far that
is. Whoever asks waits in `emailproxy.oauth.consent` like everybody, so the authorisation outlives the login that began
it, and ends with another one that was completed first.

There is no page of ours on the person's way, on which a changed mail password could be confirmed. So a login with
another than the stored password never begins this flow (`confirms_password`); ``emailproxy authorise`` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import trio

from emailproxy.config.options import is_loopback
from emailproxy.failures import FailureKind
from emailproxy.oauth.consent import new_state
from emailproxy.oauth.endpoint import TokenResponse
from emailproxy.oauth.flows.base import Grant
from emailproxy.oauth.foreign import foreign
from emailproxy.oauth.question import LIFETIME, Question
from emailproxy.oauth.refusals import Meaning, TokenEndpointError

__all__ = ["Device"]

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:device_code"
DEFAULT_INTERVAL: Final = 5.0
"""Seconds between two questions if the provider does not say (RFC 8628 section 3.2)."""
SLOWER: Final = 5.0
"""Seconds that ``slow_down`` adds, for good (section 3.5)."""
LONGEST_PAUSE: Final = 60.0
"""Seconds between two questions while the provider is away: someone who has signed in waits no longer than that."""
MAX_LIFETIME: Final = 3600.0
"""Seconds: Microsoft and Google give 15 and 30 minutes. After an hour nobody is still looking for the code."""
MAX_INTERVAL: Final = 300.0
MAX_USER_CODE: Final = 64
MAX_ADDRESS: Final = 2048

_DENIED: Final = frozenset({"access_denied", "authorization_declined"})  # the second: Entra
_EXPIRED: Final = frozenset({"expired_token", "code_expired"})


class Device:
    """Shows a code to a person, and asks the provider until it was entered."""

    name = "device"
    interactive = True
    confirms_password = False
    provider_checks_password = False

    async def obtain(self, grant: Grant) -> TokenResponse:
        """Ask the provider for a code, the person to enter it. See `emailproxy.oauth.flows.base.Flow.obtain`."""
        account = grant.account
        if not account.device_authorization_url:
            raise TokenEndpointError.misconfigured("the flow device needs device_authorization_url")
        parameters = {"scope": account.oauth2_scope} if account.oauth2_scope else {}
        code = _read(
            await grant.endpoint.device_authorization(account.device_authorization_url, grant.client, parameters)
        )
        pending = grant.ask(
            Question(
                url=code.complete or code.page,
                state=new_state(),
                user_code=code.user_code,
                page=code.page,
                lifetime=code.lifetime,
            )
        )
        interval = pause = code.interval
        while True:
            with trio.move_on_after(pause):
                # Ends with an error when it is denied, too late or not needed any more, and with nothing else.
                await pending.answer()
            try:
                return await grant.endpoint.grant(
                    account.token_url, grant.client, GRANT_TYPE, {"device_code": code.device_code}
                )
            except TokenEndpointError as error:
                if error.code in _DENIED:
                    pending.deny(error.code, error.description)
                elif error.code in _EXPIRED:
                    pending.expire()
                elif error.code == "slow_down":
                    interval += SLOWER
                    pause = interval
                elif error.code == "authorization_pending":
                    pause = interval
                elif error.meaning is Meaning.TEMPORARY:
                    # Section 3.5: back off exponentially. The code lives on, and the person may have entered it.
                    pause = max(interval, min(pause * 2, LONGEST_PAUSE))
                else:
                    raise

    def kind_of(self, error: TokenEndpointError) -> FailureKind:  # noqa: ARG002 - the same for all
        """The code is dead: the next login asks the person again."""
        return FailureKind.TEMPORARY


@dataclass(frozen=True, slots=True)
class _Code:
    device_code: str = field(repr=False)
    user_code: str
    page: str
    complete: str | None
    lifetime: float
    interval: float


def _read(fields: Mapping[str, object]) -> _Code:
    """A device authorisation response (RFC 8628 section 3.2), made fit to be shown."""
    user_code = fields.get("user_code")
    # Google wrote verification_url before there was the RFC, and still does.
    page = _address(fields.get("verification_uri")) or _address(fields.get("verification_url"))
    if not isinstance(user_code, str) or not user_code.strip() or page is None:
        raise TokenEndpointError.unreachable("the device authorisation response has no user_code or verification_uri")
    return _Code(
        device_code=str(fields["device_code"]),
        user_code=foreign(user_code.strip(), MAX_USER_CODE),
        page=page,
        complete=_address(fields.get("verification_uri_complete")),
        lifetime=_seconds(fields.get("expires_in"), LIFETIME, MAX_LIFETIME),
        interval=_seconds(fields.get("interval"), DEFAULT_INTERVAL, MAX_INTERVAL),
    )


def _address(value: object) -> str | None:
    """An address that a person may be sent to; None if it is none."""
    if not isinstance(value, str) or len(value) > MAX_ADDRESS or not value.isprintable() or " " in value:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    return value if safe and parts.hostname else None


def _seconds(value: object, default: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return default
    try:
        seconds = float(value)
    except ValueError:
        return default
    return min(seconds, most) if seconds > 0 else default  # a NaN is not
