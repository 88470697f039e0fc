import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emailproxy.protocols.lines import LineTooLongError, ReceiveBuffer


def fed(*pieces: bytes) -> ReceiveBuffer:
    buffer = ReceiveBuffer()
    for piece in pieces:
        buffer.feed(piece)
    return buffer


def test_lines_end_with_crlf_or_lf() -> None:
    buffer = fed(b"a\r\nb\n\r\n\nc\rd\r\r\ne")
    assert [buffer.line(9) for _ in range(6)] == [b"a", b"b", b"", b"", b"c\rd\r", None]
    assert buffer.rest() == b"e"
    assert len(buffer) == 1


def test_a_line_end_that_comes_apart() -> None:
    buffer = fed(b"a\r")
    assert buffer.line(9) is None
    buffer.feed(b"\n")
    assert buffer.line(9) == b"a"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_limit_is_without_the_line_end(end: bytes) -> None:
    assert fed(b"x" * 5 + end).line(5) == b"x" * 5
    with pytest.raises(LineTooLongError, match="more than 5 octets"):
        fed(b"x" * 6 + end).line(5)


def test_an_incomplete_line_is_too_long_as_soon_as_that_is_certain() -> None:
    assert fed(b"x" * 5 + b"\r").line(5) is None
    with pytest.raises(LineTooLongError):
        fed(b"x" * 7).line(5)


def test_too_long_takes_nothing_and_stays_too_long() -> None:
    buffer = fed(b"xxxxxx\ny\n")
    for _ in range(2):
        with pytest.raises(LineTooLongError):
            buffer.line(5)
    assert buffer.line(6) == b"xxxxxx"


def test_exactly() -> None:
    buffer = fed(b"ab\n", b"cd\n")
    assert buffer.exactly(7) is None
    assert buffer.exactly(4) == b"ab\nc"
    assert buffer.exactly(0) == b""
    assert buffer.line(9) == b"d"


def test_a_search_starts_again_after_taking() -> None:
    buffer = fed(b"abcdef")
    assert buffer.line(9) is None
    assert buffer.exactly(5) == b"abcde"
    buffer.feed(b"\n")
    assert buffer.line(9) == b"f"


def test_peek_and_rest_take_nothing() -> None:
    buffer = fed(b"abc")
    assert (buffer.peek(2), buffer.peek(9), buffer.rest(), len(buffer)) == (b"ab", b"abc", b"abc", 3)
    buffer.clear()
    assert (buffer.rest(), len(buffer), buffer.line(9)) == (b"", 0, None)


def test_end_of_stream() -> None:
    assert not fed(b"a").ended
    assert fed(b"a", b"").ended
    assert fed(b"a", b"").rest() == b"a"


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_any_pieces_give_the_same_lines(octets: bytes, cuts: list[int]) -> None:
    marks = [0, *sorted(cut for cut in cuts if cut < len(octets)), len(octets)]
    buffer = ReceiveBuffer()
    lines = []
    for start, end in pairwise(marks):
        if start < end:
            buffer.feed(octets[start:end])
        while (line := buffer.line(1000)) is not None:
            lines.append(line)
    *complete, rest = octets.split(b"\n")
    assert lines == [line[:-1] if line.endswith(b"\r") else line for line in complete]
    assert buffer.rest() == rest


def test_octet_by_octet_takes_linear_time() -> None:
    def seconds(count: int) -> float:
        buffer = ReceiveBuffer()
        start = time.process_time()
        for _ in range(count):
            buffer.feed(b"x")
            assert buffer.line(count) is None
        return time.process_time() - start

    seconds(10_000)
    # Four times the octets: about 4 if linear, 16 if every octet is searched again.
    assert min(seconds(200_000) for _ in range(3)) < 9 * min(seconds(50_000) for _ in range(3))


def test_many_lines_at_once_take_linear_time() -> None:
    def seconds(count: int) -> float:
        buffer = fed(b"x\r\n" * count)
        start = time.process_time()
        while buffer.line(9) is not None:
            pass
        return time.process_time() - start

    assert min(seconds(200_000) for _ in range(3)) < 9 * min(seconds(50_000) for _ in range(3))
