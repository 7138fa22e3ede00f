"""How whole the last days of the bill are, learned from what the ledger knew of earlier days on earlier mornings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from finops_ai.detection.panel import Filling
from finops_ai.domain.period import Days
from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.nowcast import AGES, Completeness, Revisions, completeness
from finops_ai.jobs.run import Turn
from finops_ai.ledger.costs import CostQuery, costs

LEARN_DAYS = 21
LEAST_RATIOS = 7
"""Days that must have been seen filling up before anything is said of one that has not."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SourceFilling:
    """How whole the last days of one source's bill are, each (ages,): its share of a day, and the spread of that.

    `part_spread` is the spread of what one cost center has of it, which no average steadies.
    """

    share: FloatArray
    spread: FloatArray
    part_spread: FloatArray


def filling(turn: Turn, cost_basis: str) -> Filling | None:
    """Share and spread of each of the last days, at the same time of day; None where the ledger saw too few fill up.

    Where several sources bill, a day is taken to be as whole as that of the quickest, and as unsure as that of the
    least sure: an incomplete day can then be taken for less than it will be, never for more.
    """
    each = list(filling_by_source(turn, cost_basis).values())
    if not each:
        return None
    return Filling(
        share=np.minimum(np.max([one.share for one in each], axis=0), 1.0),
        spread=np.max([one.spread for one in each], axis=0),
    )


def filling_by_source(turn: Turn, cost_basis: str) -> dict[tuple[str, str], SourceFilling]:
    """The same for each source and currency of which enough days were seen filling up."""
    today = turn.as_of.date()
    parts = _by_age(turn, cost_basis, Days(today - timedelta(days=LEARN_DAYS + AGES), today))
    made = {}
    for key, each in parts.items():
        there = np.isfinite(each).any(axis=0)
        source = np.where(there, np.nansum(each, axis=0), np.nan)
        if (np.isfinite(source[0]) & np.isfinite(source[-1])).sum() < LEAST_RATIOS:
            continue
        whole, part = _learned(source[None]), _learned(each)
        made[key] = SourceFilling(
            share=whole.share[:, 0],
            spread=whole.spread[:, 0],
            part_spread=np.maximum(whole.spread[:, 0], np.median(part.spread, axis=1)),
        )
    return made


def _learned(parts: FloatArray) -> Completeness:
    """From costs by age, (parts, ages, days)."""
    by_age = np.moveaxis(parts, 0, 1)
    return completeness(Revisions(known=by_age[0], by_age=by_age, provider=np.zeros(len(parts), dtype=np.intp)))


def _by_age(turn: Turn, cost_basis: str, days: Days) -> dict[tuple[str, str], FloatArray]:
    """Cost by day as known so many mornings after it, by source and currency: (cost centers, AGES, days) each."""
    known: dict[tuple[str, str], dict[str, FloatArray]] = {}
    for back in range(len(days)):
        morning = turn.as_of - timedelta(days=back)
        query = CostQuery(
            days=days, group_by=("day", "source", "x_cost_center"), where=(), currency=None, as_of=morning
        )
        for row in costs(turn.engine, query):
            age = _age(row["day"], morning.date())
            if 0 <= age < AGES:
                parts = known.setdefault((row["source"], row["currency"]), {})
                one = parts.setdefault(row["x_cost_center"], np.full((AGES, len(days)), np.nan))
                one[age, (row["day"] - days.start).days] = float(row[f"{cost_basis}_cost"])
    return {key: np.stack(list(parts.values())) for key, parts in known.items()}


def _age(day: date, morning: date) -> int:
    return (morning - day).days - 1
