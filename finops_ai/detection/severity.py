"""How bad an episode is: dollars by month end, times the confidence that it is real."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta

from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.episode import DATA_KINDS, Severity
from finops_ai.domain.period import BillingPeriod

_RECENT_DAYS = 3
_SURE = 1e-4
_YEAR, _HABIT = 365, 3  # days looked at, and how often a series must have cost something to say how often it does


def projected_excess(
    excess_by_day: Sequence[float],
    last_day: date,
    *,
    is_open: bool,
    since: Sequence[float] = (),
    share: float = 1.0,
) -> float:
    """Excess by the end of the month of `last_day` if the mean of the last three days goes on; as it is if resolved.

    `excess_by_day` ends on `last_day`; `since` are the days after it, on which there was little or none. The series
    costs something on a `share` of its days: that it did on the day that opened the episode says nothing of the next.
    """
    so_far = math.fsum(excess_by_day)
    if not is_open or not excess_by_day:
        return so_far
    days = [*excess_by_day, *since]
    recent = days[-_RECENT_DAYS:]
    pace = math.fsum(recent) / len(recent)
    if len(days) == len(recent):
        ran = sum(1 for excess in recent if excess) or 1
        pace *= (share + ran - 1) / ran
    left = (BillingPeriod.of(last_day).end - last_day - timedelta(days=1 + len(since))).days
    return so_far + max(left, 0) * pace


def share_of_days(costs: Sequence[float]) -> float:
    """Share of the days, of a year's at most, on which a series costs something; all where it hardly ever did yet."""
    year = costs[-_YEAR:]
    ran = [i for i, cost in enumerate(year) if cost > 0]
    return len(ran) / (len(year) - ran[0]) if len(ran) >= _HABIT else 1.0


def confidence(p_value: float) -> float:
    """1 for p-values of one in ten thousand or less, falling with their logarithm to 0 at 1."""
    return min(1.0, math.log(max(p_value, 1e-300)) / math.log(_SURE)) if p_value < 1 else 0.0


def severity(projected: float, p_value: float, kind: str, settings: DetectSettings, floor: float = 0.0) -> Severity:
    """From `projected` (in the series' currency) times confidence: dollars, never sigma alone.

    Below the scope's `floor` nothing is graver than info, and neither is what doubts the bill: a drop, missing data.
    """
    weight = projected * confidence(p_value)
    if kind == "drop" or kind in DATA_KINDS or weight < max(settings.warning, floor):
        return Severity.INFO
    if weight < settings.error:
        return Severity.WARNING
    return Severity.ERROR if weight < settings.critical else Severity.CRITICAL
