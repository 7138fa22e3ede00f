"""Which cost each run of a month gives: billed from ActualCost, effective from AmortizedCost, never added.

The two exports tell the same money twice. A run is read as if its cost were both billed and effective; here each gives
what it knows. Where one of the two is missing, whole or for the last days, what the other says stands for both, and a
problem tells it. Purchases are in ActualCost alone, unused commitment is in AmortizedCost alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import combinations

from finops_ai.domain.errors import Leak, Malformed, Problem
from finops_ai.domain.money import plain, total
from finops_ai.sources.azure_runs import Run, apart_by_scope
from finops_ai.sources.base import Scan
from finops_ai.sources.cubes import EVERYTHING, Leg, merged

EFFECTIVE = frozenset({"effective_cost"})
REST = EVERYTHING - EFFECTIVE
NAMES = {"actual": "ActualCost", "amortized": "AmortizedCost"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Told:
    """A run and its scan; `after` scans only its lines of later days."""

    run: Run
    scan: Scan
    after: Callable[[date], Scan]


def together(told: Sequence[Told]) -> Scan:
    """The charges of one month out of all its runs. Raises Malformed when two exports tell one subscription."""
    if problems := [problem for one, other in combinations(told, 2) if (problem := _twice(one, other))]:
        raise Malformed(problems)
    legs: list[Leg] = []
    for scope in dict.fromkeys(one.run.scope for one in told):
        of_scope = [one for one in told if one.run.scope == scope]
        actual, amortized = ([one for one in of_scope if one.run.dataset == name] for name in NAMES)
        if actual and amortized:
            found, said = _paired(actual, amortized)
            legs.extend(found)
        else:
            legs.extend(Leg(scan=one.scan) for one in of_scope)
            said = list(_alone(of_scope))
        problems.extend(said)
    return merged(legs, problems)


def _paired(actual: Sequence[Told], amortized: Sequence[Told]) -> tuple[list[Leg], list[Problem]]:
    """Billed cost, list cost and quantity from `actual`, effective cost from `amortized`."""
    legs = [Leg(scan=one.scan, gives=REST) for one in actual]
    legs += [Leg(scan=one.scan, gives=EFFECTIVE) for one in amortized]
    problems = [*_days_apart(actual, amortized), *_in_one_alone(actual, amortized), *_in_one_alone(amortized, actual)]
    ends = [[one.run.until for one in side if one.run.until] for side in (actual, amortized)]
    if all(ends) and max(ends[0]) != max(ends[1]):
        first = min(max(ends[0]), max(ends[1]))
        later, earlier = (actual, amortized) if max(ends[0]) > first else (amortized, actual)
        gives = EFFECTIVE if later is actual else REST
        more = [Leg(scan=one.after(first), gives=gives, again=True) for one in later]
        legs.extend(more)
        basis, name = ("effective", "amortized") if later is actual else ("billed", "actual")
        message = f"{NAMES[name]} ends on {first}: {basis} cost of later days is taken from the other export"
        problems.append(_warning(earlier, f"{message} ({_amounts(more)})"))
    _settle(legs)
    return legs, problems


def _settle(legs: Sequence[Leg]) -> None:
    """Effective cost of the facts against the sums of the raw lines: `merged` proves billed cost alone."""
    import pyarrow.compute as pc

    for leg in legs:
        if leg.gives >= EFFECTIVE:
            booked = pc.sum(leg.scan.facts["effective_cost"]).as_py() or Decimal(0)
            said = total(leg.scan.control.billed_cost.values())
            if booked != said:
                raise Leak(f"{leg.scan.control.rows} lines come to {said} and their charges to {booked} effective cost")


def _alone(told: Sequence[Told]) -> Iterator[Problem]:
    if guessed := [one for one in told if one.run.guessed and one.run.dataset == "actual"]:
        yield _warning(guessed, "neither a manifest nor its path says which cost this is: it is taken as ActualCost")
    missing = {"actual": ("AmortizedCost", "effective", "billed"), "amortized": ("ActualCost", "billed", "amortized")}
    if told[0].run.dataset in missing:
        name, unknown, known = missing[str(told[0].run.dataset)]
        message = f"no {name} for this month: {unknown} cost is taken as {known}, which differs for commitments"
        yield _warning(told, message)


def _days_apart(actual: Sequence[Told], amortized: Sequence[Told]) -> Iterator[Problem]:
    """A difference in the last days of usage that no manifest explains."""
    if all(one.run.until for one in (*actual, *amortized)):
        return
    days = [[day for one in side if (day := last_usage_day(one.scan))] for side in (actual, amortized)]
    if all(days) and (first := max(days[0])) != (second := max(days[1])):
        message = f"ActualCost tells usage until {first}, AmortizedCost until {second}"
        yield _warning(amortized, f"{message}: the days between have one cost only")


def _in_one_alone(one: Sequence[Told], other: Sequence[Told]) -> Iterator[Problem]:
    """Subscriptions of one side that the other does not tell at all."""
    known = set().union(*(subscriptions(told.scan) for told in other))
    lacking: dict[str, list[Decimal]] = {}
    for told in one:
        own = subscriptions(told.scan) - known
        for (currency, account), cost in told.scan.control.by_account.items():
            if account in own and cost:
                lacking.setdefault(currency, []).append(cost)
    for currency, costs in sorted(lacking.items()):
        name, missing = NAMES[str(one[0].run.dataset)], NAMES[str(other[0].run.dataset)]
        message = f"{len(costs)} subscription(s) with {plain(total(costs))} {currency} in {name} are not in {missing}"
        yield _warning(one, message)


def _twice(one: Told, other: Told) -> Problem | None:
    """What to say when two exports tell the same subscription, unless their scopes prove them apart."""
    if one.run.dataset != other.run.dataset or apart_by_scope(one.run, other.run):
        return None
    if not (both := subscriptions(one.scan) & subscriptions(other.scan)):
        return None
    message = f"tells subscription {min(both)}, as {other.run.place} does, which would count twice: point uri at one"
    return Problem(file=one.run.place, message=message)


def subscriptions(scan: Scan) -> set[str]:
    """Sub accounts of a scan that are more than its billing account."""
    subs, billings = (scan.dimensions[name].to_pylist() for name in ("sub_account_id", "billing_account_id"))
    return {sub for sub, billing in zip(subs, billings, strict=True) if sub and sub != billing}


def last_usage_day(scan: Scan) -> date | None:
    import pyarrow.compute as pc

    usage = scan.dimensions.filter(pc.equal(scan.dimensions["charge_category"], "Usage"))["dimension"]
    days = scan.facts.filter(pc.is_in(scan.facts["dimension"], value_set=usage))["day"]
    return pc.max(days).as_py() if len(days) else None


def _amounts(legs: Sequence[Leg]) -> str:
    sums: Mapping[str, list[Decimal]] = {code: [] for leg in legs for code in leg.scan.control.billed_cost}
    for leg in legs:
        for code, cost in leg.scan.control.billed_cost.items():
            sums[code].append(cost)
    return ", ".join(f"{plain(total(costs))} {code}" for code, costs in sorted(sums.items()))


def _warning(told: Sequence[Told], message: str) -> Problem:
    return Problem(file=told[0].run.place, message=message, severity="warning")
