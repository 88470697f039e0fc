"""The witness sees who was busy."""

import os
import time

from benchmarks.witness import Share, Witness


def test_a_busy_client_is_seen() -> None:
    witness = Witness(os.getpid(), together=False)
    began = witness.begin(None)
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    witness.end("work", None, began)
    [share] = witness.shares["work"]
    assert share.row is None
    assert share.client > 0
    assert share.client == share.provider or abs(share.client - share.provider) < 0.2


def test_the_bench_is_the_limit_when_its_processor_is_full() -> None:
    witness = Witness(1, together=True, shares={"work": [Share(0.5, 0.6, 0.4)], "rest": [Share(1.0, 0.3, 0.2)]})
    assert witness.limited("work")
    assert not witness.limited("rest")
    first, second = witness.lines()
    assert "the bench was the limit" in first
    assert "limit" not in second
    assert second == "rest: provider at most 30% of a processor, client 20%, rows 100% to 100%"


def test_with_a_processor_each_one_of_them_must_be_full() -> None:
    assert not Witness(1, together=False, shares={"work": [Share(0.5, 0.6, 0.4)]}).limited("work")
