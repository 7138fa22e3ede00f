"""Which days before an episode were like its own: what parts cost on those is what they are expected to cost.

As a rule these are the same weekdays of four weeks. A day of which another cost was expected, with a fee or a job that
does not come every week, is held against earlier ones that came to as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from finops_ai.domain.day_places import month_slots
from finops_ai.domain.money import EXACT
from finops_ai.domain.period import Days
from finops_ai.domain.series import CostSeries

BASELINE_DAYS = 28

_REACH = 100  # days before an episode: three months of a fee
_MOST, _AGREE = 3, 2
_AS_MUCH = 0.25  # share by which two days may differ that are to be alike, and what must be missed to look further


@dataclass(frozen=True, slots=True, kw_only=True)
class LikeDays:
    """`weights` says how much of each day before is expected of all days of the episode together.

    `before` are the days to read: the four weeks, and what lies between the oldest like day and them.
    """

    weights: Mapping[date, Decimal]
    before: Days


def like_days(during: Days, watched: CostSeries, expected: Mapping[date, float]) -> LikeDays:
    """The days like those of `during`, by what the scope, `watched`, was `expected` to cost on each, where known."""
    four_weeks = Days(during.start - timedelta(days=BASELINE_DAYS), during.start)
    weights, before = dict.fromkeys(four_weeks, Decimal(0)), list(four_weeks)
    costs = dict(zip(watched.days, watched.charged.tolist(), strict=True))
    for day in during:
        mates = _mates(before, day)
        _add(weights, _of_another_cost(day, during.start, costs, expected.get(day), mates) or mates)
    return LikeDays(weights=weights, before=Days(min(weights), during.start))


def _mates(before: Sequence[date], day: date) -> list[date]:
    return [one for one in before if one.weekday() == day.weekday()] or list(before)


def _add(weights: dict[date, Decimal], alike: Sequence[date]) -> None:
    for one in alike:
        weights[one] = EXACT.add(weights.get(one, Decimal(0)), EXACT.divide(Decimal(1), Decimal(len(alike))))


def _of_another_cost(
    day: date, opened_on: date, costs: Mapping[date, float], expected: float | None, mates: Sequence[date]
) -> list[date]:
    """Earlier days that came to what was expected of this one, where its weekday's do not; the newest three.

    Where two of them stand in the day's place of their month, those alone: it is a fee.
    """
    usual = sum(costs.get(one, 0.0) for one in mates) / len(mates)
    if expected is None or expected <= 0 or _as_much(usual, expected):
        return []
    start = opened_on - timedelta(days=_REACH)
    slots = month_slots(start, (day - start).days + 1)
    ages = range((opened_on - start).days - 1, -1, -1)
    alike = [age for age in ages if _as_much(costs.get(start + timedelta(days=age), 0.0), expected)]
    fees = [age for age in alike if slots[age] == slots[-1]]
    return [start + timedelta(days=age) for age in (fees if len(fees) >= _AGREE else alike)[:_MOST]]


def _as_much(cost: float, expected: float) -> bool:
    return abs(cost - expected) <= _AS_MUCH * max(abs(cost), abs(expected))
