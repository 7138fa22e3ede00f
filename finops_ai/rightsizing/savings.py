"""From merges and the daily cost of workloads to the savings ledger: estimated, ranged, and held against the bill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from finops_ai.domain.errors import Leak
from finops_ai.domain.money import Money, total
from finops_ai.domain.period import Days
from finops_ai.domain.proposal import Recommendation
from finops_ai.domain.realised import MONTH_DAYS, Realised
from finops_ai.domain.series import FloatArray
from finops_ai.domain.usage import Workload
from finops_ai.rightsizing.realised import PRE_DAYS_MAX, PRE_DAYS_MIN, WEEK, Effect, effect, proved_after
from finops_ai.rightsizing.settings import HOURS_PER_MONTH

MONTHS = 12
"""A merge is followed for so many months of the ledger; later nothing is like it was before."""

NEIGHBOURS = 3
"""With fewer unaffected workloads in a cluster those of other clusters are asked, too."""

Name = tuple[str, str, str]
"""Cluster, namespace and name of a workload, as bills know it."""

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """A change of ours that a person merged on `on`."""

    key: str
    on: date
    recommendation: Recommendation


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bill:
    """Cost per day of every workload in one currency, and what each cluster paid for nobody; arrays are as `days`."""

    days: Days
    currency: str
    workloads: Mapping[Name, FloatArray]
    idle: Mapping[str, FloatArray]


def name_of(workload: Workload) -> Name:
    return (workload.cluster, workload.namespace, workload.name)


def ledger(bill: Bill, merges: Sequence[Merge]) -> list[Realised]:
    """Every month of every merge of which at least one week is billed. `bill` ends with the last complete day.

    What is booked of the merges of one cluster and calendar month never exceeds the fall of what they cost.
    """
    found: list[Realised] = []
    for merge in merges:
        own = bill.workloads.get(name_of(merge.recommendation.workload))
        if own is not None and merge.recommendation.saving.low.currency == bill.currency:
            found.extend(_months(bill, merge, own, merges))
    return _settled(found)


def stage(bill: Bill, merge: Merge, merges: Sequence[Merge], days: int) -> Realised | None:
    """The first `days` after a merge, when they all are billed: what is said once on the pull request."""
    own = bill.workloads.get(name_of(merge.recommendation.workload))
    if own is None or merge.recommendation.saving.low.currency != bill.currency:
        return None
    window = Days(merge.on + timedelta(days=1), merge.on + timedelta(days=1 + days))
    if window.end > _end(bill, merge, merges):
        return None
    one = _measured(bill, merge, own, merges, 1, window)
    return _settled([one])[0] if one else None


def _months(bill: Bill, merge: Merge, own: FloatArray, merges: Sequence[Merge]) -> Iterable[Realised]:
    end = _end(bill, merge, merges)
    for number in range(1, MONTHS + 1):
        start = merge.on + timedelta(days=1 + MONTH_DAYS * (number - 1))
        weeks = min(MONTH_DAYS, (end - start).days) // WEEK
        if weeks < 1:
            return
        one = _measured(bill, merge, own, merges, number, Days(start, start + timedelta(days=WEEK * weeks)))
        if one is not None:
            yield one


def _end(bill: Bill, merge: Merge, merges: Sequence[Merge]) -> date:
    """Where the next change of the same workload ends what can be told of this one."""
    name = name_of(merge.recommendation.workload)
    later = [other.on for other in merges if other.on > merge.on and name_of(other.recommendation.workload) == name]
    return min([bill.days.end, *later])


def _measured(
    bill: Bill, merge: Merge, own: FloatArray, merges: Sequence[Merge], number: int, window: Days
) -> Realised | None:
    name = name_of(merge.recommendation.workload)
    earlier = [other.on for other in merges if other.on < merge.on and name_of(other.recommendation.workload) == name]
    first = max(
        [bill.days.start, merge.on - timedelta(days=PRE_DAYS_MAX), *(day + timedelta(days=1) for day in earlier)]
    )
    first = max(first, bill.days.start + timedelta(days=int(np.argmax(own != 0))))
    before = Days(first, max(first, merge.on))
    if len(before) < PRE_DAYS_MIN:
        return None
    others = _controls(bill, name, Days(first, window.end), merges)
    own_before, own_after = _cut(bill, own, before), _cut(bill, own, window)
    others_before = np.array([_cut(bill, one, before) for one in others]).reshape(len(others), len(before))
    others_after = np.array([_cut(bill, one, window) for one in others]).reshape(len(others), len(window))
    gap = (window.start - before.end).days // WEEK * WEEK
    found = effect(own_before, own_after, others_before, others_after, gap)
    if found is None:
        return None
    proved = proved_after(own_before, own_after, others_before, others_after, gap)
    idle = bill.idle.get(name[0])
    fall = _fall(own_before, own_after)
    if idle is not None:
        fall -= max(-_fall(_cut(bill, idle, before), _cut(bill, idle, window)), 0.0)
    return _realised(merge, bill.currency, number, window, found, fall, proved)


def _controls(bill: Bill, name: Name, days: Days, merges: Sequence[Merge]) -> list[FloatArray]:
    """Workloads that no merge touched in these days: of the same cluster, or of all where there are few of them."""
    touched = {name_of(merge.recommendation.workload) for merge in merges if merge.on in days}
    unaffected = {each: own for each, own in bill.workloads.items() if each != name and each not in touched}
    near = [own for each, own in unaffected.items() if each[0] == name[0]]
    return near if len(near) >= NEIGHBOURS else list(unaffected.values())


def _fall(before: FloatArray, after: FloatArray) -> float:
    """Less paid than in as many days before, over whole weeks."""
    weeks = len(before) // WEEK * WEEK
    return float(before[len(before) - weeks :].mean() * len(after) - after.sum())


def _cut(bill: Bill, values: FloatArray, days: Days) -> FloatArray:
    return values[(days.start - bill.days.start).days : (days.end - bill.days.start).days]


def _realised(
    merge: Merge, currency: str, number: int, window: Days, found: Effect, fall: float, proved: int | None
) -> Realised:
    promised = merge.recommendation.saving.middle
    share = Decimal(24 * len(window)) / Decimal(HOURS_PER_MONTH)
    estimate, covered = _cents(found.estimate, currency), _cents(fall, currency)
    return Realised(
        key=merge.key,
        merged_on=merge.on,
        number=number,
        days=window,
        workload=merge.recommendation.workload,
        identified=Money((promised.amount * share).quantize(CENT), promised.currency),
        estimate=estimate,
        low=_cents(found.low, currency),
        high=_cents(found.high, currency),
        counterfactual=_cents(found.counterfactual, currency),
        actual=_cents(found.actual, currency),
        fall=covered,
        booked=Money(max(min(estimate.amount, covered.amount), min(estimate.amount, Decimal(0))), currency),
        controls=found.controls,
        method=found.method,
        proved_on=window.start + timedelta(days=proved - 1) if proved else None,
    )


def _settled(rows: Sequence[Realised]) -> list[Realised]:
    """The same rows, with what is booked scaled down where a cluster's fall of a calendar month does not cover it."""
    groups: dict[tuple[str, str], list[Realised]] = {}
    for row in rows:
        groups.setdefault((row.workload.cluster, f"{row.days.start:%Y-%m}"), []).append(row)
    settled: dict[tuple[str, date, int], Realised] = {}
    for (cluster, month), group in groups.items():
        fall = total(row.fall.amount for row in group)
        lost = total(min(row.booked.amount, Decimal(0)) for row in group)
        gained = total(max(row.booked.amount, Decimal(0)) for row in group)
        room = max(fall - lost, Decimal(0))
        for row in group:
            booked = row.booked.amount
            if booked > 0 and gained > room:
                booked = (booked * room / gained).quantize(CENT, rounding="ROUND_DOWN")
            settled[row.key, row.merged_on, row.number] = replace(row, booked=Money(booked, row.booked.currency))
        sums = total(settled[row.key, row.merged_on, row.number].booked.amount for row in group)
        if sums > max(fall, lost, Decimal(0)):
            raise Leak(f"savings of {cluster} in {month}: {sums} booked, the bill fell by {fall}")
    return [settled[row.key, row.merged_on, row.number] for row in rows]


def _cents(amount: float, currency: str) -> Money:
    return Money(Decimal(repr(float(amount))).quantize(CENT), currency)
