"""What do the options of the console say?"""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from emailproxy.config.channel import DEFAULT_PLACE, Channel, Place
from emailproxy.secret import Secret

from .conftest import ACCOUNT, SERVER, Load


def text(**options: str) -> str:
    return f"{SERVER}{ACCOUNT}\n[emailproxy]\n" + "".join(f"{name} = {value}\n" for name, value in options.items())


def channel(loaded: Load, **options: str) -> Channel:
    return loaded(text(**options)).good.settings.channel


@pytest.fixture
def pair(tmp_path: Path) -> dict[str, str]:
    issued = trustme.CA().issue_cert("localhost")
    path = tmp_path / "console.pem"
    for blob in (issued.private_key_pem, *issued.cert_chain_pems):
        blob.write_to_path(str(path), append=True)
    return {"console_certificate_path": str(path), "console_key_path": str(path)}


def test_the_default_is_this_machine_alone(loaded: Load) -> None:
    assert channel(loaded) == Channel(DEFAULT_PLACE, written=False)
    assert str(DEFAULT_PLACE) == "127.0.0.1:8025"


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("off", None),
        ("OFF", None),
        ("127.0.0.1:0", Place("127.0.0.1", 0)),
        ("localhost:8025", Place("localhost", 8025)),
        ("[::1]:8025", Place("::1", 8025)),
        ("unix:/run/emailproxy.sock", Place(path=Path("/run/emailproxy.sock"))),
    ],
)
def test_where_it_listens(loaded: Load, value: str, place: Place | None) -> None:
    assert channel(loaded, console_listen=value) == Channel(place, written=True)
    if place is not None:
        assert str(place) == value


@pytest.mark.parametrize(
    "value",
    [
        "8025",
        ":8025",
        "127.0.0.1",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "::1:8025",
        "unix:",
        "unix:" + "x" * 101,
        "a..b:1",
    ],
)
@pytest.mark.parametrize("option", ["console_listen", "metrics_listen"])
def test_no_address(loaded: Load, option: str, value: str) -> None:
    section, found, _ = loaded(text(**{option: value})).fault()
    assert (section, found) == ("emailproxy", option)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "[::]", "console.example.com", "127.0.0.1.example.com"])
def test_other_machines_need_tls(loaded: Load, pair: dict[str, str], host: str) -> None:
    section, option, told = loaded(text(console_listen=f"{host}:8025")).fault()
    assert (section, option, "TLS" in told) == ("emailproxy", "console_listen", True)
    found = channel(loaded, console_listen=f"{host}:8025", **pair)
    assert found.certificate_path == Path(pair["console_certificate_path"])
    assert found.key_path == found.certificate_path


def test_a_certificate_that_is_none(loaded: Load, tmp_path: Path) -> None:
    path = tmp_path / "no.pem"
    path.write_text("no certificate")
    faults = loaded(text(console_listen="0.0.0.0:1", console_certificate_path=str(path), console_key_path=str(path)))
    assert {fault.option for fault in faults.faults} == {"console_certificate_path", "console_key_path"}


def test_metrics_may_be_reached_by_others(loaded: Load) -> None:
    assert channel(loaded, metrics_listen="0.0.0.0:9125").metrics == Place("0.0.0.0", 9125)
    assert channel(loaded, metrics_listen="off").metrics is None


def test_metrics_need_a_place_of_their_own(loaded: Load) -> None:
    assert loaded(text(metrics_listen="127.0.0.1:8025")).fault()[1] == "metrics_listen"


def test_a_token_is_a_secret(loaded: Load) -> None:
    found = channel(loaded, console_token="sesame-sesame-sesame")
    assert found.token == Secret("sesame-sesame-sesame")
    assert "sesame" not in repr(found)


@pytest.mark.parametrize("value", ["sesame", "s" * 513, "sesame sesame sesame", "sesame-sesame-sésame"])
def test_no_token(loaded: Load, value: str) -> None:
    _, option, told = loaded(text(console_token=value)).fault()
    assert option == "console_token"
    assert "sesame" not in told


def test_a_token_from_elsewhere(loaded: Load, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("sesame-sesame-sesame\n")
    path.chmod(0o600)
    assert channel(loaded, console_token=f"file:{path}").token == Secret("sesame-sesame-sesame")
