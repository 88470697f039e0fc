"""Where the console is, what lets us in, and whom we show it to."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from emailproxy.config import ConfigError
from emailproxy.console.tokenfile import token_path
from emailproxy.remote.calls import snapshot
from emailproxy.remote.errors import BadAddressError, LostError, NotRunningError, RemoteError
from emailproxy.remote.place import ConsolePlace, configured_place, place_at
from tests.cli.running import UNATTENDED, running_proxy

TOKEN = "t" * 43


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "emailproxy.config"
    path.write_text("")
    token_path(path).write_text(TOKEN + "\n")
    token_path(path).chmod(0o600)
    return path


def write(config: Path, settings: str) -> None:
    config.write_text(f"[emailproxy]\n{settings}\n")


@pytest.mark.parametrize(
    ("listen", "url", "host"),
    [
        (None, "http://127.0.0.1:8025", "127.0.0.1"),
        ("127.0.0.1:1234", "http://127.0.0.1:1234", "127.0.0.1"),
        ("[::1]:1234", "http://[::1]:1234", "::1"),
        ("localhost:1234", "http://localhost:1234", "localhost"),
    ],
)
def test_what_the_configuration_says(config: Path, listen: str | None, url: str, host: str) -> None:
    write(config, f"console_listen = {listen}" if listen is not None else "")
    place = configured_place(config)
    assert (place.url, place.host, str(place)) == (url, host, url)
    assert place.token.reveal() == TOKEN
    assert TOKEN not in repr(place)


def test_all_addresses_are_reached_at_loopback(config: Path, tmp_path: Path) -> None:
    certificate, key = certified(tmp_path)
    tls = f"console_certificate_path = {certificate}\nconsole_key_path = {key}"
    write(config, f"console_listen = 0.0.0.0:1234\n{tls}")
    assert configured_place(config).url == "https://127.0.0.1:1234"
    write(config, f"console_listen = [::]:1234\n{tls}")
    assert configured_place(config).url == "https://[::1]:1234"


def certified(folder: Path, name: str = "mail.example.com") -> tuple[Path, Path]:
    issued = trustme.CA().issue_cert(name)
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return certificate, key


def test_tokens(config: Path, tmp_path: Path) -> None:
    write(config, f"console_token = {'c' * 32}")
    assert configured_place(config).token.reveal() == "c" * 32
    assert place_at("http://localhost:1", config).token.reveal() == "c" * 32
    file = tmp_path / "token"
    file.write_text("f" * 43 + "\n")
    assert configured_place(config, file).token.reveal() == "f" * 43
    assert place_at("https://h", tmp_path / "none", file).port == 443
    for text in ("", "two\nlines", "ü"):
        file.write_text(text)
        with pytest.raises(BadAddressError, match="holds no token"):
            configured_place(config, file)
    write(config, "")
    token_path(config).write_text("short")
    with pytest.raises(BadAddressError, match="holds no token"):
        configured_place(config)
    token_path(config).unlink()
    with pytest.raises(NotRunningError, match="extra console"):
        configured_place(config)
    write(config, "console_listen = off")
    with pytest.raises(NotRunningError, match="off"):
        configured_place(config)
    with pytest.raises(ConfigError):
        configured_place(tmp_path / "none")


def test_the_token_goes_to_nobody_in_plain_text(config: Path) -> None:
    with pytest.raises(BadAddressError, match="would read the token"):
        place_at("http://mail.example.com:8025", config)


async def test_tls_trusts_the_consoles_own_certificate_alone(tmp_path: Path) -> None:
    """Its name is another than the address's; and another certificate of the same authority is not trusted."""
    import trio

    certificate, key = certified(tmp_path)
    tls = f"console_certificate_path = {certificate}\nconsole_key_path = {key}\n"

    def running() -> tuple[tuple[int, str, str], ConsolePlace, list[RemoteError]]:
        problems: list[RemoteError] = []
        with running_proxy(tmp_path, settings=tls, **UNATTENDED) as proxy:
            status = proxy.typed("status", "--json")
            place = configured_place(proxy.path)
            other, other_key = certified(tmp_path, "other.example.com")
            proxy.path.write_text(
                proxy.path.read_text().replace(str(certificate), str(other)).replace(str(key), str(other_key))
            )
            for wrong in (configured_place(proxy.path), place_at(place.url, proxy.path)):
                try:
                    trio.run(snapshot, wrong)
                except RemoteError as error:
                    problems.append(error)
            return status, place, problems

    status, place, problems = await trio.to_thread.run_sync(running)
    assert (status[0], place.url.partition(":")[0]) == (0, "https")
    assert len(problems) == 2
    assert all(isinstance(error, NotRunningError | LostError) for error in problems)
