from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailproxy.protocols.events import Credentials
from emailproxy.protocols.sasl import Challenge, PasswordExchange, Refusal, TokenExchange, UpstreamLogin, credentials
from emailproxy.secret import Secret

LOGIN = UpstreamLogin("a=n,na@example.com", Secret("token-of-anna-0123456789"), "imap.example.com", 993)


def plain(message: bytes) -> Challenge | Credentials | Refusal:
    return PasswordExchange("PLAIN").begin(b64encode(message))


def test_plain() -> None:
    assert plain(b"\0anna\0tiger") == Credentials("anna", Secret("tiger"), "AUTH PLAIN")
    assert plain(b"boss\0anna\0tiger") == Credentials("anna", Secret("tiger"), "AUTH PLAIN", "boss")
    assert PasswordExchange("PLAIN").begin(None) == Challenge(b"")


@pytest.mark.parametrize("message", [b"", b"\0", b"anna\0tiger", b"\0anna\0tiger\0", b"\0\0\0"])
def test_plain_needs_two_nuls(message: bytes) -> None:
    assert plain(message) is Refusal.MALFORMED


@pytest.mark.parametrize(
    "message",
    [b"\0\0", b"\0\0tiger", b"\0anna\0", b"\0\xff\0tiger", b"\xff\0anna\0tiger", b"\0an\x01na\0x", b"a\n\0b\0c"],
)
def test_plain_with_what_cannot_be_used(message: bytes) -> None:
    assert plain(message) is Refusal.UNUSABLE


def test_login_prompts() -> None:
    exchange = PasswordExchange("LOGIN")
    assert exchange.begin(None) == Challenge(b"VXNlcm5hbWU6")
    assert exchange.respond(b64encode(b"anna")) == Challenge(b"UGFzc3dvcmQ6")
    assert exchange.respond(b64encode(b"ti\xffger")) == Credentials(
        "anna", Secret.from_octets(b"ti\xffger"), "AUTH LOGIN"
    )


@pytest.mark.parametrize(
    "initial", [b"*", b"=", b"====", b"YQ=", b"YQ", b"Y Q=", b"YQ==\n", b"YQ==YQ==", b"\xff", b"a-_b"]
)
def test_initial_responses_that_are_nothing(initial: bytes) -> None:
    assert PasswordExchange("PLAIN").begin(initial) is (Refusal.CANCELLED if initial == b"*" else Refusal.MALFORMED)


def test_an_equals_sign_is_an_empty_initial_response_only() -> None:
    exchange = PasswordExchange("LOGIN")
    assert exchange.begin(b"=") == Challenge(b"UGFzc3dvcmQ6")
    assert exchange.respond(b"=") is Refusal.MALFORMED


@given(st.binary(min_size=1).filter(lambda octets: b"\0" not in octets))
def test_a_password_is_the_same_octets_through_every_mechanism(password: bytes) -> None:
    login = PasswordExchange("LOGIN")
    login.begin(b64encode(b"anna"))
    for outcome in (
        credentials(b"anna", password, "USER/PASS"),
        plain(b"\0anna\0" + password),
        login.respond(b64encode(password)),
    ):
        assert isinstance(outcome, Credentials)
        assert outcome.password.octets == password


def test_no_password_is_ever_shown() -> None:
    assert "tiger" not in repr(plain(b"\0anna\0tiger"))
    assert "0123456789" not in repr(LOGIN) + repr(TokenExchange(LOGIN, ())) + repr(TokenExchange(LOGIN, ()).inline())


@pytest.mark.parametrize(
    ("offered", "mechanism"),
    [
        ((), "XOAUTH2"),
        (("PLAIN",), "XOAUTH2"),
        (("OAUTHBEARER", "XOAUTH2"), "XOAUTH2"),
        (("PLAIN", "OAUTHBEARER"), "OAUTHBEARER"),
    ],
)
def test_choice_of_mechanism(offered: tuple[str, ...], mechanism: str) -> None:
    assert TokenExchange(LOGIN, offered).mechanism == mechanism


def test_xoauth2_response() -> None:
    response = TokenExchange(LOGIN, ()).answer(b"")
    assert response is not None
    assert b64decode(response.reveal()) == b"user=a=n,na@example.com\1auth=Bearer token-of-anna-0123456789\1\1"


def test_oauthbearer_response() -> None:
    response = TokenExchange(LOGIN, ("OAUTHBEARER",)).inline()
    assert b64decode(response.reveal()) == (
        b"n,a=a=3Dn=2Cna@example.com,\1host=imap.example.com\1port=993\1auth=Bearer token-of-anna-0123456789\1\1"
    )


@pytest.mark.parametrize(("offered", "farewell"), [(("XOAUTH2",), ""), (("OAUTHBEARER",), "AQ==")])
def test_one_failure_challenge_is_answered(offered: tuple[str, ...], farewell: str) -> None:
    exchange = TokenExchange(LOGIN, offered)
    assert exchange.answer(b"") is not None
    assert exchange.answer(b64encode(b'{"status":"400"}')) == Secret(farewell)
    assert exchange.failure_challenge == '{"status":"400"}'
    assert exchange.answer(b"") is None


def test_a_challenge_after_an_inline_response() -> None:
    ignored, refused = TokenExchange(LOGIN, ()), TokenExchange(LOGIN, ())
    response = ignored.inline()
    refused.inline()
    assert ignored.answer(b"") == response
    assert refused.answer(b"not base64\x07") == Secret("")
    assert refused.failure_challenge == "not base64?"


def test_a_challenge_does_not_bring_the_token_into_the_log() -> None:
    exchange = TokenExchange(LOGIN, ())
    exchange.inline()
    exchange.answer(b64encode(b'{"token":"token-of-anna-0123456789"}'))
    assert exchange.failure_challenge == '{"token":"[secret]"}'
