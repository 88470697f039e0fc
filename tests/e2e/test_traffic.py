"""Does everything that follows a login arrive, complete and in order: big messages, IDLE, pipelines, crowds?"""

from __future__ import annotations

import base64
import hashlib
import socket
from concurrent.futures import ThreadPoolExecutor

from tests.patience import HANG

from .clients import big_message, connect_imap, connect_pop, connect_smtp, message
from .proxy import PASSWORD, Proxy, Security
from .world import World

_SECONDS = HANG
CROWD = 50


def digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


def read_until(connection: socket.socket, mark: bytes) -> bytes:
    """Read until `mark` has come; everything read."""
    octets = b""
    while mark not in octets:
        part = connection.recv(65536)
        assert part, f"closed after {octets[-500:]!r}"
        octets += part
    return octets


# -- 8 MB


def test_eight_megabytes_up_by_smtp(proxy: Proxy, user: str, box: str, world: World) -> None:
    text = big_message(f"8 MB for {box}")
    with connect_smtp(proxy, "starttls") as client:
        client.login(user, PASSWORD)
        client.sendmail(user, [box], text)
    [received] = world.dovecot.messages(box)
    assert digest(received.split(b"\r\n\r\n", 1)[1]) == digest(text.split(b"\r\n\r\n", 1)[1])


def test_eight_megabytes_up_and_down_by_imap(proxy: Proxy, box: str, world: World) -> None:
    text = big_message(f"8 MB of {box}")
    with connect_imap(proxy, "tls") as client:
        client.login(box, PASSWORD)
        status, answer = client.append("INBOX", None, None, text)
        assert status == "OK", answer
        assert [digest(one) for one in world.dovecot.messages(box)] == [digest(text)]
        client.select("INBOX")
        _, parts = client.fetch("1", "(BODY[])")
        assert isinstance(parts[0], tuple)
        assert digest(parts[0][1]) == digest(text)


def test_eight_megabytes_down_by_pop(proxy: Proxy, box: str, world: World) -> None:
    text = big_message(f"8 MB down to {box}")
    world.dovecot.deliver(box, text)
    with connect_pop(proxy, "starttls") as client:
        client.user(box)
        client.pass_(PASSWORD)
        _, lines, _ = client.retr(1)
        assert digest(b"\r\n".join(lines) + b"\r\n") == digest(text)
        client.quit()


# -- IDLE


def test_idle_hears_of_a_new_message(proxy: Proxy, box: str, world: World) -> None:
    with connect_imap(proxy, "tls") as client:
        client.login(box, PASSWORD)
        client.select("INBOX")
        client.send(b"i IDLE\r\n")
        assert client.readline().startswith(b"+")
        world.dovecot.deliver(box, message()[1])
        while not (line := client.readline()).endswith(b" EXISTS\r\n"):
            assert line.startswith(b"*"), line
        assert line == b"* 1 EXISTS\r\n"
        client.send(b"DONE\r\n")
        while not (line := client.readline()).startswith(b"i "):
            pass
        assert line.startswith(b"i OK")


# -- pipelining behind the login, in one segment


def test_imap_commands_behind_login(proxy: Proxy, user: str) -> None:
    quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
    with socket.create_connection(("127.0.0.1", proxy.port("IMAP")), _SECONDS) as connection:
        read_until(connection, b"\r\n")
        lines = f'a LOGIN {user} "{quoted}"\r\nb SELECT INBOX\r\nc NOOP\r\nd STATUS INBOX (MESSAGES)\r\ne LOGOUT\r\n'
        connection.sendall(lines.encode())
        answer = read_until(connection, b"\r\ne OK")
    tagged = [line[:4] for line in answer.split(b"\r\n") if line[:1] in b"abcde" and line[1:2] == b" "]
    # Dovecot may complete a NOOP after the command behind it (RFC 9051 section 5.5).
    assert tagged[0] == b"a OK"
    assert sorted(tagged) == [b"a OK", b"b OK", b"c OK", b"d OK", b"e OK"]


def test_imap_commands_behind_authenticate_plain(proxy: Proxy, user: str) -> None:
    response = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
    with socket.create_connection(("127.0.0.1", proxy.port("IMAP")), _SECONDS) as connection:
        read_until(connection, b"\r\n")
        connection.sendall(f"a AUTHENTICATE PLAIN {response}\r\nb SELECT INBOX\r\nc LOGOUT\r\n".encode())
        answer = read_until(connection, b"\r\nc OK")
    assert answer.index(b"a OK") < answer.index(b"\r\nb OK") < answer.index(b"\r\nc OK")


def test_pop_commands_behind_pass(proxy: Proxy, box: str, world: World) -> None:
    world.dovecot.deliver(box, message()[1])
    with socket.create_connection(("127.0.0.1", proxy.port("POP")), _SECONDS) as connection:
        read_until(connection, b"\r\n")
        connection.sendall(f"USER {box}\r\nPASS {PASSWORD}\r\nSTAT\r\nNOOP\r\nQUIT\r\n".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    lines = answer.split(b"\r\n")
    assert all(line.startswith(b"+OK") for line in lines[:-1]), lines
    assert len(lines) == 6
    assert lines[2].startswith(b"+OK 1 ")


def test_smtp_transaction_behind_auth(proxy: Proxy, user: str, box: str, world: World) -> None:
    subject, text = message(user, box)
    response = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
    with socket.create_connection(("127.0.0.1", proxy.port("SMTP")), _SECONDS) as connection:
        read_until(connection, b"\r\n")
        connection.sendall(
            f"EHLO here\r\nAUTH PLAIN {response}\r\nMAIL FROM:<{user}>\r\nRCPT TO:<{box}>\r\nDATA\r\n".encode()
        )
        answer = read_until(connection, b"\r\n354")
        assert b"\r\n235 " in answer
        connection.sendall(text.replace(b"\r\n.", b"\r\n..") + b".\r\nQUIT\r\n")
        read_until(connection, b"\r\n221")
    [received] = world.dovecot.messages(box)
    assert subject.encode() in received
    assert received.endswith(text.split(b"\r\n\r\n", 1)[1])


# -- a crowd


def test_fifty_sessions_at_once(proxy: Proxy, user: str) -> None:
    """All logged in at the same time, each doing something; nobody waits for anybody."""
    securities: list[Security] = ["plain", "tls", "starttls"]

    def session(number: int) -> int:
        with connect_imap(proxy, securities[number % 3]) as client:
            client.login(user, PASSWORD)
            client.select("INBOX", readonly=True)
            for _ in range(5):
                assert client.noop()[0] == "OK"
            client.logout()
        return number

    with ThreadPoolExecutor(CROWD) as threads:
        assert sorted(threads.map(session, range(CROWD))) == list(range(CROWD))


def test_ten_first_logins_at_once_ask_for_one_token(proxy: Proxy, box: str, world: World) -> None:
    """Ten connections of one account whose key is not derived yet share one look at the store and no token request."""
    before = world.oauth.requests().get("total", 0)

    def session(_number: int) -> str:
        with connect_imap(proxy) as client:
            status: str = client.login(box, PASSWORD)[0]
            client.logout()
        return status

    with ThreadPoolExecutor(10) as threads:
        assert list(threads.map(session, range(10))) == ["OK"] * 10
    assert world.oauth.requests().get("total", 0) == before
