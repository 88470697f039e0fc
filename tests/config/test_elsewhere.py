"""References in a configuration: followed at the right time, checked like any value, and never printed."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from emailproxy.config import ConfigError, describe, load
from emailproxy.references.base import Fetched, Reference, SecretValue, Use
from emailproxy.references.sources import Sources
from emailproxy.secret import Secret
from emailproxy.store.base import StoreDeniedError, StoreUnavailableError
from tests.patience import HANG
from tests.references.fakes import FakeSource, sources

from .conftest import ACCOUNT, SERVER, Outcome
from .test_certificates import certificate_pem, key_pem

SECRET = "s3cret-s3cret"
DENIED = StoreDeniedError("vault:denied: the identity lacks the permission read; grant it")
DOWN = StoreUnavailableError("vault:down cannot be reached")


class Loader:
    """Loads texts with a vault in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.vault = FakeSource({"secret": SECRET, "denied": DENIED, "down": DOWN})

    def __call__(self, text: str) -> Outcome:
        self.path.write_text(text, encoding="utf-8")
        try:
            config = load(self.path, sources(self.vault))
        except ConfigError as error:
            told = str(error)
            outcome = Outcome(None, error.faults, error.warnings)
        else:
            told = describe(config) + repr(config)
            outcome = Outcome(config, (), config.warnings)
        assert SECRET not in told
        return outcome


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    return Loader(tmp_path / "emailproxy.config")


def test_client_id_and_secret_stay_references(loader: Loader) -> None:
    text = SERVER + ACCOUNT.replace("client_id = id", "client_id = vault:down\nclient_secret = vault:secret?x=y")
    outcome = loader(text)
    (account,) = outcome.good.accounts.values()
    assert account.client_id == Reference("vault", "down")
    assert account.client_secret == Reference("vault", "secret?x=y")
    assert outcome.warnings == ()
    assert not loader.vault.reads, "nobody is asked before a token is needed"
    assert outcome.good.references == (
        Use("ada@example.com", "client_id", Reference("vault", "down")),
        Use("ada@example.com", "client_secret", Reference("vault", "secret?x=y")),
    )
    assert "References\n  [ada@example.com] client_id <- vault:down\n" in describe(outcome.good)
    assert "client_secret <- vault:secret\n" in describe(outcome.good)


def test_a_malformed_address_is_found_at_the_start(loader: Loader) -> None:
    section, option, text = loader(SERVER + ACCOUNT + "client_secret = vault:malformed\n").fault()
    assert (section, option) == ("ada@example.com", "client_secret")
    assert text == "vault:malformed is malformed; write vault:NAME"


def test_other_options_are_followed_first(loader: Loader) -> None:
    loader.vault.values |= {
        "host": "imap.example.org\n",
        "port": "1143",
        "yes": "True",
        "url": "https://login.example.org/token",
        "scope": "mail\noffline_access",
        "seconds": "12",
    }
    text = (
        SERVER.replace("imap.example.com", "vault:host").replace("server_port = 993", "server_port = vault:port")
        + "server_starttls = vault:yes\n[emailproxy]\nallow_catch_all_accounts = vault:yes\ndrain = vault:seconds\n"
        + ACCOUNT.replace("https://login.example.com/token", "vault:url").replace("mail offline_access", "vault:scope")
        + "[@]\nuse_pkce = vault:yes\n"
    )
    config = loader(text).good
    (server,) = config.servers
    assert (server.server_address, server.server_port, server.server_starttls) == ("imap.example.org", 1143, True)
    (account,) = config.accounts.values()
    assert account.token_url == "https://login.example.org/token"
    assert account.oauth2_scope == "mail\noffline_access"
    assert account.use_pkce
    assert config.settings.drain == 12
    assert loader.vault.reads["yes"] == 1, "one read serves all its uses"
    assert len(config.references) == 8


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("server_port = 993", "server_port = vault:secret"),
        ("server_address = imap.example.com", "server_address = vault:spaced"),
        ("local_address = localhost", "local_address = vault:long"),
        ("server_port = 993", "server_port = 993\nserver_starttls = vault:secret"),
        ("server_port = 993", "server_port = 993\nmin_tls = vault:secret"),
        ("https://login.example.com/token", "vault:secret"),
        ("https://login.example.com/authorize", "vault:secret"),
        ("http://localhost:8080", "vault:secret"),
        ("client_id = id", "client_id = id\noauth2_flow = vault:secret"),
        ("client_id = id", "client_id = id\nredirect_listen_address = vault:secret"),
        ("[IMAP-1993]", "[emailproxy]\ndrain = vault:secret\n[IMAP-1993]"),
        ("[IMAP-1993]", "[emailproxy]\nmax_connections = vault:secret\n[IMAP-1993]"),
    ],
)
def test_a_value_that_does_not_fit_is_not_repeated(loader: Loader, before: str, after: str) -> None:
    """Somebody may refer to the wrong secret."""
    loader.vault.values |= {"spaced": f"{SECRET} {SECRET}", "long": SECRET + "x" * 80}
    outcome = loader((SERVER + ACCOUNT).replace(before, after))
    assert len(outcome.faults) == 1
    assert "what vault:" in str(outcome.faults[0])
    assert "does not fit; " in str(outcome.faults[0])


def test_a_questionable_value_is_not_repeated_either(loader: Loader) -> None:
    loader.vault.values["plain"] = "http://login.example.com/not-shown"
    _, option, text = loader((SERVER + ACCOUNT).replace("https://login.example.com/token", "vault:plain")).warning()
    assert option == "token_url"
    assert text == "what vault:plain holds does not fit; use https, since secrets travel there"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("denied", "vault:denied: the identity lacks the permission read; grant it"),
        ("down", "vault:down cannot be reached; emailproxy check --resolve tries it again"),
        ("none", "vault:none: there is no such secret; create it"),
        ("octets", "what vault:octets holds is no text in UTF-8; keep text there"),
        ("empty", "vault:empty: what is kept there is empty"),
    ],
)
@pytest.mark.parametrize("option", ["server_address", "server_port", "token_url", "oauth2_scope"])
def test_a_reference_that_leads_nowhere_is_one_fault(loader: Loader, name: str, problem: str, option: str) -> None:
    loader.vault.values |= {"octets": b"\xff" + SECRET.encode(), "empty": ""}
    lines = (SERVER + ACCOUNT).splitlines()
    text = "\n".join(f"{option} = vault:{name}" if line.startswith(option) else line for line in lines)
    _, told, said = loader(text).fault()
    assert told == option
    assert said.startswith(problem)


def test_unused_sections_are_not_followed(loader: Loader) -> None:
    text = SERVER + ACCOUNT + "[notes]\nserver_address = vault:down\n[@]\nclient_id = vault:down\n"
    outcome = loader(text)
    assert outcome.good.references == ()
    assert not loader.vault.reads


def test_what_a_reference_leads_to_is_none(loader: Loader) -> None:
    loader.vault.values["chain"] = "vault:secret"
    config = loader(SERVER + ACCOUNT.replace("mail offline_access", "vault:chain")).good
    assert config.accounts["ada@example.com"].oauth2_scope == "vault:secret"


def test_a_template_gives_its_reference_to_its_accounts(loader: Loader) -> None:
    text = (
        SERVER + "[emailproxy]\nallow_catch_all_accounts = True\n" + ACCOUNT.replace("ada@", "@")
        + "client_secret = vault:secret\n[ada@example.com]\nuse_pkce = True\n"
    )  # fmt: skip
    config = loader(text).good
    assert config.accounts["ada@example.com"].client_secret == Reference("vault", "secret")
    assert config.account("eve@example.com").client_secret == Reference("vault", "secret")  # type: ignore[union-attr]


class TestPem:
    @pytest.fixture
    def pair(self, loader: Loader) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        pair = certificate_pem(key), key_pem(key)
        loader.vault.values |= {"certificate": pair[0], "key": pair[1]}
        return pair

    TEXT = SERVER + "local_certificate_path = vault:certificate\nlocal_key_path = vault:key\n" + ACCOUNT

    def test_the_pem_itself(self, loader: Loader, pair: tuple[bytes, bytes]) -> None:
        outcome = loader(self.TEXT)
        (server,) = outcome.good.servers
        assert server.local_certificate_path == Fetched(Reference("vault", "certificate"), Secret(pair[0].decode()))
        assert isinstance(server.local_key_path, Fetched)
        assert server.local_key_path.value.octets == pair[1]
        assert outcome.warnings == ()
        assert "PRIVATE KEY" not in repr(server)

    def test_both_in_one(self, loader: Loader, pair: tuple[bytes, bytes]) -> None:
        loader.vault.values["certificate"] = pair[0] + pair[1]
        assert loader(self.TEXT.replace("local_key_path = vault:key\n", "")).good.servers[0].local_key_path is None

    def test_one_in_a_file(self, loader: Loader, pair: tuple[bytes, bytes], tmp_path: Path) -> None:
        (tmp_path / "cert.pem").write_bytes(pair[0])
        text = self.TEXT.replace("vault:certificate", str(tmp_path / "cert.pem"))
        assert loader(text).good.servers[0].local_tls

    def test_a_key_of_another(self, loader: Loader, pair: tuple[bytes, bytes]) -> None:
        loader.vault.values["key"] = key_pem(ec.generate_private_key(ec.SECP256R1()))
        _, option, text = loader(self.TEXT).fault()
        assert option == "local_key_path"
        assert text.startswith("vault:key is not the key of vault:certificate")

    def test_no_certificate(self, loader: Loader, pair: tuple[bytes, bytes]) -> None:
        loader.vault.values["certificate"] = SECRET
        _, option, text = loader(self.TEXT).fault()
        assert option == "local_certificate_path"
        assert text.startswith("vault:certificate holds no certificate")

    def test_unreachable(self, loader: Loader, pair: tuple[bytes, bytes]) -> None:
        loader.vault.values["key"] = DOWN
        faults = loader(self.TEXT).faults
        assert [fault.option for fault in faults if "cannot be reached" in fault.problem] == ["local_key_path"]

    def test_client_assertion(self, loader: Loader) -> None:
        key = rsa.generate_private_key(65537, 2048)
        loader.vault.values |= {"certificate": certificate_pem(key), "key": key_pem(key)}
        text = SERVER + ACCOUNT + "jwt_certificate_path = vault:certificate\njwt_key_path = vault:key\n"
        (account,) = loader(text).good.accounts.values()
        assert account.certificate is not None
        assert isinstance(account.certificate.key, Fetched)
        assert account.certificate.key.reference == Reference("vault", "key")

    def test_a_key_that_everybody_can_read(self, loader: Loader, pair: tuple[bytes, bytes]) -> None:
        loader.vault.remark = "everybody can read the file; run chmod o-r"
        _, option, text = loader(self.TEXT).warning()
        assert option == "local_key_path", "and not the certificate, which is public"
        assert text == "vault:key: everybody can read the file; run chmod o-r"


def test_sealing_has_no_effect_on_references(loader: Loader) -> None:
    other = ACCOUNT.replace("ada@", "eve@")
    secret = "client_secret = vault:secret\n"
    text = SERVER + "[emailproxy]\nencrypt_client_secret_on_first_use = True\n" + ACCOUNT + secret + other + secret
    section, option, problem = loader(text).warning()
    assert (section, option) == ("emailproxy", "encrypt_client_secret_on_first_use")
    assert "no effect where client_secret is a reference: [ada@example.com] and 1 more" in problem


def test_a_key_file_and_a_reference_do_not_go_together(loader: Loader) -> None:
    text = SERVER + ACCOUNT.replace("client_id = id", "client_id = file\nclient_secret = vault:secret")
    text = text.replace("permission_url = https://login.example.com/authorize", "oauth2_flow = service_account")
    _, option, problem = loader(text).fault()
    assert option == "client_secret"
    assert problem.endswith("write client_id = key")
    loader(text.replace("client_id = file", "client_id = key")).good  # noqa: B018 - it loads


class TestLocal:
    """``file:`` and ``env:`` are looked at when the configuration is read, since that costs nothing."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "emailproxy.config"

    def outcome(self, path: Path, value: str) -> Outcome:
        path.write_text(f"{SERVER}{ACCOUNT}client_secret = {value}\n")
        config = load(path)
        assert SECRET not in describe(config)
        return Outcome(config, (), config.warnings)

    def test_not_there_yet_is_a_warning(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("EMAILPROXY_TEST", raising=False)
        assert self.outcome(path, "env:EMAILPROXY_TEST").warning()[2].startswith("env:EMAILPROXY_TEST is not set; ")
        missing = self.outcome(path, f"file:{path}.secret").warning()[2]
        assert missing.startswith(f"file:{path}.secret cannot be read: No such file")

    @pytest.mark.skipif(os.name != "posix", reason="modes")
    def test_a_file_that_everybody_can_read(self, path: Path, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_text(SECRET)
        secret.chmod(0o604)
        assert "run chmod o-r" in self.outcome(path, f"file:{secret}").warning()[2]
        secret.chmod(0o640)
        assert self.outcome(path, f"file:{secret}").warnings == ()

    def test_a_secret_behind_env_is_not_repeated(self, path: Path) -> None:
        path.write_text(f"{SERVER}{ACCOUNT}client_secret = env:{SECRET}\n")
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert SECRET not in str(caught.value)


def test_all_references_are_read_at_the_same_time(tmp_path: Path) -> None:
    together = threading.Barrier(3)

    class Meeting(FakeSource):
        def read(self, rest: str, *, dated: bool = False) -> SecretValue:
            together.wait(HANG)
            return super().read(rest)

    vault = Meeting({"host": "imap.example.org", "port": "993", "url": "https://login.example.com/token"})
    path = tmp_path / "emailproxy.config"
    text = SERVER.replace("imap.example.com", "vault:host").replace("= 993", "= vault:port")
    path.write_text(text + ACCOUNT.replace("https://login.example.com/token", "vault:url"))
    assert load(path, Sources({"vault": lambda: vault})).servers[0].server_port == 993


def test_a_source_that_hangs_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()

    class Hanging(FakeSource):
        def read(self, rest: str, *, dated: bool = False) -> SecretValue:
            gate.wait(HANG)
            return super().read(rest)

    monkeypatch.setattr("emailproxy.config.fetching.DEADLINE", 0.05)
    path = tmp_path / "emailproxy.config"
    path.write_text(SERVER.replace("imap.example.com", "vault:host") + ACCOUNT)
    try:
        with pytest.raises(ConfigError, match=r"server_address: vault:host: no answer within"):
            load(path, sources(Hanging({"host": "imap.example.org"})))
    finally:
        gate.set()


def test_a_mistake_of_a_source_is_not_hidden(tmp_path: Path) -> None:
    class Broken(FakeSource):
        def read(self, rest: str, *, dated: bool = False) -> SecretValue:
            raise RuntimeError("a mistake")

    path = tmp_path / "emailproxy.config"
    path.write_text(SERVER.replace("imap.example.com", "vault:host") + ACCOUNT)
    with pytest.raises(RuntimeError, match="a mistake"):
        load(path, sources(Broken()))


def test_errors_carry_the_references(tmp_path: Path) -> None:
    path = tmp_path / "emailproxy.config"
    path.write_text(SERVER.replace("imap.example.com", "vault:denied") + ACCOUNT + "client_secret = vault:secret\n")
    with pytest.raises(ConfigError) as caught:
        load(path, sources(FakeSource({"denied": DENIED})))
    assert [use.option for use in caught.value.references] == ["server_address", "client_secret"]


def test_secret_lifetime(loader: Loader) -> None:
    assert loader(SERVER + ACCOUNT).good.settings.secret_lifetime == 900
    text = SERVER + ACCOUNT + "[emailproxy]\nsecret_lifetime = 0\n"
    assert loader(text).good.settings.secret_lifetime == 0
