"""Deliverers die and receivers fail: nothing is lost, nothing is opened twice, and what may be double is told.

The full size, 500 messages for each receiver and 50 kills of each deliverer: `python -m tests.benchmarks chaos`.
"""

from __future__ import annotations

import pytest

from tests.benchmarks.chaos import play


@pytest.mark.slow
def test_two_deliverers_that_are_killed_lose_nothing_and_open_each_incident_once(ledger_url: str) -> None:
    played = play(ledger_url, messages=32, kills=6)
    assert played.lost == 0
    assert played.wrong == ()
    assert played.opened == played.keys
    assert played.kills == 12
    assert played.repeats <= played.possible
    assert set(played.answers) == {"200", "429", "500", "hang", "drop"}
