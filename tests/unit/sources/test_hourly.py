"""Samples by hours: any order, doubles, gaps, NaN and infinity; time zones do not matter to seconds since the epoch."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.sources.hourly import HOUR_SECONDS, Scale, Series, by_labels, figure, hourly, step_of

VALUES = st.one_of(
    st.floats(0, 1e6), st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 9223372036854775794.0, 2147483632.0])
)
SAMPLES = st.lists(st.tuples(st.integers(0, 5 * HOUR_SECONDS), VALUES), max_size=60)
SANE = Scale(largest=1e6)


def series(samples: list[tuple[int, float]]) -> Series:
    at, values = zip(*samples, strict=True) if samples else ((), ())
    return Series(labels=(), at=np.array(at, dtype=np.float64), values=np.array(values, dtype=np.float64))


@given(samples=SAMPLES, shuffled=st.randoms(use_true_random=False))
def test_an_hour_is_what_its_samples_say_in_any_order(samples: list[tuple[int, float]], shuffled: object) -> None:
    known: dict[int, float] = {}
    for at, value in samples:
        if 0 <= value <= 1e6:
            known[at] = max(value, known.get(at, 0.0))
    hours = sorted({at // HOUR_SECONDS for at in known})
    mixed = list(samples)
    shuffled.shuffle(mixed)  # type: ignore[attr-defined]
    found = hourly(series(mixed), 300, SANE)
    assert found.hours.tolist() == hours
    for place, hour in enumerate(hours):
        mine = {at: value for at, value in known.items() if at // HOUR_SECONDS == hour}
        assert found.seen[place] == pytest.approx(min(1, len(mine) / 12))
        assert found.mean[place] == pytest.approx(sum(mine.values()) / len(mine), rel=1e-9)
        assert found.peak[place] == max(mine.values())
        assert found.idle[place] == pytest.approx(sum(value < 0.05 for value in mine.values()) / len(mine))
        assert found.last[place] == mine[max(mine)]


def test_an_hour_told_twice_counts_once_by_the_fuller_telling() -> None:
    full, part = hourly(series([(0, 2.0), (300, 2.0)]), 300), hourly(series([(0, 9.0)]), 300)
    told = by_labels([((), part), ((), full), ((), hourly(series([]), 300))])
    assert (told[()].hours.tolist(), told[()].mean.tolist()) == ([0], [2.0])


def test_a_missing_hour_is_unknown_and_never_zero() -> None:
    found = hourly(series([(0, 1.0), (2 * HOUR_SECONDS, 3.0)]), 300)
    hours = np.array([0, 1, 2])
    assert np.isnan(figure(found, "mean", hours)).tolist() == [False, True, False]
    assert np.isnan(figure(None, "mean", hours)).all()
    assert figure(found, "seen", hours).tolist() == [1 / 12, 0, 1 / 12]


@pytest.mark.parametrize(
    ("instants", "step"), [([0, 30, 60, 90, 600], 30), ([0, 7200], 300), ([5], 300), ([], 300), ([0, 300, 600], 300)]
)
def test_the_step_is_what_most_samples_keep_and_five_minutes_at_most(instants: list[float], step: float) -> None:
    assert step_of(np.array(instants, dtype=np.float64)) == step
