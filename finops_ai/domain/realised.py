"""What a merged change really saved over a stretch of time, and what it did not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from finops_ai.domain.money import Money, total
from finops_ai.domain.period import Days
from finops_ai.domain.usage import Workload

MONTH_DAYS = 28
"""A month of the savings ledger: four whole weeks from the day after the merge on, so that weekdays cancel out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """The saving of one merge in its month `number` (1 is the first), over the whole weeks of it that are billed.

    `identified` is what the proposal promised for these days. `estimate` is against the counterfactual, in the 80 %
    range `low`..`high`; positive is less cost. `fall` is how much less was paid than before, day for day, for the
    workload and what its cluster leaves idle; `booked` is the part of the estimate that this fall covers, what remains
    was avoided, not saved. `proved_on` is the last day of the week from which on the range is above zero.
    `utilisation` says in words what the metrics show.
    """

    key: str
    merged_on: date
    number: int
    days: Days
    workload: Workload
    identified: Money
    estimate: Money
    low: Money
    high: Money
    counterfactual: Money
    actual: Money
    fall: Money
    booked: Money
    controls: int
    method: str
    proved_on: date | None
    utilisation: Mapping[str, str] = field(default_factory=dict)

    @property
    def avoided(self) -> Decimal:
        return self.estimate.amount - self.booked.amount


@dataclass(frozen=True, slots=True, kw_only=True)
class RealisedSum:
    """All months of one proposal: sums (the ends of the range added up, so rather too wide), and until which day."""

    estimate: Decimal
    low: Decimal
    high: Decimal
    booked: Decimal
    through: date
    proved_on: date | None


def summed(rows: Iterable[Realised]) -> dict[str, RealisedSum]:
    """By key of the proposal; a proposal's months are in one currency, its merges are added up."""
    months: dict[str, list[Realised]] = {}
    for row in rows:
        months.setdefault(row.key, []).append(row)
    return {
        key: RealisedSum(
            estimate=total(row.estimate.amount for row in own),
            low=total(row.low.amount for row in own),
            high=total(row.high.amount for row in own),
            booked=total(row.booked.amount for row in own),
            through=max(row.days.end for row in own) - timedelta(days=1),
            proved_on=min((row.proved_on for row in own if row.proved_on), default=None),
        )
        for key, own in months.items()
    }
