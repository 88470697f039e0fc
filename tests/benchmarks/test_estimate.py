"""How long a run takes is told before, and better the more of it is over."""

import pytest

from benchmarks.estimate import MODELS, Forecast, seconds
from benchmarks.modes import MODES
from benchmarks.peers import PEERS
from benchmarks.sizes import FULL, QUICK, SMOKE

ROWS = [*PEERS]


def test_every_mode_has_an_estimate() -> None:
    assert set(MODELS) == set(MODES)


@pytest.mark.parametrize("mode", MODELS)
def test_more_work_takes_longer(mode: str) -> None:
    assert seconds(mode, FULL, ROWS) > seconds(mode, QUICK, ROWS) > seconds(mode, SMOKE, ROWS) > 0
    assert seconds(mode, FULL, ROWS) >= seconds(mode, FULL, ROWS[:2]) >= seconds(mode, FULL, ROWS[:1])
    assert seconds(mode, FULL, []) > 0


def test_a_run_of_everything_beside_everybody_is_half_an_hour() -> None:
    assert 15 * 60 < sum(seconds(mode, FULL, ROWS) for mode in MODES) < 35 * 60


def test_a_slow_machine_is_noticed() -> None:
    forecast = Forecast(["relay", "logins"], FULL, ROWS)
    before = forecast.left
    forecast.took("relay", 2 * seconds("relay", FULL, ROWS))
    assert forecast.left == pytest.approx(2 * seconds("logins", FULL, ROWS))
    assert before == pytest.approx(seconds("relay", FULL, ROWS) + seconds("logins", FULL, ROWS))
    forecast.took("logins", 1.0)
    assert forecast.left == 0
