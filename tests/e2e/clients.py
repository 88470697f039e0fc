"""How do the tests open the standard library's mail clients on a listener, and make messages that can be told apart?"""

from __future__ import annotations

import imaplib
import poplib
import random
import smtplib
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.patience import HANG

from .proxy import Proxy, Security

__all__ = ["big_message", "connect_imap", "connect_pop", "connect_smtp", "message"]

_SECONDS = HANG


@contextmanager
def connect_imap(proxy: Proxy, security: Security = "plain") -> Iterator[imaplib.IMAP4]:
    """Greeted, encrypted as asked, not logged in."""
    port, tls = proxy.port("IMAP", security), proxy.world.tls
    client = (
        imaplib.IMAP4_SSL("localhost", port, ssl_context=tls, timeout=_SECONDS)
        if security == "tls"
        else imaplib.IMAP4("localhost", port, timeout=_SECONDS)
    )
    try:
        if security == "starttls":
            client.starttls(tls)
        yield client
    finally:
        if client.state != "LOGOUT":
            client.shutdown()


@contextmanager
def connect_pop(proxy: Proxy, security: Security = "plain") -> Iterator[poplib.POP3]:
    """Greeted, encrypted as asked, not logged in; QUIT at the end only if the test says it."""
    port, tls = proxy.port("POP", security), proxy.world.tls
    client = (
        poplib.POP3_SSL("localhost", port, context=tls, timeout=_SECONDS)
        if security == "tls"
        else poplib.POP3("localhost", port, timeout=_SECONDS)
    )
    with closing(client):
        if security == "starttls":
            client.stls(tls)
        yield client


@contextmanager
def connect_smtp(proxy: Proxy, security: Security = "plain") -> Iterator[smtplib.SMTP]:
    """Greeted, encrypted as asked, no EHLO after that, not logged in."""
    port, tls = proxy.port("SMTP", security), proxy.world.tls
    client = (
        smtplib.SMTP_SSL("localhost", port, context=tls, timeout=_SECONDS)
        if security == "tls"
        else smtplib.SMTP("localhost", port, timeout=_SECONDS)
    )
    with closing(client):
        if security == "starttls":
            client.starttls(context=tls)
        yield client


def message(sender: str = "someone@example.test", recipient: str = "user1@example.test") -> tuple[str, bytes]:
    """A subject that no other message has, and a message with it; its body begins with a dot."""
    subject = f"test {uuid.uuid4()}"
    text = (
        f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: {subject}\r\n\r\n.A dot first.\r\nThe end of {subject}\r\n"
    )
    return subject, text.encode()


def big_message(subject: str, size: int = 8 * 1024 * 1024) -> bytes:
    """`size` octets at least, in lines of 76 random characters that begin with a dot now and then."""
    source = random.Random(subject)
    line = 78
    head = f"From: <someone@example.test>\r\nSubject: {subject}\r\n\r\n".encode()
    alphabet = bytes.maketrans(
        bytes(range(256)), bytes(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-" * 4)
    )
    body = bytearray()
    while len(body) < size:
        body += source.randbytes(line - 2).translate(alphabet) + b"\r\n"
    return head + bytes(body)
