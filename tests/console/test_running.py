"""Where does the console run now?"""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
import trio
import trustme

from emailproxy.config.channel import DEFAULT_PLACE, Channel, Place
from emailproxy.config.model import Config, Settings
from emailproxy.console import installed
from emailproxy.console.installed import ConsoleMissingError, require_installed
from emailproxy.console.tokenfile import read_token
from emailproxy.oauth.redirects import RedirectAddress
from emailproxy.secret import Secret
from tests.patience import HANG

from .served import HERE, TOKEN, Served, served


async def answers(url: str, path: str = "/api/snapshot", token: str = TOKEN) -> int:
    """The status; 0 if nobody listens."""
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=HANG) as client:
        try:
            return int((await client.get(url + path)).status_code)
        except httpx2.ConnectError:
            return 0


async def test_off_and_on_again(tmp_path: Path) -> None:
    async with served(tmp_path, listen=None) as one:
        assert one.console.addresses == ()
        await one.apply(listen=HERE)
        url = one.url
        assert await answers(url) == 200
        await one.apply(listen=None)
        assert (await answers(url), one.console.addresses) == (0, ())
        one.stage.open_session()
        assert not one.console.hub._ring, "the hub sleeps"
        await one.apply(listen=HERE)
        assert await answers(one.url) == 200


async def test_a_reload_that_changes_nothing_ends_no_connection(tmp_path: Path) -> None:
    async with served(tmp_path) as one, one.socket() as watcher:
        place = one.place
        await one.apply()
        assert one.place == place
        assert watcher.closed is None


async def test_it_moves(tmp_path: Path, brief_path: Path) -> None:
    async with served(tmp_path) as one:
        before, path = one.url, brief_path / "x.sock"
        await one.apply(listen=Place(path=path))
        assert await answers(before) == 0
        transport = httpx2.AsyncHTTPTransport(uds=str(path))
        async with httpx2.AsyncClient(
            transport=transport, headers={"authorization": f"Bearer {TOKEN}"}, timeout=HANG
        ) as client:
            snapshot = (await client.get("http://console/api/snapshot")).json()
            assert snapshot["proxy"]["addresses"] == [f"unix:{path}"]
            assert (await client.post("http://console/api/enter")).json()["url"] is None
        await one.apply(listen=HERE)
        assert not path.exists()
        assert await answers(one.url) == 200


async def test_another_token_ends_what_came_by_the_old_one(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        cookie = await one.cookie()
        await one.apply(token=Secret("another-token-altogether"))
        assert [await answers(one.url), await answers(one.url, token="another-token-altogether")] == [401, 200]
        async with one.client(cookie=f"emailproxy_session={cookie}") as browser:
            assert (await browser.get("/api/snapshot")).status_code == 401


async def test_the_token_file(tmp_path: Path) -> None:
    async with served(tmp_path, token=None) as one:
        token = read_token(tmp_path / "emailproxy.config")
        assert token is not None
        assert [await answers(one.url, token=token.reveal()), await answers(one.url)] == [200, 401]


async def test_a_place_that_is_taken_leaves_it_where_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = Place("127.0.0.1", taken.getsockname()[1])
        async with served(tmp_path) as one:
            before = one.place
            await one.apply(listen=place)
            assert one.place == before
            assert await answers(one.url) == 200
            assert "stays where it was" in caplog.text
            taken.close()
            await one.apply()
            assert one.place == place, "the next reload tries it again"


@pytest.mark.parametrize(("written", "level"), [(True, "ERROR"), (False, "WARNING")])
async def test_the_mail_goes_on_without_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, written: bool, level: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = Place("127.0.0.1", taken.getsockname()[1])
        async with served(tmp_path, listen=place, written=written) as one:
            assert one.console.addresses == ()
    [record] = [record for record in caplog.records if record.name == "emailproxy.console"]
    assert record.levelname == level
    assert ("console_listen" in record.getMessage()) is not written


async def test_metrics_move_away(tmp_path: Path) -> None:
    async with served(tmp_path, metrics=HERE) as one:
        assert one.console._operations is not None
        [place] = one.console._operations.bound.addresses
        assert await answers(one.url, "/livez") == 404
        assert await answers(f"http://{place}", "/livez", token="none") == 200
        assert await answers(f"http://{place}", "/api/snapshot") == 404
        assert await answers(f"http://{place}", "/") == 404
        await one.apply(metrics=None)
        assert await answers(one.url, "/livez", token="none") == 200
        assert await answers(f"http://{place}", "/livez") == 0


async def test_metrics_without_a_console(tmp_path: Path) -> None:
    async with served(tmp_path, listen=None, metrics=HERE) as one:
        assert one.console._operations is not None
        [place] = one.console._operations.bound.addresses
        assert await answers(f"http://{place}", "/livez") == 200


def pem(folder: Path, ca: trustme.CA) -> Path:
    path = folder / "console.pem"
    path.unlink(missing_ok=True)
    issued = ca.issue_cert("127.0.0.1")
    for blob in (issued.private_key_pem, *issued.cert_chain_pems):
        blob.write_to_path(str(path), append=True)
    return path


async def test_tls_and_a_renewed_certificate(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    authorities = [trustme.CA(), trustme.CA()]
    path = pem(tmp_path, authorities[0])

    async def works(one: Served, ca: trustme.CA) -> bool:
        trust = ssl.create_default_context()
        ca.configure_trust(trust)
        async with httpx2.AsyncClient(
            verify=trust, headers={"authorization": f"Bearer {TOKEN}"}, timeout=HANG
        ) as client:
            try:
                entry = (await client.post(f"https://{one.place}/api/enter")).json()
                assert entry["url"] == f"https://{one.place}{entry['path']}"
                entered = await client.get(entry["url"])
            except httpx2.ConnectError:
                return False
        return "secure" in entered.headers["set-cookie"].casefold()

    async with served(tmp_path, certificate_path=path, key_path=path) as one:
        assert await works(one, authorities[0])
        pem(tmp_path, authorities[1])
        await one.apply()
        assert [await works(one, ca) for ca in authorities] == [False, True]
        path.write_text("garbage")
        await one.apply()
        assert await works(one, authorities[1]), "the old one stays"
        assert "console_certificate_path cannot be used" in caplog.text
        await one.apply(certificate_path=tmp_path / "nowhere.pem")
        assert await works(one, authorities[1])
        assert not one.console.receives(RedirectAddress("localhost", one.place.port)), "redirects come in plain text"


@pytest.mark.parametrize(
    ("host", "receives"), [("127.0.0.1", True), ("localhost", True), ("127.0.0.2", False), ("mail.example.com", False)]
)
async def test_which_redirects_arrive_here(tmp_path: Path, host: str, receives: bool) -> None:
    async with served(tmp_path) as one:
        assert one.console.receives(RedirectAddress(host, one.place.port)) is receives
        assert not one.console.receives(RedirectAddress(host, one.place.port + 1))


async def test_reloads_come_one_after_the_other(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(one.apply)
                one.channel(token=Secret(f"another-token-{number:04}"))
        assert await answers(one.url, token="another-token-0009") == 200


# --- without the extra ------------------------------------------------------------------------------------------------


def config_of(**options: object) -> Config:
    return Config(Path("c"), (), {}, settings=Settings(channel=Channel(**options)))  # type: ignore[arg-type]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "_NEEDED", ("a_package_that_nobody_has",))


@pytest.mark.usefixtures("bare")
def test_who_asks_for_a_console_is_told_what_to_install() -> None:
    require_installed(config_of())
    require_installed(config_of(listen=None, written=True))
    for options in ({"listen": DEFAULT_PLACE, "written": True}, {"listen": None, "metrics": HERE}):
        with pytest.raises(ConsoleMissingError, match=r"emailproxy-cloud\[console\]"):
            require_installed(config_of(**options))


@pytest.mark.usefixtures("bare")
async def test_without_the_extra_the_default_is_no_console(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with served(tmp_path, listen=DEFAULT_PLACE, written=False) as one:
        assert one.console.addresses == ()
        assert not caplog.records
        await one.apply(written=True)
        assert "emailproxy-cloud[console]" in caplog.text
        assert one.console.addresses == ()


def test_the_proxy_and_its_commands_load_nothing_of_the_extra() -> None:
    program = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('starlette', 'hypercorn', 'rich', 'prometheus_client', 'trio_websocket'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "import emailproxy.app\n"
        "from emailproxy.cli import main\n"
        "sys.argv = ['emailproxy', '--help']\n"
        "main()\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=HANG, check=False)
    assert (result.returncode, result.stderr) == (0, "")
