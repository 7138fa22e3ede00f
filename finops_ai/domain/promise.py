"""What a forecast promised for a month, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from finops_ai.domain.period import BillingPeriod
from finops_ai.domain.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One scope's forecast as known when the month began, held against the bill.

    `expected` and `actual` are sums over the `days` of the month that were forecast, in `currency`. `wape` is the sum
    of absolute daily errors over that of absolute costs, `naive_wape` the same of repeating the last week; `bias` is
    positive for a forecast too high. `coverage_80` and `coverage_95` are shares of days inside the bands. NaN where
    nothing was charged or no week was known.
    """

    scope: Scope
    cost_basis: str
    currency: str
    month: BillingPeriod
    issued_on: date
    forecaster: str
    days: int
    expected: float
    actual: float
    wape: float
    naive_wape: float
    bias: float
    coverage_80: float
    coverage_95: float
