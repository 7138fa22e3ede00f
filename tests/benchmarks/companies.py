"""Companies whose services each keep a rhythm: what detection opens falsely in wide scopes, and how it tells faults.

Four cost centers of three services each: offices, sprints, second Tuesdays, fees, weekly jobs and growth. A year is
judged week by week, once as it is and once with faults of one to ten days, in one service or (one in four) in all of a
cost center. `false` are episodes that nobody planted, for each scope and year; `faults` are those planted in scopes
of that kind, `found` those for which something opened, `once` those told by one episode at their place, and `told` how
many episodes each of those found became. `alone` are false episodes of the wider scopes where no service is known:
what they open by their own rhythm. `ratio` is that over `false`, and of services what may be false (the setting) over
what is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from finops_ai.detection.run import detect
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.day_places import in_months, weekdays
from finops_ai.domain.episode import Episode
from finops_ai.domain.period import end_of_day
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries, FloatArray
from tests.benchmarks.regime_kinds import DATES, Kind, Random, erring
from tests.unit.forecasting.bills import one_series

SEED, COMPANIES, CENTERS, SERVICES = 39, 12, 4, 3
DAYS, FROM, EVERY = 560, 200, 7
START = DATES[0].date()
_T, _WEEKDAY = np.arange(len(DATES)), weekdays(START, len(DATES))
_, _SINCE, _TO_END = in_months(START, len(DATES))
_WHOLE = 0.25  # of faults are in all services of a cost center
_AT = slice(-1, 4)  # days around a fault in which an episode may open for it

KINDS: tuple[Kind, ...] = (
    lambda r: np.ones(len(_T)),
    lambda r: np.ones(len(_T)),
    lambda r: np.where(_WEEKDAY < 5, 1.0, 0.3),
    lambda r: np.where(_WEEKDAY < 5, 1.0, 0.3),
    lambda r: np.where(r.integers(7) == _WEEKDAY, 4.0, 0.3),
    lambda r: np.where((_T + r.integers(14)) % 14 == 0, 3.0, 0.4),
    lambda r: np.where((_T + r.integers(10)) % 10 == 0, 3.0, 0.5),
    lambda r: np.where((_WEEKDAY == 1) & (_SINCE // 7 == 1), 4.0, 0.5),
    lambda r: np.where((_WEEKDAY == 4) & (_TO_END // 7 == 0), 4.0, 0.5),
    lambda r: np.where(_SINCE == 0, 8.0, 0.6),
    lambda r: np.where(_SINCE == 14, 6.0, 0.6),
    lambda r: np.exp(_T / DAYS * r.uniform(0.2, 1.2)),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Where it is, and its first and last day."""

    where: Scope
    first: int
    last: int


Told = tuple[Scope, list[Scope]]
"""Where a fault is, and the scopes of the episodes that opened for it."""


def run(*, quick: bool = False) -> list[dict[str, Any]]:
    """A row of services and one of the scopes they add up to."""
    companies = range(1 if quick else COMPANIES)
    false, alone = np.zeros(2), 0
    faults: tuple[list[Told], list[Told]] = [], []
    for number in companies:
        bill = _bill(number)
        for one in _opened(_series(bill)):
            false[_is_wide(one.scope)] += 1
        alone += len(_opened([one for one in _series(bill) if _is_wide(one.scope)]))
        planted = _plant(bill, np.random.default_rng([SEED, number, 1]))
        opened = _opened(_series(bill))
        for fault in planted:
            told = [one.scope for one in opened if _is_of(one, fault)]
            faults[_is_wide(fault.where)].append((fault.where, told))
    years = len(companies) * (DAYS - FROM) / 365.25
    rates = false / years / (CENTERS * SERVICES, CENTERS + 1)
    by_itself = alone / years / (CENTERS + 1)
    rows = [
        {"name": name, "false": float(rate), **_figures(told)}
        for name, rate, told in zip(("services", "wide"), rates, faults, strict=True)
    ]
    least = np.maximum(rates, 1 / years)
    rows[0] |= {"ratio": float(DetectSettings().false_per_series_year / least[0])}
    rows[1] |= {"alone": float(by_itself), "ratio": float(max(by_itself, 1 / years) / least[1])}
    return rows


def _figures(faults: Sequence[Told]) -> dict[str, float]:
    found = [told for _, told in faults if told]
    return {
        "faults": len(faults),
        "found": len(found) / max(len(faults), 1),
        "once": sum(told == [where] for where, told in faults) / max(len(faults), 1),
        "told": sum(len(told) for told in found) / max(len(found), 1),
    }


def _bill(number: int) -> dict[Scope, FloatArray]:
    random = np.random.default_rng([SEED, number])
    kinds, found = random.permutation(len(KINDS)), {}
    for place in range(CENTERS * SERVICES):
        center = ("x_cost_center", f"center {place // SERVICES}")
        size, noise = np.exp(random.uniform(np.log(30), np.log(600))), random.uniform(0.04, 0.12)
        found[Scope((center, ("service_name", f"service {place}")))] = (
            size * KINDS[kinds[place]](random) * erring(random, noise)
        )[:DAYS]
    return found


def _plant(bill: dict[Scope, FloatArray], random: Random) -> list[Fault]:
    """Faults one after the other in places of the `bill`, which is changed."""
    found, services = [], list(bill)
    at = FROM + int(random.integers(14, 35))
    while at < DAYS - 20:
        hit = services[random.integers(len(services))]
        if random.random() < _WHOLE:
            hit = Scope(hit.pairs[:1])
        days, size = slice(at, at + int(random.choice([1, 2, 5, 10]))), random.uniform(0.4, 2.5)
        for scope in services:
            if hit.contains(scope):
                bill[scope][days] += size * np.median(bill[scope][at - 60 : at])
        found.append(Fault(hit, at, days.stop - 1))
        at = days.stop + int(random.integers(14, 35))
    return found


def _series(bill: dict[Scope, FloatArray]) -> list[CostSeries]:
    """Services, cost centers and the total."""
    found: dict[Scope, FloatArray] = {}
    for scope, costs in bill.items():
        for wide in (Scope(), Scope(scope.pairs[:1]), scope):
            found[wide] = found.get(wide, 0.0) + costs
    return [one_series(costs, scope=scope, start=START) for scope, costs in sorted(found.items())]


def _opened(series: Sequence[CostSeries]) -> list[Episode]:
    """What opened from the first day that is judged on, looked at every week."""
    told: Sequence[Episode] = ()
    for known in range(FROM, DAYS + 1, EVERY):
        part = [one_series(one.values[:known], scope=one.scope, start=START) for one in series]
        morning = end_of_day(START + timedelta(days=known))
        told = detect(part, told, as_of=morning, settings=DetectSettings(floor=10.0)).episodes
    return [one for one in told if one.opened_on >= START + timedelta(days=FROM)]


def _is_wide(scope: Scope) -> int:
    """1 for scopes that others add up to."""
    return int(len(scope.pairs) < 2)


def _is_of(one: Episode, fault: Fault) -> bool:
    opened = (one.opened_on - START).days
    return fault.first + _AT.start <= opened <= fault.last + _AT.stop
