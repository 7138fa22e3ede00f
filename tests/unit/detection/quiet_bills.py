"""Bills on which nothing is wrong, of twelve kinds that no other test uses, and one thing gone wrong on them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np

from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries, FloatArray
from tests.unit.forecasting.bills import START, one_series

DAYS = 400
Random = np.random.Generator

_T = np.arange(DAYS)
_DATES = [START + timedelta(days=t) for t in range(DAYS)]
_WEEKDAY = np.array([day.weekday() for day in _DATES])
_OF_MONTH = np.array([day.day for day in _DATES])
_TO_END = np.array([((day.replace(day=1) + timedelta(days=32)).replace(day=1) - day).days for day in _DATES])
_MONTH = np.array([day.month for day in _DATES])


def noise(random: Random, days: int, sigma: float, *, carried: float, clip: float) -> FloatArray:
    """Factors whose logarithm is a first-order autoregression of Student's t with five degrees of freedom.

    It is clipped at `clip` times `sigma`.
    """
    shocks = random.standard_t(5, days) * sigma * np.sqrt((1 - carried**2) * 3 / 5)
    log = np.zeros(days)
    for t in range(days):
        log[t] = carried * log[t - 1] + shocks[t]
    factors: FloatArray = np.exp(np.clip(log, -clip * sigma, clip * sigma))
    return factors


def _noise(random: Random, sigma: float, carried: float = 0.3) -> FloatArray:
    return noise(random, DAYS, sigma, carried=carried, clip=5)


def _month_end(random: Random) -> FloatArray:
    ramp: FloatArray = 1 + random.uniform(0.2, 1.0) * np.clip(6 - _TO_END, 0, 5) / 5
    return ramp * _noise(random, 0.05)


def _growing(random: Random) -> FloatArray:
    grown: FloatArray = np.exp(random.uniform(0.001, 0.005) * _T)
    return grown * _noise(random, 0.06)


def _two_states(random: Random) -> FloatArray:
    state = np.zeros(DAYS)
    for t in range(1, DAYS):
        state[t] = state[t - 1] if random.uniform() > 0.08 else 1 - state[t - 1]
    return (1 + random.uniform(0.5, 1.5) * state) * _noise(random, 0.04)


def _heavy_tailed(random: Random) -> FloatArray:
    return np.exp(0.25 * np.clip(random.standard_t(3, DAYS), -6, 6))


def _sparse(random: Random) -> FloatArray:
    return np.where(random.uniform(size=DAYS) < 0.06, 20 * np.exp(random.normal(0, 0.1, DAYS)), 0.0)


def _quarterly(random: Random) -> FloatArray:
    fee = (_OF_MONTH == 1) * np.where(_MONTH % 3 == 1, random.uniform(3, 8), random.uniform(0.5, 1.5))
    values: FloatArray = (1 + fee) * _noise(random, 0.03)
    return values


def _young(random: Random) -> FloatArray:
    born = int(random.integers(100, 300))
    values = (1 + np.clip((_T - born) / 30, 0, 1)) * _noise(random, 0.08)
    return np.where(born <= _T, values, 0.0)


def _office(random: Random) -> FloatArray:
    weekend = np.where(_WEEKDAY > 4, random.uniform(0.05, 0.4), 1.0)
    christmas = (_MONTH == 12) & (_OF_MONTH > 23)
    return np.where(christmas, weekend.min(), weekend) * _noise(random, 0.05)


def _credits(random: Random) -> FloatArray:
    values = _noise(random, 0.05)
    for t in random.choice(DAYS, 6, replace=False):
        values[t] -= random.uniform(1, 10)
    return values


def _sluggish(random: Random) -> FloatArray:
    return _noise(random, 0.12, carried=0.8)


def _quota(random: Random) -> FloatArray:
    free = int(random.integers(4, 12))
    return np.where(free >= _OF_MONTH, 0.0, 1.0) * _noise(random, 0.1)


def _uneven(random: Random) -> FloatArray:
    return np.where(_WEEKDAY < 5, _noise(random, 0.03), 0.5 * _noise(random, 0.2))


KINDS: dict[str, Callable[[Random], FloatArray]] = {
    "ramps at the month's end": _month_end,
    "grows": _growing,
    "two states": _two_states,
    "heavy tailed": _heavy_tailed,
    "sparse": _sparse,
    "quarterly fees": _quarterly,
    "young": _young,
    "office hours": _office,
    "credits": _credits,
    "sluggish": _sluggish,
    "monthly quota": _quota,
    "uneven weekdays": _uneven,
}


def bills(each: int, seed: int) -> dict[str, list[CostSeries]]:
    """`each` series of every kind, of 20 to 5,000 a day."""
    made: dict[str, list[CostSeries]] = {}
    for number, (kind, make) in enumerate(KINDS.items()):
        made[kind] = []
        for i in range(each):
            random = np.random.default_rng([seed, number, i])
            values = np.exp(random.uniform(3, 8.5)) * make(random)
            made[kind].append(one_series(values, scope=Scope((("kind", kind), ("number", str(i))))))
    return made
