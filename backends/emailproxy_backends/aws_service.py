"""How is AWS Secrets Manager called, and what do its refusals mean?

The SDK is boto3; only this file imports it. Its clients are thread-safe and its sessions are not: one client is made.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NotRequired, Protocol, TypedDict, cast

import boto3
import botocore.session
from botocore import exceptions as sdk
from botocore.config import Config

from emailproxy.store.base import (
    StoreAddressError,
    StoreContentError,
    StoreDeniedError,
    StoreError,
    StoreUnavailableError,
)
from emailproxy_backends.aws_address import Address
from emailproxy_backends.aws_calls import ANSWERS, CURRENT, AnswerError, Described

__all__ = ["SecretsManager"]

logger = logging.getLogger("emailproxy.store.aws")

# The async face waits 10 s for a read and 15 s for a write; the SDK's own limits are 60 s for each attempt.
CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 5
ATTEMPTS: Final = 3
# CachedStore uses 8 readers and 4 writers at once.
CONNECTIONS: Final = 12
# Of ListSecrets; the service's greatest.
PAGE: Final = 100

_FORBIDDEN: Final = frozenset({
    "AccessDeniedException", "AccessDenied", "NotAuthorized", "UnauthorizedOperation", "OptInRequired",
    "403",  # a refusal in no form that the SDK knows: a gateway on the way
})  # fmt: skip
_NOT_ACCEPTED: Final = frozenset({
    "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "SignatureDoesNotMatch",
    "IncompleteSignature", "IncompleteSignatureException", "MissingAuthenticationToken",
    "MissingAuthenticationTokenException", "AuthFailure", "InvalidIdentityToken", "IDPRejectedClaim",
})  # fmt: skip
_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestTimeTooSkewed"})
_KEY: Final = {"DecryptionFailure": "kms:Decrypt", "EncryptionFailure": "kms:GenerateDataKey"}
_THROTTLED: Final = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
    "RequestLimitExceeded", "TooManyRequestsException", "BandwidthLimitExceeded", "SlowDown",
})  # fmt: skip
_MALFORMED: Final = frozenset({"ValidationException", "ValidationError", "InvalidAction", "UnknownOperationException"})

# In the service's text, for the operator; what kind of refusal it is, only its code says.
_IDENTITY: Final = re.compile(r"User: (?P<identity>arn:[!-~]+) is not authorized")
_ACTION: Final = re.compile(r"to perform: (?P<action>[a-z0-9-]+:[A-Za-z]+)")


class _Value(TypedDict):
    VersionId: str
    SecretString: NotRequired[str]
    SecretBinary: NotRequired[bytes]
    CreatedDate: NotRequired[dt.datetime]


class _Created(TypedDict):
    VersionId: str


class _Description(TypedDict):
    DeletedDate: NotRequired[object]
    VersionIdsToStages: NotRequired[Mapping[str, Sequence[str]]]


class _Listed(TypedDict):
    Name: str
    SecretVersionsToStages: NotRequired[Mapping[str, Sequence[str]]]


class _Page(TypedDict):
    SecretList: Sequence[_Listed]
    NextToken: NotRequired[str]


class _Client(Protocol):
    """What is used of the SDK's client, which has no types."""

    def get_secret_value(self, **parameters: str) -> _Value: ...
    def create_secret(self, **parameters: str) -> _Created: ...
    def put_secret_value(self, **parameters: str | Sequence[str]) -> object: ...
    def update_secret_version_stage(self, **parameters: str) -> object: ...
    def describe_secret(self, **parameters: str) -> _Description: ...
    def restore_secret(self, **parameters: str) -> object: ...
    def delete_secret(self, **parameters: str) -> object: ...
    def list_secrets(self, **parameters: object) -> _Page: ...
    def close(self) -> None: ...


class SecretsManager:
    """The `Service` of an address. Thread-safe; connects, and looks for credentials, at the first call."""

    def __init__(self, address: Address) -> None:
        """Read the SDK's configuration files.

        Raises:
            StoreAddressError: no such profile, no region, no file of certificates.
        """
        self._address = address
        self._client: _Client | None = None
        self._connecting = threading.Lock()
        self._credentials = "unknown"
        if address.ca is not None and not Path(address.ca).is_file():
            raise StoreAddressError(f"{address.text}: there is no file {address.ca} (option ca)")
        # Its DEBUG lines hold requests and answers whole.
        for name in ("boto3", "botocore", "urllib3"):
            logging.getLogger(name).setLevel(logging.INFO)
        with self._failures(None):
            core = botocore.session.Session(profile=address.profile)
            # Credentials of a machine's role come from a service that may be slow while the machine starts.
            core.set_config_variable("metadata_service_num_attempts", ATTEMPTS)
            self._session = boto3.session.Session(botocore_session=core, region_name=address.region)
            region: str | None = self._session.region_name
            if not region:
                raise StoreAddressError(
                    f"{address.text}: in which region? Add ?region=… to the address, or set AWS_REGION or the profile's"
                )
            self._region = region

    def get(self, name: str) -> tuple[str, str | None]:
        """GetSecretValue."""
        with self._failures("GetSecretValue", name) as client:
            # Always the label: "the default version" is not everywhere the current one.
            value = client.get_secret_value(SecretId=name, VersionStage=CURRENT)
            if "SecretBinary" in value:
                raise StoreContentError(
                    f"{self._address.text}: {name} holds octets, so it was not written by emailproxy; it stays as it is"
                )
            return value["VersionId"], value.get("SecretString")

    def value(self, name: str) -> tuple[bytes, dt.datetime | None]:
        """GetSecretValue of a secret that is not ours: text or octets, and when it got this value."""
        with self._failures("GetSecretValue", name) as client:
            found = client.get_secret_value(SecretId=name, VersionStage=CURRENT)
            text = found.get("SecretString")
            octets = text.encode() if text is not None else found.get("SecretBinary", b"")
            return octets, found.get("CreatedDate")

    def create(self, name: str, text: str, token: str, description: str) -> str:
        """CreateSecret."""
        key = {} if self._address.kms_key is None else {"KmsKeyId": self._address.kms_key}
        with self._failures("CreateSecret", name) as client:
            return client.create_secret(
                Name=name, SecretString=text, ClientRequestToken=token, Description=description, **key
            )["VersionId"]

    def put(self, name: str, text: str, token: str, label: str) -> None:
        """PutSecretValue."""
        with self._failures("PutSecretValue", name) as client:
            client.put_secret_value(SecretId=name, SecretString=text, ClientRequestToken=token, VersionStages=[label])

    def move(self, name: str, label: str, *, to: str | None, source: str | None) -> None:
        """UpdateSecretVersionStage."""
        moves = {"MoveToVersionId": to, "RemoveFromVersionId": source}
        given = {parameter: version for parameter, version in moves.items() if version is not None}
        with self._failures("UpdateSecretVersionStage", name) as client:
            client.update_secret_version_stage(SecretId=name, VersionStage=label, **given)

    def describe(self, name: str) -> Described:
        """DescribeSecret."""
        with self._failures("DescribeSecret", name) as client:
            description = client.describe_secret(SecretId=name)
            return Described(description.get("DeletedDate") is not None, description.get("VersionIdsToStages", {}))

    def restore(self, name: str) -> None:
        """RestoreSecret."""
        with self._failures("RestoreSecret", name) as client:
            client.restore_secret(SecretId=name)

    def delete(self, name: str) -> None:
        """DeleteSecret, recoverable for 30 days."""
        with self._failures("DeleteSecret", name) as client:
            client.delete_secret(SecretId=name)

    def names(self, prefix: str) -> list[str]:
        """ListSecrets, which may be minutes behind."""
        found: list[str] = []
        more: dict[str, str] = {}
        with self._failures("ListSecrets") as client:
            while True:
                page = client.list_secrets(
                    Filters=[{"Key": "name", "Values": [prefix]}], MaxResults=PAGE, IncludePlannedDeletion=False, **more
                )
                for listed in page["SecretList"]:
                    stages = listed.get("SecretVersionsToStages")
                    has_value = stages is None or any(CURRENT in labels for labels in stages.values())
                    if listed["Name"].startswith(prefix) and has_value:
                        found.append(listed["Name"])
                token = page.get("NextToken")
                if not token:
                    return found
                more = {"NextToken": token}

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        with self._connecting:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connected(self) -> _Client:
        with self._connecting:
            if self._client is None:
                # Made here and not at the start: it may ask the machine for its role, and a client made without
                # credentials never gets any.
                credentials = self._session.get_credentials()
                if credentials is None:
                    raise sdk.NoCredentialsError
                self._client = cast(
                    "_Client",
                    self._session.client(
                        "secretsmanager",
                        endpoint_url=self._address.endpoint,
                        verify=self._address.ca,
                        config=Config(
                            connect_timeout=CONNECT_SECONDS,
                            read_timeout=READ_SECONDS,
                            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                            max_pool_connections=CONNECTIONS,
                            user_agent_extra="emailproxy",
                        ),
                    ),
                )
                self._credentials = str(credentials.method)
                logger.info(
                    "%s: AWS credentials from %s%s, region %s",
                    self._address.text,
                    self._credentials,
                    f" (profile {self._address.profile})" if self._address.profile else "",
                    self._region,
                )
            return self._client

    @contextmanager
    def _failures(self, operation: str | None, name: str | None = None) -> Iterator[_Client]:
        """Lend the client, and turn what the SDK raises into the contract's errors.

        The SDK's texts are not repeated, and its errors not chained: they may quote what was sent.
        """
        try:
            # Before the first call there is no client, and nobody asks for it.
            yield cast("_Client", None) if operation is None else self._connected()
        except sdk.ClientError as error:
            raise self._refused(error, name) from None
        except sdk.BotoCoreError as error:
            raise self._failed(error) from None

    def _refused(self, error: sdk.ClientError, name: str | None) -> StoreError:
        # Credentials may be got by a call of their own, such as AssumeRoleWithWebIdentity.
        operation = str(error.operation_name)
        answer = error.response.get("Error", {})
        code, text = str(answer.get("Code", "Unknown")), str(answer.get("Message", ""))
        where = f"{self._address.text}: {operation}" + (f" of {name}" if name else "")
        request = error.response.get("ResponseMetadata", {}).get("RequestId")
        which = f"({code}, request {request})" if request else f"({code})"
        if code in _FORBIDDEN or code in _KEY:
            action = _ACTION.search(text)
            permission = action["action"] if action else _KEY.get(code) or _permission(operation)
            identity = _IDENTITY.search(text)
            who = identity["identity"] if identity else f"the identity of the credentials from {self._credentials}"
            remedy = " on the secret's key, or the key is disabled" if code in _KEY else ""
            return StoreDeniedError(f"{where}: {who} lacks the permission {permission}{remedy} {which}")
        if code in _NOT_ACCEPTED:
            return StoreDeniedError(f"{where}: AWS does not accept the credentials from {self._credentials} {which}")
        if code in _EXPIRED:
            return StoreDeniedError(
                f"{where}: the credentials from {self._credentials} expired, or this machine's clock is wrong {which}"
            )
        if code in _THROTTLED:
            return StoreUnavailableError(f"{where}: AWS is throttling; try again later {which}")
        if code in _MALFORMED:
            return StoreAddressError(f"{where}: AWS finds the request malformed; check the address {which}")
        if code in ANSWERS and operation not in ("AssumeRole", "AssumeRoleWithWebIdentity"):
            return AnswerError(f"{where}: AWS refuses it {which}", code)
        return StoreUnavailableError(f"{where}: AWS failed; try again later {which}")

    def _failed(self, error: sdk.BotoCoreError) -> StoreError:
        where, kind = self._address.text, type(error).__name__
        if isinstance(error, sdk.SSLError):
            return StoreUnavailableError(
                f"{where}: TLS with the endpoint failed; a private one needs its certificate authority in the option ca"
            )
        if isinstance(error, sdk.HTTPClientError | sdk.ConnectionError | sdk.MetadataRetrievalError):
            return StoreUnavailableError(f"{where}: AWS cannot be reached ({kind}) in {self._region}")
        if isinstance(error, sdk.NoCredentialsError):
            return StoreDeniedError(
                f"{where}: there are no AWS credentials; give the machine, container or pod a role, or set a profile"
            )
        if isinstance(error, _NEEDS_A_PERSON):
            return StoreDeniedError(f"{where}: the AWS credentials are incomplete or a login has expired ({kind})")
        if isinstance(error, sdk.CredentialRetrievalError):
            return StoreUnavailableError(f"{where}: the AWS credentials could not be fetched ({kind})")
        if isinstance(error, sdk.ProfileNotFound):
            return StoreAddressError(f"{where}: there is no AWS profile {self._address.profile or 'of that name'}")
        return StoreAddressError(f"{where}: the AWS configuration or the address does not work ({kind})")


_NEEDS_A_PERSON: Final = (
    sdk.PartialCredentialsError,
    sdk.SSOError,
    sdk.TokenRetrievalError,
    sdk.RefreshWithMFAUnsupportedError,
)


def _permission(operation: str) -> str:
    service = "sts" if operation.startswith("AssumeRole") else "secretsmanager"
    return f"{service}:{operation}"
