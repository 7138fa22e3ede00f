"""How much of what surprised is alike by some clock: on a day and on the last one before of the same place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray

IntArray = NDArray[np.intp]
Single = NDArray[np.float32]

_THREE = 3
_GROWS = 1.02  # a day's weight: about the last two months count
_NOTHING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Clocks:
    """Ways to look back, (ways, days): the last day of the same place before each, -1 for none.

    A clock is one of the `ways` and its `rival`, by which the same days must not be alike; (clocks,) each.
    """

    before: IntArray
    ways: IntArray
    rival: IntArray

    @classmethod
    def of(cls, before: Mapping[str, IntArray], clocks: Sequence[tuple[str, str]]) -> Clocks:
        """From named ways to look back and pairs of their names, a clock's and its rival's."""
        at = {name: number for number, name in enumerate(before)}
        ways, rival = (np.array([at[pair[k]] for pair in clocks]) for k in (0, 1))
        return cls(np.maximum(np.stack(list(before.values())), -1), ways, rival)


class Alike:
    """Values of `size` series by day, and what they have in common with earlier ones; in place."""

    def __init__(self, size: int, clocks: Clocks) -> None:
        ways, days = clocks.before.shape
        self._clocks = clocks
        self._past = np.zeros((days + 1, size), dtype=np.float32)  # the last is of no day: -1
        self._square = np.zeros(size, dtype=np.float32)
        self._product, self._room = np.zeros((2, ways, size), dtype=np.float32)
        self._weight = 1.0

    def __len__(self) -> int:
        """How many clocks there are."""
        return len(self._clocks.ways)

    def learn(self, day: int, value: FloatArray, known: NDArray[np.bool_]) -> None:
        """From the `value` (series,) of a `day`; one that is not `known` is kept and has nothing in common."""
        self._weight *= _GROWS
        self._past[day] = value
        now = np.where(known, self._past[day] * np.float32(self._weight), np.float32(0))
        np.take(self._past, self._clocks.before[:, day], axis=0, out=self._room, mode="wrap")
        self._room *= now
        self._product += self._room
        self._square += now * self._past[day]

    def shares(self) -> tuple[Single, Single]:
        """Share of squares that is alike by each clock and by its rival, (clocks, series) each."""
        self._product /= self._weight
        self._square /= self._weight
        self._weight = 1.0
        shares = self._product / (self._square + np.float32(_NOTHING))
        return shares[self._clocks.ways], shares[self._clocks.rival]

    def last_three(self, clock: int, rows: IntArray, day: int, days: int) -> Single:
        """What `rows` had before `day` on the last three days of each place of `days` days from it: (3, days, rows)."""
        earlier = self._clocks.before[self._clocks.ways[clock]]
        last = earlier[day : day + days]
        while (last >= day).any():
            last = np.where(last >= day, earlier[last], last)
        kept = []
        for _ in range(_THREE):
            kept.append(self._past[np.ix_(last, rows)])
            last = np.where(last >= 0, earlier[last], -1)
        return np.array(kept)
