"""An ``aws:`` address says what it means, or what is wrong; no two accounts share a secret."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailproxy.store.base import StoreAddressError
from emailproxy.store.document import account_hash
from emailproxy.testing.store_contract import ODD_NAMES
from emailproxy_backends.aws_address import Address, is_hashed, named_account, parsed, secret_name

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mail/tokens-AbCdEf"


@pytest.mark.parametrize(
    ("rest", "address"),
    [
        ("tokens", Address("aws:tokens", "tokens")),
        ("mail/tokens", Address("aws:mail/tokens", "mail/tokens")),
        ("work||tokens", Address("aws:work||tokens", "tokens", profile="work")),
        ("a profile||proxy/", Address("aws:a profile||proxy/", "proxy/", profile="a profile")),
        (ARN, Address(f"aws:{ARN}", ARN, region="eu-central-1")),
        (f"work||{ARN}", Address(f"aws:work||{ARN}", ARN, profile="work", region="eu-central-1")),
        (f"{ARN}?region=eu-central-1", Address(f"aws:{ARN}", ARN, region="eu-central-1")),
        (
            "proxy/?region=eu-west-1&endpoint=https%3A%2F%2Fvpce.example:8443&kms_key=alias/mail&ca=/etc/ca.pem",
            Address(
                "aws:proxy/", "proxy/", None, "eu-west-1", "https://vpce.example:8443", "alias/mail", "/etc/ca.pem"
            ),
        ),
        ("proxy/?endpoint=http://127.0.0.1:5000", Address("aws:proxy/", "proxy/", endpoint="http://127.0.0.1:5000")),
        ("proxy/?endpoint=http://[::1]:5000", Address("aws:proxy/", "proxy/", endpoint="http://[::1]:5000")),
        ("proxy/?endpoint=http://localhost:5000", Address("aws:proxy/", "proxy/", endpoint="http://localhost:5000")),
    ],
)
def test_addresses(rest: str, address: Address) -> None:
    assert parsed(rest) == address
    assert parsed(rest).per_account == address.name.endswith("/")


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("", "names no secret"),
        ("||name", "names no profile"),
        ("work||", "names no secret"),
        ("/", "characters before the slash"),
        ("x" * 512 + "/", "names no secret"),
        ("x" * 470 + "/", "characters before the slash"),
        ("x" * 513, "names no secret"),
        ("white space", "names no secret"),
        ("tokens#field", "names no secret"),
        ("arn:aws:s3:::bucket", "malformed ARN"),
        (ARN + "/", "malformed ARN"),
        (f"{ARN}?region=eu-west-1", "is in eu-central-1"),
        ("tokens?zone=1", "no option 'zone'"),
        ("tokens?region=", "region is empty"),
        ("tokens?region=a&region=b", "region is given twice"),
        ("tokens?region", "options are malformed"),
        ("tokens?endpoint=vpce.example", "no URL"),
        ("tokens?endpoint=ftp://vpce.example", "no URL"),
        ("tokens?endpoint=https://user:pw@vpce.example", "no URL"),
        ("tokens?endpoint=https://vpce.example:port", "no URL"),
        ("tokens?endpoint=http://vpce.example", "must be https"),
    ],
)
def test_malformed_addresses(rest: str, message: str) -> None:
    with pytest.raises(StoreAddressError, match=re.escape(message)):
        parsed(rest)


@pytest.mark.parametrize("account", ["user@example.com", "User@Example.com", "a+b_c=d.e-f@x", "user@mail-example.com"])
def test_ordinary_names_can_be_read_in_the_console(account: str) -> None:
    assert secret_name("proxy/", account) == f"proxy/{account}"
    assert named_account("proxy/", f"proxy/{account}") == account
    assert not is_hashed("proxy/", f"proxy/{account}")


@pytest.mark.parametrize(
    "account",
    [
        "jürgen@example.com",
        "o'brien@example.com",
        "",
        "team/user@example.com",
        "user@my-bb.com",  # a hyphen and six characters: looks like the end of an ARN
        "x" * 600,
        account_hash("jürgen@example.com"),  # a name that is the hash of another
    ],
)
def test_other_names_are_hashed(account: str) -> None:
    name = secret_name("proxy/", account)
    assert name == "proxy/" + account_hash(account)
    assert is_hashed("proxy/", name)
    assert named_account("proxy/", name) is None


def test_foreign_names_tell_no_account() -> None:
    for name in ("other/user@example.com", "proxy/team/user@example.com", "proxy/", "proxy/o'brien"):
        assert named_account("proxy/", name) is None
        assert not is_hashed("proxy/", name)


@given(
    st.sets(st.one_of(st.text(max_size=60), st.from_regex(r"[a-z2-7]{52}", fullmatch=True), st.sampled_from(ODD_NAMES)))
)
def test_names_are_legal_and_nobodys_twice(accounts: set[str]) -> None:
    accounts = {account for account in accounts if account.isprintable()}
    names = {secret_name("proxy/", account) for account in accounts}
    assert len(names) == len(accounts)
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9/_+=.@-]{1,512}", name)
        assert not re.fullmatch(r".*-.{6}", name)
