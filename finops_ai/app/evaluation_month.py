"""How well a month's total is known on each day of it: forecasts replayed on many mornings, told by day of the month.

The total is what the bill has of the month by then (its last days completed, and unsure), the forecast of the rest, and
what bills are corrected by after their month has closed, put together as the forecast job does. It is held against the
bill as it was in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from finops_ai.app.evaluation import Split
from finops_ai.app.evaluation_forecast import SETTLING_DAYS, morning
from finops_ai.domain.errors import UsageError
from finops_ai.domain.forecast import BANDS, MEDIAN
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.corrections import CLOSED_DAYS, settled_months, shares, with_corrections
from finops_ai.forecasting.nowcast import AGES, nowcast
from finops_ai.forecasting.settings import ForecastSettings
from finops_ai.jobs.nowcasting import Nowcast, with_days

_LEAST = 1.0  # months that cost less say nothing in per cent
_BAR = 400  # marks for an error of 100 %: a mark is a quarter of a per cent
_WIDEST = 60


def by_day(
    split: Split,
    *,
    months: int,
    every: int,
    progress: Callable[[str], None],
    settings: ForecastSettings | None = None,
) -> list[dict[str, Any]]:
    """One row for each day of the month on which a forecast was made: every `every`-th of the last `months` whole ones.

    `error` is the median over series and months of the total's error as a share of it, `inside_…` the share of totals
    in their band. Raises UsageError for a split without a whole month, or by the hour.
    """
    if split.hourly:
        raise UsageError("evaluate month wants a split by the day; this one is by the hour")
    first = split.first.date()
    whole = _whole_months(first, first + timedelta(days=split.log.steps - SETTLING_DAYS))[-months:]
    if not whole:
        raise UsageError("the split has no whole month after which the bill had settled")
    found: dict[int, list[FloatArray]] = {}
    for month in whole:
        for at in range(0, len(month.days), every):
            origin = month.start + timedelta(days=at)
            found.setdefault(at + 1, []).append(_held(split, month, origin, settings or ForecastSettings()))
            progress(f"{origin}")
    return [_row(day, np.concatenate(parts)) for day, parts in sorted(found.items())]


def _whole_months(first: date, end: date) -> list[BillingPeriod]:
    """Months that lie between the days, with at least as much before them as a forecast needs to be one."""
    found, month = [], BillingPeriod.of(first + timedelta(days=62))
    while month.end <= end:
        found.append(month)
        month = BillingPeriod.of(month.end)
    return found


def _held(split: Split, month: BillingPeriod, origin: date, settings: ForecastSettings) -> FloatArray:
    """The error as a share of the total, and 1 or 0 for inside each band; one row for each series with any cost."""
    start, end, at = ((day - split.first.date()).days for day in (month.start, month.end, origin))
    final = np.nan_to_num(split.log.as_of(split.log.steps + SETTLING_DAYS)[:, start:end]).sum(axis=1)
    known, unsure = (np.nan_to_num(part) for part in nowcast(split.log.revisions(at, split.codes("provider"))))
    filling = max(start, at - AGES)
    days = Days(split.first.date() + timedelta(days=filling), origin)
    so_far = known[:, start:filling].sum(axis=1)
    last = month.end - timedelta(days=1)
    changed = _changed(split, origin)
    rows = []
    for i, one in enumerate(morning(split, origin, settings=settings).found):
        if abs(final[i]) < _LEAST or last not in one.total_quantiles:
            continue
        newest = Nowcast(days=days, mean=known[i, filling:at], spread=unsure[i, filling:at])
        before = float(so_far[i])
        total = before + with_corrections(with_days(one, newest), before, changed).total_quantiles[last]
        inside = [float(total[low] <= final[i] <= total[high]) for low, high in BANDS.values()]
        rows.append([abs(total[MEDIAN] - final[i]) / abs(final[i]), *inside])
    return np.array(rows).reshape(-1, 1 + len(BANDS))


def _changed(split: Split, origin: date) -> FloatArray | None:
    """By what share the bills of the series were corrected in the months that had settled by `origin`."""
    first, closed, settled = split.first.date(), list[FloatArray](), list[FloatArray]()
    now = split.log.as_of((origin - first).days)
    for month in settled_months(origin):
        if month.start < first:
            break
        start, end = ((day - first).days for day in (month.start, month.end))
        closed.append(np.nan_to_num(split.log.as_of(end + CLOSED_DAYS)[:, start:end]).sum(axis=1))
        settled.append(np.nan_to_num(now[:, start:end]).sum(axis=1))
    nothing = np.zeros(0)
    return shares(np.concatenate([nothing, *closed]), np.concatenate([nothing, *settled]))


def _row(day: int, held: FloatArray) -> dict[str, Any]:
    error = float(np.median(held[:, 0])) if len(held) else float("nan")
    inside: Sequence[float] = held[:, 1:].mean(axis=0).tolist() if len(held) else [float("nan")] * len(BANDS)
    return {
        "day": day,
        "totals": len(held),
        "error": f"{error:.4f}",
        **{f"inside_{100 * level:g}": f"{share:.3f}" for level, share in zip(BANDS, inside, strict=True)},
        "chart": "▇" * min(round(_BAR * np.nan_to_num(error)), _WIDEST),
    }
