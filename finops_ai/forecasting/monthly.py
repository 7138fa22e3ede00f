"""What recurs in a month: by its place in the month, how the last three differed from days without it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.day_places import MONTH_SLOTS
from finops_ai.domain.expectation import compress, expand
from finops_ai.domain.median import median_of_three
from finops_ai.domain.series import FloatArray

ALIKE = 0.35
"""Share by which two surprises, or two amounts, may differ and be the same."""

_AGREE = 2  # of the last three months: so many amounts alike are a fee


class Monthly:
    """What is known of the places in the month of `size` series before a day; updated in place."""

    def __init__(self, size: int) -> None:
        self._kept = np.zeros((MONTH_SLOTS, 3, 3, size))  # by slot: surprises, costs, and what was usual without them

    def effect(self, usual_day: FloatArray, slot: int, noise: FloatArray) -> FloatArray:
        """Median of the last three surprises in the slot, (series,), as far as it stands out of the `noise`.

        Two of three months must agree: one surprise in a slot is not yet a habit. Where they agree on an amount it is a
        fee, the same on every weekday and whatever `usual_day`, the day without it, costs by now.
        """
        surprises, costs, without = self._kept[slot]
        usual = median_of_three(surprises)
        beyond = np.maximum(np.abs(usual) - noise, 0.0)
        effect: FloatArray = np.copysign(beyond, usual)
        habits = np.flatnonzero(effect > 0)  # few series have one on a given day
        amounts = costs[:, habits] - expand(without[:, habits], 1.0)
        day, amount = usual_day[habits], median_of_three(amounts)
        fee = compress(expand(day, 1.0) + np.minimum(beyond / noise, 1.0)[habits] * amount, 1.0) - day
        alike = (np.abs(amounts - amount) <= ALIKE * amount).sum(axis=0) >= _AGREE
        effect[habits] = np.where(alike, fee, np.minimum(fee, effect[habits]))
        return effect

    def learn(
        self, slot: int, surprise: FloatArray, cost: FloatArray, usual: FloatArray, known: NDArray[np.bool_]
    ) -> None:
        """From a day's `surprise`, its `cost` in small costs and what it had been without its place, compressed."""
        kept = self._kept[slot]
        np.copyto(kept[:, 2], kept[:, 1], where=known)
        np.copyto(kept[:, 1], kept[:, 0], where=known)
        np.copyto(kept[0, 0], surprise, where=known)
        np.copyto(kept[1, 0], cost, where=known)
        np.copyto(kept[2, 0], usual, where=known)

    def forget(self, over: Iterable[tuple[int, slice]]) -> None:
        """What these series did on these places in the month is `over`."""
        for row, slots in over:
            self._kept[slots, :, :, row] = 0.0

    def begin_anew(self, rows: NDArray[np.intp]) -> None:
        """What these series did on any place in the month is over."""
        self._kept[..., rows] = 0.0
