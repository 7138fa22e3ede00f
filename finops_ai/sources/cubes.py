"""Cubes of several files put together into the one of a delivery, each giving the measures that it knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from finops_ai.domain import focus
from finops_ai.domain.delivery import ControlTotal
from finops_ai.domain.errors import Problem
from finops_ai.domain.money import total
from finops_ai.sources.base import Scan
from finops_ai.sources.mapping import COST

EVERYTHING = frozenset(focus.MEASURES)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Leg:
    """A scan and the measures that are taken from it; with `again` its lines were counted in another leg."""

    scan: Scan
    gives: frozenset[str] = EVERYTHING
    again: bool = False


def merged(legs: Sequence[Leg], problems: Sequence[Problem] = ()) -> Scan:
    """One scan of all legs: rows alike in dimensions and day become one, measures that a leg does not give are 0.

    The control total is that of the legs that give `billed_cost`; `problems` come before those of the scans.
    """
    from finops_ai.sources.scan import cube
    from finops_ai.sources.staging import engine

    if len(legs) == 1 and legs[0].gives == EVERYTHING:
        return replace(legs[0].scan, problems=(*problems, *legs[0].scan.problems))
    with engine() as duck:
        selects = []
        for number, leg in enumerate(legs):
            duck.con.register(f"facts_{number}", leg.scan.facts)
            duck.con.register(f"dimensions_{number}", leg.scan.dimensions)
            measures = [name if name in leg.gives else f"CAST(0 AS {COST}) AS {name}" for name in focus.MEASURES]
            selects.append(
                f"SELECT {', '.join([*focus.DIMENSIONS, 'day', *measures])} "
                f"FROM facts_{number} JOIN dimensions_{number} USING (dimension)"
            )
        duck.con.execute(f"CREATE TEMP VIEW charge AS {' UNION ALL '.join(selects)}")
        dimensions, facts = cube(duck.con)
    once = [leg.scan for leg in legs if not leg.again]
    return Scan(
        dimensions=dimensions,
        facts=facts,
        control=_control(legs),
        rows_rejected=sum(scan.rows_rejected for scan in once),
        problems=(*problems, *(problem for scan in once for problem in scan.problems)),
    )


def _control(legs: Sequence[Leg]) -> ControlTotal:
    billing = [leg.scan.control for leg in legs if "billed_cost" in leg.gives]
    currencies = sorted({code for leg in legs for code in leg.scan.control.billed_cost})
    accounts = sorted({account for control in billing for account in control.by_account})
    none = Decimal(0)
    return ControlTotal(
        rows=sum(leg.scan.control.rows for leg in legs if not leg.again),
        billed_cost={code: total(one.billed_cost.get(code, none) for one in billing) for code in currencies},
        by_account={account: total(one.by_account.get(account, none) for one in billing) for account in accounts},
    )
