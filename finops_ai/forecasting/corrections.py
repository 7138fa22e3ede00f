"""How bills were corrected after their month had closed, and the band of a month's total with that.

Days fill up within mornings; what comes after a month has closed is another thing: rates are trued up, credits arrive,
late usage is booked. Most bills are left as they are, and some change by a percent or two, upwards more often than not.
So quantiles of what happened are taken, and no spread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from finops_ai.domain.forecast import LEVELS, MEDIAN, Forecast
from finops_ai.domain.period import BillingPeriod
from finops_ai.domain.series import FloatArray

CLOSED_DAYS = 3
"""Days after its end on which a month's bill has all its days."""

_SETTLED_DAYS = 12  # after its end: from then on a bill is taken to be final
_MONTHS = 12
_LEAST_BILLS = 20
_LARGEST = 0.2  # of a bill: what changes by more was not there when its month closed
_LEAST_COST = 1.0


def settled_months(today: date) -> Iterator[BillingPeriod]:
    """Those of the last months whose bills are final, the newest first."""
    month = BillingPeriod.of(today)
    for _ in range(_MONTHS):
        month = BillingPeriod.of(month.start - timedelta(days=1))
        if month.end + timedelta(days=_SETTLED_DAYS) <= today:
            yield month


def shares(closed: FloatArray, settled: FloatArray) -> FloatArray | None:
    """By what share of themselves bills changed, as quantiles at LEVELS; at most 0 below the median, at least 0 above.

    `closed` and `settled` (bills,) are a month's cost of one part of a bill, in its currency, when its month closed and
    when it was final. None where too few are known to say anything.
    """
    known = np.isfinite(closed) & np.isfinite(settled) & (closed > _LEAST_COST)
    changed = settled[known] / closed[known] - 1
    changed = changed[np.abs(changed) <= _LARGEST]
    if len(changed) < _LEAST_BILLS:
        return None
    found: FloatArray = np.quantile(changed, LEVELS)
    found[:MEDIAN] = np.minimum(found[:MEDIAN], 0.0)
    found[MEDIAN] = 0.0
    found[MEDIAN + 1 :] = np.maximum(found[MEDIAN + 1 :], 0.0)
    return found


def with_corrections(one: Forecast, so_far: float, changed: FloatArray | None) -> Forecast:
    """The forecast with the total of the month it begins in as unsure as that month's bill is once it has closed.

    `so_far` is what the month cost before the forecast's first day. The two are taken to err independently.
    """
    last = BillingPeriod.of(one.days.start).end - timedelta(days=1)
    if changed is None or last not in one.total_quantiles:
        return one
    values = one.total_quantiles[last]
    median = values[MEDIAN]
    away = values - median
    wider = median + np.sign(away + changed) * np.hypot(away, changed * abs(so_far + median))
    return replace(one, total_quantiles={**one.total_quantiles, last: wider})
