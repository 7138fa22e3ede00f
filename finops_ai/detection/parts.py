"""A scope that others add up to: a day on which each of these cost what it may is as it should be in all of them, too.

Alone, a scope is expected to cost what it did by one rhythm. Of several parts each may keep its own, and together they
keep none that could be learned.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import CostSeries, FloatArray

IntArray = NDArray[np.intp]

NO_PARTS: IntArray = np.zeros((0, 2), dtype=np.intp)
_APART = 1e-6  # share of a scope's cost by which its parts may miss it, as figures of many charges do
_NOTHING = 1e-9


def parts_of(series: Sequence[CostSeries]) -> IntArray:
    """Pairs of a part and the scope that it is a part of, (pairs, 2), as places in `series`.

    Parts of a scope are those by the most keys that have all of its own, in its currency; by those with the most scopes
    if there are several. Whether they add up to it is seen by the day. A scope of which no key has any, as an account,
    has those of one that costs the same: it is the same charges.
    """
    at = {(one.currency, frozenset(one.scope.pairs)): i for i, one in enumerate(series)}
    keys = [frozenset(name for name, _ in one.scope.pairs) for one in series]
    scopes = Counter(keys)
    finest: dict[frozenset[str], frozenset[str]] = {}
    for own in sorted(scopes, key=lambda own: (len(own), scopes[own], sorted(own))):
        for size in range(len(own)):
            finest.update({frozenset(wider): own for wider in combinations(sorted(own), size)})
    found = []
    for i, one in enumerate(series):
        for size in range(len(keys[i])):
            for wider in combinations(one.scope.pairs, size):
                whole = at.get((one.currency, frozenset(wider)))
                if whole is not None and finest[keys[whole]] == keys[i]:
                    found.append((i, whole))
    parts = defaultdict(list)
    for i, whole in found:
        parts[whole].append(i)
    for i, whole in _same(series, sorted(parts), sorted({*range(len(series))} - {i for pair in found for i in pair})):
        found += [(part, i) for part in parts[whole]]
    return np.array(found, dtype=np.intp).reshape(-1, 2)


def _same(series: Sequence[CostSeries], wholes: Sequence[int], others: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Those of `others` that cost on every day what one of the `wholes` does, each with the first such."""
    sums = np.array([np.nansum(series[i].values) for i in wholes])
    for i in others:
        near = np.flatnonzero(np.isclose(sums, np.nansum(series[i].values), rtol=_APART, atol=_NOTHING))
        alike = (wholes[k] for k in near.tolist() if _costs_the_same(series[i], series[wholes[k]]))
        if (whole := next(alike, None)) is not None:
            yield i, whole


def _costs_the_same(one: CostSeries, other: CostSeries) -> bool:
    same_days = (one.currency, one.days) == (other.currency, other.days)
    return same_days and np.allclose(one.values, other.values, rtol=_APART, atol=_NOTHING, equal_nan=True)


class Together:
    """What the parts of scopes cost together, and what they were let, day by day; the last of `days` is the newest."""

    def __init__(self, pairs: IntArray, days: int) -> None:
        self._pairs = pairs
        self._wholes = np.unique(pairs[:, 1])
        self._billed, self._most, self._least = np.zeros((3, len(self._wholes), days))

    def add(self, members: Sequence[int], billed: FloatArray, most: FloatArray, least: FloatArray) -> None:
        """What `members`, places in the series, cost and were let cost, in currency: (members, days) each."""
        rows = np.full(max([*members, *self._pairs[:, 0].tolist()], default=0) + 1, -1)
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
