"""A flame graph shows who spent the time, without what says nothing."""

import re
import xml.etree.ElementTree as ET

from benchmarks.flamegraph import WIDTH, collapsed, drawn

BOOT = (
    "0x7f01 (libc.so.6);_run_code (<frozen runpy>:65);main (emailproxy/cli/__init__.py:43);run (trio/_core/_run.py:24)"
)
TURN = f"{BOOT};unrolled_run (trio/_core/_run.py:27);Session.run (emailproxy/session.py:155)"
READ = "Relay.run (emailproxy/relay.py:133);SSLObject.read (ssl.py:900);0x7f10 (libssl.so.3);0x7f99 (libssl.so.3)"
STACKS = f"""{TURN};{READ} 30
{TURN};send (libc.so.6) 10
{BOOT};EpollIOManager.get_events (trio/_core/_io_epoll.py:238);epoll_wait (libc.so.6) 500
0x7f01 (libc.so.6);WorkerThread._work (trio/_core/_thread_cache.py:209);PyThread_acquire_lock_timed (python3.11) 900
not a stack
"""


def test_what_waits_and_what_is_on_every_stack_is_left_out() -> None:
    assert list(collapsed(STACKS)) == [
        (
            [
                "Session.run (emailproxy/session.py)", "Relay.run (emailproxy/relay.py)", "SSLObject.read (ssl.py)",
                "(libssl.so.3)",
            ],
            30,
        ),
        (["Session.run (emailproxy/session.py)", "send (libc.so.6)"], 10),
    ]  # fmt: skip


def test_imports_are_shown_below_each_other() -> None:
    machinery = "_find_and_load (<frozen importlib._bootstrap>:1178)"
    stacks = f"<module> (emailproxy/cli/__init__.py:3);{machinery};<module> (ssl.py:1) 5"
    assert list(collapsed(stacks)) == [(["<module> (emailproxy/cli/__init__.py)", "<module> (ssl.py)"], 5)]


def test_a_box_is_as_wide_as_its_share() -> None:
    document = drawn("relay <down>", STACKS)
    ET.fromstring(document)
    widths = {
        match[1]: float(match[2])
        for match in re.finditer(r"<g><title>([^<]*): [0-9.]+%</title><rect [^>]*width=\"([0-9.]+)\"", document)
    }
    assert widths["everything"] == WIDTH - 20.5
    assert abs(widths["Relay.run (emailproxy/relay.py)"] - 0.75 * (WIDTH - 20)) < 1
    assert "40 samples" in document
    assert "relay &lt;down&gt;" in document


def test_nothing_seen_is_drawn_all_the_same() -> None:
    ET.fromstring(drawn("startup", ""))
