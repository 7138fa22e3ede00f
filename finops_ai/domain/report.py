"""A weekly report: facts that every page, table and chart of it is drawn from; none exists whose tables do not tie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from finops_ai.domain.drift import Drift
from finops_ai.domain.episode import Episode, EpisodeState
from finops_ai.domain.errors import Leak
from finops_ai.domain.money import EXACT, total
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.domain.proposal import ProposalState, Saving
from finops_ai.domain.realised import RealisedSum


@dataclass(frozen=True, slots=True)
class NamedCost:
    name: str
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Versus:
    """A cost beside the one it is compared with."""

    now: Decimal
    before: Decimal

    @property
    def delta(self) -> Decimal:
        return EXACT.subtract(self.now, self.before)

    @property
    def ratio(self) -> float | None:
        """Change as a share of the size of the base; None when the base is 0: new spend has no percentage."""
        return float(self.delta / abs(self.before)) if self.before else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFigure:
    """One day of a chart: what was charged, what was expected, and the 80 % band. None: not known."""

    day: date
    observed: Decimal | None
    complete: bool
    expected: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthEnd:
    """What a month comes to: complete days as billed, the rest as forecast; `low`..`high` is the 80 % band.

    `measured_coverage` is the share of past days that fell inside such a band; None: too few to tell.
    """

    expected: Decimal
    low: Decimal
    high: Decimal
    measured_coverage: float | None
    forecaster: str
    degraded: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerCost:
    """Spend by cost center or AI model, `shared` of it by shared costs; `month_end` of all or of none."""

    name: str
    spend: Versus
    shared: Decimal
    month_to_date: Decimal
    month_end: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """One contributor to the week's change; `others` > 0 marks the row that holds that many smaller ones."""

    what: tuple[tuple[str, str], ...]
    spend: Versus
    episode: str | None = None
    others: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedRule:
    """A line for the section `allocation` of the configuration, with its reason.

    `cost_center` has `share` (0..1) of the tagged cost of `among`, such as "this account".
    """

    text: str
    cost_center: str
    share: float
    among: str


@dataclass(frozen=True, slots=True)
class Leader:
    """A place where untagged cost is; `rule` would place it, None where the tagged cost there speaks for nobody."""

    name: str
    cost: Decimal
    rule: ProposedRule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of the week's direct cost a rule placed; `by_rule` and `untagged` add up to `cost`."""

    currency: str
    cost: Decimal
    by_rule: tuple[NamedCost, ...]
    untagged: Decimal
    leaders: tuple[Leader, ...]

    def __post_init__(self) -> None:
        _tie(f"allocation coverage in {self.currency}", (*(r.cost for r in self.by_rule), self.untagged), self.cost)

    @property
    def ratio(self) -> float | None:
        return float((self.cost - self.untagged) / self.cost) if self.cost else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How last month's forecasts turned out. `wape` and `bias` as shares of cost; `coverage_80` None: too few days."""

    currency: str
    month: BillingPeriod
    forecaster: str
    days: int
    wape: float
    bias: float
    coverage_80: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalFact:
    """One rightsizing proposal; `blocked_by` says which rules deny it and why, `realised` what it saved if merged."""

    key: str
    workload: str
    changes: tuple[str, ...]
    saving: Saving
    state: ProposalState
    blocked_by: tuple[str, ...] = ()
    realised: RealisedSum | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFact:
    """One billing period of one source in one currency (billed cost), as the export says and as the ledger has it.

    `previous` is what the ledger had a week earlier, if anything; `exported` and `loaded` are None where refused.
    """

    source: str
    billing_period: BillingPeriod
    currency: str
    status: str
    rows: int
    rows_rejected: int
    exported: Decimal | None
    loaded: Decimal | None
    previous: Decimal | None = None
    loaded_at: datetime | None = None

    @property
    def difference(self) -> Decimal | None:
        """Ledger minus export: 0 unless something is wrong."""
        return None if self.loaded is None or self.exported is None else EXACT.subtract(self.loaded, self.exported)

    @property
    def restated(self) -> Decimal:
        """Change of a period that was known a week earlier."""
        known = self.previous is not None and self.loaded is not None
        return EXACT.subtract(self.loaded, self.previous) if known else Decimal(0)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFact:
    """Billed cost of one sub account in one billing period: as the export's own lines say, and as the ledger has it."""

    source: str
    billing_period: str
    currency: str
    sub_account_id: str
    exported: Decimal
    loaded: Decimal

    @property
    def difference(self) -> Decimal:
        return EXACT.subtract(self.loaded, self.exported)


@dataclass(frozen=True, slots=True)
class Note:
    """What a reader must know of the data. `level` is info, warning or error."""

    level: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One currency. Raises Leak when a table does not add up to the headline.

    `four_weeks_earlier` is the cost of the same weekdays of the week 28 days before, None where the ledger does not
    reach back. `daily` runs to the end of `month`; `cumulative` is the month's running total.
    """

    currency: str
    spend: Versus
    four_weeks_earlier: Decimal | None
    month: BillingPeriod
    month_to_date: Decimal
    month_end: MonthEnd | None
    by_cost_center: tuple[OwnerCost, ...]
    by_ai_model: tuple[OwnerCost, ...]
    movers: tuple[Mover, ...]
    coverage: Coverage | None
    accuracy: tuple[Accuracy, ...]
    episodes: tuple[Episode, ...]
    traces: tuple[tuple[str, tuple[DayFigure, ...]], ...]
    proposals: tuple[ProposalFact, ...]
    daily: tuple[DayFigure, ...]
    cumulative: tuple[DayFigure, ...]

    def __post_init__(self) -> None:
        for name, owners in (("cost center", self.by_cost_center), ("AI model", self.by_ai_model)):
            where = f"spend by {name} in {self.currency}"
            _tie(f"{where}, this week", (owner.spend.now for owner in owners), self.spend.now)
            _tie(f"{where}, the week before", (owner.spend.before for owner in owners), self.spend.before)
            _tie(f"{where}, month to date", (owner.month_to_date for owner in owners), self.month_to_date)
            if self.month_end and (ends := [one.month_end for one in owners if one.month_end is not None]):
                _tie(f"{where}, month forecast", ends, self.month_end.expected)
        _tie(f"movers in {self.currency}", (mover.spend.delta for mover in self.movers), self.spend.delta)
        if self.coverage:
            _tie(f"allocation coverage in {self.currency}", (self.coverage.cost,), self.spend.now)

    @property
    def open_episodes(self) -> tuple[Episode, ...]:
        return tuple(episode for episode in self.episodes if episode.state is not EpisodeState.RESOLVED)

    @property
    def open_excess(self) -> Decimal:
        return total(episode.excess.amount for episode in self.open_episodes)

    @property
    def projected_excess(self) -> Decimal:
        return total(episode.projected.amount for episode in self.open_episodes)

    def savings(self, *states: ProposalState) -> Decimal:
        """Middle of the monthly savings of the proposals in these states."""
        return total(fact.saving.middle.amount for fact in self.proposals if fact.state in states)

    @property
    def savings_identified(self) -> Decimal:
        return self.savings(ProposalState.OPEN, ProposalState.BLOCKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`week` is seven UTC days from a Monday; sections are sorted by currency; costs are on `cost_basis`.

    `complete_through` is the last day whose bill is taken as whole; None when no day is.
    """

    week: Days
    as_of: datetime
    cost_basis: str
    rules_version: str
    complete_through: date | None
    sections: tuple[Section, ...]
    deliveries: tuple[DeliveryFact, ...]
    accounts: tuple[AccountFact, ...]
    notes: tuple[Note, ...]
    drifts: tuple[Drift, ...] = ()

    @property
    def week_name(self) -> str:
        """ISO 8601 week such as 2026-W21."""
        year, week, _ = self.week.start.isocalendar()
        return f"{year:04d}-W{week:02d}"

    @property
    def reconciled(self) -> bool:
        by_period = any(delivery.difference for delivery in self.deliveries)
        return not by_period and not any(account.difference for account in self.accounts)


def _tie(what: str, parts: Iterable[Decimal], whole: Decimal) -> None:
    if (found := total(parts)) != whole:
        raise Leak(f"{what} adds up to {found}, the report's headline says {whole}")
