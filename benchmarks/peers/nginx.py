"""How is nginx started? As a tunnel (``stream``) with TLS to the server: C, one event loop, one worker."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path

from benchmarks.client import Row
from benchmarks.measure import file_limit
from benchmarks.peers.base import Peer, found, ports
from benchmarks.processes import Place, Upstream, listens, started, wait

__all__ = ["NGINX"]

MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")

_MAIN = """
{module}daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log error;
events {{ worker_connections {connections}; }}
stream {{
  proxy_ssl on;
  proxy_ssl_protocols TLSv1.2 TLSv1.3;
  proxy_ssl_server_name on;
  proxy_ssl_name localhost;
  proxy_ssl_verify on;
  proxy_ssl_trusted_certificate {ca};
  proxy_timeout 1h;
  ssl_certificate {certificate};
  ssl_certificate_key {key};
{servers}}}
"""


def _missing() -> str | None:
    if found("nginx") and MODULE.exists():
        return None
    return "the Debian packages nginx-light and libnginx-mod-stream"


@contextlib.contextmanager
def _start(upstream: Upstream, place: Place) -> Generator[Row]:
    local = ports("imap", "imaps", "pop3", "smtp")
    servers = {"imap": upstream.imap_port, "pop3": upstream.pop3_port, "smtp": upstream.smtp_port}
    lines = ""
    for name, port in local.items():
        tls = " ssl" if name == "imaps" else ""
        server = servers[name.removesuffix("s")]
        lines += f"  server {{ listen 127.0.0.1:{port}{tls} backlog=4096; proxy_pass 127.0.0.1:{server}; }}\n"
    config, log = place.folder / "nginx.conf", place.folder / "nginx.log"
    config.write_text(
        _MAIN.format(
            module=f"load_module {MODULE};\n", folder=place.folder, connections=file_limit() - 64,
            ca=upstream.ca_path, certificate=upstream.certificate, key=upstream.key, servers=lines,
        )
    )  # fmt: skip
    command = [found("nginx") or "", "-p", str(place.folder), "-c", str(config)]
    with started(place.pins.command(command, row=True), log) as process:
        wait(process, log, lambda: all(listens(port) for port in local.values()))
        yield Row("nginx", "127.0.0.1", local.pop("imap"), process.pid, "token", local, upstream.trust())


NGINX = Peer("nginx", _missing, _start)
