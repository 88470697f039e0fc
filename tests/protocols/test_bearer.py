"""What a client's own token looks like on its way to us."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailproxy.protocols.bearer import BearerExchange, exchange
from emailproxy.protocols.events import TokenCredentials
from emailproxy.protocols.sasl import Challenge, PasswordExchange, Refusal, TokenExchange, UpstreamLogin
from emailproxy.secret import Secret
from emailproxy.testing.dialogue import Dialogue, replay
from tests.protocols.dialogues.bearer_downstream import DIALOGUES


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda d: f"{type(d.machine()).__name__}: {d.name}")
def test_dialogue(dialogue: Dialogue) -> None:
    replay(dialogue)


def respond(mechanism: str, message: bytes) -> object:
    return BearerExchange(mechanism).begin(b64encode(message))


def test_every_mechanism_has_its_exchange() -> None:
    assert isinstance(exchange("LOGIN", {}), PasswordExchange)
    assert isinstance(exchange("OAUTHBEARER", {}), BearerExchange)


@pytest.mark.parametrize(
    ("mechanism", "message"),
    [
        ("XOAUTH2", b"user=a@x.org\x01auth=Bearer tok.en\x01\x01"),
        ("XOAUTH2", b"user=a@x.org\x01auth=bearer tok.en\x01\x01"),
        ("OAUTHBEARER", b"n,a=a@x.org,\x01auth=Bearer tok.en\x01\x01"),
        ("OAUTHBEARER", b"y,a=a@x.org,\x01auth=BEARER  tok.en\x01\x01"),
        ("OAUTHBEARER", b"n,a=a@x.org,\x01port=143\x01host=x\x01auth=Bearer tok.en\x01path=\x01\x01"),
    ],
)
def test_forms(mechanism: str, message: bytes) -> None:
    found = respond(mechanism, message)
    assert found == TokenCredentials("a@x.org", Secret("tok.en"), mechanism)
    assert "tok.en" not in repr(found)


def test_a_name_with_what_oauthbearer_quotes() -> None:
    found = respond("OAUTHBEARER", "n,a=b=2Cü=3D2C,\x01auth=Bearer t\x01\x01".encode())
    assert found == TokenCredentials("b,ü=2C", Secret("t"), "OAUTHBEARER")


@pytest.mark.parametrize(
    ("mechanism", "message"),
    [
        ("XOAUTH2", b""),
        ("XOAUTH2", b"user=a\x01auth=Bearer t\x01"),
        ("XOAUTH2", b"user=a\x01auth=Bearer t\x01\x01x"),
        ("XOAUTH2", b"user=a\x01x=y\x01auth=Bearer t\x01\x01"),
        ("XOAUTH2", b"n,a=a,\x01auth=Bearer t\x01\x01"),
        ("OAUTHBEARER", b"user=a\x01auth=Bearer t\x01\x01"),
        ("OAUTHBEARER", b"p=tls-unique,a=a,\x01auth=Bearer t\x01\x01"),
        ("OAUTHBEARER", b"n,a=a=2c,\x01auth=Bearer t\x01\x01"),
        ("OAUTHBEARER", b"n,a=a\x01auth=Bearer t\x01\x01"),
        ("OAUTHBEARER", b"n,a=a,\x01auth=Bearer t\x01"),
    ],
)
def test_no_such_form(mechanism: str, message: bytes) -> None:
    assert respond(mechanism, message) is Refusal.MALFORMED


@pytest.mark.parametrize(
    ("mechanism", "message"),
    [
        ("XOAUTH2", b"user=\x01auth=Bearer t\x01\x01"),
        ("XOAUTH2", b"user=a\nb\x01auth=Bearer t\x01\x01"),
        ("XOAUTH2", b"user=\xff\x01auth=Bearer t\x01\x01"),
        ("XOAUTH2", b"user=a\x01auth=Basic dDp0\x01\x01"),
        ("XOAUTH2", b"user=a\x01auth=Bearer \x01\x01"),
        ("XOAUTH2", b"user=a\x01auth=Bearer t\r\nX: y\x01\x01"),
        ("OAUTHBEARER", b"n,,\x01auth=Bearer t\x01\x01"),
        ("OAUTHBEARER", b"n,a=a,\x01\x01"),
    ],
)
def test_without_a_name_or_a_token_the_error_comes_first(mechanism: str, message: bytes) -> None:
    one = BearerExchange(mechanism)
    assert one.begin(b64encode(message)) == one.error
    assert one.respond(b"AQ==") is Refusal.NO_TOKEN


def test_an_empty_initial_response_is_none() -> None:
    assert BearerExchange("XOAUTH2").begin(b"=") is Refusal.MALFORMED
    assert BearerExchange("XOAUTH2").begin(None) == Challenge(b"")
    assert BearerExchange("XOAUTH2").begin(b"*") is Refusal.CANCELLED


PRINTABLE = st.text(min_size=1).filter(str.isprintable)


@given(
    mechanism=st.sampled_from(["XOAUTH2", "OAUTHBEARER"]),
    user=PRINTABLE,
    token=st.from_regex(r"[!-~]+", fullmatch=True),
)
def test_what_we_say_to_servers_is_understood_here(mechanism: str, user: str, token: str) -> None:
    """The two sides of a mechanism are each other's mirror."""
    login = UpstreamLogin(user, Secret(token), "imap.example.com", 993)
    said = TokenExchange(login, [mechanism]).inline()
    assert BearerExchange(mechanism).begin(said.octets) == TokenCredentials(user, Secret(token), mechanism)
