"""Where does mail that Dovecot's submission service relays end up? Here, and then in the recipient's inbox."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable
from typing import cast

__all__ = ["Sink"]


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    deliver: Callable[[str, bytes], None]


class _Session(socketserver.StreamRequestHandler):
    """The few commands that a relay client sends (RFC 5321), with no authentication: loopback only."""

    def handle(self) -> None:
        self._say("220 sink ready")
        recipients: list[str] = []
        while line := self.rfile.readline():
            verb = line[:4].upper().strip()
            if verb == b"EHLO":
                self._say("250-sink", "250-8BITMIME", "250-SIZE 52428800", "250 PIPELINING")
            elif verb == b"RCPT":
                recipients.append(line.split(b"<", 1)[1].split(b">", 1)[0].decode())
                self._say("250 yes")
            elif verb == b"DATA":
                self._say("354 go on")
                message = self._message()
                for recipient in recipients:
                    cast("_Server", self.server).deliver(recipient, message)
                self._say("250 delivered")
                recipients = []
            elif verb == b"QUIT":
                self._say("221 bye")
                return
            else:
                if verb in {b"RSET", b"MAIL"}:
                    recipients = []
                self._say("250 fine")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(line + "\r\n" for line in lines).encode())

    def _message(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


class Sink:
    """An SMTP server in a thread; set `deliver` before the first message."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Session)
        self._thread = threading.Thread(target=self._server.serve_forever, name="smtp sink", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def deliver_with(self, deliver: Callable[[str, bytes], None]) -> None:
        """Call this with each recipient and message, in the sink's threads."""
        self._server.deliver = deliver

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
