"""The simulated provider against the standard library's clients and curl's dialogue, without the proxy."""

import base64
import imaplib
import poplib
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from functools import partial
from typing import Protocol, TypeVar, cast

import pytest
import trio

from emailproxy.testing.provider import (
    ANY_USER,
    GMAIL,
    OFFICE365,
    PROFILES,
    USER,
    Mailbox,
    Profile,
    Provider,
    ProviderOptions,
    open_provider,
)
from tests.patience import HANG

T = TypeVar("T")


def xoauth2(user: str, token: str) -> bytes:
    return f"user={user}\x01auth=Bearer {token}\x01\x01".encode()


def client_context(provider: Provider) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(provider.ca_path))


async def in_thread(work: Callable[[], T]) -> T:
    return await trio.to_thread.run_sync(work)


def imap_login(provider: Provider, token: str, user: str = USER, *, starttls: bool = False) -> imaplib.IMAP4:
    client: imaplib.IMAP4
    if starttls:
        client = imaplib.IMAP4(provider.host, provider.imap_starttls_port)
        client.starttls(client_context(provider))
    else:
        client = imaplib.IMAP4_SSL(provider.host, provider.imap_port, ssl_context=client_context(provider))
    try:
        client.authenticate("XOAUTH2", lambda _challenge: xoauth2(user, token))
    except imaplib.IMAP4.error:
        client.shutdown()
        raise
    return client


def fetched(imap: imaplib.IMAP4, number: str, items: str) -> bytes:
    """The literal in the answer to a FETCH."""
    _, parts = imap.fetch(number, items)
    assert isinstance(parts[0], tuple)
    return parts[0][1]


def smtp_login(provider: Provider, token: str, *, starttls: bool = False) -> smtplib.SMTP:
    client: smtplib.SMTP
    if starttls:
        client = smtplib.SMTP(provider.host, provider.smtp_starttls_port)
        client.starttls(context=client_context(provider))
    else:
        client = smtplib.SMTP_SSL(provider.host, provider.smtp_port, context=client_context(provider))
    client.ehlo("client.example")

    def respond(challenge: bytes | None = None) -> str:
        return "" if challenge else xoauth2(USER, token).decode()

    try:
        client.auth("XOAUTH2", respond, initial_response_ok=False)
    except smtplib.SMTPException:
        client.close()
        raise
    return client


class _Pop3Lines(Protocol):
    """poplib knows no AUTH and has no public way to send a line of one's own."""

    def _shortcmd(self, line: str) -> bytes: ...


def pop3_login(provider: Provider, token: str, *, stls: bool = False) -> poplib.POP3:
    client: poplib.POP3
    if stls:
        client = poplib.POP3(provider.host, provider.pop3_stls_port)
        client.stls(client_context(provider))
    else:
        client = poplib.POP3_SSL(provider.host, provider.pop3_port, context=client_context(provider))
    command = cast("_Pop3Lines", client)._shortcmd
    try:
        assert command("AUTH XOAUTH2") == b"+ "
        answer = command(base64.b64encode(xoauth2(USER, token)).decode())
        if answer.startswith(b"+ "):
            command("")
    except poplib.error_proto:
        client.close()
        raise
    return client


def message(subject: str, body: str = "Hello.\n.hidden dot\n") -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = mail["To"] = USER
    mail["Subject"] = subject
    mail.set_content(body)
    return mail


@pytest.mark.parametrize("starttls", [False, True])
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
async def test_message_sent_is_read_back_by_imap_and_pop3(profile: Profile, starttls: bool) -> None:
    async with open_provider(ProviderOptions(profile=profile)) as provider:
        token = provider.issuer.issue_access_token(USER)

        def work() -> tuple[bytes, list[bytes]]:
            with smtp_login(provider, token, starttls=starttls) as smtp:
                assert smtp.send_message(message("round trip")) == {}
            imap = imap_login(provider, token, starttls=starttls)
            assert imap.select("INBOX") == ("OK", [b"1"])
            assert imap.search(None, "ALL") == ("OK", [b"1"])
            _, parts = imap.fetch("1", "(UID RFC822.SIZE FLAGS BODY.PEEK[])")
            assert isinstance(parts[0], tuple)
            imap.logout()
            pop3 = pop3_login(provider, token, stls=starttls)
            assert pop3.stat()[0] == 1
            lines = pop3.retr(1)[1]
            pop3.quit()
            return parts[0][1], lines

        octets, lines = await in_thread(work)
        assert b"Subject: round trip\r\n" in octets
        assert octets.endswith(b"Hello.\r\n.hidden dot\r\n")
        assert b"".join(line + b"\r\n" for line in lines) == octets
        assert provider.mailbox.inbox.messages[0].octets == octets
        assert len(provider.outbox.messages) == 1
        assert provider.counters.logins == {"smtp": 1, "imap": 1, "pop3": 1}


async def test_password_and_wrong_token_are_refused() -> None:
    async with open_provider() as provider:
        good = provider.issuer.issue_access_token(USER)

        def work() -> None:
            imap = imaplib.IMAP4_SSL(provider.host, provider.imap_port, ssl_context=client_context(provider))
            with pytest.raises(imaplib.IMAP4.error, match="LOGIN failed"):
                imap.login(USER, "provider-password")
            with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
                imap.authenticate("XOAUTH2", lambda challenge: b"" if challenge else xoauth2(USER, "wrong"))
            imap.logout()
            with pytest.raises(imaplib.IMAP4.error):
                imap_login(provider, good, user="somebody@example.com")
            with pytest.raises(smtplib.SMTPAuthenticationError):
                smtp_login(provider, "wrong")
            with pytest.raises(poplib.error_proto, match="AUTH"):
                pop3_login(provider, "wrong")

        await in_thread(work)
        assert provider.counters.refused == {"imap": 2, "smtp": 1, "pop3": 1}
        assert not provider.counters.logins


async def test_valid_token_can_be_refused_once() -> None:
    async with open_provider() as provider:
        token = provider.issuer.issue_access_token(USER)
        provider.switches.refuse_logins = 1

        def work() -> None:
            with pytest.raises(imaplib.IMAP4.error):
                imap_login(provider, token)
            imap_login(provider, token).logout()

        await in_thread(work)


async def test_expired_and_revoked_tokens_are_refused() -> None:
    async with open_provider() as provider:
        provider.switches.token_lifetime = 0.0
        expired = provider.issuer.issue_access_token(USER)
        provider.switches.token_lifetime = 60.0
        revoked = provider.issuer.issue_access_token(USER)
        provider.issuer.revoke_access_tokens()
        for token in (expired, revoked):
            with pytest.raises(imaplib.IMAP4.error):
                await in_thread(partial(imap_login, provider, token))


async def test_application_token_opens_every_mailbox() -> None:
    users = {"a@example.com": "x", "b@example.com": "y"}
    async with open_provider(ProviderOptions(users=users)) as provider:
        token = provider.issuer.issue_access_token(ANY_USER)
        for user in (*users, "A@Example.com"):
            (await in_thread(partial(imap_login, provider, token, user))).shutdown()


async def test_imap_commands_of_a_mail_client() -> None:
    async with open_provider() as provider:
        token = provider.issuer.issue_access_token(USER)
        for number in range(1, 4):
            provider.mailbox.inbox.append(bytes(message(f"number {number}", "text\n")).replace(b"\n", b"\r\n"))

        def work() -> None:
            imap = imap_login(provider, token)
            assert imap.xatom("ID", "NIL")[0] == "OK"
            assert imap.list() == ("OK", [b'(\\HasNoChildren) "/" "INBOX"', b'(\\HasNoChildren) "/" "Sent"'])
            assert imap.status("INBOX", "(MESSAGES UNSEEN)") == ("OK", [b'"INBOX" (MESSAGES 3 UNSEEN 3)'])
            assert imap.create("Archive/2026")[0] == "OK"
            assert imap.create("Archive/2026")[0] == "NO"
            assert imap.select("Nowhere")[0] == "NO"
            imap.select("INBOX")
            assert fetched(imap, "2", "(BODY[HEADER.FIELDS (SUBJECT)] ENVELOPE)") == b"Subject: number 2\r\n\r\n"
            rest = imap.fetch("2", "(BODY[HEADER.FIELDS (SUBJECT)] ENVELOPE)")[1][1]
            assert isinstance(rest, bytes)
            assert b'"number 2" (("" NIL' not in rest
            assert b'(NIL NIL "user" "example.com")' in rest
            assert fetched(imap, "1", "BODY.PEEK[TEXT]<1.2>") == b"ex"
            assert imap.search(None, "UNSEEN") == ("OK", [b"1 3"])
            assert imap.search(None, "SUBJECT", '"number 3"') == ("OK", [b"3"])
            assert imap.uid("SEARCH", "UID", "2:*", "NOT", "SEEN") == ("OK", [b"3"])
            assert imap.copy("1", "Archive/2026")[0] == "OK"
            assert imap.store("1", "+FLAGS", "(\\Deleted)") == ("OK", [b"1 (FLAGS (\\Deleted))"])
            assert imap.expunge() == ("OK", [b"1"])
            assert imap.uid("FETCH", "1:*", "(FLAGS)")[1] == [b"1 (UID 2 FLAGS (\\Seen))", b"2 (UID 3 FLAGS ())"]
            octets = b"Subject: kept\r\n\r\nliteral {5}\r\n\x00\xff\r\n"
            assert imap.append("Sent", "(\\Seen)", None, octets)[0] == "OK"
            imap.select("Sent", readonly=True)
            assert fetched(imap, "1", "RFC822") == octets
            assert imap.store("1", "FLAGS", "()")[0] == "NO"
            with pytest.raises(imaplib.IMAP4.error, match="BAD"):
                imap.fetch("1", "NONSENSE")
            assert imap.close()[0] == "OK"
            assert imap.logout()[0] == "BYE"

        await in_thread(work)
        assert len(provider.mailbox.folders["Archive/2026"].messages) == 1


async def test_idle_tells_of_new_mail_and_ends_with_done() -> None:
    async with open_provider() as provider:
        token = provider.issuer.issue_access_token(USER)
        context = client_context(provider)
        stream = await trio.open_ssl_over_tcp_stream(provider.host, provider.imap_port, ssl_context=context)
        received = bytearray()

        async def until(text: bytes) -> None:
            with trio.fail_after(HANG):
                while text not in received:
                    received.extend(await stream.receive_some())
            received.clear()

        async with stream:
            await stream.send_all(b"a AUTHENTICATE XOAUTH2 " + base64.b64encode(xoauth2(USER, token)) + b"\r\n")
            await until(b"a OK")
            await stream.send_all(b"b SELECT INBOX\r\nc IDLE\r\n")
            await until(b"+ idling")
            provider.mailbox.inbox.append(b"Subject: new\r\n\r\n")
            await until(b"* 1 EXISTS\r\n")
            provider.mailbox.inbox.remove(provider.mailbox.inbox.messages[0])
            await until(b"* 1 EXPUNGE\r\n")
            await stream.send_all(b"DONE\r\nd NOOP\r\n")
            await until(b"d OK")


async def test_pop3_deletes_at_quit_only() -> None:
    async with open_provider() as provider:
        token = provider.issuer.issue_access_token(USER)
        for body in (b"first", b"second"):
            provider.mailbox.inbox.append(b"Subject: x\r\n\r\n" + body + b"\r\n.\r\n")

        def work() -> None:
            pop3 = pop3_login(provider, token)
            assert pop3.capa()["SASL"] == ["XOAUTH2", "OAUTHBEARER"]
            assert [line.split()[0] for line in pop3.list()[1]] == [b"1", b"2"]
            assert len(pop3.uidl()[1]) == 2
            assert pop3.top(1, 0)[1] == [b"Subject: x", b""]
            assert pop3.retr(2)[1] == [b"Subject: x", b"", b"second", b"."]
            pop3.dele(1)
            with pytest.raises(poplib.error_proto):
                pop3.retr(1)
            pop3.close()
            pop3 = pop3_login(provider, token)
            assert pop3.stat()[0] == 2
            pop3.dele(1)
            pop3.rset()
            pop3.dele(2)
            pop3.quit()

        await in_thread(work)
        assert [b"first" in message.octets for message in provider.mailbox.inbox.messages] == [True]


async def test_smtp_refuses_mail_before_login_and_long_auth_line() -> None:
    async with open_provider(ProviderOptions(profile=GMAIL)) as provider:
        token = provider.issuer.issue_access_token(USER)

        def work() -> None:
            with smtplib.SMTP_SSL(provider.host, provider.smtp_port, context=client_context(provider)) as smtp:
                smtp.ehlo("client.example")
                assert smtp.docmd("MAIL", "FROM:<a@example.com>")[0] == 530
                assert smtp.docmd("AUTH", "XOAUTH2 " + base64.b64encode(xoauth2(USER, token)).decode())[0] == 500
                assert smtp.docmd("AUTH", "LOGIN")[0] == 504
                code, words = smtp.docmd("AUTH", "XOAUTH2")
                assert (code, words) == (334, b"")
                assert smtp.docmd("*")[0] == 501

        await in_thread(work)


async def test_smtp_bdat_and_pipelining() -> None:
    async with open_provider() as provider:
        token = provider.issuer.issue_access_token(USER)

        def work() -> bytes:
            with smtp_login(provider, token) as smtp:
                smtp.send(
                    b"MAIL FROM:<user@example.com> SIZE=20\r\nRCPT TO:<USER@example.com>\r\n"
                    b"RCPT TO:<elsewhere@example.org>\r\nBDAT 5\r\n.\r\nabBDAT 3 LAST\r\nc\r\n"
                )
                return b" ".join(b"%d" % smtp.getreply()[0] for _ in range(5))

        assert await in_thread(work) == b"250 250 250 250 250"
        assert provider.mailbox.inbox.messages[0].octets.endswith(b"\r\n.\r\nabc\r\n")


async def test_connection_dropped_before_greeting() -> None:
    async with open_provider() as provider:
        provider.switches.drop_connections = True

        def work() -> None:
            with pytest.raises((OSError, EOFError)):
                poplib.POP3_SSL(provider.host, provider.pop3_port, context=client_context(provider))

        await in_thread(work)
        assert provider.counters.connections["pop3"] == 1


async def test_data_behind_starttls_ends_the_connection() -> None:
    async with open_provider(ProviderOptions(profile=OFFICE365)) as provider:
        stream = await trio.open_tcp_stream(provider.host, provider.smtp_starttls_port)
        async with stream:
            await stream.send_all(b"STARTTLS\r\nMAIL FROM:<a@example.com>\r\n")
            received = bytearray()
            with trio.fail_after(HANG):
                while data := await stream.receive_some():
                    received += data
        assert received.endswith(b"220 2.0.0 SMTP server ready\r\n")


async def test_bulk_folder_and_sink() -> None:
    size = 3 * 1024 * 1024
    async with open_provider(ProviderOptions(bulk_octets=size)) as provider:
        token = provider.issuer.issue_access_token(USER)

        def work() -> bytes:
            imap = imap_login(provider, token)
            imap.select("Bulk")
            octets = fetched(imap, "1", "BODY.PEEK[]")
            assert imap.append("Sink", None, None, octets)[0] == "OK"
            imap.logout()
            return octets

        octets = await in_thread(work)
        assert octets == provider.mailbox.folders["Bulk"].messages[0].octets
        assert len(octets) == size
        assert provider.mailbox.folders["Sink"].dropped == size
        assert provider.mailbox.folders["Sink"].messages == []


def test_inbox_is_found_in_any_case() -> None:
    mailbox = Mailbox(USER)
    assert mailbox.folder("inBOX") is mailbox.inbox
    assert mailbox.folder("sent") is None
