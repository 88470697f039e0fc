"""What the ends of a dialogue say about what is under way, whole and in pieces."""

from __future__ import annotations

from typing import Literal

import pytest

from emailproxy.protocols.underway import LastWords, UnderWay

COMPLETE, OPEN, UNKNOWN = LastWords

Protocol = Literal["IMAP", "POP", "SMTP"]
C, S = "C: ", "S: "


def heard(protocol: Protocol, dialogue: list[str], *, whole: bool = True) -> LastWords:
    under_way = UnderWay(protocol)
    for line in dialogue:
        data = (line[3:] + "\r\n").encode()
        pieces = [data] if whole else [data[i : i + 1] for i in range(len(data))]
        for piece in pieces:
            under_way.heard(memoryview(piece), line.startswith(S))
    return under_way.last_words


MESSAGE = [C + "Subject: x", C + "", C + "MAIL FROM: is not a command here", C + "."]

DIALOGUES: dict[str, tuple[Protocol, list[str], LastWords]] = {
    "nothing heard": ("IMAP", [], UNKNOWN),
    "a command that is answered": ("IMAP", [C + "a1 NOOP", S + "a1 OK done"], COMPLETE),
    "one that was refused": ("IMAP", [C + "A.7 SELECT x", S + "A.7 NO [NONEXISTENT] no"], COMPLETE),
    "the answer to what nobody heard": ("IMAP", [S + "* 3 EXISTS", S + "a1 OK done"], COMPLETE),
    "no answer yet": ("IMAP", [C + "a1 SEARCH ALL"], UNKNOWN),
    "the next command": ("IMAP", [C + "a1 NOOP", S + "a1 OK done", C + "a2 SEARCH ALL"], UNKNOWN),
    "half an answer": ("IMAP", [C + "a1 FETCH 1:9 FLAGS", S + "* 1 FETCH (FLAGS ())"], UNKNOWN),
    "idle": ("IMAP", [C + "a1 IDLE", S + "+ idling", S + "* 5 EXISTS"], UNKNOWN),
    "a literal is awaited": ("IMAP", [C + "a1 APPEND x {5}", S + "+ go ahead"], UNKNOWN),
    "a word that is no answer": ("IMAP", [S + "* OK still here"], UNKNOWN),
    "a new session": ("SMTP", [], UNKNOWN),
    "a sender": ("SMTP", [C + "MAIL FROM:<a@b>", S + "250 ok"], OPEN),
    "a recipient": ("SMTP", [C + "MAIL FROM:<a@b>", S + "250 ok", C + "RCPT TO:<c@d>", S + "250 ok"], OPEN),
    "a recipient of what nobody heard of": ("SMTP", [C + "rcpt to:<c@d>", S + "250 ok"], OPEN),
    "data of what nobody heard of": ("SMTP", [C + "DATA", S + "354 go"], OPEN),
    "the rest of what nobody heard of": ("SMTP", [*MESSAGE[2:], S + "250 queued"], COMPLETE),
    "a command that may be within a message": ("SMTP", [C + "NOOP", S + "250 ok"], UNKNOWN),
    "a message begun": ("SMTP", [C + "mail FROM:<a@b>", S + "250 ok", C + "DATA", S + "354 go", *MESSAGE[:-1]], OPEN),
    "a message awaiting its reply": ("SMTP", [C + "MAIL FROM:<a@b>", S + "250 ok", *MESSAGE], OPEN),
    "a message half replied": ("SMTP", [C + "MAIL FROM:<a@b>", S + "250 ok", *MESSAGE, S + "250-queued"], OPEN),
    "a message taken": ("SMTP", [C + "MAIL FROM:<a@b>", S + "250 ok", *MESSAGE, S + "250 queued"], COMPLETE),
    "a message refused": ("SMTP", [C + "MAIL FROM:<a@b>", S + "250 ok", *MESSAGE, S + "554 5.7.1 spam"], COMPLETE),
    "the second message": (
        "SMTP", [C + "MAIL FROM:<a@b>", S + "250 ok", *MESSAGE, S + "250 queued", C + "MAIL FROM:<a@b>"], OPEN,
    ),
    "pipelined": ("SMTP", [C + "RSET\r\nMAIL FROM:<a@b>\r\nDATA", S + "250 a\r\n250 b\r\n354 d"], OPEN),
    "given up": ("SMTP", [C + "MAIL FROM:<a@b>", S + "550 no", C + "RSET", S + "250 ok"], COMPLETE),
    "in chunks": ("SMTP", [C + "MAIL FROM:<a@b>", S + "250 ok", C + "BDAT 3", S + "250 ok"], OPEN),
    "the last chunk": ("SMTP", [C + "MAIL FROM:<a@b>", S + "250 ok", C + "BDAT 3 LAST\r\nx", S + "250 ok"], COMPLETE),
    "a message by POP": ("POP", [C + "RETR 1", S + "+OK", S + "."], UNKNOWN),
}  # fmt: skip


@pytest.mark.parametrize("name", DIALOGUES)
def test_line_by_line(name: str) -> None:
    protocol, dialogue, expected = DIALOGUES[name]
    assert heard(protocol, dialogue) is expected


@pytest.mark.parametrize("name", DIALOGUES)
def test_octet_by_octet(name: str) -> None:
    protocol, dialogue, expected = DIALOGUES[name]
    assert heard(protocol, dialogue, whole=False) is expected


def test_what_is_kept_is_bounded() -> None:
    under_way = UnderWay("SMTP")
    for _ in range(100):
        under_way.heard(memoryview(bytes(100_000)), False)
        under_way.heard(memoryview(b"250-" + b"x" * 100_000), True)
    assert max(len(under_way._up), len(under_way._down)) <= 1024
