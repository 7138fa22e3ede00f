"""Memory for what recurs: fees, month ends, fortnights and quarters that stood out before."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from finops_ai.domain.period import BillingPeriod
from finops_ai.domain.series import FloatArray

_STANDS_OUT = 2.0
_LAST_DAYS = 3  # of a month, counted from its end


def recurring(surprise: FloatArray, scale: FloatArray, end: date, judged: int) -> FloatArray:
    """How much of each of the last `judged` days' surprise was seen at its kind of day before, at least 0.

    `surprise` has shape (series, days) and ends on the day before `end`; `scale` (series,) are the usual errors; the
    result has shape (series, judged). Only surprises that stood out count.
    """
    days = surprise.shape[1]
    stood_out = np.where(surprise > _STANDS_OUT * scale[:, None], surprise, 0.0)  # NaN compares false
    result = np.zeros((len(surprise), judged))
    for j in range(judged):
        at = days - judged + j
        day = end - timedelta(days=days - at)
        for group in _kindred(day):
            places = [[days - (end - one).days for one in near] for near in group]
            inside = [[p for p in near if 0 <= p < at] for near in places]
            if all(inside):
                seen = [stood_out[:, near].max(axis=1) for near in inside]
                result[:, j] = np.maximum(result[:, j], np.minimum.reduce(seen))
    return result


def _kindred(day: date) -> list[list[list[date]]]:
    """Groups of earlier days like `day`; a group speaks if each of its places stood out, a place by any of its days.

    Last month or the month before (a day either way: weekends move fees), two fortnights in a row, last quarter.
    """
    groups: list[list[list[date]]] = []
    period = BillingPeriod.of(day)
    to_end = (period.end - day).days
    for _ in range(3):
        period = BillingPeriod.of(period.start - timedelta(days=1))
        same = [period.start + timedelta(days=min(day.day, len(period.days)) - 1)]
        if to_end <= _LAST_DAYS:
            same.append(period.end - timedelta(days=to_end))
        groups.append([[one + timedelta(days=shift) for one in same for shift in (-1, 0, 1)]])
    groups.append([[day - timedelta(days=14)], [day - timedelta(days=28)]])
    return groups
