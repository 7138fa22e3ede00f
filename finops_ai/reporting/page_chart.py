"""The days of a page as plain data, to be drawn where a message is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from finops_ai.domain.forecast import Score
from finops_ai.domain.series import CostSeries

DAYS_SHOWN = 35


def chart(series: CostSeries, scores: Mapping[date, Score], today: date) -> list[dict[str, Any]]:
    """`{day, observed, expected, low, high}` of the days until `today`, oldest first; amounts are decimal text or None.

    `low` and `high` are the expected cost and the line beyond which a day is strange, the lower one first; a day whose
    bill is not whole says so by `incomplete`.
    """
    end = min(series.days.end, today + timedelta(days=1))
    rows = []
    for day, value in zip(series.days, series.values.tolist(), strict=True):
        if not end - timedelta(days=DAYS_SHOWN) <= day < end:
            continue
        score = scores.get(day)
        low, high = sorted((score.expected, score.upper)) if score else (None, None)
        row: dict[str, Any] = {
            "day": day.isoformat(),
            "observed": _amount(value),
            "expected": _amount(score.expected) if score else None,
            "low": _amount(low),
            "high": _amount(high),
        }
        if day > series.complete_through:
            row["incomplete"] = True
        rows.append(row)
    return rows


def _amount(value: float | None) -> str | None:
    if value is None or not math.isfinite(value):
        return None
    return str(Decimal(repr(float(value))).quantize(Decimal("0.01")))
