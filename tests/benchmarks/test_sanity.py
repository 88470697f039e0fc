"""What is not possible is found, and noise is not."""

from benchmarks.client import Row
from benchmarks.figures import Result
from benchmarks.sanity import check


def result(name: str, figures: dict[str, list[float]], ratios: dict[str, list[float]] | None = None) -> Result:
    return Result(Row(name, "", 1, 1, "password"), figures, ratios or {})


def test_what_is_possible_passes() -> None:
    measured = {
        "Relay": [
            result("emailproxy", {"down: CPU s/GiB": [1.0], "NOOP added: p50 us": [-3.0]}),
            result("stunnel", {"down: CPU s/GiB": [1.0]}, {"down: CPU s/GiB": [2.0]}),
        ]
    }
    assert check("relay", measured) == (3, [])


def test_a_login_that_costs_a_key_is_found() -> None:
    measured = {"Logins": [result("stunnel", {"in turn: CPU ms": [1.0]}, {"in turn: CPU ms": [400.0]})]}
    _, [fault] = check("logins", measured)
    assert "400.00 times stunnel" in fault


def test_a_peer_that_does_not_do_the_same_is_no_measure() -> None:
    measured = {"Logins": [result("nginx", {"in turn: CPU ms": [1.0]}, {"in turn: CPU ms": [400.0]})]}
    assert check("logins", measured) == (1, [])


def test_a_cost_that_grows_with_the_accounts_is_found() -> None:
    measured = {"Accounts": [result("100000 accounts", {"login: CPU ms": [50.0]}, {"login: CPU ms": [0.02]})]}
    _, [fault] = check("accounts", measured)
    assert "0.02 times 100000 accounts" in fault


def test_values_that_cannot_be_are_found() -> None:
    measured = {"Relay": [result("emailproxy", {"down: MiB/s": [0.0], "CPU s": [0.0], "up: CPU s/GiB": [-1.0]})]}
    _, faults = check("relay", measured)
    assert len(faults) == 2


def test_a_missing_value_is_found_unless_it_is_explained() -> None:
    one = result("emailproxy", {"down: MiB/s": []})
    assert "no value" in check("relay", {"Relay": [one]})[1][0]
    one.notes["down: MiB/s"] = "because"
    assert check("relay", {"Relay": [one]})[1] == []
