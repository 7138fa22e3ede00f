"""The day that is not over, told of as soon as it has cost more than the whole day should.

A day that is not over can only grow, so that a rise of it is one whatever else comes. It is held against all of the day
and not against what is usually there by now: a job that ran earlier than usual would be an alarm every time. Nothing
else of detection knows of this day; the next morning it is judged like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np

from finops_ai.detection.habit import NAME
from finops_ai.detection.panel import Filling, panels
from finops_ai.detection.parts import parts_of
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.verdicts import DAY, DRIFT, SCORERS, Tails, judge, scores
from finops_ai.domain.forecast import Score
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.series import CostSeries

SCORER = f"today@{NAME}"
_RISES = (SCORERS[DAY], SCORERS[DRIFT])
_WEEK = timedelta(days=7)


def so_far(
    series: Sequence[CostSeries],
    beside: Sequence[CostSeries],
    filling: Sequence[Filling | None],
    announced: Sequence[KnownEvent],
    tails: Tails,
    *,
    as_of: datetime,
    size: int,
    settings: DetectSettings,
) -> list[Score]:
    """Scores of the day of `as_of` (UTC), of the series in which it is strange already, in their order.

    `filling` is that of the mornings before, of `series` and then `beside`; `tails` say what is usual. Only series that
    have cost more today than on the same day of the week before, if that is complete, are looked at: of the others no
    day is a rise. The parts of those that are strange, which may be `beside`, are looked at with them then.
    """
    today, every = as_of.date(), [*series, *beside]
    before = [_on(one, today - _WEEK) if today - _WEEK in one.complete_days else 0.0 for one in series]
    dear = [i for i, one in enumerate(series) if _on(one, today) > max(before[i], 0.0)]

    def strange(asked: Sequence[int]) -> list[Score]:
        watched = [_believed(every[i], today) if filling[i] is None else every[i] for i in asked]
        fills = [_from_today(filling[i]) for i in asked]
        tomorrow = today + timedelta(days=1)
        side_by_side = panels(watched, fills, announced, today=tomorrow, size=size, settings=settings)
        return [
            replace(score, scorer=SCORER)
            for score in scores(judge(side_by_side, settings, tails), watched, settings)
            if score.day == today and score.z > 0 and score.p_value <= settings.normal_p and score.scorer in _RISES
        ]

    if not (found := strange(dear)):
        return []
    told = {(score.scope, score.currency) for score in found}
    wholes = {i for i in dear if (series[i].scope, series[i].currency) in told}
    parts = {part for part, whole in parts_of(every).tolist() if whole in wholes}
    if not parts:
        return found
    known = {(series[i].scope, series[i].currency) for i in dear}
    return [score for score in strange(sorted({*dear, *parts})) if (score.scope, score.currency) in known]


def _on(one: CostSeries, day: date) -> float:
    return float(one.values[(day - one.days.start).days]) if day in one.days else 0.0


def _believed(one: CostSeries, today: date) -> CostSeries:
    """The series with today, and without the days before it whose bill is not whole."""
    values = one.values.copy()
    values[len(one.complete_days) : (today - one.days.start).days] = np.nan
    return replace(one, values=values, complete_through=today)


def _from_today(before: Filling | None) -> Filling | None:
    """The filling of days from today on backwards: today counts for as much as there is of it."""
    if before is None:
        return None
    return Filling(share=np.concatenate([[1.0], before.share]), spread=np.concatenate([[0.0], before.spread]))
