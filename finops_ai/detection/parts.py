"""A scope that others add up to: a day on which each of these cost what it may is as it should be in all of them, too.

Alone, a scope is expected to cost what it did by one rhythm. Of several parts each may keep its own, and together they
keep none that could be learned.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.scope import is_of_owner
from finops_ai.domain.series import CostSeries, FloatArray

IntArray = NDArray[np.intp]

NO_PARTS: IntArray = np.zeros((0, 2), dtype=np.intp)
_APART = 1e-6  # share of a scope's cost by which its parts may miss it, as figures of many charges do
_NOTHING = 1e-9


def parts_of(series: Sequence[CostSeries]) -> IntArray:
    """Pairs of a part and the scope that it is a part of, (pairs, 2), as places in `series`.

    Parts of a scope are those that have all of its keys and some more, in its currency, and add up to it: by the most
    keys; if there are several such ways, by keys of owners, and then with the most scopes.
    """
    at = {(one.currency, frozenset(one.scope.pairs)): i for i, one in enumerate(series)}
    ways: dict[int, dict[tuple[str, ...], list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, one in enumerate(series):
        keys = tuple(sorted(name for name, _ in one.scope.pairs))
        for size in range(len(keys)):
            for wider in combinations(one.scope.pairs, size):
                whole = at.get((one.currency, frozenset(wider)))
                if whole is not None:
                    ways[whole][keys].append(i)
    sums = np.array([np.nansum(one.values) for one in series])
    found = [(i, whole) for whole, each in sorted(ways.items()) for i in _best(each, sums, sums[whole])]
    return np.array(found, dtype=np.intp).reshape(-1, 2)


def _best(ways: Mapping[tuple[str, ...], list[int]], sums: FloatArray, whole: float) -> list[int]:
    """Of the `ways` to divide a scope that costs `whole` the best one that adds up to it; nothing if none does."""
    order = sorted(ways.items(), key=lambda way: (-len(way[0]), not is_of_owner(way[0]), -len(way[1]), way[0]))
    whole_ones = (parts for _, parts in order if np.isclose(sums[parts].sum(), whole, rtol=_APART, atol=_NOTHING))
    return next(whole_ones, [])


class Together:
    """What the parts of scopes cost together, and what they were let, day by day; the last of `days` is the newest."""

    def __init__(self, pairs: IntArray, days: int) -> None:
        self._pairs, self._last = pairs, int(pairs[:, 0].max(initial=-1))
        self._wholes = np.unique(pairs[:, 1])
        self._billed, self._most, self._least = np.zeros((3, len(self._wholes), days))

    def add(self, members: Sequence[int], billed: FloatArray, most: FloatArray, least: FloatArray) -> None:
        """What `members`, places in the series, cost and were let cost, in currency: (members, days) each."""
        rows = np.full(max(self._last, max(members, default=-1)) + 1, -1)
        rows[list(members)] = np.arange(len(members))
        pairs = self._pairs[rows[self._pairs[:, 0]] >= 0]
        part, whole = rows[pairs[:, 0]], np.searchsorted(self._wholes, pairs[:, 1])
        days = np.s_[-billed.shape[1] :]
        for total, values in ((self._billed, billed), (self._most, most), (self._least, least)):
            np.add.at(total[:, days], whole, values[part])

    def let(self, members: Sequence[int], billed: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The most and the least that `members` may cost by their parts, NaN where these do not add up to `billed`."""
        most, least = np.full((2, *billed.shape), np.nan)
        row = np.flatnonzero(np.isin(members, self._wholes))
        at = np.searchsorted(self._wholes, np.array(members, dtype=np.intp)[row])
        apart = np.abs(self._billed[at, -billed.shape[1] :] - billed[row])
        whole = apart <= _APART * np.abs(billed[row]) + _NOTHING
        most[row] = np.where(whole, self._most[at, -billed.shape[1] :], np.nan)
        least[row] = np.where(whole, self._least[at, -billed.shape[1] :], np.nan)
        return most, least
