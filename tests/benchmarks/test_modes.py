"""What the modes read and count is right."""

import http.server
import threading

import pytest

from benchmarks.modes import MODES
from benchmarks.modes.accounts import copied
from benchmarks.modes.consent import URL, agree
from benchmarks.modes.idle import Capacity
from benchmarks.modes.mixed import growth
from benchmarks.modes.startup import imports


def test_every_mode_of_the_documentation_is_there() -> None:
    assert set(MODES) == {"relay", "logins", "idle", "mixed", "accounts", "startup", "consent"}


def test_imports_are_added_up_by_package() -> None:
    text = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:       100 |        100 |   trio._core\n"
        "import time:      1400 |       1500 | trio\n"
        "import time:       250 |        250 | ssl\n"
        "a line of the log\n"
    )
    assert imports(text) == {"trio": pytest.approx(0.0015), "ssl": pytest.approx(0.00025)}


def test_a_record_is_copied_under_other_names() -> None:
    text = "# written by emailproxy\n[other@example.com]\na = 1\n\n[user@example.com]\ntoken_salt = x\ntoken = y\n"
    assert copied(text, "user@example.com", 3) == (
        "[user@example.com]\ntoken_salt = x\ntoken = y\n\n"
        "[record0@example.com]\ntoken_salt = x\ntoken = y\n\n"
        "[record1@example.com]\ntoken_salt = x\ntoken = y\n\n"
    )


def test_no_record_is_a_fault() -> None:
    with pytest.raises(ValueError, match=r"no section \[user@example.com\]"):
        copied("[other@example.com]\na = 1\n", "user@example.com", 2)


def test_growth_looks_at_quarters() -> None:
    # After a quarter: of eight values the second, and the last.
    assert growth([10.0, 100.0, 300.0, 1.0, 1.0, 1.0, 1.0, 110.0]) == pytest.approx(10)
    assert growth([50.0, 100.0, 101.0, 100.0, 100.0, 100.0, 100.0, 100.0]) == 0
    assert growth([100.0]) == 0


def test_imports_are_added_up_by_module_too() -> None:
    text = "import time:       100 |        100 |   trio._core\nimport time:      1400 |       1500 | trio\n"
    assert imports(text, by_package=False) == {"trio": pytest.approx(0.0014), "trio._core": pytest.approx(0.0001)}


def test_sessions_are_cut_by_the_files_of_the_row_that_takes_most() -> None:
    room = Capacity(limit=20_000, files=2, row="nginx")
    assert room.most == 9_900
    assert room.cut(9_900) == ""
    assert room.cut(10_000) == ", not 10,000: a session takes nginx 2 files, and a process may open 20,000 here"


def test_sessions_are_cut_to_what_a_row_takes_by_its_own_reckoning() -> None:
    room = Capacity(20_000, 2, "nginx", 9_745, "stunnel")
    assert room.most == 9_745
    assert room.cut(10_000) == (
        ", not 10,000: stunnel takes no more with the 20,000 files that a process may open here"
    )
    assert (
        Capacity(20_000, 4, "nginx", 9_745, "stunnel").cut(10_000).startswith(", not 10,000: a session takes nginx 4")
    )


def test_the_address_of_a_consent_is_found_in_a_log() -> None:
    line = (
        "WARNING account a@example.com needs authorisation: open http://localhost:1234/authorize?state=x&client_id=y\n"
    )
    assert URL.findall(line) == ["http://localhost:1234/authorize?state=x&client_id=y"]


def test_a_consent_follows_the_redirect() -> None:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(302 if self.path == "/authorize?a" else 200)
            self.send_header("Location", "/back?code=1")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        agree([f"http://127.0.0.1:{server.server_port}/authorize?a"])
        server.shutdown()
        thread.join()
    assert asked == ["/authorize?a", "/back?code=1"]
