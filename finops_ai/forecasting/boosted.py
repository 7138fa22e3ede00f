"""One boosted quantile model over all series: it learns from every series' past how the calendar regression errs.

Two readings of the same error are learned: of the compressed costs (asinh: relative; quantiles 0.1, 0.5, 0.9), and of
the plain ones (in levels; the median). The median is their mean; the quantiles tell how far to either side a day may
go, and how often it does is measured elsewhere. Same rows, same seed: same bytes.
LightGBM: G. Ke et al., NeurIPS 2017; quantile loss: R. Koenker, G. Bassett, Econometrica 46 (1978).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.expectation import compress, expand
from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.features import features
from finops_ai.forecasting.lookback import Lookback
from finops_ai.forecasting.settings import ForecastSettings

_LEVELS = {"low": 0.1, "middle": 0.5, "high": 0.9}
_SMALL = 0.02  # levels: below it differences count absolutely
_LEAST_SPREAD = 1e-3  # levels
_FARTHEST = 30.0  # levels: what lies beyond is only "very far", or one odd day would teach all series
_NOISE = 0.7  # of the usual surprise of a day: no side of the band is nearer
_FIRST_ORIGIN = 56
_YOUNGEST = 10  # days of history of the youngest examples
_PER_SERIES = 12  # days ahead learned from one series at one origin
_SEED = 4
_ALIKE = 3  # boosters of other seeds whose mean is the median: what one learned by chance the others did not
_LEAST_ROWS = 4_000  # fewer examples teach less than the regression knows
_STEADY = (0.2, 20.0)  # how much more a steady series counts than a restless one, at least and at most


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """Rows to learn from: `told` (rows, features); `cost` and `base`, the regression's forecast, in levels (rows,)."""

    told: NDArray[np.float32]
    cost: FloatArray
    base: FloatArray
    steady: FloatArray

    @classmethod
    def joined(cls, parts: Sequence[Examples]) -> Examples:
        return cls(
            told=np.concatenate([one.told for one in parts]),
            cost=np.concatenate([one.cost for one in parts]),
            base=np.concatenate([one.base for one in parts]),
            steady=np.concatenate([one.steady for one in parts]),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ahead:
    """Days ahead of some series: the median, and how far below and above it the 80 % band goes; each (series, days)."""

    median: FloatArray
    below: FloatArray
    above: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boosted:
    """A trained model; what several boosters say of one thing counts as their mean."""

    boosters: Mapping[str, Sequence[Any]]

    def ahead(self, look: Lookback, origin: int, days: NDArray[np.intp], base: FloatArray) -> Ahead:
        """Forecast of the days `origin + days`; `base` (series, horizon_days) is the regression's from that origin."""
        told = features(look, origin, days, base)
        level = look.level(origin)[:, None]
        flat, shape = told.reshape(-1, told.shape[-1]), told.shape[:2]
        learned = {
            name: np.mean([one.predict(flat, num_threads=1) for one in alike], axis=0).reshape(shape)
            for name, alike in self.boosters.items()
        }
        plain = base[:, days] / level
        start = compress(plain, _SMALL)
        low, middle, high = np.sort([expand(start + learned[name], _SMALL) for name in _LEVELS], axis=0)
        least = np.maximum(_NOISE * look.noise(origin), _LEAST_SPREAD)[:, None]
        return Ahead(
            median=level * (0.5 * middle + 0.5 * (plain + learned["plain"])),
            below=level * np.maximum(middle - low, least),
            above=level * np.maximum(high - middle, least),
        )


def training_origins(days: int, settings: ForecastSettings) -> list[int]:
    """Origins whose examples are learned from: evenly over the days, newest first."""
    step = max(settings.boosted_step, -(-(days - _FIRST_ORIGIN) // settings.boosted_origins))
    return list(range(days - 1, _FIRST_ORIGIN, -step))


def examples(
    look: Lookback,
    rolling: Mapping[int, FloatArray],
    origins: Sequence[int],
    *,
    known_days: int,
    series_per_origin: int,
) -> list[Examples]:
    """Examples from `origins`: some days ahead of each, their answers among the first `known_days` days.

    `rolling` has the regression's forecast from each origin. `series_per_origin` bounds the series asked at one origin,
    so that many series do not cost more than few.
    """
    random = np.random.default_rng(_SEED)
    found = []
    for origin in origins:
        limit = min(rolling[origin].shape[1], known_days - origin)
        if limit < 1:
            continue
        some = random.choice(limit, min(_PER_SERIES, limit), replace=False)
        days = np.union1d(some, np.arange(min(3, limit))).astype(np.intp)
        rows = np.arange(look.size)
        if look.size > series_per_origin:
            rows = np.sort(random.choice(look.size, series_per_origin, replace=False))
        found.append(_examples(look.only(rows), rolling[origin][rows], origin, days))
    return found


def _examples(look: Lookback, base: FloatArray, origin: int, days: NDArray[np.intp]) -> Examples:
    told = features(look, origin, days, base)
    level = look.level(origin)[:, None]
    cost, start = look.values[:, origin + days] / level, base[:, days] / level
    steady = np.clip(level / np.maximum(look.week_error(origin)[:, None], 1e-9), *_STEADY)
    steady = np.broadcast_to(steady, cost.shape)
    cost, start = np.clip(cost, -_FARTHEST, _FARTHEST), np.clip(start, -_FARTHEST, _FARTHEST)
    use = np.isfinite(cost) & np.isfinite(steady) & (origin - look.first >= _YOUNGEST)[:, None]
    return Examples(told=told[use], cost=cost[use], base=start[use], steady=steady[use])


def train(parts: Sequence[Examples], settings: ForecastSettings) -> Boosted | None:
    """Learn from examples; None when there are too few."""
    if sum(len(one.cost) for one in parts) < _LEAST_ROWS:
        return None
    import lightgbm

    rows = Examples.joined(parts)
    relative = compress(rows.cost, _SMALL) - compress(rows.base, _SMALL)
    counts = np.sqrt(rows.steady) * np.clip(np.abs(rows.base), 0.1, 3.0)
    fixed = {
        "objective": "quantile",
        "learning_rate": settings.boosted_rate,
        "num_leaves": settings.boosted_leaves,
        "min_data_in_leaf": 80,
        "feature_fraction": 0.6,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbose": -1,
    }

    def fit(target: FloatArray, weight: FloatArray | None, level: float) -> Sequence[Any]:
        data = lightgbm.Dataset(rows.told, target, weight=weight, params={"verbose": -1, "max_bin": 63})
        seeds = range(_SEED, _SEED + (_ALIKE if level == _LEVELS["middle"] else 1))
        return [
            lightgbm.train({**fixed, "alpha": level, "seed": seed}, data, num_boost_round=settings.boosted_rounds)
            for seed in seeds
        ]

    boosters = {name: fit(relative, counts, level) for name, level in _LEVELS.items()}
    return Boosted(boosters={**boosters, "plain": fit(rows.cost - rows.base, None, 0.5)})
