"""Tables show what was measured, and JSON holds all of it."""

import json
import sys

from benchmarks.client import Row
from benchmarks.figures import Result
from benchmarks.report import command, document, machine, number, table


def results() -> list[Result]:
    return [
        Result(Row("emailproxy", "", 1, 1, "password"), {"CPU": [3.0, 1.0, 2.0], "wall": [1.0]}),
        Result(Row("peer", "", 1, None, "password"), {"CPU": [], "wall": [150.0]}, {"wall": [0.01]}),
        Result(Row("stunnel", "", 1, 1, "token"), {"CPU": [4.0]}, {"CPU": [0.4, 0.6, 0.5]}),
    ]


def test_table_shows_medians_spreads_and_the_pairs_ratios() -> None:
    lines = table("Title", results()).splitlines()
    assert lines[0] == "Title"
    assert lines[2].split() == ["emailproxy", "peer", "stunnel"]
    assert lines[4].split() == ["CPU", "2", "±0.5", "-", "4", "(0.50x)"]
    assert lines[5].split() == ["wall", "1", "150", "(0.01x)", "-"]
    assert "emailproxy" in lines[6]


def test_table_may_leave_ratios_out() -> None:
    lines = table("Requests", results(), ratios=False).splitlines()
    assert lines[4].split() == ["CPU", "2", "±0.5", "-", "4"]
    assert len(lines) == 6


def test_table_says_why_something_is_not_there() -> None:
    row = results()
    row[1].notes["CPU"] = "its process is not known"
    assert "peer: CPU: its process is not known" in table("Title", row)


def test_numbers_have_three_digits() -> None:
    assert [number(value) for value in (0.012345, 1.2345, 12.345, 123.45, 1234.5, 0.0)] == [
        "0.0123", "1.23", "12.3", "123", "1234", "0",
    ]  # fmt: skip


def test_json_holds_every_round() -> None:
    written = json.loads(json.dumps(document("relay", {"Title": results()}, {"cores": 2}, ["provider at most 50%"])))
    assert (written["benchmark"], written["machine"], written["bench"]) == (
        "relay", {"cores": 2}, ["provider at most 50%"],
    )  # fmt: skip
    [one] = written["tables"]
    figure = one["rows"][0]["figures"]["CPU"]
    assert (one["title"], figure["median"], figure["spread"], figure["rounds"]) == ("Title", 2, 0.5, [3, 1, 2])
    assert one["rows"][2]["figures"]["CPU"]["ratio"] == 0.5


def test_json_holds_curves_as_percentiles_and_what_comes_in_time_as_it_came() -> None:
    one = Result(Row("emailproxy", "", 1, 1, "password"), series=("MiB over time",))
    one.curves = {"NOOP": [3.0, 1.0, 2.0], "MiB over time": [5.0, 4.0]}
    [row] = document("mixed", {"Title": [one]}, {})["tables"][0]["rows"]
    assert [*row["curves"]] == ["NOOP"]
    assert row["curves"]["NOOP"]["50"] == 2.0
    assert row["series"] == {"MiB over time": [5.0, 4.0]}


def test_the_command_is_told_without_paths() -> None:
    words = ["all", "--output", "/tmp/x", "--python=/usr/bin/python3", "--only", "emailproxy", "--set", "rounds=3"]
    assert command(words) == "python -m benchmarks all --only emailproxy --set rounds=3"


def test_the_machine_is_described_with_the_interpreter_that_is_measured() -> None:
    about = machine(sys.executable)
    assert about["Python"] == sys.version.split()[0]
    assert "SSL" in str(about["with"])
