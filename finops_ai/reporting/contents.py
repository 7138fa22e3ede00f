"""The tables of a report: one set of typed cells from which every format is written."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from finops_ai.domain.episode import Episode
from finops_ai.domain.focus import UNTAGGED
from finops_ai.domain.money import total
from finops_ai.domain.report import OwnerCost, ProposalFact, Section, Versus
from finops_ai.reporting.evidence import accuracy, allocation, share_of, untagged
from finops_ai.reporting.formats import money, month
from finops_ai.reporting.lead import place as place_of_mover
from finops_ai.reporting.page import place as place_of_episode
from finops_ai.reporting.tables import Column, Row, Table


def section_tables(section: Section, limit: int | None = None) -> tuple[Table, ...]:
    """Tables of one currency in reading order; owners beyond `limit` become one row, "(untagged)" never does."""
    return (
        _headline(section),
        _movers(section),
        _episodes(section),
        _owners("cost_centers", "Spend by cost center", "Cost center", section.by_cost_center, section, limit),
        _owners("ai_models", "Spend by AI model", "AI model", section.by_ai_model, section, limit),
        allocation(section),
        untagged(section),
        _proposals(section),
        _savings(section),
        accuracy(section),
    )


def _headline(section: Section) -> Table:
    spend, earlier, end = section.spend, section.four_weeks_earlier, section.month_end
    name = month(section.month)
    rows: list[Row] = [
        ("Spend this week", spend.now, spend),
        ("Spend the week before", spend.before, None),
        ("Spend four weeks earlier", earlier, None if earlier is None else Versus(spend.now, earlier)),
        (f"{name} to date", section.month_to_date, None),
        (f"{name} forecast", end.expected if end else None, None),
        (f"{name} forecast, low end of the 80% band", end.low if end else None, None),
        (f"{name} forecast, high end of the 80% band", end.high if end else None, None),
        ("Open episodes, excess so far", section.open_excess, None),
        ("Open episodes, excess by month end", section.projected_excess, None),
        ("Savings identified, per month", section.savings_identified, None),
        ("Savings realised so far, booked", total(p.realised.booked for p in section.proposals if p.realised), None),
    ]
    return Table(
        name="headline",
        title="Headline",
        currency=section.currency,
        columns=(
            Column("measure", "Measure"),
            Column("amount", "Amount", "money"),
            Column("change", "Change", "change"),
        ),
        rows=tuple(rows),
        note="Change: of this week's spend against that row.",
    )


def _owners(
    name: str, title: str, owner: str, owners: Sequence[OwnerCost], section: Section, limit: int | None
) -> Table:
    spend = section.spend
    rows = [_owner(one, spend.now) for one in _limited(owners, limit)]
    whole = OwnerCost(
        name="Total",
        spend=spend,
        shared=total(one.shared for one in owners),
        month_to_date=section.month_to_date,
        month_end=section.month_end.expected if section.month_end else None,
    )
    return Table(
        name=name,
        title=title,
        currency=section.currency,
        columns=(
            Column("name", owner),
            Column("this_week", "This week", "money"),
            Column("week_before", "Week before", "money"),
            Column("delta", "Change", "delta"),
            Column("delta_ratio", "Change, %", "change"),
            Column("share", "Share", "share", bar=True),
            Column("shared", "of it shared", "money", optional=True),
            Column("month_to_date", "Month to date", "money"),
            Column("month_end", "Month forecast", "money", optional=True),
        ),
        rows=tuple(rows),
        total=_owner(whole, spend.now),
        note="Month forecast: billed so far and the forecast of the rest, shared costs split as they were so far."
        if any(one.month_end is not None for one in owners)
        else "",
    )


def _owner(one: OwnerCost, whole: Decimal) -> Row:
    spend = one.spend
    share = share_of(spend.now, whole)
    return (
        *(one.name, spend.now, spend.before, spend.delta, spend, share),
        *(one.shared, one.month_to_date, one.month_end),
    )


def _limited(owners: Sequence[OwnerCost], limit: int | None) -> list[OwnerCost]:
    if limit is None or len(owners) <= limit:
        return list(owners)
    head = [o for i, o in enumerate(owners) if i < limit or o.name == UNTAGGED]
    rest = [o for i, o in enumerate(owners) if i >= limit and o.name != UNTAGGED]
    spend = Versus(total(o.spend.now for o in rest), total(o.spend.before for o in rest))
    shared, to_date = total(o.shared for o in rest), total(o.month_to_date for o in rest)
    ends = [o.month_end for o in rest if o.month_end is not None]
    more = OwnerCost(
        name=f"{len(rest)} more",
        spend=spend,
        shared=shared,
        month_to_date=to_date,
        month_end=total(ends) if ends else None,
    )
    return [*head, more] if rest else head


def _movers(section: Section) -> Table:
    spend = section.spend
    return Table(
        name="movers",
        title="Why spend moved",
        currency=section.currency,
        columns=(
            Column("what", "Where"),
            Column("delta", "Change", "delta", bar=True),
            Column("delta_ratio", "Change, %", "change"),
            Column("this_week", "This week", "money"),
            Column("week_before", "Week before", "money"),
            Column("episode", "Episode", "code", optional=True),
        ),
        rows=tuple(
            (place_of_mover(m), m.spend.delta, m.spend, m.spend.now, m.spend.before, m.episode) for m in section.movers
        ),
        total=("Change of the week", spend.delta, spend, "", "", ""),
        note="Week on week, by cost center, AI model and service.",
    )


def _episodes(section: Section) -> Table:
    return Table(
        name="episodes",
        title="Episodes",
        currency=section.currency,
        columns=(
            Column("severity", "Severity"),
            Column("state", "State"),
            Column("where", "Where"),
            Column("opened_on", "Opened", "date"),
            Column("expected", "Expected", "money"),
            Column("observed", "Observed", "money"),
            Column("excess", "Excess", "delta"),
            Column("projected", "By month end", "delta"),
            Column("cause", "Main cause", optional=True),
            Column("feedback", "Feedback", optional=True),
            Column("key", "Episode", "code"),
        ),
        rows=tuple(_episode(episode) for episode in section.episodes),
        total=("Open", "", "", "", "", "", section.open_excess, section.projected_excess, "", "", ""),
        note="Over the days judged so far; the total counts open and acknowledged episodes.",
    )


def _episode(episode: Episode) -> Row:
    main = max(episode.causes, key=lambda cause: abs(cause.excess.amount), default=None)
    cause = None
    if main:
        cause = f"{' · '.join(main.names)} {money(main.excess.amount, main.excess.currency, sign=True)}"
    verdict = str(episode.feedback.verdict).replace("_", " ") if episode.feedback else None
    return (
        str(episode.severity),
        str(episode.state),
        place_of_episode(episode),
        episode.opened_on,
        episode.expected.amount,
        episode.observed.amount,
        episode.excess.amount,
        episode.projected.amount,
        cause,
        verdict,
        episode.key,
    )


def _proposals(section: Section) -> Table:
    return Table(
        name="proposals",
        title="Rightsizing proposals",
        currency=section.currency,
        columns=(
            Column("workload", "Workload"),
            Column("changes", "Change"),
            Column("saving", "Saving a month", "money"),
            Column("saving_low", "at least", "money"),
            Column("saving_high", "at most", "money"),
            Column("state", "State"),
            Column("blocked_by", "Blocked by", optional=True),
            Column("key", "Branch", "code"),
        ),
        rows=tuple(_proposal(fact) for fact in section.proposals),
        total=("Open or blocked", "", section.savings_identified, *[""] * 5),
        note="Promised per month of 730 hours at the rate named in the proposal.",
    )


def _proposal(fact: ProposalFact) -> Row:
    saving = fact.saving
    blocked = "; ".join(fact.blocked_by) or None
    amounts = (saving.middle.amount, saving.low.amount, saving.high.amount)
    return (fact.workload, "; ".join(fact.changes), *amounts, str(fact.state), blocked, fact.key)


def _savings(section: Section) -> Table:
    known = [(fact, fact.realised) for fact in section.proposals if fact.realised]
    return Table(
        name="savings",
        title="What merged changes saved",
        currency=section.currency,
        columns=(
            Column("workload", "Workload"),
            Column("promised", "Promised a month", "money"),
            Column("realised", "Realised so far", "money"),
            Column("realised_low", "at least", "money"),
            Column("realised_high", "at most", "money"),
            Column("booked", "Booked", "money"),
            Column("proved_on", "Proved on", "date"),
            Column("key", "Branch", "code"),
        ),
        rows=tuple(
            (fact.workload, fact.saving.middle.amount, at.estimate, at.low, at.high, at.booked, at.proved_on, fact.key)
            for fact, at in known
        ),
        note="On the bill since the merge, with its 80% range. Booked is never more than what the bill fell by.",
    )
