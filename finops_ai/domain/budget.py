"""A budget: what a scope may cost in a calendar month, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from finops_ai.domain.money import Money
from finops_ai.domain.period import BillingPeriod


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """`where` has globs by column; {} is everything billed in the currency of `amount`.

    `hard` is a limit that must hold, else it is a plan. It counts as projected to be exceeded once that is at least
    `probability` sure by the forecast.
    """

    name: str
    where: Mapping[str, str] = field(default_factory=dict)
    amount: Money
    hard: bool = False
    owner: str = ""
    probability: float = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a budget stands in a month: `spent` by the ledger, and its end as forecast with the 80 % band.

    `sure` is the largest probability, of those that the forecast's quantiles tell, with which the month ends above the
    amount: 0 where not even its upper end is above. `exceeds_on` is the day on which the amount was passed, or is by
    the median of the forecast; None while it is not. `forecaster` says by what; a run rate where there is no forecast.
    """

    budget: Budget
    month: BillingPeriod
    complete_through: date | None
    cost_basis: str
    spent: Money
    month_end: Money
    low_80: Money
    high_80: Money
    sure: float
    exceeds_on: date | None
    forecaster: str

    @property
    def is_exceeded(self) -> bool:
        return self.spent.amount > self.budget.amount.amount

    @property
    def is_projected(self) -> bool:
        return not self.is_exceeded and self.sure >= self.budget.probability

    @property
    def state(self) -> str:
        return "exceeded" if self.is_exceeded else "projected" if self.is_projected else "ok"
