"""What a series was expected to cost on past days, and the scale on which costs are compared with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finops_ai.domain.period import Days
from finops_ai.domain.series import FloatArray

_LARGEST = 1e150  # squares stay finite


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expectation:
    """Walk-forward expectations of one series: the bridge from the forecaster to the detector.

    Both arrays have shape (len(days),), in the currency of the series. `day_ahead[i]` uses days before `days[i]` only;
    `fortnight_ahead[i]` takes its level from fourteen days earlier, so that a slow leak cannot hide in it. NaN where
    nothing came before. `small_cost` is the scale of `compress` on which surprises are to be measured.
    """

    days: Days
    day_ahead: FloatArray
    fortnight_ahead: FloatArray
    small_cost: float
    forecaster: str


def compress(cost: FloatArray, small_cost: float | FloatArray) -> FloatArray:
    """asinh(cost / (2 small_cost)), any shape; about log(cost / small_cost) for large costs, and odd around zero."""
    x = np.clip(cost, -_LARGEST, _LARGEST) / (2 * small_cost)
    size = np.abs(x)
    compressed: FloatArray = np.copysign(np.log(size + np.sqrt(size * size + 1)), x)
    return compressed


def expand(level: FloatArray, small_cost: float | FloatArray) -> FloatArray:
    """Inverse of `compress`."""
    grown = np.exp(np.clip(level, -345.0, 345.0))
    return (grown - 1 / grown) * small_cost
