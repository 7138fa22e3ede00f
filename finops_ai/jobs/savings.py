"""Merges to the savings ledger: measured on the bill and the metrics, and said once on each pull request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from finops_ai.domain.errors import FinopsError, Problem, Unavailable
from finops_ai.domain.message import Message
from finops_ai.domain.money import plain
from finops_ai.domain.period import Days
from finops_ai.domain.proposal import Proposal
from finops_ai.domain.realised import MONTH_DAYS, Realised
from finops_ai.domain.usage import ContainerUsage
from finops_ai.forges.base import Forge
from finops_ai.jobs.run import Turn, problems_of
from finops_ai.ledger import outbox, series, usage
from finops_ai.ledger import savings as kept
from finops_ai.rightsizing.after import utilisation
from finops_ai.rightsizing.realised import WEEK
from finops_ai.rightsizing.savings import Bill, Merge, ledger, stage
from finops_ai.rightsizing.settings import Prices
from finops_ai.rightsizing.told import told, unbilled

STAGES = {"week": WEEK, "month": MONTH_DAYS}
"""Days after a merge when its saving is said on the pull request, once each."""

USAGE_DAYS = 60

Bills = Callable[[date, Turn], Sequence[Bill]]
"""The last complete day to what every workload was billed until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measuring:
    """`bills` is None where nothing tells what a workload was billed."""

    bills: Bills | None
    cost_basis: str
    settle_days: Mapping[str, int]
    prices: Prices


def note_merges(turn: Turn, forge: Forge, tell: Sequence[str] = ()) -> list[Problem]:
    """Keep every merge that the ledger of proposals tells of and that was not kept yet, with the day it was made.

    The sinks in `tell` hear of it; a run that dies between the two says the same again, which is queued once.
    """
    problems: list[Problem] = []
    for key, known_at, version in kept.unkept(turn.engine, turn.as_of):
        try:
            pull = forge.find(key)
        except FinopsError as error:
            problems.extend(problems_of(error, forge.name))
            continue
        told_at = pull.merged_at if pull and pull.state == "merged" else None
        on = min(told_at or known_at, known_at).date()
        changed = _changed(version, pull.url if pull else "", told_at or known_at)
        with turn.engine.begin() as connection:
            outbox.put(connection, [replace(changed, sink=sink) for sink in tell], turn.as_of)
        kept.keep_merge(turn.engine, kept.Merged(key=key, known_at=known_at, on=on, proposal=version))
    return problems


def _changed(proposal: Proposal, url: str, at: datetime) -> Message:
    """A merge as a change that stands beside pages; its sink is still to be named."""
    saving = proposal.recommendation.saving.middle
    worth = f"{plain(saving.amount.quantize(Decimal('0.01')))} {saving.currency} a month"
    body = {
        "title": proposal.title,
        "summary": f"Merged: {proposal.title} ({proposal.recommendation.workload.key}); promised {worth}",
        "when": at.isoformat(),
        "links": {"pull request": url} if url.startswith(("https://", "http://")) else {},
    }
    return Message(key=f"finops/merged/{proposal.key}", kind="change", sink="", body=body)


def measure(turn: Turn, measuring: Measuring) -> list[Realised]:
    """Every month of every merge, kept in the ledger; what was measured stands while no bill and no merge is newer."""
    if kept.is_measured(turn.engine, turn.as_of):
        return kept.savings(turn.engine, turn.as_of)
    merges = [_merge(one) for one in kept.merges(turn.engine, turn.as_of)]
    found = [row for bill in _bills(turn, measuring) for row in ledger(bill, merges)] if merges else []
    if found:
        usages = usage.usages(turn.engine, turn.as_of, USAGE_DAYS)
        found = [_with_use(row, merges, usages, measuring.prices) for row in found]
    if not turn.dry_run:
        kept.keep(turn.engine, found, turn.as_of)
    return found


def say(turn: Turn, forge: Forge, measuring: Measuring) -> tuple[list[Mapping[str, Any]], list[Problem]]:
    """The first full week and the first month of each merge, written down before they are said and said once."""
    merges = [_merge(one) for one in kept.merges(turn.engine, turn.as_of)]
    waiting = [
        (merge, name)
        for merge in merges
        for name, days in STAGES.items()
        if (turn.as_of.date() - merge.on).days > days and not kept.is_said(turn.engine, merge.key, merge.on, name)
    ]
    if not waiting:
        return [], []
    bills = list(_bills(turn, measuring))
    usages = usage.usages(turn.engine, turn.as_of, USAGE_DAYS)
    results: list[Mapping[str, Any]] = []
    problems: list[Problem] = []
    for merge, name in waiting:
        days = Days(merge.on + timedelta(days=1), merge.on + timedelta(days=1 + STAGES[name]))
        if bills and min(bill.days.end for bill in bills) < days.end:
            continue  # not billed in full yet
        rows = [row for bill in bills if (row := stage(bill, merge, merges, STAGES[name]))]
        use = utilisation(merge.recommendation, usages, merge.on, days, measuring.prices)
        if rows:
            text = told(replace(rows[0], utilisation=use), name)
        elif use:
            text = unbilled(merge.recommendation.workload, days, use, name)
        else:
            continue  # neither the bill nor the metrics know the workload: there is nothing to say
        results.append(
            {"key": merge.key, "state": f"measured, {name}" if rows else f"not on the bill, {name}", "url": ""}
        )
        problems.extend(_said(turn, forge, merge, name, text))
    return results, problems


def _said(turn: Turn, forge: Forge, merge: Merge, name: str, text: str) -> Iterator[Problem]:
    """A forge that is away is asked again by the next run."""
    if turn.dry_run:
        return
    due = kept.to_say(turn.engine, merge.key, merge.on, name, text, turn.as_of)
    if due is None:
        return
    try:
        forge.say(merge.key, due)
    except FinopsError as error:
        severity = "warning" if isinstance(error, Unavailable) else "error"
        yield Problem(file=forge.name, message=f"{merge.key}: {error}", severity=severity)
        return
    kept.was_said(turn.engine, merge.key, merge.on, name, turn.now())


def _bills(turn: Turn, measuring: Measuring) -> Sequence[Bill]:
    if measuring.bills is None:
        return ()
    whole = series.series(
        turn.engine,
        levels=[()],
        cost_basis=measuring.cost_basis,
        as_of=turn.as_of,
        settle_days=measuring.settle_days,
    )
    complete = min((one.complete_through for one in whole), default=None)
    return () if complete is None else measuring.bills(complete, turn)


def _merge(one: kept.Merged) -> Merge:
    return Merge(key=one.key, on=one.on, recommendation=one.proposal.recommendation)


def _with_use(row: Realised, merges: Sequence[Merge], usages: Sequence[ContainerUsage], prices: Prices) -> Realised:
    merge = next(one for one in merges if (one.key, one.on) == (row.key, row.merged_on))
    return replace(row, utilisation=utilisation(merge.recommendation, usages, row.merged_on, row.days, prices))
