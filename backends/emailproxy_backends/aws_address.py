"""What does an ``aws:`` address say? One document or one secret per account, and where and how to reach the service.

``aws:NAME-OR-ARN``, ``aws:profile||NAME-OR-ARN``: the one document. ``aws:PREFIX/``, ``aws:profile||PREFIX/``: one
secret per account. Options: ``?region=…&endpoint=…&kms_key=…&ca=PATH``.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from emailproxy.store.base import StoreAddressError
from emailproxy.store.document import account_hash

__all__ = ["Address", "is_hashed", "named_account", "parsed", "secret_name"]

# The service's limit of a secret's name.
MAX_NAME: Final = 512

_NAME: Final = re.compile(r"[A-Za-z0-9/_+=.@-]+")
_ARN: Final = re.compile(
    r"arn:[a-z0-9-]+:secretsmanager:(?P<region>[a-z0-9-]+):[0-9]+:secret:(?P<name>[^:/][^:]*[^:/])"
)
_OPTIONS: Final = ("region", "endpoint", "kms_key", "ca")

# A slash is legal in a secret's name, but then PREFIX/ and PREFIX/TEAM/ would be two stores with common names.
_LITERAL: Final = re.compile(r"[A-Za-z0-9_+=.@-]+")
# The service appends a hyphen and six characters to make the ARN, and takes such an end of a name for that.
_LIKE_AN_ARN: Final = re.compile(r".*-.{6}")
# An account of that name must not meet the account whose hash it is.
_LIKE_A_HASH: Final = re.compile(r"[a-z2-7]{52}")


@dataclass(frozen=True, slots=True)
class Address:
    """An ``aws:`` address taken apart."""

    text: str
    """For messages: the address without its options."""
    name: str
    """NAME, ARN, or PREFIX with its slash."""
    profile: str | None = None
    region: str | None = None
    endpoint: str | None = None
    kms_key: str | None = None
    """For secrets that are created; an existing one keeps its key."""
    ca: str | None = None
    """File of the certificates that the endpoint's is checked against."""

    @property
    def per_account(self) -> bool:
        """Whether `name` is the prefix of one secret per account."""
        return self.name.endswith("/")


def parsed(rest: str) -> Address:
    """Take apart what follows ``aws:``. Nothing is read.

    Raises:
        StoreAddressError: it is malformed; the message says how.
    """
    place, _, query = rest.partition("?")
    profile, separator, name = place.rpartition("||")
    text = f"aws:{place}"
    if separator and not profile:
        raise StoreAddressError(f"{text!r} begins with || and names no profile; write aws:PROFILE||NAME")
    options = _options(text, query)
    region = options.get("region")
    if name.startswith("arn:"):
        match = _ARN.fullmatch(name)
        if match is None:
            raise StoreAddressError(
                f"{text!r} holds a malformed ARN; it is arn:aws:secretsmanager:REGION:ACCOUNT:secret:…"
            )
        if region not in (None, match["region"]):
            raise StoreAddressError(f"{text!r} is in {match['region']}, but the option region says {region}")
        region = match["region"]
    elif not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise StoreAddressError(
            f"{text!r} names no secret: that takes 1 to {MAX_NAME} ASCII letters, digits and /_+=.@- (with a slash at "
            "the end: one secret for each account)"
        )
    elif name.endswith("/") and (not name.strip("/") or len(name) + _HASH_LENGTH > MAX_NAME):
        raise StoreAddressError(f"{text!r} needs 1 to {MAX_NAME - _HASH_LENGTH - 1} characters before the slash")
    return Address(
        text=text,
        name=name,
        profile=profile or None,
        region=region,
        endpoint=_endpoint(text, options.get("endpoint")),
        kms_key=options.get("kms_key"),
        ca=options.get("ca"),
    )


_HASH_LENGTH: Final = 52


def secret_name(prefix: str, account: str) -> str:
    """The name of the account's secret: PREFIX/ACCOUNT where that is unmistakable, otherwise PREFIX/HASH.

    No two accounts share one, and case is kept.
    """
    literal = (
        _LITERAL.fullmatch(account)
        and len(prefix) + len(account) <= MAX_NAME
        and not _LIKE_AN_ARN.fullmatch(account)
        and not _LIKE_A_HASH.fullmatch(account)
    )
    return prefix + (account if literal else account_hash(account))


def named_account(prefix: str, name: str) -> str | None:
    """The account that a secret's name tells; None if it tells none: the name is a hash, or not one of ours.

    `is_hashed` tells these two apart.
    """
    account = name.removeprefix(prefix)
    return account if name.startswith(prefix) and secret_name(prefix, account) == name else None


def is_hashed(prefix: str, name: str) -> bool:
    """Whether the name is PREFIX/HASH, and the account's name in the secret only."""
    return name.startswith(prefix) and _LIKE_A_HASH.fullmatch(name.removeprefix(prefix)) is not None


def _options(text: str, query: str) -> dict[str, str]:
    if not query:
        return {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise StoreAddressError(f"{text}: the options are malformed; write ?option=value&option=value") from None
    options: dict[str, str] = {}
    for option, value in pairs:
        if option not in _OPTIONS:
            raise StoreAddressError(f"{text}: there is no option {option!r}; the options are {', '.join(_OPTIONS)}")
        if option in options or not value:
            raise StoreAddressError(f"{text}: the option {option} is {'given twice' if value else 'empty'}")
        options[option] = value
    return options


def _endpoint(text: str, endpoint: str | None) -> str | None:
    if endpoint is None:
        return None
    try:
        url = urlsplit(endpoint)
        host, _ = url.hostname, url.port
    except ValueError:
        host = None
    if host is None or url.scheme not in ("https", "http") or url.username is not None:
        raise StoreAddressError(f"{text}: the option endpoint is no URL of the form https://HOST[:PORT]")
    if url.scheme == "http" and not _is_loopback(host):
        raise StoreAddressError(f"{text}: the endpoint {host} must be https; http is for this machine only")
    return endpoint


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
