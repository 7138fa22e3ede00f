"""What a projection of the regression is made of, for its explanation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What a projection is made of, each of shape (horizon_days, series), on the compressed scale."""

    level: FloatArray
    trend: FloatArray
    weekday: FloatArray
    year: FloatArray
    month: FloatArray

    def total(self) -> FloatArray:
        return self.level + self.trend + self.weekday + self.year + self.month

    def without(self, free: NDArray[np.bool_]) -> Parts:
        """The same, but nothing on days that are `free` by their place in the month."""
        usual = self.level + self.trend + self.weekday + self.year
        return replace(self, month=np.where(free, -usual, self.month)) if free.any() else self
