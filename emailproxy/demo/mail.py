"""How does a mail client send and read? The standard library's clients, which know nothing but a password."""

from __future__ import annotations

import imaplib
import poplib
import smtplib
from collections.abc import Callable
from email.message import EmailMessage
from functools import partial
from typing import Final, TypeVar

import trio

from emailproxy.demo.console import StepFailedError

__all__ = ["MailClient"]

PATIENCE: Final = 30.0
"""Seconds that a client waits for any answer; everything is on this machine."""

T = TypeVar("T")


class MailClient:
    """One user's mail program, set up for the proxy's ports. Each call is a connection of its own."""

    def __init__(self, *, user: str, password: str, imap: int, pop3: int, smtp: int) -> None:
        self._user = user
        self._password = password
        self._imap = imap
        self._pop3 = pop3
        self._smtp = smtp
        self._threads = trio.CapacityLimiter(1)

    async def send(self, subject: str) -> None:
        """Send a message to ourselves by SMTP."""
        await self._in_thread(partial(self._send, subject))

    async def read_by_imap(self, subject: str) -> bytes:
        """The message with this subject from the inbox, by IMAP.

        Raises:
            StepFailedError: it is not there.
        """
        return await self._in_thread(partial(self._read_by_imap, subject))

    async def read_by_pop3(self, subject: str) -> bytes:
        """The newest message of the inbox, by POP3.

        Raises:
            StepFailedError: it is not the one with this subject.
        """
        return await self._in_thread(partial(self._read_by_pop3, subject))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        # Abandoned when cancelled: the socket's own timeout ends the thread.
        return await trio.to_thread.run_sync(work, limiter=self._threads, abandon_on_cancel=True)

    def _send(self, subject: str) -> None:
        message = EmailMessage()
        message["From"] = message["To"] = self._user
        message["Subject"] = subject
        message.set_content("Sent with a password, delivered with an OAuth 2.0 token.\n")
        with smtplib.SMTP("127.0.0.1", self._smtp, timeout=PATIENCE) as smtp:
            smtp.login(self._user, self._password)
            smtp.send_message(message)

    def _read_by_imap(self, subject: str) -> bytes:
        with imaplib.IMAP4("127.0.0.1", self._imap, timeout=PATIENCE) as imap:
            imap.login(self._user, self._password)
            imap.select("INBOX")
            _, (found, *_) = imap.search(None, "SUBJECT", f'"{subject}"')
            if not found:
                raise StepFailedError("the message is not in the inbox")
            _, (part, *_) = imap.fetch(found.split()[-1].decode(), "(RFC822)")
            if not isinstance(part, tuple):
                raise StepFailedError("the server sent no message")
            return bytes(part[1])

    def _read_by_pop3(self, subject: str) -> bytes:
        pop3 = poplib.POP3("127.0.0.1", self._pop3, timeout=PATIENCE)
        try:
            pop3.user(self._user)
            pop3.pass_(self._password)
            count, _ = pop3.stat()
            if not count:
                raise StepFailedError("the inbox is empty")
            octets = b"".join(line + b"\r\n" for line in pop3.retr(count)[1])
            pop3.quit()
        finally:
            pop3.close()
        if f"Subject: {subject}".encode() not in octets:
            raise StepFailedError("the newest message is another one")
        return octets
