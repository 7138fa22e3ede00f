"""The last days of the bill, completed before the forecast: each source's share of a day by how earlier ones filled up.

A day that is two thirds on the bill says more of itself than any forecast. Every source is completed by itself, so that
scopes which add up still do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from statistics import NormalDist

import numpy as np

from finops_ai.domain.forecast import LEVELS, MEDIAN, Forecast
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries, FloatArray
from finops_ai.forecasting.believed import believe
from finops_ai.forecasting.settings import ForecastSettings
from finops_ai.jobs.completeness import SourceFilling, filling_by_source
from finops_ai.jobs.run import Turn
from finops_ai.ledger import series

SOURCE = "source"
LEAST_SHARE = 0.2
"""A day of which less than this is there is better forecast than completed."""

_RESTS_ON_DOUBT = 1.1
"""By how much a forecast of a sum errs more if the days it begins from are not whole."""
_WIDTH = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
Key = tuple[Scope, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nowcast:
    """What the days of one scope will cost that are on the bill in part; `mean` and `spread` (len(days),), in money."""

    days: Days
    mean: FloatArray
    spread: FloatArray


def nowcasts(
    turn: Turn, whole: Sequence[CostSeries], *, levels: Sequence[tuple[str, ...]], cost_basis: str
) -> dict[Key, Nowcast]:
    """Of each scope in `whole`, the days after its last complete one that every source has begun to bill.

    All scopes of a currency are completed through the same day, or none is. Empty where the ledger saw too few days
    fill up to know how much is missing.
    """
    filling = filling_by_source(turn, cost_basis)
    if not filling:
        return {}
    parts = series.series(
        turn.engine,
        levels=[(SOURCE,), *((*level, SOURCE) for level in levels if level)],
        cost_basis=cost_basis,
        as_of=turn.as_of,
        settle_days={},
    )
    end = _ends(parts, filling, turn.as_of.date(), whole)
    by_scope: dict[Key, list[CostSeries]] = {}
    for part in parts:
        by_scope.setdefault((Scope(part.scope.pairs[:-1]), part.currency), []).append(part)
    found = {}
    for one in whole:
        days = Days(one.complete_days.end, max(end.get(one.currency, date.min), one.complete_days.end))
        if days:
            mine = by_scope.get((one.scope, one.currency), [])
            found[one.scope, one.currency] = _completed(mine, days, filling, turn.as_of.date())
    return found


def _ends(
    parts: Sequence[CostSeries],
    filling: Mapping[tuple[str, str], SourceFilling],
    today: date,
    whole: Sequence[CostSeries],
) -> dict[str, date]:
    """By currency the first day that cannot be completed: some source has not begun to bill it, or hardly."""
    found: dict[str, date] = {}
    for part in parts:
        if tuple(name for name, _ in part.scope.pairs) != (SOURCE,):
            continue
        charged = np.flatnonzero(part.values)
        last = part.days.start + timedelta(days=int(charged[-1])) if len(charged) else date.min
        if last < part.days.end - timedelta(days=series.RECENT_DAYS):
            continue
        known = filling.get((part.scope.pairs[0][1], part.currency))
        end = min(last + timedelta(days=1), today)
        start = min((one.complete_days.end for one in whole if one.currency == part.currency), default=end)
        while end > start and (known is None or _filled(known, today, end - timedelta(days=1))[0] < LEAST_SHARE):
            end -= timedelta(days=1)
        found[part.currency] = min(end, found.get(part.currency, date.max))
    return found


def _filled(known: SourceFilling, today: date, day: date, *, part: bool = False) -> tuple[float, float]:
    """How much of a day is on the bill and the spread of that, of a `part` of the source or of all of it."""
    age = (today - day).days - 1
    if age >= len(known.share):
        return 1.0, 0.0
    return float(known.share[age]), float((known.part_spread if part else known.spread)[age])


def _completed(
    parts: Sequence[CostSeries], days: Days, filling: Mapping[tuple[str, str], SourceFilling], today: date
) -> Nowcast:
    """The days of a scope from what each source has of it; `parts` are by source, the last of a scope's pairs."""
    mean, variance = np.zeros(len(days)), np.zeros(len(days))
    for part in parts:
        known = filling.get((part.scope.pairs[-1][1], part.currency))
        for i, day in enumerate(days):
            if known is not None and day in part.days:
                share, spread = _filled(known, today, day, part=len(part.scope.pairs) > 1)
                cost = float(part.values[(day - part.days.start).days]) / share
                mean[i] += cost
                variance[i] += (cost * spread / share) ** 2
    return Nowcast(days=days, mean=mean, spread=np.sqrt(variance))


def extended(whole: Sequence[CostSeries], known: Mapping[Key, Nowcast], settings: ForecastSettings) -> list[CostSeries]:
    """The series with their last days completed, as far as that can be believed, and whole through those."""
    nows = [known.get((one.scope, one.currency)) for one in whole]
    made = [_extended(one, now) for one, now in zip(whole, nows, strict=True)]
    return believe(made, [now.spread if now else np.zeros(0) for now in nows], settings)


def _extended(one: CostSeries, now: Nowcast | None) -> CostSeries:
    if now is None:
        return one
    values = np.concatenate([one.complete_values, now.mean])
    days = Days(now.days.end - timedelta(days=len(values)), now.days.end)
    return replace(one, days=days, values=values, complete_through=now.days.end - timedelta(days=1))


def as_billed(whole: Sequence[CostSeries], known: Mapping[Key, Nowcast]) -> dict[Key, Nowcast]:
    """The same days of series that are not completed but taken as they are on the bill: fees, taxes, credits."""
    ends = {currency: now.days.end for (_, currency), now in known.items()}
    found = {}
    for one in whole:
        end = ends.get(one.currency, date.min)
        if end > one.complete_days.end:
            days = Days(one.complete_days.end, end)
            values = np.zeros(len(days))
            there = one.values[len(one.complete_values) :][: len(days)]
            values[: len(there)] = there
            found[one.scope, one.currency] = Nowcast(days=days, mean=values, spread=np.zeros(len(days)))
    return found


def both(usage: Mapping[Key, Nowcast], other: Mapping[Key, Nowcast]) -> dict[Key, Nowcast]:
    """Usage and other charges of each scope together."""
    found = dict(usage)
    for key, one in other.items():
        mine = found.get(key)
        found[key] = one if mine is None else replace(mine, mean=mine.mean + one.mean)
    return found


def with_days(one: Forecast, now: Nowcast | None) -> Forecast:
    """The forecast from the first day that is not whole: what was completed, then what is forecast.

    Completed days err together, for the same share is believed of each; that they and the forecast err independently is
    assumed. Sums are less sure than those of the backtest, whose windows knew their last days whole.
    """
    if now is None or now.days.end != one.days.start:
        return one
    begun = now.mean + _WIDTH[:, None] * now.spread
    begun = np.where(now.mean >= 0, np.maximum(begun, 0.0), begun)
    so_far, unsure = float(now.mean.sum()), _WIDTH * float(now.spread.sum())
    totals = {now.days.end - timedelta(days=1): so_far + unsure}
    for day, values in one.total_quantiles.items():
        away = _RESTS_ON_DOUBT * (values - values[MEDIAN])
        totals[day] = so_far + values[MEDIAN] + np.sign(_WIDTH) * np.hypot(away, unsure)
    quantiles = np.concatenate([begun, one.quantiles], axis=1)
    return replace(one, days=Days(now.days.start, one.days.end), quantiles=quantiles, total_quantiles=totals)


def billed_so_far(
    told: Sequence[Forecast], usage: Iterable[CostSeries], other: Iterable[CostSeries], expected: Mapping[Key, Forecast]
) -> list[FloatArray]:
    """What the days of each forecast will cost at least, as they are on the bill already; (len(days),) each.

    Credits come later than the usage they are for: what is `expected` of them and not yet billed is taken off.
    """
    used, charged = ({(one.scope, one.currency): one for one in each} for each in (usage, other))
    found = []
    for one in told:
        key = one.scope, one.currency
        fees = expected.get(key)
        to_come = on_days(one.days, fees.days, fees.median) if fees else np.zeros(len(one.days))
        parts = [
            on_days(one.days, part.days, part.values) if part else np.zeros(len(one.days))
            for part in (used.get(key), charged.get(key))
        ]
        found.append(parts[0] + parts[1] + np.minimum(to_come - np.minimum(parts[1], 0.0), 0.0))
    return found


def on_days(days: Days, known: Days, values: FloatArray) -> FloatArray:
    """`values` (known,) on other days, (days,); 0 on those that are not known."""
    found = np.zeros(len(days))
    first = max(days.start, known.start)
    late = values[(first - known.start).days :]
    room = found[(first - days.start).days :][: len(late)]
    room += late[: len(room)]
    return found
