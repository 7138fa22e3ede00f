"""How whole the last days of the bill are, learned from what the ledger knew of earlier days on earlier mornings."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from finops_ai.detection.panel import Filling
from finops_ai.domain.period import Days
from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.nowcast import AGES, Revisions, completeness
from finops_ai.jobs.run import Turn
from finops_ai.ledger.costs import CostQuery, costs

LEARN_DAYS = 21
LEAST_RATIOS = 7
"""Days that must have been seen filling up before anything is said of one that has not."""


def filling(turn: Turn, cost_basis: str) -> Filling | None:
    """Share and spread of each of the last days, at the same time of day; None where the ledger saw too few fill up.

    Where several sources bill, a day is taken to be as whole as that of the quickest, and as unsure as that of the
    least sure: an incomplete day can then be taken for less than it will be, never for more.
    """
    today = turn.as_of.date()
    days = Days(today - timedelta(days=LEARN_DAYS + AGES), today)
    by_age = _by_age(turn, cost_basis, days)
    settled = np.isfinite(by_age[0]) & np.isfinite(by_age[-1])
    seen = settled.sum(axis=1) >= LEAST_RATIOS
    if not seen.any():
        return None
    chosen = by_age[:, seen]
    found = completeness(Revisions(known=chosen[0], by_age=chosen, provider=np.arange(seen.sum())))
    return Filling(share=np.minimum(found.share.max(axis=1), 1.0), spread=found.spread.max(axis=1))


def _by_age(turn: Turn, cost_basis: str, days: Days) -> FloatArray:
    """Cost of each source and currency by day as known so many mornings after it, (AGES, sources, days)."""
    known: dict[tuple[str, str], FloatArray] = {}
    for back in range(len(days)):
        morning = turn.as_of - timedelta(days=back)
        query = CostQuery(days=days, group_by=("day", "source"), where=(), currency=None, as_of=morning)
        for row in costs(turn.engine, query):
            age = _age(row["day"], morning.date())
            if 0 <= age < AGES:
                one = known.setdefault((row["source"], row["currency"]), np.full((AGES, len(days)), np.nan))
                one[age, (row["day"] - days.start).days] = float(row[f"{cost_basis}_cost"])
    nothing = np.full((0, AGES, len(days)), np.nan)
    return np.moveaxis(np.stack(list(known.values())) if known else nothing, 0, 1)


def _age(day: date, morning: date) -> int:
    return (morning - day).days - 1
