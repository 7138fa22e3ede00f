"""What a merged change saved: cost after it against what unaffected workloads say it would have been, with its range.

Difference in differences of the levels' ratio (Card and Krueger 1994 for the design). The controls' mean course is
the counterfactual; without controls it is the weekdays and the trend of the time before. The range is that of a mean of
autocorrelated residuals (AR(1) long-run variance, Andrews 1991; small-sample bias of the autocorrelation after Marriott
and Pope 1954) that may drift apart from day to day (a random walk, Harvey 1989), widened or narrowed by what the same
estimate finds for controls where nothing happened (placebos in space, as Abadie, Diamond and Hainmueller 2010), or,
where there are none, at times when nothing happened.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finops_ai.domain.series import FloatArray

WEEK = 7
PRE_DAYS_MAX = 56
PRE_DAYS_MIN = 14
LEVEL = 0.80

DIFFERENCE = "difference in differences"
COUNTERFACTUAL = "counterfactual of its own trend and weekdays"

_PRIOR = 5.0
"""How many placebos the model's own error is worth."""
_MEDIAN_FROM = 5
"""From so many controls on their median is taken: an incident in one of them is not the others' course."""
_LEAST_SEEN = 0.9
"""A control has cost on so many of the days."""
_AUTOCORRELATION_MAX = 0.9
_WANDER_WEEKS, _APART = 6, 2
_NOTHING = 1e-9
_FAR = 50.0
"""A range that reaches so far in logarithms tells nothing; its end stays a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A saving over a window: positive is less cost. `counterfactual` is what would have been paid.

    `low` and `high` are the ends of the 80 % range, `controls` the number of unaffected workloads, `relative_error` one
    standard error of the counterfactual as a share of it.
    """

    estimate: float
    low: float
    high: float
    counterfactual: float
    actual: float
    days: int
    days_before: int
    controls: int
    relative_error: float
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ratio:
    log_ratio: float
    error: float
    freedom: float
    expected: float
    actual: float


def effect(
    before: FloatArray, after: FloatArray, others_before: FloatArray, others_after: FloatArray, gap: int = 0
) -> Effect | None:
    """The saving of one series. `before` and `after` are costs per day, `gap` whole weeks' days lie between them.

    `others_*` have a row for each unaffected series over the same days. Windows are cut to whole weeks. None where
    there are fewer than two weeks before or one after, or no cost before or after to compare with.
    """
    days_before = min(len(before), PRE_DAYS_MAX) // WEEK * WEEK
    days = len(after) // WEEK * WEEK
    if days_before < PRE_DAYS_MIN or days < WEEK:
        return None
    own = np.concatenate([before[len(before) - days_before :], after[:days]])
    others = np.hstack([others_before[:, others_before.shape[1] - days_before :], others_after[:, :days]])
    others = _usable(others, days_before)
    course = _course(others, days_before) if len(others) else _own_course(own, days_before, gap)
    nothing_done = _left_out(others, days_before)
    wander = _wander([(own, course), *nothing_done], days_before) if len(others) else 0.0
    wandered = wander * _apart(days_before, days, gap)
    found = _ratio(own, course, days_before, None if len(others) else gap, wandered)
    if found is None:
        return None
    placebos = _in_space(nothing_done, days_before, wandered) if len(others) else _in_time(own[:days_before], days)
    error = found.error * math.sqrt((_PRIOR + sum(one**2 for one in placebos)) / (_PRIOR + len(placebos)))
    reach = _quantile(found.freedom) * error
    low, high = (found.actual * math.expm1(min(-found.log_ratio + sign * reach, _FAR)) for sign in (-1, 1))
    return Effect(
        estimate=found.expected - found.actual,
        low=low,
        high=high,
        counterfactual=found.expected,
        actual=found.actual,
        days=days,
        days_before=days_before,
        controls=len(others),
        relative_error=error,
        method=DIFFERENCE if len(others) else COUNTERFACTUAL,
    )


def proved_after(
    before: FloatArray, after: FloatArray, others_before: FloatArray, others_after: FloatArray, gap: int = 0
) -> int | None:
    """Days after the change until the range left zero and stayed above it, looked at week by week; None: not yet."""
    weeks = len(after) // WEEK
    looks = [
        (days, effect(before, after[:days], others_before, others_after[:, :days], gap))
        for days in (WEEK * number for number in range(1, weeks + 1))
    ]
    proved = None
    for days, found in looks:
        if found is None or found.low <= 0:
            proved = None
        elif proved is None:
            proved = days
    return proved


def _usable(others: FloatArray, days_before: int) -> FloatArray:
    seen = (others > 0).mean(axis=1) >= _LEAST_SEEN if others.size else np.zeros(len(others), dtype=bool)
    level = others[:, :days_before].mean(axis=1) if others.size else np.zeros(len(others))
    kept: FloatArray = others[seen & (level > 0)]
    return kept


def _course(others: FloatArray, days_before: int) -> FloatArray:
    """The controls' common course, each relative to its own level before."""
    relative = others / others[:, :days_before].mean(axis=1, keepdims=True)
    middle = np.median if len(others) >= _MEDIAN_FROM else np.mean
    return np.asarray(middle(relative, axis=0), dtype=np.float64)


def _own_course(own: FloatArray, days_before: int, gap: int = 0) -> FloatArray:
    """Trend times weekdays of the time before; the windows are whole weeks apart, so the places in a week match."""
    weeks = own[:days_before].reshape(-1, WEEK)
    growth = _growth(weeks.mean(axis=1)) / WEEK
    day = np.arange(len(own)) + np.where(np.arange(len(own)) < days_before, 0, gap)
    trend = np.exp(growth * (day - (days_before - 1) / 2))
    shape = (own[:days_before] / trend[:days_before]).reshape(-1, WEEK).mean(axis=0)
    return np.asarray(trend * np.tile(shape, len(own) // WEEK), dtype=np.float64)


def _growth(weekly: FloatArray) -> float:
    """Relative growth a week, by least squares; none where that cannot be told."""
    if len(weekly) < 4 or (weekly <= 0).any():
        return 0.0
    week = np.arange(len(weekly)) - (len(weekly) - 1) / 2
    return float((week * np.log(weekly)).sum() / (week**2).sum())


def _left_out(others: FloatArray, days_before: int) -> list[tuple[FloatArray, FloatArray]]:
    """Each control with the course of the others; none where there are fewer than three."""
    if len(others) < 3:
        return []
    return [(one, _course(np.delete(others, at, axis=0), days_before)) for at, one in enumerate(others)]


def _wander(pairs: Sequence[tuple[FloatArray, FloatArray]], days_before: int) -> float:
    """Variance a week of the random walk by which series and their courses drift apart, from the time before.

    Weeks far apart then differ by more than near ones do: by so many weeks' steps (Harvey 1989, local level). Memory
    makes neighbours alike, so they are left out. It is the mean over all series, as one of eight weeks tells little of
    itself, and nothing where it is within its own standard error: without a walk the range must not be widened.
    """
    found = []
    for own, course in pairs:
        sums = [part[:days_before].reshape(-1, WEEK).sum(axis=1) for part in (own, course)]
        if len(sums[0]) < _WANDER_WEEKS or min(float(one.min()) for one in sums) < _NOTHING:
            continue
        level = np.log(sums[0] / sums[1])
        far = len(level) // 2 + 1
        near, wide = (float(((level[lag:] - level[:-lag]) ** 2).mean()) for lag in (_APART, far))
        found.append((wide - near) / (far - _APART))
    mean = float(np.mean(found)) if found else 0.0
    error = float(np.std(found, ddof=1)) / math.sqrt(len(found)) if len(found) > 1 else 0.0
    return mean if mean > error else 0.0


def _apart(days_before: int, days: int, gap: int) -> float:
    """Steps of a week between the mean of the time before and that of the time after."""
    return (days_before / 3 + gap + 1 + days / 3) / WEEK


def _ratio(
    own: FloatArray, course: FloatArray, days_before: int, trend_gap: int | None = None, wandered: float = 0.0
) -> _Ratio | None:
    """How the ratio to the course changed, and how surely; `trend_gap` for a course that has a trend of its own.

    `wandered` is the variance by which the two drift apart from the time before to the time after.
    """
    parts = [(own[:days_before], course[:days_before]), (own[days_before:], course[days_before:])]
    levels = [(float(mine.sum()), float(theirs.sum())) for mine, theirs in parts]
    if any(mine < _NOTHING or theirs < _NOTHING for mine, theirs in levels):
        return None
    residuals = []
    for (mine, theirs), (whole, expected) in zip(parts, levels, strict=True):
        part = mine / np.maximum(theirs * whole / expected, 1e-12) - 1
        residuals.append((part.reshape(-1, WEEK) - _shape(part)).ravel())
    variance, memory, freedom = _noise(residuals)
    squared = sum(variance * _of_a_mean(len(part), memory) for part in residuals) + wandered
    if trend_gap is not None and days_before >= 4 * WEEK:
        # The slope's own error, carried from the middle of the time before to the middle of the time after.
        slope = variance * (1 + memory) / (1 - memory) * 12 / days_before**3
        squared += slope * (len(own) / 2 + trend_gap) ** 2
    (before, course_before), (after, course_after) = levels
    expected_after = before * course_after / course_before
    return _Ratio(
        log_ratio=math.log(after / expected_after),
        error=math.sqrt(squared),
        freedom=freedom,
        expected=expected_after,
        actual=after,
    )


def _shape(residual: FloatArray) -> FloatArray:
    """A week's shape that is the series' own: it cancels over whole weeks, is no noise. Three weeks can tell."""
    weeks = residual.reshape(-1, WEEK)
    return weeks.mean(axis=0) if len(weeks) >= 3 else np.full(WEEK, weeks.mean())


def _noise(residuals: Sequence[FloatArray]) -> tuple[float, float, float]:
    """Variance of a day, its autocorrelation, and the degrees of freedom of the estimate."""
    lost = sum(WEEK if len(part) >= 3 * WEEK else 1 for part in residuals)
    count = sum(len(part) for part in residuals)
    squares = float(sum((part**2).sum() for part in residuals))
    variance = squares / max(count - lost, 1)
    lagged = float(sum((part[1:] * part[:-1]).sum() for part in residuals))
    memory = lagged / squares if squares > 0 else 0.0
    memory = (count * memory + 1) / max(count - 4, 1)
    memory = min(max(memory, 0.0), _AUTOCORRELATION_MAX)
    variance /= max(1 - _of_a_mean(count, memory), 0.2)
    freedom = max((count - lost) * (1 - memory) / (1 + memory), 3.0)
    return variance, memory, freedom


def _of_a_mean(count: int, memory: float) -> float:
    """Variance of the mean of an AR(1) of variance 1."""
    steps = np.arange(1, count)
    return float(1 + 2 * ((1 - steps / count) * memory**steps).sum()) / count


def _in_space(pairs: Sequence[tuple[FloatArray, FloatArray]], days_before: int, wandered: float) -> list[float]:
    """Studentised effects of the controls, where nothing happened."""
    found = []
    for control, course in pairs:
        one = _ratio(control, course, days_before, None, wandered)
        if one is not None and one.error > 0:
            found.append(one.log_ratio / one.error)
    return found


def _in_time(before: FloatArray, days: int) -> list[float]:
    """Studentised effects of changes that were never made, at every week that leaves three to learn from."""
    found = []
    for cut in range(3 * WEEK, len(before) - days + 1, WEEK):
        part = before[: cut + days]
        one = _ratio(part, _own_course(part, cut), cut, 0)
        if one is not None and one.error > 0:
            found.append(one.log_ratio / one.error)
    return found


def _quantile(freedom: float) -> float:
    """The 90 % point of Student's t (Hill 1970, first terms)."""
    z = 1.2815515655446004
    g1 = (z**3 + z) / 4
    g2 = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + g1 / freedom + g2 / freedom**2 + g3 / freedom**3
