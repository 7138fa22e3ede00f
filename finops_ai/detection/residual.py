"""Surprise of complete days under the forecast made before them, as p-values on one scale for all series.

A day's own surprise and the drift of the last five and nine days against the level a fortnight ago are divided by the
usual error of the series, robustly from the days before the judged ones. Pooled over all series these give one
distribution; its body is conformal (p = share at least as large), beyond its 97th percentile an exponential tail
through the 90th and 97th carries on, so that p-values below one in all past days exist and past incidents, being
rarer than that, do not teach the detector to expect them. (Peaks over threshold: A. Siffer et al., KDD 2017.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from finops_ai.detection.recurrence import recurring
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.expectation import Expectation, compress, expand
from finops_ai.domain.forecast import Score
from finops_ai.domain.series import CostSeries, FloatArray

DRIFT_DAYS = (5, 9)
_POOL = 20_000
_CHUNK = 1024  # series per block: its arrays stay in the processor's cache
_COLD_DAYS = 14  # expectations of fewer days are not worth a judgement
_BODY, _BEND = 0.90, 0.97


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """Upper tail of pooled surprises in usual errors."""

    body: FloatArray  # sorted
    bend: float
    decay: float

    @classmethod
    def of(cls, pool: FloatArray) -> Tail:
        """From surprises of any shape, NaN where unknown; without enough of them a normal tail's rounder cousin."""
        known = pool[np.isfinite(pool)]
        known = np.sort(known)
        if len(known) < 100:
            return cls(known, 1.9, 0.5)
        low, bend = np.quantile(known, (_BODY, _BEND))
        decay = max(float(bend - low) / float(np.log((1 - _BODY) / (1 - _BEND))), 0.25)
        return cls(known, float(bend), decay)

    def p_value(self, surprise: FloatArray) -> FloatArray:
        """Same shape; NaN gives 1: what cannot be judged is not strange."""
        surprise = np.nan_to_num(surprise, nan=-np.inf)
        count = len(self.body) - np.searchsorted(self.body, surprise, side="left")
        inside = (1 + count) / (len(self.body) + 1)
        beyond = (1 - _BEND) * np.exp(-np.maximum(surprise - self.bend, 0.0) / self.decay)
        return np.where(surprise > self.bend, beyond, np.maximum(inside, 1 - _BEND))

    def surprise(self, p_value: float) -> float:
        """The surprise that has this p-value (at most 3 %)."""
        return self.bend + self.decay * float(np.log((1 - _BEND) / p_value))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Block:
    """Series that end on the same day; arrays have shape (series, days), the last `judged` days are to be judged.

    `own` and each of `drift` are surprises in usual errors, `habit` is the expectation they were measured against.
    `excused` (series, judged) is how high a judged day may be without any surprise.
    """

    members: list[int]
    end: date
    judged: int
    small_cost: float
    forecaster: str
    habit: FloatArray
    excused: FloatArray
    earlier: FloatArray
    error: FloatArray
    own: FloatArray
    drift: tuple[FloatArray, ...]


def scores(
    series: Sequence[CostSeries], expected: Sequence[Expectation], *, settings: DetectSettings, every_day: bool = False
) -> list[Score]:
    """Scores of the last `judge_days` complete days, in the order of `series` and days.

    Only series with a day that may matter get scores, unless `every_day`: a complete day without a score is normal.
    """
    blocks = _blocks(series, expected, settings)
    if not blocks:
        return []
    own = Tail.of(_pool([block.own[:, : -block.judged] for block in blocks]))
    drift = [Tail.of(_pool([block.drift[k][:, : -block.judged] for block in blocks])) for k in range(len(DRIFT_DAYS))]
    found: dict[int, list[Score]] = {}
    for block in blocks:
        found.update(_judge(block, series, own, drift, settings, every_day))
    return [score for i in sorted(found) for score in found[i]]


def usual_error(errors: FloatArray, settings: DetectSettings) -> FloatArray:
    """Robust sigma of each row (NaN: unknown), shape (rows,), at least `least_error`.

    The largest of three readings, each right for normal errors: from the quartiles, the 90th and the 95th percentile.
    Jobs that run now and then are calm by the first and wild by the others. Rows with fewer than `min_days` errors
    are taken half as noisy again as the rows in the middle.
    """
    ordered = np.sort(errors, axis=1)
    count = np.isfinite(errors).sum(axis=1)
    row = np.arange(len(errors))

    def at(share: float) -> FloatArray:
        picked: FloatArray = ordered[row, np.maximum(((count - 1) * share).astype(np.intp), 0)]
        return picked

    sigma = np.full(len(errors), np.nan)
    enough = count >= settings.min_days
    if enough.any():
        readings = np.stack([(at(0.75) - at(0.25)) / 1.349, at(0.9) / 1.2816, at(0.95) / 1.6449])
        sigma[enough] = np.maximum(readings.max(axis=0), settings.least_error)[enough]
    young = 1.5 * float(np.median(sigma[enough])) if enough.any() else 10 * settings.least_error
    sigma[~enough] = young
    return sigma


def _blocks(series: Sequence[CostSeries], expected: Sequence[Expectation], settings: DetectSettings) -> list[_Block]:
    by_end: dict[date, list[int]] = {}
    for i, one in enumerate(expected):
        if len(one.days):
            by_end.setdefault(one.days.end, []).append(i)
    return [
        _block(series, expected, members[at : at + _CHUNK], end, settings)
        for end, members in sorted(by_end.items())
        for at in range(0, len(members), _CHUNK)
    ]


def _block(
    series: Sequence[CostSeries],
    expected: Sequence[Expectation],
    members: list[int],
    end: date,
    settings: DetectSettings,
) -> _Block:
    width = max(len(expected[i].days) for i in members)
    small_cost = expected[members[0]].small_cost
    observed, day_ahead, fortnight_ahead = (np.full((len(members), width), np.nan) for _ in range(3))
    for row, i in enumerate(members):
        days = len(expected[i].days)
        observed[row, width - days :] = series[i].complete_values[-days:]
        day_ahead[row, width - days :] = expected[i].day_ahead
        fortnight_ahead[row, width - days :] = expected[i].fortnight_ahead
    seen, habit, earlier = (compress(one, small_cost) for one in (observed, day_ahead, fortnight_ahead))
    judged = min(settings.judge_days, width)
    surprise = seen - habit
    surprise[np.cumsum(np.isfinite(surprise), axis=1) < _COLD_DAYS] = np.nan
    error = usual_error(surprise[:, :-judged], settings)
    rise = np.maximum(np.nan_to_num(surprise[:, -judged:]), 0.0)
    before = recurring(surprise, error, end, judged)
    again = np.minimum(before, rise)  # what recurs excuses a rise, it demands none
    excused = habit[:, -judged:] + before
    surprise[:, -judged:] -= again
    habit[:, -judged:] += again
    return _Block(
        members=members,
        end=end,
        judged=judged,
        small_cost=small_cost,
        forecaster=expected[members[0]].forecaster,
        habit=habit,
        excused=excused,
        earlier=earlier,
        error=error,
        own=surprise / error[:, None],
        drift=_drift(np.where(np.isnan(surprise), np.nan, seen - earlier), again, judged, settings),
    )


def _drift(gap: FloatArray, again: FloatArray, judged: int, settings: DetectSettings) -> tuple[FloatArray, ...]:
    """Mean of the last days' `gap` to the level a fortnight ago, in usual errors, for each of DRIFT_DAYS.

    NaN on days that themselves lie less than half as far off: what has gone back to normal drifts no more.
    """
    gap = gap.copy()
    gap[:, -judged:] -= again
    total = np.cumsum(np.nan_to_num(gap), axis=1)
    found = []
    for days in DRIFT_DAYS:
        mean = np.full(gap.shape, np.nan)
        mean[:, days:] = (total[:, days:] - total[:, :-days]) / days
        mean[np.isnan(gap)] = np.nan
        past = mean[:, :-judged]
        count = np.isfinite(past).sum(axis=1)
        centre = np.where(np.isfinite(past), past, 0.0).sum(axis=1) / np.maximum(count, 1)
        drift = (mean - centre[:, None]) / usual_error(past - centre[:, None], settings)[:, None]
        drift[count < settings.min_days] = np.nan  # what has just begun is expected to grow
        found.append(np.where(gap >= mean / 2, drift, np.nan))
    return tuple(found)


def _pool(parts: Sequence[FloatArray]) -> FloatArray:
    """A regular sample of large parts is enough: a tail is read at percentiles."""
    return np.concatenate([part.ravel()[:: max(1, part.size // _POOL)] for part in parts])


def _judge(
    block: _Block,
    series: Sequence[CostSeries],
    own: Tail,
    drift: Sequence[Tail],
    settings: DetectSettings,
    every_day: bool,
) -> dict[int, list[Score]]:
    last = slice(block.habit.shape[1] - block.judged, None)
    z_own, z_drift = block.own[:, last], np.fmax.reduce([one[:, last] for one in block.drift])
    p_own = np.minimum(own.p_value(z_own) / settings.day_share, 1.0)
    each = np.stack([tail.p_value(one[:, last]) for tail, one in zip(drift, block.drift, strict=True)])
    p_drift = np.minimum(len(drift) * each.min(axis=0) / (1 - settings.day_share), 1.0)
    by_drift = p_drift < p_own
    p_value = np.where(by_drift, p_drift, p_own)
    matters = (p_value <= settings.threshold * settings.opinion_weight) | (z_own <= -settings.drop_z)
    limit = own.surprise(settings.threshold * settings.day_share) * block.error[:, None]
    expected = expand(np.where(by_drift, block.earlier[:, last], block.habit[:, last]), block.small_cost)
    upper = expand(block.excused + limit, block.small_cost)
    z = np.where(by_drift, z_drift, z_own)

    start = block.end - timedelta(days=block.judged)
    found = {}
    for row in np.arange(len(block.members)) if every_day else np.flatnonzero(matters.any(axis=1)):
        one = series[block.members[row]]
        observed = one.complete_values[-block.judged :]
        skipped = block.judged - len(observed)
        found[block.members[row]] = [
            Score(
                scope=one.scope,
                currency=one.currency,
                day=start + timedelta(days=j),
                observed=float(observed[j - skipped]),
                expected=float(expected[row, j]),
                upper=float(upper[row, j]),
                z=float(z[row, j]),
                p_value=float(p_value[row, j]),
                scorer=f"{'drift' if by_drift[row, j] else 'day'}@{block.forecaster}",
            )
            for j in np.flatnonzero(np.isfinite(z_own[row])).tolist()
        ]
    return found
