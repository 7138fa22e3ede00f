"""Cost that lost its tags: what placed scopes show less, the unplaced show more, and the whole is as before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from finops_ai.detection.causes import OTHER
from finops_ai.detection.holes import usual_of_weekday
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.doubt import Doubt
from finops_ai.domain.episode import Cause
from finops_ai.domain.focus import NONE, UNTAGGED
from finops_ai.domain.money import Money, total
from finops_ai.domain.rounding import micros
from finops_ai.domain.series import CostSeries, FloatArray

UNPLACED = frozenset({UNTAGGED, NONE, ""})
WEEKS = 6
_OF_THE_WHOLE = 0.02
_EXPLAINED = 0.7
_FLAT = 0.3
_SETTLED_DAYS = 14
_TOP = 5


def tag_losses(series: Sequence[CostSeries], key: str, today: date, settings: DetectSettings) -> list[Doubt]:
    """At most one for each currency: the newest run of days; `series` are those of `key` alone, one for each value."""
    found = []
    for currency in sorted({one.currency for one in series}):
        mine = [one for one in series if one.currency == currency]
        if any(_name(one) in UNPLACED for one in mine) and any(_name(one) not in UNPLACED for one in mine):
            found += _loss(mine, key, currency, today, settings)
    return found


def _name(one: CostSeries) -> str:
    return one.scope.pairs[0][1]


def _loss(mine: list[CostSeries], key: str, currency: str, today: date, settings: DetectSettings) -> list[Doubt]:
    end = min(max(one.complete_days.end for one in mine), today)
    end = min(end, *(one.complete_days.end for one in mine if one.days.end - one.complete_days.end < timedelta(45)))
    width = 7 * (WEEKS + 1) + settings.judge_days
    values = np.zeros((len(mine), width))
    for row, one in enumerate(mine):
        first = max(one.days.start, end - timedelta(days=width))
        part = one.values[(first - one.days.start).days : max((end - one.days.start).days, 0)]
        values[row, width - (end - first).days : width - (end - first).days + len(part)] = part
    usual = np.stack([usual_of_weekday(row, WEEKS) for row in values])
    change = np.nan_to_num(values - usual)
    unplaced = np.array([_name(one) in UNPLACED for one in mine])
    more, less = change[unplaced].sum(axis=0), np.minimum(change[~unplaced], 0.0).sum(axis=0)
    least = np.maximum(settings.floor_of(currency), _OF_THE_WHOLE * np.nan_to_num(usual).sum(axis=0))
    moved = (more >= least) & (-less >= _EXPLAINED * more) & (np.abs(change.sum(axis=0)) <= _FLAT * more)
    days = [i for i in range(width - settings.judge_days, width) if moved[i]]
    if not days:
        return []
    run = [days[-1]]
    for i in reversed(days[:-1]):
        if run[-1] - i > settings.normal_days:
            break
        run.append(i)
    return [_doubt(mine, sorted(run), end - timedelta(days=width), key, currency, (usual, change, unplaced), today)]


def _doubt(
    mine: list[CostSeries],
    run: list[int],
    start: date,
    key: str,
    currency: str,
    found: tuple[FloatArray, FloatArray, np.ndarray[tuple[int], np.dtype[np.bool_]]],
    today: date,
) -> Doubt:
    usual, change, unplaced = found
    expected = Money(micros(float(usual[unplaced][:, run].sum())), currency)
    moved = Money(micros(float(change[unplaced][:, run].sum())), currency)
    lost = {_name(mine[row]): -float(change[row, run].sum()) for row in np.flatnonzero(~unplaced)}
    ranked = sorted((name for name in lost if lost[name] > 0), key=lambda name: (-lost[name], name))[:_TOP]
    causes = [_cause({key: name}, micros(lost[name]), currency) for name in ranked]
    rest = moved.amount - total(one.excess.amount for one in causes)
    first, last = start + timedelta(days=run[0]), start + timedelta(days=run[-1])
    return Doubt(
        kind="tag_loss",
        anchor=f"{key}/{currency}",
        first=first,
        last=last,
        expected=expected,
        observed=expected + moved,
        words=f"from {first} on {moved.amount:.2f} {currency} moved from named values of {key} to none",
        where={"dimension": key},
        causes=(*causes, *([_cause(OTHER, rest, currency)] if rest else [])),
        settled=(today - first).days > _SETTLED_DAYS,
    )


def _cause(what: Mapping[str, str], amount: Decimal, currency: str) -> Cause:
    none = Money(Decimal(0), currency)
    moved = Money(amount, currency)
    return Cause(what=what, expected=none, observed=moved, excess=moved)
