"""Which clock a series is believed to go by, and whether that clock keeps what it tells.

An incident is longer than a clock's days and has nothing in common with them; it must not make a clock forgotten that
then goes on as before. So long as a clock is right on the days of which it tells much, it is believed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray

IntArray = NDArray[np.intp]

NO_CLOCK = -1

_MUCH = 2.0  # usual errors: what is less could be chance
_TURN = 1 / 3  # weight of the newest of those days: after three that were wrong a clock is given up ...
_OFTEN = 0.4  # ... as it is where fewer than every second one was right
_UNTRIED = 0.5  # a clock that is new: once wrong and it stands by what its days have in common alone
_SILENT = 70  # days, two months and some: a clock that told nothing for so long keeps nothing


class Kept:
    """The `clock` of `size` series, (series,), NO_CLOCK for none, and how often it was right; updated in place."""

    def __init__(self, size: int) -> None:
        self.clock = np.full(size, NO_CLOCK)
        self._right, self._last = np.full(size, _UNTRIED), np.full(size, -_SILENT)
        self._rows: dict[int, IntArray] = {}

    def by_clock(self) -> Iterator[tuple[int, IntArray]]:
        """Each clock that some series are believed to go by, and those series."""
        yield from self._rows.items()

    def learn(
        self, day: int, told: FloatArray, surprise: FloatArray, error: FloatArray, known: NDArray[np.bool_]
    ) -> None:
        """From what clocks `told` of a `day`, the `surprise` beyond it and the usual `error`, compressed, (series,).

        A clock was right where more would have surprised without it.
        """
        rows = np.flatnonzero(known & (self.clock != NO_CLOCK) & (np.abs(told) > _MUCH * error))
        right = np.abs(surprise[rows]) < np.abs(surprise[rows] + told[rows])
        self._right[rows] += _TURN * (right - self._right[rows])
        self._last[rows] = day

    def rows(self, day: int) -> IntArray:
        """Series whose clock has kept what it told until `day`."""
        kept = (self.clock != NO_CLOCK) & (self._right > _OFTEN) & (self._last > day - _SILENT)
        return np.flatnonzero(kept)

    def believe(self, clock: IntArray) -> None:
        """From now on series go by `clock` (series,); one that is new has yet to keep anything."""
        new = clock != self.clock
        self._right[new], self._last[new] = _UNTRIED, -_SILENT
        self.clock = clock
        self._rows = {one: np.flatnonzero(clock == one) for one in np.unique(clock).tolist() if one != NO_CLOCK}
