"""Certificate credentials in a configuration."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from emailproxy.assertions.base import IssuerAddress
from emailproxy.config.identity import Certificate
from emailproxy.secret import Secret

from .conftest import ACCOUNT, SERVER, Load
from .keys import PASSPHRASE, certificate, key, pfx, rsa_key
from .test_certificates import certificate_pem


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cert.pem").write_bytes(certificate())
    (tmp_path / "key.pem").write_bytes(key())
    (tmp_path / "sealed.pem").write_bytes(key(passphrase=PASSPHRASE))
    (tmp_path / "both.pfx").write_bytes(pfx(PASSPHRASE))
    return tmp_path


def text(folder: Path, **options: object) -> str:
    lines = [f"{name} = {folder / str(value)}" for name, value in options.items() if name.endswith("_path")]
    lines += [f"{name} = {value}" for name, value in options.items() if not name.endswith("_path")]
    return SERVER + ACCOUNT + "\n".join(lines) + "\n"


def only(loaded: Load, text: str) -> Certificate | None:
    (account,) = loaded(text).good.accounts.values()
    assert account.asserts is (account.certificate is not None)
    return account.certificate


def test_two_files(loaded: Load, folder: Path) -> None:
    found = only(loaded, text(folder, jwt_certificate_path="cert.pem", jwt_key_path="key.pem"))
    assert found == Certificate(folder / "cert.pem", folder / "key.pem", None, "RS256")


def test_a_passphrase_and_an_algorithm(loaded: Load, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_PASSPHRASE", PASSPHRASE)
    more = {"jwt_key_passphrase": "env:KEY_PASSPHRASE", "jwt_algorithm": "ps256"}
    found = only(loaded, text(folder, jwt_certificate_path="cert.pem", jwt_key_path="sealed.pem", **more))
    assert found == Certificate(folder / "cert.pem", folder / "sealed.pem", Secret(PASSPHRASE), "PS256")
    assert PASSPHRASE not in repr(found)


def test_pkcs12(loaded: Load, folder: Path) -> None:
    found = only(loaded, text(folder, jwt_certificate_path="both.pfx", jwt_key_passphrase=PASSPHRASE))
    assert found == Certificate(folder / "both.pfx", None, Secret(PASSPHRASE))


def test_none(loaded: Load, folder: Path) -> None:
    assert only(loaded, text(folder)) is None


@pytest.mark.parametrize(
    ("options", "option", "said"),
    [
        ({"jwt_certificate_path": "none"}, "jwt_certificate_path", "cannot be read: No such file"),
        ({"jwt_certificate_path": "cert.pem", "jwt_key_path": "none"}, "jwt_key_path", "cannot be read: No such file"),
        ({"jwt_key_path": "key.pem"}, "jwt_key_path", "there is no certificate for it"),
        ({"jwt_key_passphrase": PASSPHRASE}, "jwt_key_passphrase", "there is no certificate for it"),
        ({"jwt_certificate_path": "cert.pem", "jwt_key_path": "sealed.pem"}, "jwt_key_path", "sealed.pem: the key is"),
        (
            {"jwt_certificate_path": "both.pfx", "jwt_key_passphrase": "wrong-one"},
            "jwt_certificate_path",
            "check jwt_key_passphrase",
        ),
        (
            {"jwt_certificate_path": "cert.pem", "jwt_key_path": "key.pem", "jwt_algorithm": "HS256"},
            "jwt_algorithm",
            "write RS256 or PS256",
        ),
        ({"jwt_certificate_path": "cert.pem", "jwt_algoritm": "PS256"}, "jwt_algoritm", "did you mean jwt_algorithm?"),
    ],
)
def test_faults(loaded: Load, folder: Path, options: dict[str, str], option: str, said: str) -> None:
    faults = [str(fault) for fault in loaded(text(folder, **options)).faults if fault.option == option]
    assert len(faults) == 1
    assert said in faults[0]
    assert PASSPHRASE not in faults[0]
    assert "wrong-one" not in faults[0]


def test_a_file_without_end(loaded: Load) -> None:
    assert "too large" in loaded(text(Path("/dev"), jwt_certificate_path="zero")).fault()[2]


def test_an_expired_certificate(loaded: Load, folder: Path) -> None:
    day = dt.timedelta(days=1)
    (folder / "cert.pem").write_bytes(certificate_pem(rsa_key(), -9 * day, -day))
    warning = loaded(text(folder, jwt_certificate_path="cert.pem", jwt_key_path="key.pem")).warning()
    assert warning[1] == "jwt_certificate_path"
    assert "expired on" in warning[2]


def test_a_secret_beside_it(loaded: Load, folder: Path) -> None:
    both = text(folder, jwt_certificate_path="cert.pem", jwt_key_path="key.pem", client_secret="s3cret")
    assert loaded(both).warning()[1:] == (
        "client_secret",
        "has no effect beside jwt_certificate_path; remove one of the two",
    )


def test_a_placeholder(loaded: Load) -> None:
    sample = SERVER + ACCOUNT + "jwt_certificate_path = *** your certificate ***\njwt_key_path = /none/key\n"
    assert loaded(sample).warning()[1] == "jwt_certificate_path"


class TestClientAssertion:
    def account(self, loaded: Load, value: str) -> IssuerAddress | None:
        (account,) = loaded(SERVER + ACCOUNT + f"client_assertion = {value}\n").good.accounts.values()
        assert account.asserts
        return account.client_assertion

    @pytest.mark.parametrize(
        ("value", "name", "rest"),
        [
            ("managed-identity", "managed-identity", ""),
            ("Managed-Identity:01234567-89ab-cdef-0123-456789abcdef", "managed-identity", None),
            ("workload-identity", "workload-identity", ""),
            ("gcp", "gcp", ""),
            ("gcp:mail@p.iam.gserviceaccount.com", "gcp", "mail@p.iam.gserviceaccount.com"),
            ("file:/var/run/secrets/tokens/mail", "file", "/var/run/secrets/tokens/mail"),
        ],
    )
    def test_known(self, loaded: Load, value: str, name: str, rest: str | None) -> None:
        """A file need not be there yet, and is no reference that is read now."""
        found = self.account(loaded, value)
        assert found == IssuerAddress(name, value.partition(":")[2] if rest is None else rest)

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("azure", "write one of aws, file, gcp, managed-identity, workload-identity"),
            ("adc", "nobody is known who issues that"),
            ("managed-identity:mail", "write managed-identity:CLIENT_ID"),
            ("workload-identity:x", "takes nothing behind it"),
            ("file:", "write file:PATH"),
            ("eyJhbGciOiJSUzI1NiJ9.e30.c2VjcmV0", "nobody is known who issues that"),
        ],
    )
    def test_faults(self, loaded: Load, value: str, said: str) -> None:
        section, option, problem = loaded(SERVER + ACCOUNT + f"client_assertion = {value}\n").fault()
        assert (section, option) == ("ada@example.com", "client_assertion")
        assert said in problem
        assert "eyJ" not in problem

    def test_beside_a_certificate(self, loaded: Load, folder: Path) -> None:
        both = text(folder, jwt_certificate_path="cert.pem", jwt_key_path="key.pem", client_assertion="gcp")
        assert loaded(both).fault()[1] == "client_assertion"

    def test_beside_a_secret(self, loaded: Load) -> None:
        outcome = loaded(SERVER + ACCOUNT + "client_assertion = gcp\nclient_secret = s3cret\n")
        assert outcome.warning()[1:] == (
            "client_secret",
            "has no effect beside client_assertion; remove it, here and at the provider",
        )
