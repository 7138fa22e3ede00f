"""What a projection of the regression is made of, for its explanation."""

from __future__ import annotations

from dataclasses import dataclass

from finops_ai.domain.series import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What a projection is made of, each of shape (horizon_days, series), on the compressed scale."""

    level: FloatArray
    trend: FloatArray
    weekday: FloatArray
    cycle: FloatArray
    year: FloatArray
    month: FloatArray

    def total(self) -> FloatArray:
        return self.level + self.trend + self.weekday + self.cycle + self.year + self.month
