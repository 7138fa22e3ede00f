"""Makes forecasts add up: a parent is the sum of its children on every day and at every level shown, to the cent.

Medians are projected on the sums with least change in units of their own variance (MinTrace with a diagonal covariance:
S. L. Wickramasuriya, G. Athanasopoulos, R. J. Hyndman, JASA 114 (2019)); a node that would fall below its limit is held
there and the rest projected again. Quantiles of scopes do not add up by themselves, because not all are unlucky on the
same day; so the table that must add up tells how each scope takes part when its parent is at that quantile (an Euler
allocation by variance), and every scope's own band moves with its median.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray

Cents = NDArray[np.int64]
_ROUNDS = 12
_LEAST_VARIANCE = 1e-9  # of the largest in a sum
_LEAST_PART = 1e-9  # of a median: what has no width takes part in quantiles by its size
_MOST_CENTS = 2.0**52
_NOTHING = 1e-30
_PASSES, _CLOSED = 8, 1e-12
_STIFF = 1e-12  # of a sum's own variance: keeps the system regular where nothing of it may move


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """Node `parent` is the sum of the nodes `children`."""

    parent: int
    children: tuple[int, ...]


def reconcile(values: FloatArray, variance: FloatArray, sums: Sequence[Sum], lowest: FloatArray) -> FloatArray:
    """Values (nodes, days) that fulfil `sums`, near `values` where `variance` (nodes,) is small, not under `lowest`.

    `lowest` is (nodes, days) or (nodes, 1), -inf for none; a parent's is at most the sum of its children's. Where
    limits and sums cannot both hold the sums do.
    """
    import scipy.sparse

    if not sums or not values.size:
        return values.copy()
    rows = [row for row, one in enumerate(sums) for _ in range(1 + len(one.children))]
    columns = [node for one in sums for node in (one.parent, *one.children)]
    signs = [sign for one in sums for sign in (1.0, *[-1.0] * len(one.children))]
    law = scipy.sparse.csr_matrix((signs, (rows, columns)), shape=(len(sums), len(values)))
    scale = _movable(variance, sums)
    made = _projected(values, scale, law)
    limits = np.broadcast_to(lowest, made.shape)
    for day in np.flatnonzero((made < limits).any(axis=0)):
        made[:, day] = _limited(values[:, day], scale, law, limits[:, day], made[:, day])
    return _exact(made, sums)


def _movable(variance: FloatArray, sums: Sequence[Sum]) -> FloatArray:
    """`variance` with a little where there is none, by the smallest sum a node is part of.

    Not by the largest of all, or a scope of a few dollars would move with the rounding of one of millions.
    """
    around = np.full(len(variance), np.inf)
    for one in sums:
        nodes = [one.parent, *one.children]
        around[nodes] = np.minimum(around[nodes], variance[nodes].max())
    least = np.where(np.isfinite(around), _LEAST_VARIANCE * around, 0.0)
    return np.asarray(np.maximum(variance, np.maximum(least, _NOTHING)), dtype=np.float64)


def _projected(values: FloatArray, scale: FloatArray, law: object) -> FloatArray:
    import scipy.sparse
    import scipy.sparse.linalg

    matrix = scipy.sparse.csr_matrix(law)
    weighed = matrix.multiply(scale[None]).tocsr()
    system = (weighed @ matrix.T).tocsc()
    own = system.diagonal()
    held = scipy.sparse.diags(np.where(own > 0, _STIFF * own, 1.0), format="csc")
    solved = scipy.sparse.linalg.splu(system + held)
    made, closed = values, _CLOSED * np.abs(values).max()
    for _ in range(_PASSES):  # variances far apart cost digits, which the next pass finds again
        gap = np.asarray(matrix @ made)
        if np.abs(gap).max() <= closed:
            break
        made = made - np.asarray(weighed.T @ solved.solve(gap))
    return made


def _limited(values: FloatArray, scale: FloatArray, law: object, lowest: FloatArray, made: FloatArray) -> FloatArray:
    """One day (nodes,): nodes below their limit are held at it, the others take what that costs."""
    held = np.zeros(len(values), dtype=bool)
    start, weight = values.copy(), scale.copy()
    for _ in range(_ROUNDS):
        under = (made < lowest) & ~held
        if not under.any():
            break
        held |= under
        start[held], weight[held] = lowest[held], 0.0
        made = _projected(start[:, None], weight, law)[:, 0]
    return made


def _exact(values: FloatArray, sums: Sequence[Sum]) -> FloatArray:
    """Remove what is left of rounding: from the top down, in proportion."""
    made = values.copy()
    for one in sums:
        kids = list(one.children)
        gap = made[one.parent] - made[kids].sum(axis=0)
        size = np.abs(made[kids])
        whole = size.sum(axis=0)
        made[kids] += gap * np.where(whole > 0, size / np.maximum(whole, 1e-300), 1 / len(kids))
    return made


def allocate(bands: FloatArray, medians: FloatArray, sums: Sequence[Sum], lowest: FloatArray) -> FloatArray:
    """The table that adds up at every level, shape and meaning of `bands` (nodes, levels, days) but for children.

    `medians` (nodes, days) fulfil `sums`, which name parents before their children; `lowest` is as in `reconcile`. A
    node that is nobody's child keeps its band; a child is its median plus its share, by squared width, of how far its
    parent is from its own median.
    """
    table = bands.copy()
    width = np.square(bands[:, -2] - bands[:, 1])
    for one in sums:
        kids = list(one.children)
        away = table[one.parent] - medians[one.parent]
        part = width[kids] + _LEAST_PART * (np.abs(medians[kids]) + _LEAST_PART)
        share = part / part.sum(axis=0)
        room = np.maximum(medians[kids] - lowest[kids], 0.0)
        down = _filled(np.maximum(-away, 0.0), share, room)
        table[kids] = medians[kids][:, None] + share[:, None] * np.maximum(away, 0.0) - down
    return table


def _filled(need: FloatArray, share: FloatArray, room: FloatArray) -> FloatArray:
    """Split `need` (levels, days) by `share` (nodes, days) so that none gives more than its `room` (nodes, days).

    What one cannot give the others do; where all rooms together are too small the rest is split by share.
    """
    given = np.zeros((share.shape[0], *need.shape))
    free = np.ones_like(given, dtype=bool)
    for _ in range(share.shape[0]):
        left = need - np.where(free, 0.0, given).sum(axis=0)
        weight = np.where(free, share[:, None], 0.0)
        whole = weight.sum(axis=0)
        given = np.where(free, left * weight / np.where(whole > 0, whole, 1.0), given)
        over = free & (given > room[:, None])
        if not over.any():
            break
        given = np.where(over, room[:, None], given)
        free &= ~over
    rest = need - given.sum(axis=0)
    filled: FloatArray = given + np.where(np.abs(rest) > 1e-9 * need, rest, 0.0) * share[:, None]
    return filled


def in_cents(table: FloatArray, sums: Sequence[Sum]) -> Cents:
    """The table in whole cents, (nodes, levels, days): sums hold to the cent and levels stay in order.

    Largest remainders, from the top down, on the lowest level and on the steps between levels.
    """
    scaled = np.clip(np.maximum.accumulate(table, axis=1) * 100, -_MOST_CENTS, _MOST_CENTS)
    whole = np.asarray(np.rint(scaled), dtype=np.int64)
    for one in sums:
        kids = list(one.children)
        wanted = np.diff(whole[one.parent], axis=0, prepend=0)
        steps = np.diff(scaled[kids], axis=1, prepend=0)
        whole[kids] = np.cumsum(_rounded(steps, wanted), axis=1)
    return whole


def _rounded(steps: FloatArray, wanted: Cents) -> Cents:
    """Round (nodes, levels, days) to whole cents that sum to `wanted` (levels, days); no step below zero turns up."""
    floor = np.floor(steps + 1e-9).astype(np.int64)
    rest = wanted - floor.sum(axis=0)
    nodes = len(steps)
    each, more = np.divmod(rest, nodes)
    order = np.argsort(-(steps - floor), axis=0, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(nodes)[:, None, None], order.shape), axis=0)
    made: Cents = np.asarray(floor + each + (rank < more), dtype=np.int64)
    made[:, 1:] = _not_below_zero(made[:, 1:])
    return made


def _not_below_zero(given: Cents) -> Cents:
    """A cent too much that one node was asked to give back is given by those that have it."""
    short = np.where(given < 0, -given, 0).sum(axis=0)
    steps: Cents = np.maximum(given, 0)
    for node in range(len(steps)):
        if not short.any():
            break
        taken = np.minimum(short, steps[node])
        steps[node] -= taken
        short = short - taken
    return steps
