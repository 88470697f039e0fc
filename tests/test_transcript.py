"""No credential reaches the debug log, in whatever piece of a dialogue it travels."""

from __future__ import annotations

import base64
import logging
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailproxy.config import MailProtocol
from emailproxy.transcript import Transcript

IMAP, POP, SMTP = MailProtocol.IMAP, MailProtocol.POP, MailProtocol.SMTP
PLAIN = base64.b64encode(b"\0user@example.com\0hunter2 s3cret")
TOKEN = base64.b64encode(b"user=user@example.com\1auth=Bearer ey" + b"J" * 900 + b"\1\1")

DIALOGUES = [
    (IMAP, [(">", b'a1 LOGIN "u@example.com" "hunter2 s3cret"\r\n'), ("<", b"a1 OK done\r\n"), (">", b"a2 NOOP\r\n")]),
    (IMAP, [(">", b"a LOGIN u {7}\r\n"), ("<", b"+ go\r\n"), (">", b"hunter2\r\n"), ("<", b"a NO x\r\n")]),
    (IMAP, [(">", b"a LOGIN u {14+}\r\nhunter2 s3cret\r\n"), ("<", b"a NO x\r\n")]),
    (IMAP, [(">", b"a AUTHENTICATE PLAIN\r\n"), ("<", b"+ \r\n"), (">", PLAIN + b"\r\n"), ("<", b"a OK\r\n")]),
    (IMAP, [(">", b"a authenticate plain " + PLAIN + b"\r\n"), ("<", b"a OK\r\n")]),
    (IMAP, [(">", b"a AUTHENTICATE XOAUTH2 " + TOKEN + b"\r\n"), ("<", b"+ eyJzdGF0dXMi\r\n"), (">", b"\r\n")]),
    (POP, [(">", b"USER user@example.com\r\nPASS hunter2 s3cret\r\n"), ("<", b"+OK\r\n+OK\r\n"), (">", b"QUIT\r\n")]),
    (POP, [(">", b"AUTH XOAUTH2\r\n"), ("<", b"+ \r\n"), (">", TOKEN + b"\r\n"), ("<", b"+OK\r\n")]),
    (SMTP, [(">", b"EHLO printer\r\nAUTH LOGIN " + PLAIN + b"\r\n"), ("<", b"334 UGFzc\r\n"), (">", PLAIN + b"\r\n")]),
    (SMTP, [(">", b"auth plain " + PLAIN + b"\r\n"), ("<", b"535 5.7.8 " + PLAIN * 3 + b"\r\n")]),
    # A command pipelined before the login is answered in the middle of it; passphrases may look like commands.
    (IMAP, [(">", b"n NOOP\r\na LOGIN {1+}\r\nu {19+}\r\n"), ("<", b"n OK\r\n"), (">", b"my help hunter2 fund\r\n")]),
    (IMAP, [(">", b"n NOOP\r\na LOGIN u {15}\r\n"), ("<", b"n OK\r\n+ go\r\n"), (">", b"my data hunter2\r\n")]),
    (
        IMAP,
        [
            (">", b"a LOGIN u pass\r\nb LOGIN {1+}\r\nu {15+}\r\n"),
            ("<", b"a NO\r\n"),
            (">", b"my data hunter2\r\n"),
        ],
    ),
    (SMTP, [(">", b"EHLO x\r\nAUTH LOGIN\r\n"), ("<", b"250 x\r\n334 VXN\r\n"), (">", b"HELP hunter2\r\n")]),
]  # fmt: skip
SECRETS = ["hunter2", "s3cret", PLAIN.decode(), TOKEN.decode(), "JJJJJJJJ", PLAIN.decode()[:20]]


def shown(protocol: MailProtocol, dialogue: list[tuple[str, bytes]], cuts: list[int]) -> list[str]:
    lines: list[str] = []
    logger = logging.Logger("test", logging.DEBUG)  # not in the tree: nothing is configured for it
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    transcript = Transcript(logger, "peer", protocol, ours=False)
    for arrow, data in dialogue:
        deliver = transcript.received if arrow == ">" else transcript.sent
        edges = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
        for start, end in pairwise(edges):
            deliver(data[start:end])
    return lines


@pytest.mark.parametrize(("protocol", "dialogue"), DIALOGUES)
@given(cuts=st.lists(st.integers(0, 2_000), max_size=6))
def test_no_secret_is_shown_however_the_octets_are_cut(
    protocol: MailProtocol, dialogue: list[tuple[str, bytes]], cuts: list[int]
) -> None:
    log = "\n".join(shown(protocol, dialogue, cuts))
    for secret in SECRETS:
        assert secret not in log


def test_what_a_person_needs_is_shown() -> None:
    protocol, dialogue = DIALOGUES[0]
    assert shown(protocol, dialogue, []) == [
        "peer -> a1 LOGIN [credentials removed]",
        "peer <- a1 OK done",
        "peer -> a2 NOOP",
    ]
    assert shown(SMTP, DIALOGUES[8][1], [])[:2] == ["peer -> EHLO printer", "peer -> AUTH LOGIN [credentials removed]"]
    assert shown(POP, DIALOGUES[7][1], [])[0] == "peer -> AUTH XOAUTH2"


def test_the_end_of_the_stream_is_a_line() -> None:
    assert shown(IMAP, [], []) == []
    lines: list[str] = []
    logger = logging.Logger("test", logging.DEBUG)
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    Transcript(logger, "peer", IMAP, ours=True).received(b"")
    assert lines == ["peer: connection closed by the peer"]


def test_nothing_is_kept_when_debug_is_off() -> None:
    transcript = Transcript(logging.Logger("quiet", logging.INFO), "peer", IMAP, ours=False)
    transcript.received(b"a LOGIN u hunter2")
    assert transcript._partial == {True: b"", False: b""}
