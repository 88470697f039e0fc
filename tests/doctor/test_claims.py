"""What a token's claims show: each row, and tokens that nobody can read."""

from __future__ import annotations

import pytest

from emailproxy.causes.base import Cause
from emailproxy.causes.claims import CLAIMS, NO_PERMISSION, NO_SCOPE, OTHER_USER, WRONG_AUDIENCE
from emailproxy.causes.network import CLOCK_SKEW
from emailproxy.doctor.claims import claims_in, facts_of, judge_claims
from emailproxy.doctor.findings import Outcome
from emailproxy.secret import Secret

from .support import jwt

NOW = 1_800_000_000
ALL = ["IMAP", "POP", "SMTP"]
PERSON = {
    "iss": "https://sts.windows.net/t/",
    "aud": "https://outlook.office.com",
    "upn": "ada@example.com",
    "scp": "IMAP.AccessAsUser.All POP.AccessAsUser.All SMTP.Send",
}
APPLICATION = {
    "iss": "https://login.microsoftonline.com/t/v2.0",
    "aud": "00000002-0000-0ff1-ce00-000000000000",
    "oid": "the-enterprise-application",
    "roles": ["IMAP.AccessAsApp", "POP.AccessAsApp", "SMTP.SendAsApp"],
}


def causes(claims: dict[str, object]) -> list[Cause | None]:
    return [verdict.cause for verdict in judge_claims(claims, {"Ada@example.com"}, ALL, NOW)]


@pytest.mark.parametrize("claims", [PERSON, APPLICATION, {"iss": "https://accounts.example.com", "aud": "x"}, {}])
def test_good_tokens(claims: dict[str, object]) -> None:
    assert causes(claims) == []


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        (PERSON | {"aud": "https://graph.microsoft.com"}, WRONG_AUDIENCE),
        (PERSON | {"aud": "00000003-0000-0000-c000-000000000000"}, WRONG_AUDIENCE),
        (APPLICATION | {"aud": "https://graph.microsoft.com/"}, WRONG_AUDIENCE),
        (APPLICATION | {"aud": "https://outlook.office.com.example.net"}, WRONG_AUDIENCE),
        (PERSON | {"scp": "POP.AccessAsUser.All SMTP.Send"}, NO_SCOPE["IMAP"]),
        (PERSON | {"scp": "IMAP.AccessAsUser.All SMTP.Send"}, NO_SCOPE["POP"]),
        (PERSON | {"scp": "IMAP.AccessAsUser.All POP.AccessAsUser.All"}, NO_SCOPE["SMTP"]),
        (APPLICATION | {"roles": ["POP.AccessAsApp", "SMTP.SendAsApp"]}, NO_PERMISSION["IMAP"]),
        (APPLICATION | {"roles": ["IMAP.AccessAsApp", "SMTP.SendAsApp"]}, NO_PERMISSION["POP"]),
        (APPLICATION | {"roles": ["IMAP.AccessAsApp", "POP.AccessAsApp"]}, NO_PERMISSION["SMTP"]),
        (PERSON | {"upn": "bob@example.com"}, OTHER_USER),
        (PERSON | {"iat": NOW + 301}, CLOCK_SKEW),
    ],
)
def test_each_row(claims: dict[str, object], expected: Cause) -> None:
    assert causes(claims) == [expected]
    assert expected.source
    assert expected in (*CLAIMS, CLOCK_SKEW)


def test_an_application_without_any_permission() -> None:
    claims: dict[str, object] = {name: value for name, value in APPLICATION.items() if name != "roles"}
    assert causes(claims) == list(NO_PERMISSION.values())
    assert "none at all" in judge_claims(claims, {"ada@example.com"}, ["IMAP"], NOW)[0].told


def test_another_user_is_no_failure_and_a_delegate_is_meant() -> None:
    claims = PERSON | {"upn": "bob@example.com"}
    assert judge_claims(claims, {"ada@example.com"}, ALL, NOW)[0].outcome is Outcome.WARNING
    assert judge_claims(claims, {"ada@example.com", "bob@example.com"}, ALL, NOW) == []


def test_a_clock_a_little_behind_is_nothing() -> None:
    assert causes(PERSON | {"iat": NOW + 299}) == []


def test_the_claims_of_a_jwt() -> None:
    claims = claims_in(Secret(jwt(aud="x", nonce="secret-nonce", exp=NOW, roles=["a", "b"])))
    assert claims is not None
    assert facts_of(claims) == {"aud": "x", "roles": "a b", "exp": "2027-01-15 08:00:00 UTC"}


@pytest.mark.parametrize(
    "token",
    ["opaque", "a.b.c", "a.b", "e30.e30.", "e30.e30.x", "eyJhbGciOiJ4In0.WzFd.x", "é.é.é", "ya29.a0Af-x.y", "." * 5],
)
def test_opaque_tokens(token: str) -> None:
    assert claims_in(Secret(token)) is None


def test_hostile_claims_are_made_safe() -> None:
    claims = claims_in(
        Secret(jwt(aud="x\r\nINFO all is well", upn={"a": 1}, exp="soon", iat=True, iss=["\x1b[2J"] * 99))
    )
    assert claims is not None
    facts = facts_of(claims)
    assert all(value.isprintable() for value in facts.values())
    assert "exp" not in facts
    judge_claims(claims, {"ada@example.com"}, ALL, NOW)


@pytest.mark.parametrize("exp", [1e300, -1e300, float("nan")])
def test_impossible_times(exp: float) -> None:
    assert facts_of({"exp": exp})["exp"] == "no time"
