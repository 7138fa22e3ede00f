"""Scores: one scale for all series, memory for what recurs, PyOD's view where it could decide."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from finops_ai.detection.outliers import second_opinion
from finops_ai.detection.panel import Filling, panels
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.tail import Tail
from finops_ai.detection.verdicts import Verdicts, judge, scores
from finops_ai.domain.forecast import Score
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries
from tests.unit.forecasting.bills import START, Bill, one_series

SETTINGS = DetectSettings()


def _verdicts(series: list[CostSeries], settings: DetectSettings = SETTINGS) -> list[Verdicts]:
    today = max(one.complete_through for one in series) + timedelta(days=1)
    nothing: list[Filling | None] = [None] * len(series)
    return judge(panels(series, nothing, (), today=today, size=1024, settings=settings), settings)


def _scores(series: list[CostSeries], settings: DetectSettings = SETTINGS, *, opinion: bool = False) -> list[Score]:
    """Scores of every judged day, strange or not."""
    verdicts = _verdicts(series, settings)
    found = scores(verdicts, series, settings, also=range(len(series)))
    return second_opinion(found, verdicts, series, settings=settings) if opinion else found


def _noise(days: int, seed: int = 1) -> np.ndarray:
    return 100 * np.exp(np.random.default_rng(seed).normal(0, 0.05, days))


def test_p_values_of_calm_series_are_honest_and_not_too_small() -> None:
    series = [one_series(_noise(400, seed), scope=Scope((("a", str(seed)),))) for seed in range(120)]
    values = np.array([one.p_value for one in _scores(series)])
    assert len(values) == 120 * 35
    assert (values <= 0.05).mean() == pytest.approx(0.05, abs=0.03)
    assert (values <= SETTINGS.threshold).mean() <= 2 * SETTINGS.threshold


def test_a_tail_goes_on_beyond_what_was_seen_and_falls() -> None:
    tail = Tail.of([np.random.default_rng(0).normal(size=5000)])
    p = tail.p_value(np.array([0.0, 1.0, 2.0, 4.0, 8.0, np.nan]))
    assert p[0] == pytest.approx(0.5, abs=0.03)
    assert (np.diff(p[:5]) < 0).all()
    assert 0 < p[4] < 1e-5
    assert p[5] == 1
    assert tail.p_value(tail.surprise(1e-4, np.array([tail.decay])))[0] == pytest.approx(1e-4)


def test_past_incidents_do_not_blunt_the_tail() -> None:
    calm = np.random.default_rng(0).normal(size=20_000)
    troubled = calm.copy()
    troubled[:200] = 15
    at = np.array([6.0])
    assert Tail.of([troubled]).p_value(at)[0] < 10 * Tail.of([calm]).p_value(at)[0] < 1e-3


def test_a_wild_series_has_a_longer_tail_and_one_bad_week_makes_none_wild() -> None:
    random = np.random.default_rng(0)
    past = random.normal(size=(40, 210))
    past[0, 3::21] = 6.0
    past[1, 100:104] = 40.0
    tail = Tail.of([past])
    own = tail.own_decay(past)
    assert own.shape == (40, 1)
    assert own[0] > 2 * tail.decay
    assert own[1] < 1.3 * tail.decay
    assert (own >= tail.decay).all()
    wild, bad, *_ = tail.p_value(np.full((40, 1), 6.0), own)
    assert wild > 10 * bad
    assert np.isfinite(tail.own_decay(np.full((2, 0), np.nan))).all()


def test_what_stood_out_last_month_too_is_expected() -> None:
    values = _noise(365)
    first = [t for t in range(365) if (START + timedelta(days=t)).day == 12]
    surprising, recurring = values.copy(), values.copy()
    surprising[first[-1]] += 300
    recurring[first[-2:]] += 300
    day = START + timedelta(days=first[-1])
    once, again = (
        next(one for one in _scores([one_series(v, complete=first[-1] + 3)]) if one.day == day)
        for v in (surprising, recurring)
    )
    assert once.p_value < 1e-6
    assert again.p_value > 0.01
    assert again.expected == pytest.approx(again.observed, rel=0.2)


def test_jobs_that_run_now_and_then_are_not_strange_when_they_run() -> None:
    random = np.random.default_rng(4)
    values = np.where(random.uniform(size=400) < 0.15, 200.0, 1.0) * np.exp(random.normal(0, 0.05, 400))
    assert min(one.p_value for one in _scores([one_series(values)])) > SETTINGS.threshold


def test_young_series_are_not_judged() -> None:
    values = _noise(12)
    values[-1] = 1000
    assert _scores([one_series(values)]) == []


def test_upper_is_the_cost_at_which_the_threshold_is_crossed() -> None:
    values = _noise(300)
    (last,) = _scores([one_series(values)])[-1:]
    for share, crossed in ((0.99, False), (1.01, True)):
        changed = values.copy()
        changed[-1] = last.upper * share
        (judged,) = _scores([one_series(changed)])[-1:]
        assert (judged.p_value <= SETTINGS.threshold) == crossed


def test_pyod_is_asked_about_suspicious_days_and_answers_the_same_twice() -> None:
    values = _noise(400)
    values[-2] *= 1.6
    series = [one_series(values)]
    asked = {one.day for one in _scores(series, opinion=True) if one.second_opinion is not None}
    suspicious = {one.day for one in _scores(series) if one.p_value <= 3 * SETTINGS.threshold}
    assert asked == suspicious
    assert START + timedelta(days=398) in asked
    assert _scores(series, opinion=True) == _scores(series, opinion=True)


def test_pyod_tells_the_unseen_from_the_familiar() -> None:
    values = _noise(400)
    values[40:340:20] *= 1.6  # such days there were, three weeks apart
    values[-2] *= 1.6
    familiar = one_series(values, scope=Scope((("a", "familiar"),)))
    calm = _noise(400)
    calm[-2] *= 1.6
    unseen = one_series(calm, scope=Scope((("a", "unseen"),)))
    wide = replace(SETTINGS, opinion_weight=700.0)
    found = {
        one.scope: one.second_opinion
        for one in _scores([familiar, unseen], wide, opinion=True)
        if one.day == START + timedelta(days=398)
    }
    assert found[unseen.scope] == 1.0
    assert (found[familiar.scope] or 0) < 0.995


def test_pyod_switched_off_is_not_asked() -> None:
    values = _noise(400)
    values[-2] *= 2
    off = replace(SETTINGS, second_opinions=0)
    assert {one.second_opinion for one in _scores([one_series(values)], off, opinion=True)} == {None}


def test_only_series_that_matter_are_told_unless_asked() -> None:
    series = Bill(days=300).series()
    verdicts = _verdicts(series)
    told = scores(verdicts, series, SETTINGS)
    everything = scores(verdicts, series, SETTINGS, also=range(len(series)))
    assert len(everything) == len(series) * SETTINGS.judge_days
    assert set(told) <= set(everything)
    assert len(told) < len(everything) / 2
