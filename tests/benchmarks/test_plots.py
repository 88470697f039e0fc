"""Plots are well-formed SVG that shows what was measured."""

import re
import xml.etree.ElementTree as ET

import pytest

from benchmarks import plots
from benchmarks.client import Row
from benchmarks.figures import Result
from benchmarks.svg import Bar, bars, lines

SVG = "{http://www.w3.org/2000/svg}"


def texts(document: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(document).iter(f"{SVG}text")]


def row(name: str, **figures: list[float]) -> Result:
    return Result(Row(name, "", 1, 1, "password"), dict(figures))


def test_a_bar_is_as_long_as_its_value_says() -> None:
    document = bars("Relay <fast>", {"down": [Bar("ours", 1.0, 0.5), Bar("peer", 3.0)]})
    assert "Relay <fast>" in texts(document)
    found = [element for element in ET.fromstring(document).iter(f"{SVG}rect") if "bar" in element.get("class", "")]
    widths = [float(element.get("width", "0")) for element in found]
    assert widths[1] == pytest.approx(3 * widths[0], abs=0.2)
    assert len(re.findall('class="whisker"', document)) == 1


def test_a_sheet_brings_its_ground_and_knows_dark_pages() -> None:
    for document in (bars("t", {"f": [Bar("a", 1.0)]}), lines("t", {"a": [(1, 1)]}, x="x", y="y")):
        assert 'class="ground"' in document
        assert "prefers-color-scheme:dark" in document


def test_a_long_title_has_two_lines_and_the_rest_is_lower() -> None:
    short, long = (bars(title, {"f": [Bar("a", 1.0)]}) for title in ("Idle", "Idle: " + "many sessions " * 8))
    assert 'transform="translate(0 0)"' in short
    assert 'transform="translate(0 20)"' in long
    heights = [float(ET.fromstring(document).get("viewBox", "").split()[3]) for document in (short, long)]
    assert heights[1] == heights[0] + 20
    assert max(len(text) for text in texts(long)) <= 70


def test_bars_of_nothing_are_drawn_all_the_same() -> None:
    ET.fromstring(bars("Idle", {"CPU": [Bar("ours", 0.0, 0.0), Bar("peer", -1.0)], "none": []}))
    ET.fromstring(lines("Idle", {}, x="x", y="y"))


def test_a_bar_that_dwarfs_the_others_is_cut_with_a_mark() -> None:
    document = bars("t", {"f": [Bar("emailproxy", 1.0), Bar("stunnel", 2.0), Bar("nginx", 1.5), Bar("classic", 900.0)]})
    found = [element for element in ET.fromstring(document).iter(f"{SVG}rect") if "bar" in element.get("class", "")]
    widths = [float(element.get("width", "0")) for element in found]
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.2)
    assert widths[1] < widths[3] < 2 * widths[1]
    assert document.count('class="cut"') == 1
    assert "900" in texts(document)


@pytest.mark.parametrize("values", [[1.0, 3.0, 9.0, 27.0], [0.0, 0.0, 5.0], [-1.0, 2.0], [1.0, 1.0, 5.0, 5.5]])
def test_bars_that_are_no_leap_apart_are_not_cut(values: list[float]) -> None:
    row = [Bar(f"row {number}", value) for number, value in enumerate(values)]
    assert 'class="cut"' not in bars("t", {"f": row})


def test_a_row_keeps_its_colour_where_another_is_missing() -> None:
    document = bars("t", {"f": [Bar("emailproxy", 1.0), Bar("classic", 2.0)]})
    assert re.findall('class="bar (c[0-9])"', document) == ["c0", "c5"]
    beside = bars("t", {"f": [Bar("emailproxy", 1.0), Bar("import trio", 2.0)]})
    assert re.findall('class="bar (c[0-9])"', beside) == ["c0", "c6"]


def test_values_that_are_far_apart_have_a_logarithmic_axis() -> None:
    document = lines("t", {"ours": [(1, 2), (2, 3)], "peer": [(1, 200), (2, 4000)]}, x="x", y="us")
    assert {"us (logarithmic)", "1", "10", "100", "1,000", "10,000"} <= set(texts(document))


def test_an_axis_ends_at_a_round_step() -> None:
    assert {"0", "20", "40", "60", "80", "100"} <= set(texts(lines("t", {"ours": [(1, 30), (2, 98)]}, x="x", y="KiB")))


def test_lines_go_through_their_points() -> None:
    document = lines("t", {"ours": [(10, 0), (100, 5), (1000, 10)]}, x="sessions", y="KiB", log_x=True)
    match = re.search(r'class="line c0" d="M([^"]+)"', document)
    assert match is not None
    points = [tuple(map(float, point.split())) for point in match[1].split("L")]
    assert points[1][0] == pytest.approx((points[0][0] + points[2][0]) / 2, abs=0.2)
    assert points[1][1] == pytest.approx((points[0][1] + points[2][1]) / 2, abs=0.2)
    assert {"10", "100", "1,000", "sessions", "KiB", "ours"} <= set(texts(document))


def test_costs_are_drawn_and_latencies_have_curves() -> None:
    one = row("ours", **{"in turn: CPU ms": [1.0], "logins/s": [5.0]})
    one.add_latencies("64 at a time", [0.001, 0.002])
    pictures = plots.of("logins", {"Repeated logins": [one]})
    assert set(pictures) == {"logins", "logins-latency-64-at-a-time"}
    assert "in turn: CPU ms" in texts(pictures["logins"])
    assert "logins/s" not in texts(pictures["logins"])


def test_memory_is_drawn_against_sessions() -> None:
    measured = {f"Idle: {size} sessions": [row("ours", **{"KiB/session": [30.0]})] for size in (100, 1000)}
    assert "idle-memory" in plots.of("idle", measured)
