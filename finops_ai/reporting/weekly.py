"""A week's facts put together into a Report: pure sums of decimals, every table tied to its headline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from finops_ai.domain.drift import Drift
from finops_ai.domain.episode import Episode, EpisodeState
from finops_ai.domain.errors import Problem
from finops_ai.domain.forecast import Forecast
from finops_ai.domain.money import EXACT, total
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.domain.report import (
    AccountFact,
    Accuracy,
    Coverage,
    DayFigure,
    DeliveryFact,
    Mover,
    Note,
    OwnerCost,
    ProposalFact,
    Report,
    Section,
    Versus,
)
from finops_ai.reporting.formats import day
from finops_ai.reporting.outlook import ByDay, Outlook, billed_in
from finops_ai.reporting.owner_outlook import owner_month_ends

Row = Mapping[str, Any]
WEEK = timedelta(days=7)
MOVER_KEYS = ("x_cost_center", "x_ai_model", "service_name")
MOVERS = 8
HISTORY_DAYS = 35
"""Days before the week's end that the daily chart shows; together with the month it is what `costs` must reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a job hands over, all as known at `as_of`.

    `costs`: rows with day, currency, MOVER_KEYS and `<cost_basis>_cost` as Decimal, from `first_day(week)` on; shared
    costs may have been split already (`x_shared_from` then names the pool, else is '' or missing; `unsplit` are the
    same rows before, empty where nothing was shared).
    `forecasts`: of the total, of cost centers and of AI models; those issued last count, others are ignored.
    `coverage`: of the week's direct costs. `traces`: by episode key, the days to draw. `problems`: of the data.
    `converted`: the week's cost by currency with `x_reporting_currency` and its worth in that,
    `x_reporting_<cost_basis>_cost` (None where no rate is known). `paging`: what is to be said of the pages.
    """

    as_of: datetime
    week: Days
    cost_basis: str
    rules_version: str
    complete_through: date | None
    costs: Sequence[Row]
    unsplit: Sequence[Row] = ()
    forecasts: Sequence[Forecast] = ()
    episodes: Sequence[Episode] = ()
    traces: Mapping[str, Sequence[DayFigure]] | None = None
    coverage: Sequence[Coverage] = ()
    accuracy: Sequence[Accuracy] = ()
    proposals: Sequence[ProposalFact] = ()
    deliveries: Sequence[DeliveryFact] = ()
    accounts: Sequence[AccountFact] = ()
    converted: Sequence[Row] = ()
    problems: Sequence[Problem] = ()
    paging: Sequence[Note] = ()
    drifts: Sequence[Drift] = ()

    @property
    def before(self) -> Days:
        return Days(self.week.start - WEEK, self.week.end - WEEK)

    @property
    def month(self) -> BillingPeriod:
        """The month of the week's last day."""
        return BillingPeriod.of(self.week.end - timedelta(days=1))


def last_week(today: date) -> Days:
    """The newest week from Monday to Sunday that ended before `today`."""
    monday = today - timedelta(days=today.weekday())
    return Days(monday - WEEK, monday)


def first_day(week: Days) -> date:
    """First day of which a report on `week` needs costs."""
    month = BillingPeriod.of(week.end - timedelta(days=1)).start
    return min(month, week.end - timedelta(days=HISTORY_DAYS))


def assemble(facts: Facts) -> Report:
    """Raises Leak when a table would not add up to its headline."""
    currencies = {row["currency"] for row in facts.costs}
    currencies |= {episode.excess.currency for episode in facts.episodes}
    currencies |= {proposal.saving.low.currency for proposal in facts.proposals}
    deliveries = sorted(facts.deliveries, key=lambda fact: (fact.source, fact.billing_period, fact.currency))
    return Report(
        week=facts.week,
        as_of=facts.as_of,
        cost_basis=facts.cost_basis,
        rules_version=facts.rules_version,
        complete_through=facts.complete_through,
        sections=tuple(_section(facts, currency) for currency in sorted(currencies)),
        deliveries=tuple(deliveries),
        accounts=tuple(facts.accounts),
        notes=tuple(_notes(facts)),
        drifts=tuple(facts.drifts),
    )


def _section(facts: Facts, currency: str) -> Section:
    rows = [row for row in facts.costs if row["currency"] == currency]
    unsplit = [row for row in facts.unsplit if row["currency"] == currency] if facts.unsplit else rows
    cost = f"{facts.cost_basis}_cost"
    by_issue = sorted(facts.forecasts, key=lambda forecast: forecast.issued_on)
    outlook = Outlook(
        month=facts.month,
        complete_through=facts.complete_through,
        forecasts={one.scope: one for one in by_issue if one.currency == currency},
    )
    by_day = _sums(rows, lambda row: row["day"], cost)
    earlier = Days(facts.week.start - 4 * WEEK, facts.week.end - 4 * WEEK)
    month_to_date = billed_in(by_day, facts.month.days)
    episodes = [episode for episode in facts.episodes if episode.excess.currency == currency]
    traces = facts.traces or {}
    return Section(
        currency=currency,
        spend=Versus(billed_in(by_day, facts.week), billed_in(by_day, facts.before)),
        four_weeks_earlier=billed_in(by_day, earlier) if min(by_day, default=facts.week.end) <= earlier.start else None,
        month=facts.month,
        month_to_date=month_to_date,
        month_end=outlook.month_end(by_day),
        by_cost_center=_owners(facts, rows, unsplit, "x_cost_center", outlook, by_day),
        by_ai_model=_owners(facts, rows, unsplit, "x_ai_model", outlook, by_day),
        movers=_movers(facts, rows, episodes),
        coverage=next((known for known in facts.coverage if known.currency == currency), None),
        accuracy=tuple(known for known in facts.accuracy if known.currency == currency),
        episodes=tuple(sorted(episodes, key=_urgency)),
        traces=tuple((episode.key, tuple(traces[episode.key])) for episode in episodes if episode.key in traces),
        proposals=tuple(sorted((p for p in facts.proposals if p.saving.low.currency == currency), key=_worth)),
        daily=outlook.daily(by_day, facts.week.end - timedelta(days=HISTORY_DAYS)),
        cumulative=outlook.cumulative(by_day),
    )


def _sums(rows: Iterable[Row], key: Callable[[Row], Any], cost: str) -> dict[Any, Decimal]:
    sums: dict[Any, Decimal] = {}
    for row in rows:
        name = key(row)
        sums[name] = EXACT.add(sums.get(name, Decimal(0)), row[cost])
    return sums


def _owners(
    facts: Facts, rows: Sequence[Row], unsplit: Sequence[Row], key: str, outlook: Outlook, whole: ByDay
) -> tuple[OwnerCost, ...]:
    """Owners with any cost in the week, the week before or the month, or with some to come, dearest first."""
    cost = f"{facts.cost_basis}_cost"
    days = _by_owner(rows, key, cost)
    direct = _by_owner((row for row in rows if not row.get("x_shared_from")), key, cost)
    month_ends = owner_month_ends(outlook, key, whole, _by_owner(unsplit, key, cost), days)
    owners = []
    for owner in sorted({*days, *month_ends}):
        by_day = days.get(owner, {})
        owners.append(
            OwnerCost(
                name=owner,
                spend=Versus(billed_in(by_day, facts.week), billed_in(by_day, facts.before)),
                shared=EXACT.subtract(billed_in(by_day, facts.week), billed_in(direct.get(owner, {}), facts.week)),
                month_to_date=billed_in(by_day, facts.month.days),
                month_end=month_ends.get(owner),
            )
        )
    shown = (one for one in owners if one.spend.now or one.spend.before or one.month_to_date or one.month_end)
    return tuple(sorted(shown, key=lambda owner: (-owner.spend.now, owner.name)))


def _by_owner(rows: Iterable[Row], key: str, cost: str) -> dict[str, dict[date, Decimal]]:
    found: dict[str, dict[date, Decimal]] = {}
    for (owner, on), amount in _sums(rows, lambda row: (row[key], row["day"]), cost).items():
        found.setdefault(owner, {})[on] = amount
    return found


def _movers(facts: Facts, rows: Sequence[Row], episodes: Sequence[Episode]) -> tuple[Mover, ...]:
    """The largest contributors to the week's change and one row for the rest, so that they add up to it."""
    cost = f"{facts.cost_basis}_cost"

    def what(row: Row) -> tuple[tuple[str, str], ...]:
        return tuple((key, row[key]) for key in MOVER_KEYS)

    now = _sums((row for row in rows if row["day"] in facts.week), what, cost)
    before = _sums((row for row in rows if row["day"] in facts.before), what, cost)
    pairs = {key: Versus(now.get(key, Decimal(0)), before.get(key, Decimal(0))) for key in {*now, *before}}
    ranked = sorted(pairs.items(), key=lambda item: (-abs(item[1].delta), item[0]))
    movers = [Mover(what=key, spend=pair, episode=_episode_of(key, episodes)) for key, pair in ranked if pair.delta]
    rest = [mover.spend for mover in movers[MOVERS:]]
    if rest:
        spend = Versus(total(pair.now for pair in rest), total(pair.before for pair in rest))
        movers[MOVERS:] = [Mover(what=(), spend=spend, others=len(rest))]
    return tuple(movers)


def _episode_of(what: tuple[tuple[str, str], ...], episodes: Sequence[Episode]) -> str | None:
    """The open episode, narrowest first, in whose scope and place a contributor lies."""
    known = dict(what)
    inside = [
        (len(named), episode.key)
        for episode in episodes
        if episode.state is not EpisodeState.RESOLVED
        and (named := {**dict(episode.scope.pairs), **episode.where})
        and all(known[name] == value for name, value in named.items() if name in known)
        and named.keys() & known.keys()
    ]
    return min(inside, key=lambda found: (-found[0], found[1]))[1] if inside else None


def _urgency(episode: Episode) -> tuple[bool, int, Decimal, str]:
    """Open ones first, then the graver, then the dearer."""
    resolved = episode.state is EpisodeState.RESOLVED
    return (resolved, -episode.severity.rank, -abs(episode.excess.amount), episode.key)


def _worth(proposal: ProposalFact) -> tuple[Decimal, str]:
    return (-proposal.saving.middle.amount, proposal.key)


def _reporting_currency(facts: Facts) -> Iterator[Note]:
    """The week's cost of all currencies in the reporting currency, and what has no rate beside it."""
    cost, worth = f"{facts.cost_basis}_cost", f"x_reporting_{facts.cost_basis}_cost"
    if not facts.converted:
        return
    known = [row for row in facts.converted if row[worth] is not None]
    code = facts.converted[0]["x_reporting_currency"]
    told = "; ".join(f"{row[cost]:,.2f} {row['currency']} = {row[worth]:,.2f}" for row in known)
    if known:
        whole = total(row[worth] for row in known)
        yield Note("info", f"All currencies this week: {whole:,.2f} {code} at the dated rates ({told}).")
    for row in facts.converted:
        if row[worth] is None:
            yield Note("warning", f"No rate to {code} for {row[cost]:,.2f} {row['currency']}: not in that sum.")


def _notes(facts: Facts) -> Iterator[Note]:
    yield from _reporting_currency(facts)
    last = facts.week.end - timedelta(days=1)
    if facts.complete_through is None:
        yield Note("warning", "No day of the bill is complete yet: figures are what has been charged so far.")
    elif facts.complete_through < last:
        first = facts.complete_through + timedelta(days=1)
        span = day(last) if first == last else f"{day(first)} to {day(last)}"
        yield Note("warning", f"The bill is not complete for {span}: shown, and no fall of it is told.")
    for fact in facts.deliveries:
        where = f"{fact.source} {fact.billing_period}"
        if fact.status == "refused":
            yield Note("error", f"{where}: the delivery was refused; the earlier version stays in use.")
        elif fact.rows_rejected:
            yield Note("error", f"{where}: {fact.rows_rejected:,} of {fact.rows:,} rows were rejected.")
        if fact.difference:
            yield Note("error", f"{where}: ledger and export differ by {fact.difference} {fact.currency}.")
        if fact.restated:
            change = f"{fact.restated:+f} {fact.currency}"
            yield Note("info", f"{where}: restated by {change} since the week before.")
    yield from facts.paging
    for problem in facts.problems:
        yield Note("error" if problem.severity == "error" else "warning", str(problem))
