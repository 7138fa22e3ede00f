"""With learned units a series that errs more than its class has a wider band, by no more than its own errors earn."""

from __future__ import annotations

import numpy as np
import pytest

from finops_ai.domain.forecast import BANDS
from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.intervals import LEARNED, Residuals, day_offsets, measured_coverage, sum_offsets

SERIES, WINDOWS, HORIZON = 40, 12, 30
LOUD = 3.0


def _residuals(times: FloatArray, seed: int = 0, odd: float = 0.0) -> Residuals:
    """Errors whose spread is `times` (series,) the unit; `odd` is added to one day of the first series."""
    error = times[:, None, None] * np.random.default_rng(seed).normal(0, 1, (SERIES, WINDOWS, HORIZON))
    error[0, 3, 4] += odd
    unit = np.ones_like(error)
    nothing = np.zeros(SERIES, dtype=np.intp)
    return Residuals(answer=100 + error, forecast=100 * unit, below=unit, above=unit, classes=nothing, apart=13)


def _width(past: Residuals) -> FloatArray:
    low, high = BANDS[0.8]
    offsets = day_offsets(past, HORIZON, shrinkage=LEARNED)
    return np.asarray((offsets[:, high] - offsets[:, low]).mean(axis=1))


def test_one_that_errs_more_than_its_class_has_a_wider_band_and_not_all_of_it() -> None:
    times = np.where(np.arange(SERIES) < 2, LOUD, 1.0)
    width = _width(_residuals(times))
    assert 1.2 < width[:2].mean() / width[2:].mean() < LOUD / 2
    sums = sum_offsets(_residuals(times), HORIZON, shrinkage=LEARNED)
    assert np.abs(sums[0, 0, -1]) > 1.2 * np.abs(sums[5, 0, -1])


def test_where_all_err_alike_all_bands_are_nearly_as_wide() -> None:
    width = _width(_residuals(np.ones(SERIES)))
    assert width.max() / width.min() < 1.05


def test_one_odd_day_hardly_widens_a_band() -> None:
    ones = np.ones(SERIES)
    assert _width(_residuals(ones, odd=1e9))[0] < 1.05 * _width(_residuals(ones))[0]


def test_what_was_never_judged_has_the_width_of_its_class() -> None:
    past = _residuals(np.ones(SERIES))
    past.answer[0] = np.nan
    width = _width(past)
    assert width[0] == pytest.approx(width[1:].mean(), rel=0.03)


def test_one_odd_scope_of_two_does_not_widen_the_other_band() -> None:
    """A fee whose usual cost is nothing errs by hundreds of units; a small ledger has hardly more of its kind."""
    past = _residuals(np.ones(SERIES))
    past.classes[:2] = 1
    alone = day_offsets(past, HORIZON, shrinkage=30)[1]
    past.answer[0, :, ::7] += 1e4
    beside = day_offsets(past, HORIZON, shrinkage=30)[1]
    assert np.abs(beside[[1, 5]] / alone[[1, 5]]).max() < 2


@pytest.mark.parametrize("value", [0.0, 1e12, -1e12])
def test_errors_of_any_size_give_finite_bands(value: float) -> None:
    past = _residuals(np.ones(SERIES))
    past.answer[1] = past.forecast[1] + value
    offsets = day_offsets(past, HORIZON, shrinkage=LEARNED)
    assert np.isfinite(offsets).all()
    assert (np.diff(offsets, axis=1) >= 0).all()


def test_a_band_that_was_measured_holds_as_often_on_days_it_never_saw() -> None:
    times = np.random.default_rng(9).uniform(0.5, 2.0, SERIES)
    measured = measured_coverage(_residuals(times), shrinkage=LEARNED)[0.8]
    low, high = BANDS[0.8]
    offsets = day_offsets(_residuals(times), HORIZON, shrinkage=LEARNED)[:, None]
    later = _residuals(times, seed=1).days()
    held = ((offsets[:, :, low] <= later) & (later <= offsets[:, :, high])).mean(axis=(1, 2))
    assert np.abs(measured - held).mean() < 0.03
    assert held.mean() == pytest.approx(0.8, abs=0.02)


def _wandering(random: np.random.Generator, horizon: int) -> tuple[Residuals, FloatArray]:
    """A ledger of two scopes whose cost wanders: half a year of windows that overlap, and how the next one errs."""
    days = 182 + horizon
    cost = np.cumsum(random.normal(0, 1, (2, days)), axis=1)
    origins = range(182 - 13, -1, -13)
    error = np.full((2, len(origins), horizon), np.nan)
    for k, origin in enumerate(reversed(origins)):
        known = min(horizon, 182 - origin)
        error[:, k, :known] = cost[:, origin : origin + known] - cost[:, [origin]]
    unit = np.ones_like(error)
    past = Residuals(
        answer=error, forecast=0 * unit, below=unit, above=unit, classes=np.zeros(2, dtype=np.intp), apart=13
    )
    return past, cost[:, 181 : 181 + horizon] - cost[:, [181]]


def test_what_a_small_ledger_saw_too_seldom_far_ahead_is_allowed_for() -> None:
    """Sixty days fit three times into half a year, however many windows overlap there."""
    random, held = np.random.default_rng(12), []
    for _ in range(150):
        past, came = _wandering(random, 60)
        offsets = day_offsets(past, 60, shrinkage=30)
        held.append([(offsets[:, low] <= came) & (came <= offsets[:, high]) for low, high in BANDS.values()])
    far = np.mean(held, axis=(0, 2))[:, 30:].mean(axis=1)
    assert dict(zip(BANDS, far, strict=True)) == pytest.approx({0.8: 0.8, 0.95: 0.95}, abs=0.07)
