"""How is stunnel started? A tunnel in C with a thread for each session: it does the TLS and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from benchmarks.client import Row
from benchmarks.measure import file_limit
from benchmarks.peers.base import Peer, found, ports
from benchmarks.processes import Place, Upstream, listens, started, wait

__all__ = ["STUNNEL"]

SPARE = 20
"""Of those clients, some that are not sessions: connections that have just ended."""

_SERVICE = """
[{name}]
client = yes
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{server}
sslVersionMin = TLSv1.2
sni = localhost
checkHost = localhost
verifyChain = yes
CAfile = {ca}
"""
# A service speaks TLS on one side only: for both sides, one service feeds another.
_BOTH = """
[imaps]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{plain}
sslVersionMin = TLSv1.2
cert = {certificate}
key = {key}
"""


def _holds() -> int:
    """It takes this share of its files for clients, and refuses the next one."""
    return file_limit() * 125 // 256 - SPARE


def _program() -> str | None:
    return found("stunnel4", "stunnel")


@contextlib.contextmanager
def _start(upstream: Upstream, place: Place) -> Generator[Row]:
    local = ports("imap", "imaps", "pop3", "smtp")
    servers = {"imap": upstream.imap_port, "pop3": upstream.pop3_port, "smtp": upstream.smtp_port}
    # As our proxy does: no delay for small answers on either side.
    text = "foreground = yes\npid =\nsyslog = no\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n"
    for name, server in servers.items():
        text += _SERVICE.format(name=name, port=local[name], server=server, ca=upstream.ca_path)
    text += _BOTH.format(port=local["imaps"], plain=local["imap"], certificate=upstream.certificate, key=upstream.key)
    config, log = place.folder / "stunnel.conf", place.folder / "stunnel.log"
    config.write_text(text)
    command = place.pins.command([_program() or "", str(config)], row=True)
    with started(command, log) as process:
        wait(process, log, lambda: all(listens(port) for port in local.values()))
        yield Row(
            "stunnel", "127.0.0.1", local.pop("imap"), process.pid, "token", local, upstream.trust(), holds=_holds()
        )


STUNNEL = Peer("stunnel", lambda: None if _program() else "the Debian package stunnel4", _start)
