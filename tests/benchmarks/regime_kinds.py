"""Thirty-five kinds of bill that are in no set at hand: what one costs a day, as a factor of its level."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from finops_ai.domain.series import FloatArray
from tests.unit.detection.quiet_bills import noise

DAYS = 640
DATES = pd.date_range("2024-07-01", periods=DAYS)
Random = np.random.Generator

_T = np.arange(DAYS)
_WEEKDAY = DATES.day_of_week.to_numpy()
_DAY = DATES.day.to_numpy()
_MONTH = DATES.month.to_numpy()
_TO_END = (DATES + pd.offsets.MonthEnd(0) - DATES).days.to_numpy()
_WEEKEND = _WEEKDAY > 4
_FIRST_WORKING_DAY = ~_WEEKEND & ((_DAY == 1) | ((_WEEKDAY == 0) & (_DAY <= 3)))
_LAST_WORKING_DAY = ~_WEEKEND & ((_TO_END == 0) | ((_WEEKDAY == 4) & (_TO_END < 3)))
_FROM_BLACK_FRIDAY = np.array([(day - pd.Timestamp(day.year, 11, 28)).days for day in DATES])
_NOISE_CLIP = 3.2


def erring(random: Random, size: float, carried: float = 0.35) -> FloatArray:
    """Factors around 1 that err by `size`, (DAYS,); a share of each day's error is carried into the next."""
    return noise(random, DAYS, size, carried=carried, clip=_NOISE_CLIP)


def _states(random: Random, heights: list[float], stay: float) -> FloatArray:
    state = np.zeros(DAYS, dtype=np.intp)
    for t in range(1, DAYS):
        state[t] = state[t - 1] if random.uniform() < stay else random.integers(len(heights))
    return np.array(heights)[state]


def _bursts(random: Random, apart: int, longest: int, height: tuple[float, float]) -> FloatArray:
    """1 with stretches of up to `longest` days of one height each, `apart` days apart on average."""
    factors, at = np.ones(DAYS), 0
    while at < DAYS:
        at += int(random.geometric(1 / apart))
        long = int(random.integers(2, longest + 1))
        factors[at : at + long] = random.uniform(*height)
        at += long
    return factors


def _levels(random: Random) -> FloatArray:
    factors, at = np.ones(DAYS), 0
    while (at := at + int(random.integers(50, 120))) < DAYS:
        factors[at:] *= np.exp(random.uniform(-0.25, 0.35))
    return factors


def _releases(random: Random) -> FloatArray:
    factors, at = np.ones(DAYS), int(random.integers(30))
    while at < DAYS:
        factors[at:] += random.uniform(0.3, 0.8) * np.exp(-np.arange(DAYS - at) / 6)
        at += int(random.integers(21, 35))
    return factors


def _born(random: Random) -> FloatArray:
    born = int(random.integers(200, 480))
    return np.where(born <= _T, 1 + np.clip((_T - born) / 30, 0, 1), np.nan)


def _moved(random: Random) -> FloatArray:
    before, after = random.choice(7, 2, replace=False)
    day = np.where(int(random.integers(250, 500)) > _T, before, after)
    return np.where(day == _WEEKDAY, random.uniform(2, 6), 1.0)


def _credited(random: Random) -> FloatArray:
    factors = erring(random, 0.06)
    factors[random.choice(DAYS, 8, replace=False)] -= random.uniform(1, 6, 8)
    return factors


def _every_second_day(random: Random) -> FloatArray:
    factors = erring(random, 0.06)
    factors[1::2] += factors[::2]
    factors[::2] *= 0.02
    return factors


Kind = Callable[[Random], FloatArray]
KINDS: dict[str, Kind] = {
    "ramps to the month's end": lambda r: (1 + r.uniform(0.2, 1) * np.clip(5 - _TO_END, 0, 5) / 5) * erring(r, 0.06),
    "two last days dearer": lambda r: np.where(_TO_END < 2, r.uniform(1.2, 1.6), 1) * erring(r, 0.08),
    "grows": lambda r: np.exp(r.uniform(0.001, 0.005) * _T) * erring(r, 0.07),
    "begins to grow": lambda r: (
        np.exp(np.maximum(_T - r.integers(200, 500), 0) * r.uniform(0.002, 0.006)) * erring(r, 0.06)
    ),
    "grows to a new level": lambda r: (
        (1 + r.uniform(2, 6) / (1 + np.exp(-(_T - r.uniform(300, 450)) / r.uniform(15, 40)))) * erring(r, 0.06)
    ),
    "fades": lambda r: (0.05 + np.exp(-_T / r.uniform(120, 300))) * erring(r, 0.07),
    "two states": lambda r: _states(r, [1, r.uniform(1.5, 2.5)], 0.84) * erring(r, 0.05),
    "three states": lambda r: _states(r, [1, r.uniform(1.6, 2), r.uniform(2.5, 4)], 0.9) * erring(r, 0.05),
    "new levels": lambda r: _levels(r) * np.where(_WEEKEND, 0.7, 1) * erring(r, 0.05),
    "jobs on a base": lambda r: np.maximum(_bursts(r, 14, 6, (5, 8)) * 0.15, 0.15) * erring(r, 0.12),
    "campaigns": lambda r: _bursts(r, 25, 6, (1.4, 2.5)) * erring(r, 0.06),
    "after releases": lambda r: _releases(r) * erring(r, 0.06),
    "heavy tailed": lambda r: np.exp(0.2 * np.clip(r.standard_t(3, DAYS), -5, 5)),
    "sluggish": lambda r: erring(r, 0.14, 0.8),
    "a random walk": lambda r: np.exp(np.cumsum(r.normal(0, 0.03, DAYS))) * erring(r, 0.03),
    "uneven weekdays": lambda r: np.where(_WEEKEND, 0.5 * erring(r, 0.24), erring(r, 0.04)),
    "office hours": lambda r: (
        np.where(_WEEKEND | ((_MONTH == 12) & (_DAY > 23)), r.uniform(0.05, 0.4), 1) * erring(r, 0.06)
    ),
    "a growing office": lambda r: (
        np.exp(r.uniform(0.0015, 0.004) * _T) * np.where(_WEEKEND, r.uniform(0.2, 0.6), 1) * erring(r, 0.07)
    ),
    "a year's course": lambda r: (
        (1 + r.uniform(0.3, 0.7) * np.sin(2 * np.pi * (_T / 365.25 + r.uniform()))) * erring(r, 0.08)
    ),
    "a shop": lambda r: (1 + r.uniform(0.8, 1.8) * np.exp(-((_FROM_BLACK_FRIDAY / 12) ** 2))) * erring(r, 0.08),
    "every second week": lambda r: np.where((_T + r.integers(14)) % 14 < 2, r.uniform(1.6, 4), 1) * erring(r, 0.07),
    "a weekly job moved": lambda r: _moved(r) * erring(r, 0.07),
    "weekly in one lump": lambda r: np.where(r.integers(7) == _WEEKDAY, 7, 0) * erring(r, 0.07),
    "billed every second day": _every_second_day,
    "quarterly fees": lambda r: (
        (1 + (_DAY == 1) * np.where(_MONTH % 3 == 1, r.uniform(3, 8), r.uniform(0.5, 1.5))) * erring(r, 0.04)
    ),
    "pay days": lambda r: np.where((_DAY == 15) | _LAST_WORKING_DAY, r.uniform(2, 4), 1) * erring(r, 0.06),
    "the first working day": lambda r: np.where(_FIRST_WORKING_DAY, r.uniform(3, 9), 1) * erring(r, 0.05),
    "nothing but a fee": lambda r: np.where(r.integers(1, 28) == _DAY, r.uniform(0.9, 1.1), 0) * np.exp(0.0005 * _T),
    "fees, weeks and month ends": lambda r: (
        (np.where(_WEEKDAY == 0, r.uniform(2, 4), 1) + (_DAY == 1) * r.uniform(3, 6) + 0.3 * (_TO_END < 3))
        * erring(r, 0.07)
    ),
    "a monthly quota": lambda r: np.where(r.integers(4, 12) >= _DAY, 0.0, 1.0) * erring(r, 0.12),
    "credits": _credited,
    "sparse": lambda r: np.where(r.uniform(size=DAYS) < 0.08, 20 * np.exp(r.normal(0, 0.12, DAYS)), 0),
    "spotty": lambda r: np.where(r.uniform(size=DAYS) < 0.4, np.exp(r.normal(0, 0.3, DAYS)), 0),
    "young": lambda r: _born(r) * erring(r, 0.1),
    "tiny": lambda r: 0.01 * np.exp(r.uniform(0, 2)) * erring(r, 0.15),
}
IDLE = (
    "jobs on a base",
    "billed every second day",
    "weekly in one lump",
    "nothing but a fee",
    "a monthly quota",
    "sparse",
    "spotty",
)
"""Kinds on whose idle days nothing can fail, and whose days tell nothing of how much they err."""
