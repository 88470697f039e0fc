"""A target is met, missed, or cannot be told, and nothing that was not measured passes for met."""

from typing import Any

import pytest

from benchmarks.recorded import Recorded
from benchmarks.targets import Verdict, judge, shown


def row(name: str, **figures: Any) -> dict[str, Any]:
    """A row as the JSON has it; a figure is a median, or a median and the ratio to it."""
    found = {}
    for figure, value in figures.items():
        median, ratio = value if isinstance(value, tuple) else (value, None)
        found[figure] = {"median": median, "spread": None, "ratio": ratio, "ratios": [ratio] if ratio else []}
    return {"name": name, "figures": found, "notes": {}}


def run(mode: str, title: str, *rows: dict[str, Any]) -> Recorded:
    table = {"title": title, "rows": list(rows)}
    document = {"benchmark": mode, "time": "2026-01-02T03:04:05+00:00", "machine": {}, "bench": [], "tables": [table]}
    return Recorded({mode: document})


def verdict(recorded: Recorded, figure: str, target: str) -> Verdict:
    [found] = [one for one in judge(recorded) if one.figure == figure and one.target == target]
    return found


RELAY = "Relay: 128 MiB each way, one session, plain client, TLS to the server"
DOWN = "down: CPU s/GiB"


@pytest.mark.parametrize(("ratio", "expected"), [(0.63, "met"), (1.004, "met"), (1.02, "missed")])
def test_a_ratio_is_that_of_the_pairs(ratio: float, expected: str) -> None:
    recorded = run("relay", RELAY, row("emailproxy", **{DOWN: 1.0}), row("stunnel", **{DOWN: (0.5, ratio)}))
    found = verdict(recorded, "relay CPU per GiB, down, one session", "at most 1.0 x stunnel")
    assert found.verdict == expected
    assert found.measured.startswith(f"{ratio:.2f}x (1 beside 0.5")


def test_what_was_not_measured_is_not_met() -> None:
    assert {one.verdict for one in judge(Recorded({}))} == {"not measured"}
    assert judge(Recorded({}), whole=False) == []
    assert "0 of " in shown(judge(Recorded({})))


def test_few_sessions_cannot_speak_for_ten_thousand() -> None:
    figures = {"KiB/session": 20.0, "CPU % while idle": 0.0}
    few = run("idle", "Idle: 100 sessions in IDLE", row("emailproxy", **figures))
    assert verdict(few, "memory of an idle session of 10,000", "at most 32 KiB").verdict == (
        "cannot be told: only 100 sessions"
    )
    many = run("idle", "Idle: 9900 sessions in IDLE, not 10,000: why", row("emailproxy", **figures))
    assert verdict(many, "memory of an idle session of 10,000", "at most 32 KiB").verdict == "met"
    assert verdict(many, "CPU with 10,000 idle sessions", "0.0 %").verdict == "met"


@pytest.mark.parametrize(("percent", "expected"), [(0.04, "met"), (0.06, "missed")])
def test_no_cpu_is_none_to_the_first_decimal(percent: float, expected: str) -> None:
    many = run("idle", "Idle: 9900 sessions in IDLE", row("emailproxy", **{"CPU % while idle": percent}))
    assert verdict(many, "CPU with 10,000 idle sessions", "0.0 %").verdict == expected


@pytest.mark.parametrize(("percent", "expected"), [(1.9, "met"), (-2.0, "met"), (-2.3, "missed"), (2.3, "missed")])
def test_memory_may_neither_grow_nor_shrink(percent: float, expected: str) -> None:
    day = run("mixed", "An office's day in 4 minutes", row("emailproxy", **{"memory growth %": percent}))
    assert verdict(day, "memory over a day, last quarter to first", "at most 2 % apart").verdict == expected


def test_a_login_with_many_accounts_is_compared_with_few() -> None:
    name = "login: CPU ms"
    rows = row("10 accounts", **{name: 2.0}), row("100000 accounts", **{name: (2.4, 0.8)})
    found = verdict(
        run("accounts", "Accounts in the configuration", *rows),
        "login with 100,000 accounts, CPU",
        "at most 1.1 x with 10",
    )
    assert (found.verdict, found.measured[:5]) == ("missed", "1.25x")


def test_many_sessions_are_compared_with_one() -> None:
    one = {"title": RELAY, "rows": [row("emailproxy", **{DOWN: 1.0})]}
    many = {"title": "Relay: 100 sessions, plain client", "rows": [row("emailproxy", **{DOWN: 1.05})]}
    document = {"benchmark": "relay", "time": "", "machine": {}, "bench": [], "tables": [one, many]}
    found = verdict(Recorded({"relay": document}), "relay CPU per GiB, down, 100 sessions", "at most 1.1 x one session")
    assert (found.verdict, found.measured) == ("met", "1.05x (1.05 beside 1)")


def test_the_table_counts_targets_and_names_further_goals_apart() -> None:
    recorded = run(
        "logins", "Repeated logins, IMAP, the token at hand",
        row("emailproxy", **{"in turn: CPU ms": 2.0}), row("dovecot", **{"in turn: CPU ms": (2.2, 0.9)}),
    )  # fmt: skip
    text = shown(judge(recorded, whole=False))
    assert text.index("at most 1.0 x Dovecot") < text.index("Further goals") < text.index("at most 0.8 x Dovecot")
    assert text.endswith("1 of 1 targets met, 0 missed, 0 cannot be told")
