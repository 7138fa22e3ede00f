"""What a forecaster is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from finops_ai.domain.series import FloatArray


class Forecaster(Protocol):
    """Point forecasts for many series that share one calendar.

    `history` has shape (series, days) with NaN before a series began; its first column is `start`. The result has
    shape (series, horizon_days) and continues on the next day. It is finite, and the same for the same input.
    """

    name: str
    version: str

    def forecast(self, history: FloatArray, start: date, horizon_days: int, keys: Sequence[str]) -> FloatArray: ...
