"""What recurs every second week is forecast so; what does not, two incidents among it, has no fortnight."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.fortnights import Fortnights
from finops_ai.forecasting.settings import ForecastSettings

MONDAY = date(2024, 1, 1)
SERIES, AHEAD = 6, 42


def error(shape: FloatArray, known: int, size: float = 0.05, seed: int = 1) -> float:
    """Mean error of the forecast of `shape` (known + AHEAD,) with noise, as a share of its mean cost."""
    noise = np.exp(np.random.default_rng(seed).normal(0, size, (SERIES, len(shape))))
    told = Baseline(ForecastSettings()).forecast((shape * noise)[:, :known], MONDAY, AHEAD, list("abcdef"))
    return float(np.abs(told - shape[known:]).mean() / shape[known:].mean())


def days(known: int) -> FloatArray:
    return np.arange(known + AHEAD)


@pytest.mark.parametrize("known", [80, 81, 200, 365])
def test_work_on_every_second_day(known: int) -> None:
    assert error(np.where(days(known) % 2 == 0, 300.0, 0.0), known) < 0.1


@pytest.mark.parametrize("known", [120, 126, 200, 365])
@pytest.mark.parametrize("base", [0.0, 100.0])
def test_a_job_every_second_week(known: int, base: float) -> None:
    assert error(base + np.where(days(known) % 14 == 9, 900.0, 0.0), known) < 0.2


def test_the_second_week_of_a_sprint_is_dearer() -> None:
    sprint = np.where(days(300) % 14 >= 7, 1.4, 1.0) * np.where(days(300) % 7 < 5, 200.0, 40.0)
    assert error(sprint, 300) < 0.06


def test_a_job_that_stopped_is_not_forecast_for_long() -> None:
    job = 100 + np.where((days(300) % 14 == 9) & (days(300) < 240), 900.0, 0.0)
    assert error(job, 300) < 0.1


def sure(surprise: FloatArray, known: FloatArray | None = None) -> FloatArray:
    """Share of the days on which a fortnight is believed of each series, from surprises (series, days)."""
    memory, found = Fortnights(len(surprise)), np.zeros(len(surprise))
    seen = np.ones(surprise.shape, dtype=np.bool_) if known is None else known
    for day, one in enumerate(surprise.T):
        found += memory.effect(day) != 0
        memory.learn(day, np.where(seen[:, day], one, 0.0), seen[:, day])
    return found / surprise.shape[1]


@pytest.mark.parametrize("kind", ["noise", "sluggish", "weekly", "heavy"])
def test_chance_and_weeks_are_no_fortnight(kind: str) -> None:
    random = np.random.default_rng(4)
    noise = random.normal(0, 1, (300, 400))
    if kind == "sluggish":
        for t in range(1, 400):
            noise[:, t] += 0.95 * noise[:, t - 1]
    elif kind == "weekly":
        noise += 3 * np.sin(np.arange(400) * 2 * np.pi / 7)
    elif kind == "heavy":
        noise = random.standard_t(2, (300, 400))
    assert sure(noise).mean() < 0.004


def test_two_incidents_two_weeks_apart_are_no_habit_and_three_are() -> None:
    surprise = np.random.default_rng(5).normal(0, 0.1, (2, 150))
    surprise[:, [90, 104]] = 3.0
    surprise[1, 118] = 3.0
    believed = sure(surprise)
    assert believed[0] == 0
    assert believed[1] > 0


def test_unknown_days_teach_nothing() -> None:
    surprise = np.where(np.arange(200) % 2 == 0, 1.0, -1.0) * np.ones((3, 1))
    known = np.random.default_rng(6).uniform(size=surprise.shape) > 0.1
    assert (sure(surprise, known) > 0.5).all()
    assert (sure(surprise, np.zeros_like(known)) == 0).all()
