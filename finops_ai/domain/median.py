"""The median of three arrays, element by element: what two of three months agree on."""

from __future__ import annotations

import numpy as np

from finops_ai.domain.series import FloatArray


def median_of_three(three: FloatArray) -> FloatArray:
    """Median over the first axis, which has three."""
    first, second, third = three
    middle: FloatArray = np.maximum(np.minimum(first, second), np.minimum(np.maximum(first, second), third))
    return middle
