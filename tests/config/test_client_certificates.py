"""client_ca_path and its companions: who is let in by certificate, and what does not go together."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from emailproxy.config.sealkey import new_key_text

from .conftest import ACCOUNT, SERVER, Load, Outcome

CA = trustme.CA()
FINGERPRINT = "AB:" * 31 + "CD"


@pytest.fixture
def checked(loaded: Load, tmp_path: Path) -> object:
    (tmp_path / "seal.key").write_text(new_key_text())
    (tmp_path / "seal.key").chmod(0o600)
    CA.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "no.pem").write_text("nothing")

    def check(*lines: str, tls: bool = True, key: bool = True) -> Outcome:
        certificate = [f"local_certificate_path = {tmp_path}/server.pem"] if tls else []
        text = "\n".join([SERVER.rstrip(), *certificate, *lines]).replace("FOLDER", str(tmp_path))
        sealed = f"[emailproxy]\nseal_key = file:{tmp_path}/seal.key\n" if key else ""
        return loaded(f"{text}\n{ACCOUNT}{sealed}")

    return check


def test_nobody_is_asked_by_default(checked: Load) -> None:
    assert checked().good.servers[0].client_certificates is None  # type: ignore[call-arg]


def test_all_options(checked: Load) -> None:
    names = f"Lobby Copier ada@example.com, sha256:{FINGERPRINT} ada@example.com,"
    clients = (
        checked(  # type: ignore[call-arg]
            "client_ca_path = FOLDER/ca.pem",
            "client_certificates = Required",
            f"client_certificate_accounts = {names}",
        )
        .good.servers[0]
        .client_certificates
    )
    assert clients is not None
    assert clients.required
    assert clients.accounts == (
        ("lobby copier", "ada@example.com"),
        (f"sha256:{'ab' * 31}cd", "ada@example.com"),
    )


@pytest.mark.parametrize(
    ("lines", "option", "words"),
    [
        (["client_ca_path = FOLDER/no.pem"], "client_ca_path", "holds no certificate"),
        (["client_ca_path = FOLDER/absent.pem"], "client_ca_path", "cannot be read"),
        (["client_certificates = required"], "client_certificates", "add client_ca_path"),
        (["client_certificate_accounts = a b"], "client_certificate_accounts", "add client_ca_path"),
        (
            ["client_ca_path = FOLDER/ca.pem", "client_certificates = maybe"],
            "client_certificates",
            "optional, required",
        ),
        (["client_ca_path = FOLDER/ca.pem", "client_certificate_accounts = x"], "client_certificate_accounts", "entry"),
        (
            ["client_ca_path = FOLDER/ca.pem", "client_certificate_accounts = sha256:AB a@b.org"],
            "client_certificate_accounts",
            "64 hexadecimal digits",
        ),
        (
            ["client_ca_path = FOLDER/ca.pem", "client_certificate_accounts = x a@b.org, X b@b.org"],
            "client_certificate_accounts",
            "two accounts",
        ),
    ],
)
def test_mistakes(checked: Load, lines: list[str], option: str, words: str) -> None:
    section, found, text = checked(*lines).fault()
    assert (section, found) == ("IMAP-1993", option)
    assert words in text


def test_without_tls_or_a_service_key_it_cannot_work(checked: Load) -> None:
    line = "client_ca_path = FOLDER/ca.pem"
    assert "without TLS" in checked(line, tls=False).fault()[2]  # type: ignore[call-arg]
    assert "service key" in checked(line, key=False).fault()[2]  # type: ignore[call-arg]
