"""How many requests does an emulator get that does not count them? A front on loopback counts, and hands them on."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.patience import HANG

__all__ = ["counting"]


class _Front(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.counts: Counter[str] = Counter()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Front

    def do_POST(self) -> None:  # all that AWS's JSON protocol uses
        # `secretsmanager.GetSecretValue`, say.
        self.server.counts[self.headers.get("X-Amz-Target", "?").rpartition(".")[2]] += 1
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        connection = HTTPConnection(self.server.target, timeout=HANG)
        try:
            connection.request("POST", self.path, body, dict(self.headers))
            answer = connection.getresponse()
            octets = answer.read()
        finally:
            connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "content-length", "date", "server", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def counting(url: str) -> Iterator[tuple[str, Counter[str]]]:
    """A front for the emulator at `url`: its own URL, and the requests so far, by operation."""
    front = _Front(urlsplit(url).netloc)
    thread = threading.Thread(target=front.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{front.server_port}", front.counts
    finally:
        front.shutdown()
        front.server_close()
        thread.join()
