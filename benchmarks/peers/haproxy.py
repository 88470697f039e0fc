"""How is HAProxy started? As a tunnel (``mode tcp``) with TLS to the server: C, one event loop, one thread."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from benchmarks.client import Row
from benchmarks.measure import file_limit
from benchmarks.peers.base import Peer, found, ports
from benchmarks.processes import Place, Upstream, listens, started, wait

__all__ = ["HAPROXY"]

_MAIN = """
global
  maxconn {most}
  nbthread 1
defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
"""
_LISTEN = """
listen {name}
  bind 127.0.0.1:{port}{tls}
  server provider 127.0.0.1:{server} ssl verify required ca-file {ca} verifyhost localhost sni str(localhost)
"""


@contextlib.contextmanager
def _start(upstream: Upstream, place: Place) -> Generator[Row]:
    local = ports("imap", "imaps", "pop3", "smtp")
    servers = {"imap": upstream.imap_port, "pop3": upstream.pop3_port, "smtp": upstream.smtp_port}
    both = place.folder / "haproxy.pem"
    both.touch(mode=0o600)
    both.write_text(upstream.certificate.read_text() + upstream.key.read_text())
    # It wants two descriptors for each connection that it may get, and some of its own, or it does not start.
    text = _MAIN.format(most=(file_limit() - 200) // 2)
    for name, port in local.items():
        tls = f" ssl crt {both}" if name == "imaps" else ""
        server = servers[name.removesuffix("s")]
        text += _LISTEN.format(name=name, port=port, tls=tls, server=server, ca=upstream.ca_path)
    config, log = place.folder / "haproxy.cfg", place.folder / "haproxy.log"
    config.write_text(text)
    command = [found("haproxy") or "", "-db", "-f", str(config)]
    with started(place.pins.command(command, row=True), log) as process:
        wait(process, log, lambda: all(listens(port) for port in local.values()))
        yield Row("haproxy", "127.0.0.1", local.pop("imap"), process.pid, "token", local, upstream.trust())


HAPROXY = Peer("haproxy", lambda: None if found("haproxy") else "the Debian package haproxy", _start)
