"""On which sockets does the console listen?"""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest
import trio

from emailproxy.config.channel import Place
from emailproxy.console.sockets import PlaceError, bind


async def test_a_free_port() -> None:
    bound = await bind(Place("127.0.0.1", 0))
    [place] = bound.addresses
    assert place.host == "127.0.0.1"
    stream = await trio.open_tcp_stream(place.host, place.port)
    await stream.aclose()
    bound.close()
    bound.close()
    with pytest.raises(OSError, match="failed"):
        await trio.open_tcp_stream(place.host, place.port)


async def test_a_name_means_all_its_addresses_at_one_port() -> None:
    bound = await bind(Place("localhost", 0))
    assert len({place.port for place in bound.addresses}) == 1
    bound.close()


async def test_a_taken_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(PlaceError, match="another program has it") as caught:
            await bind(Place("127.0.0.1", taken.getsockname()[1]))
        assert caught.value.taken


@pytest.mark.parametrize("host", ["192.0.2.7", "no such name", "not..encodable"])
async def test_no_address_of_this_machine(host: str) -> None:
    with pytest.raises(PlaceError) as caught:
        await bind(Place(host, 8025))
    assert not caught.value.taken


@pytest.fixture
def place(brief_path: Path) -> Place:
    return Place(path=brief_path / "console.sock")


async def test_a_unix_socket_is_its_owners_alone(place: Place) -> None:
    assert place.path is not None
    bound = await bind(place)
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o600
    assert bound.addresses == (place,)
    stream = await trio.open_unix_socket(place.path)
    await stream.aclose()
    bound.close()
    assert not place.path.exists()


async def test_what_a_dead_process_left_is_replaced(place: Place) -> None:
    assert place.path is not None
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place.path))
    bound = await bind(place)
    stream = await trio.open_unix_socket(place.path)
    await stream.aclose()
    bound.close()


async def test_a_live_one_is_not_replaced(place: Place) -> None:
    assert place.path is not None
    first = await bind(place)
    with pytest.raises(PlaceError, match="another program listens there") as caught:
        await bind(place)
    assert caught.value.taken
    stream = await trio.open_unix_socket(place.path)
    await stream.aclose()
    first.close()


async def test_a_file_is_not_replaced(place: Place) -> None:
    assert place.path is not None
    place.path.write_text("somebody's")
    with pytest.raises(PlaceError, match="no socket"):
        await bind(place)
    assert place.path.read_text() == "somebody's"


async def test_anothers_socket_is_not_removed(place: Place) -> None:
    assert place.path is not None
    first = await bind(place)
    place.path.unlink()
    second = await bind(place)
    first.close()
    assert place.path.exists()
    second.close()


async def test_a_folder_that_is_not_there(brief_path: Path) -> None:
    with pytest.raises(PlaceError, match="No such file"):
        await bind(Place(path=brief_path / "nowhere" / "x.sock"))
