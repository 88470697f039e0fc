"""Sockets that are bound before there are listeners."""

from __future__ import annotations

import logging
import socket
from contextlib import closing
from dataclasses import replace

import pytest

from emailproxy.activation import Inherited
from emailproxy.binding import BindError, Bound, bind, candidates, looked_up
from emailproxy.config import MailProtocol, Server

from .conftest import FreePort

SERVER = Server("IMAP-1993", MailProtocol.IMAP, 0, "imap.example.com", 993, local_address="127.0.0.1")


@pytest.fixture
def servers(free_port: FreePort) -> tuple[Server, Server]:
    ports = free_port(), free_port()
    return replace(SERVER, local_port=ports[0]), replace(SERVER, local_port=ports[1], section="IMAP-2993")


def accepts(server: Server, host: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((host, server.local_port)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_all_are_bound_and_said(servers: tuple[Server, Server], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with closing(Bound.of(looked_up(servers))) as bound:
        assert bound
        for server in servers:
            assert accepts(server)
            assert f"{server.section} listening on 127.0.0.1:{server.local_port} (no TLS) for imap" in caplog.text
    assert not any(accepts(server) for server in servers)
    assert not bound


def test_what_is_taken_stays_open(servers: tuple[Server, Server]) -> None:
    bound = Bound.of(looked_up(servers))
    (sock,) = bound.take(servers[0])
    assert bound.take(servers[0]) == []
    bound.close()
    with sock:
        assert accepts(servers[0])
        assert not sock.getblocking()
    assert not accepts(servers[1])


def test_one_that_cannot_be_bound_is_told_and_the_others_go_on(
    servers: tuple[Server, Server], caplog: pytest.LogCaptureFixture
) -> None:
    name = replace(SERVER, local_address="no such name", section="IMAP-9")
    with (
        socket.create_server(("127.0.0.1", servers[0].local_port)),
        closing(Bound.of(looked_up([*servers, name]))) as bound,
    ):
        assert bound
        assert bound.take(servers[0]) == bound.take(name) == []
        assert accepts(servers[1])
    assert f"[{servers[0].section}] cannot listen on 127.0.0.1 port {servers[0].local_port}: " in caplog.text
    assert "[IMAP-9] local_address no such name has no address" in caplog.text


def test_nothing_could_be_bound() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        assert not Bound.of(looked_up([replace(SERVER, local_port=sock.getsockname()[1])]))


def test_a_name_is_looked_up(servers: tuple[Server, Server]) -> None:
    server = replace(servers[0], local_address="localhost")
    assert candidates(server) is None
    with closing(Bound.of(looked_up([server]))):
        assert accepts(server, "localhost")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "fe80::1%1"])
def test_an_address_is_not_looked_up(address: str) -> None:
    found = candidates(replace(SERVER, local_address=address))
    assert found is not None
    ((_, host),) = found
    assert host.startswith(address.partition("%")[0])


def test_a_socket_that_somebody_else_has_bound() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        inherited = Inherited([(SERVER.section, sock.dup())])
        with closing(Bound.of(looked_up([SERVER]), inherited)) as bound:
            (taken,) = bound.take(SERVER)
            with taken:
                assert taken.getsockname() == sock.getsockname()
        inherited.close()


def test_not_one_address_of_two() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock, socket.create_server(("127.0.0.2", sock.getsockname()[1])):
        server = replace(SERVER, local_port=sock.getsockname()[1])
        with pytest.raises(BindError, match=r"cannot listen on 127\.0\.0\.1 .*another program.*; 127\.0\.0\.2 port"):
            bind(server, [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.0.2")])
