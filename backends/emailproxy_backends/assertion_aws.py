"""What does AWS say about the proxy? A web identity token of the role that it runs as, from a regional STS."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Mapping
from typing import Any, Final

from emailproxy.assertions.base import Statement
from emailproxy.secret import Secret
from emailproxy.store.base import (
    StoreAddressError,
    StoreContentError,
    StoreDeniedError,
    StoreError,
    StoreUnavailableError,
)

__all__ = ["AwsIssuer"]

SECONDS: Final = 3
"""For connecting, and for an answer; twice, it stays under ten seconds."""
VALID: Final = 300
"""Seconds that the token is good for: it is exchanged at once."""
ALGORITHM: Final = "RS256"
"""Entra takes no other from an issuer."""

_REGION: Final = re.compile(r"[a-z]{2,8}(?:-[a-z]+)+-\d+")
_FORBIDDEN: Final = frozenset({"AccessDenied", "AccessDeniedException"})
_SWITCHED_OFF: Final = frozenset(
    {"OutboundWebIdentityFederationDisabled", "OutboundWebIdentityFederationDisabledException"}
)


class AwsIssuer:
    """``aws[:REGION]``. Thread-safe: one client for each region, made under a lock."""

    def __init__(self) -> None:
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def check(self, rest: str) -> None:
        """A region, or nothing?

        Raises:
            StoreAddressError: something else.
            ImportError: the SDK is not installed.
        """
        if rest and not _REGION.fullmatch(rest):
            raise StoreAddressError(
                "aws: what is behind it is no region; write aws or aws:REGION, aws:eu-central-1 say"
            )
        import boto3  # noqa: F401 - to know that it can be

    def issue(self, rest: str, statement: Statement) -> Secret:
        """A token of the role for the audience.

        Raises:
            StoreError: none.
        """
        self.check(rest)
        from botocore import exceptions as sdk

        try:
            client = self._client(rest)
            if not hasattr(client, "get_web_identity_token"):
                raise StoreAddressError("aws: this boto3 does not know GetWebIdentityToken; update it, to 1.42 say")
            answer: Mapping[str, object] = client.get_web_identity_token(
                Audience=[statement.audience], SigningAlgorithm=ALGORITHM, DurationSeconds=VALID
            )
        except sdk.ClientError as error:
            raise _refused(error.response.get("Error", {}).get("Code", "")) from None
        except (sdk.NoCredentialsError, sdk.PartialCredentialsError):
            raise StoreDeniedError("aws: there are no AWS credentials; give the machine, task or pod a role") from None
        except (sdk.NoRegionError, sdk.InvalidRegionError):
            raise StoreAddressError("aws: in which region? Write aws:REGION, or set AWS_REGION") from None
        except sdk.BotoCoreError as error:
            # Its text may quote what was sent or received.
            raise StoreUnavailableError(f"aws: STS cannot be used ({type(error).__name__}); see the network") from None
        token = answer.get("WebIdentityToken")
        if not isinstance(token, str):
            raise StoreContentError("aws: there is no token in the answer of STS; update boto3")
        return Secret(token)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _client(self, region: str) -> Any:
        import boto3
        import botocore.session
        from botocore.config import Config

        # Its DEBUG lines hold requests and answers whole.
        for name in ("boto3", "botocore", "urllib3"):
            logging.getLogger(name).setLevel(logging.INFO)
        with self._lock:
            if region not in self._clients:
                core = botocore.session.Session()
                # The global endpoint does not know the call.
                core.set_config_variable("sts_regional_endpoints", "regional")
                session = boto3.session.Session(botocore_session=core, region_name=region or None)
                self._clients[region] = session.client(
                    "sts",
                    # ECS and Lambda set the variable that the SDK does not read.
                    region_name=session.region_name or os.environ.get("AWS_REGION"),
                    config=Config(
                        connect_timeout=SECONDS,
                        read_timeout=SECONDS,
                        retries={"mode": "standard", "total_max_attempts": 2},
                        user_agent_extra="emailproxy",
                    ),
                )
            return self._clients[region]


def _refused(code: str) -> StoreError:
    if code in _SWITCHED_OFF:
        return StoreDeniedError(
            "aws: this account issues no tokens yet; run aws iam enable-outbound-web-identity-federation"
        )
    if code in _FORBIDDEN:
        return StoreDeniedError("aws: the role lacks the permission sts:GetWebIdentityToken; add it to its policy")
    if code in {"ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException"}:
        return StoreDeniedError(f"aws: AWS does not accept the credentials ({code}); renew them, and check the clock")
    shown = code if code.isidentifier() else "unknown"
    return StoreUnavailableError(f"aws: STS refused ({shown}); try again later")
