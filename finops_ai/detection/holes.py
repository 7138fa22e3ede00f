"""Days that are empty though such days cost something: of a whole source, which no saving explains."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.doubt import Doubt
from finops_ai.domain.money import Money
from finops_ai.domain.rounding import micros
from finops_ai.domain.series import CostSeries, FloatArray

WEEKS = 8
_EMPTY = 0.1
_SETTLED_DAYS = 14


def usual_of_weekday(values: FloatArray, weeks: int = WEEKS) -> FloatArray:
    """For each day the median of the same weekday in the weeks before, NaN where fewer than four are known."""
    usual = np.full(len(values), np.nan)
    for back in range(7 * 4, len(values)):
        usual[back] = np.median(values[max(back % 7, back - 7 * weeks) : back : 7])
    return usual


def holes(sources: Sequence[CostSeries], today: date, settings: DetectSettings) -> list[Doubt]:
    """Runs of empty complete days among the judged ones; `sources` are series of one source each."""
    found = []
    for one in sources:
        values = one.complete_values
        usual = usual_of_weekday(values)
        floor = settings.floor_of(one.currency)
        first = max(0, len(values) - settings.judge_days)
        with np.errstate(invalid="ignore"):
            empty = (values < _EMPTY * usual) & (usual >= floor)
        run: list[int] = []
        for i in range(first, len(values) + 1):
            if i < len(values) and empty[i]:
                run.append(i)
            elif run:
                found.append(_doubt(one, run, usual, today))
                run = []
    return found


def _doubt(one: CostSeries, run: Sequence[int], usual: FloatArray, today: date) -> Doubt:
    days = [one.days.start + timedelta(days=i) for i in run]
    source = dict(one.scope.pairs)["source"]
    expected = Money(micros(float(usual[list(run)].sum())), one.currency)
    observed = Money(micros(float(one.values[list(run)].sum())), one.currency)
    span = f"{days[0]}" if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return Doubt(
        kind="gap",
        anchor=source,
        first=days[0],
        last=days[-1],
        expected=expected,
        observed=observed,
        words=f"{span}: {observed.amount:.2f} {one.currency} on the bill, {expected.amount:.2f} on such days before",
        where={"source": source},
        settled=(today - days[0]).days > _SETTLED_DAYS and len(days) >= _SETTLED_DAYS,
    )
