"""Sockets that somebody else has bound: by name, by address, from a process that was started with them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from emailproxy.activation import Inherited

CODE = """
import os, sys
from emailproxy.activation import Inherited
os.environ["LISTEN_PID"] = str(os.getpid())
inherited = Inherited.of_environment()
assert not {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} & set(os.environ)
assert not os.get_inheritable(3)
print(*inherited.names, sep="\\n")
"""


@pytest.fixture
def listening() -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def test_the_name_goes_before_the_address(listening: list[socket.socket]) -> None:
    first, second = listening
    inherited = Inherited([("IMAP-1993", first.dup()), ("emailproxy.socket", second.dup())])
    [named] = inherited.of_section("IMAP-1993", port_of(second), {"127.0.0.1"})
    [placed] = inherited.of_section(f"POP-{port_of(second)}", port_of(second), {"127.0.0.1", "::1"})
    assert named.getsockname() == first.getsockname()
    assert placed.getsockname() == second.getsockname()
    assert not inherited.of_section("POP-1", 1, {"127.0.0.1"})
    assert not inherited.of_section("POP-2", port_of(second), {"192.0.2.1"})
    named.close()
    placed.close()
    inherited.close()


def test_a_duplicate_can_be_had_again(listening: list[socket.socket]) -> None:
    inherited = Inherited([("x", listening[0].dup())])
    [one] = inherited.of_section("x", 0, ())
    one.close()
    [another] = inherited.of_section("x", 0, ())
    assert not another.getblocking()
    with socket.create_connection(listening[0].getsockname()):
        another.setblocking(True)
        another.accept()[0].close()
    another.close()
    inherited.close()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_one_socket_for_both_families_is_everywhere() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as sock:
        inherited = Inherited([("", sock.dup())])
        [found] = inherited.of_section("IMAP-1", port_of(sock), {"0.0.0.0", "::"})
        found.close()
        assert not inherited.of_section("IMAP-1", port_of(sock), {"127.0.0.1", "::1"})
        inherited.close()


def test_what_is_not_for_tcp_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    assert Inherited([("syslog", udp)]).names == []
    assert "syslog is not one for TCP" in caplog.text
    assert udp.fileno() == -1


@pytest.mark.parametrize(
    "environment",
    [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "many"}],
    ids=["nothing", "another process", "no number"],
)
def test_nothing_is_inherited(environment: dict[str, str]) -> None:
    assert Inherited.of_environment(environment).names == []
    assert not environment


def test_a_process_that_was_started_with_sockets(listening: list[socket.socket]) -> None:
    """As a service manager starts it: the descriptors begin at 3, and their names come in the environment."""
    environment = {**os.environ, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "IMAP-1993:other"}
    numbers = [sock.fileno() for sock in listening]
    shell = f"exec {sys.executable} -c '{CODE}' 3<&{numbers[0]} 4<&{numbers[1]}"
    done = subprocess.run(
        ["/bin/bash", "-c", shell], env=environment, pass_fds=numbers, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    ports = [port_of(sock) for sock in listening]
    assert done.stdout.split("\n")[:2] == [f"IMAP-1993 (127.0.0.1:{ports[0]})", f"other (127.0.0.1:{ports[1]})"]
