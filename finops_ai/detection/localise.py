"""Where the cost of an episode lies: the keys and values by which the change of all its parts is told best.

A change in one place moves all parts of that place by one ratio and leaves the others as they were; so a set of
places is scored by what it leaves unexplained (after Z. Li et al., "Generic and Robust Localization of
Multi-Dimensional Root Causes", ISSRE 2019). More keys and more places must be worth it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.series import FloatArray

MOST_PLACES = 3
_PER_KEY = 0.05
_PER_PLACE = 0.06
_LEAST_CARRIED = 1e-9
_MOST = 0.5
"""Share of the parts that are taken to have stayed as they were."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """The finest parts of a scope: `values[key]` has one value for each, `expected` and `observed` its cost."""

    values: Mapping[str, Sequence[str]]
    expected: FloatArray
    observed: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`elements` are the values of `keys` where the change lies, the largest first; `explained` a share of it."""

    keys: tuple[str, ...]
    elements: tuple[tuple[str, ...], ...]
    explained: float
    score: float


def localise(parts: Parts, keys: Sequence[str], *, together: int = 2) -> list[Place]:
    """The best place by each key and by each `together` of them, best first; of equal ones the earlier keys.

    A key with a single value tells nothing and is left out.
    """
    codes: dict[str, tuple[IntArray, list[str]]] = {}
    for key in keys:
        names = sorted(set(parts.values[key]))
        if len(names) > 1:
            number = {name: i for i, name in enumerate(names)}
            codes[key] = np.array([number[name] for name in parts.values[key]], dtype=np.int64), names
    found = []
    for size in range(1, together + 1):
        for chosen in combinations(codes, size):
            best = _best(parts, chosen, codes)
            if best is not None:
                found.append(best)
    order = sorted(range(len(found)), key=lambda i: (-round(found[i].score, 4), i))
    return [found[i] for i in order]


def _best(parts: Parts, keys: tuple[str, ...], codes: dict[str, tuple[IntArray, list[str]]]) -> Place | None:
    """The set of at most MOST_PLACES elements of these keys that explains most, less what each costs."""
    combined = np.zeros(len(parts.expected), dtype=np.int64)
    for key in keys:
        combined = combined * len(codes[key][1]) + codes[key][0]
    elements, of_part = np.unique(combined, return_inverse=True)
    expected = np.bincount(of_part, weights=parts.expected, minlength=len(elements))
    observed = np.bincount(of_part, weights=parts.observed, minlength=len(elements))
    usual = _usual_noise(parts)
    change = np.maximum(np.abs(parts.observed - parts.expected) - usual, 0.0)
    whole = float(change.sum())
    if whole <= _LEAST_CARRIED:
        return None
    ratio = np.divide(observed, expected, out=np.zeros_like(observed), where=expected > 0)
    left = np.maximum(np.abs(parts.observed - parts.expected * ratio[of_part]) - usual, 0.0)
    left[(expected == 0)[of_part]] = 0.0  # a place that is all new explains all of itself
    gain = np.bincount(of_part, weights=change - left, minlength=len(elements)) / whole
    order = np.argsort(-gain, kind="stable")[:MOST_PLACES]
    score, count = max((float(gain[order[:n]].sum()) - _PER_PLACE * (n - 1), -n) for n in range(1, len(order) + 1))
    chosen = order[:-count]
    return Place(
        keys=keys,
        elements=tuple(_names(int(elements[i]), keys, codes) for i in chosen),
        explained=float(gain[chosen].sum()),
        score=score - _PER_KEY * (len(keys) - 1),
    )


def _usual_noise(parts: Parts) -> FloatArray:
    """How far each part strays without any cause: twice what most of them strayed by, relative to their cost."""
    known = parts.expected > 0
    if not known.any():
        return np.zeros(len(parts.expected))
    strayed = np.abs(parts.observed[known] / parts.expected[known] - 1)
    return np.maximum(parts.expected, 0.0) * 2 * float(np.quantile(strayed, _MOST))


def _names(number: int, keys: tuple[str, ...], codes: dict[str, tuple[IntArray, list[str]]]) -> tuple[str, ...]:
    names: list[str] = []
    for key in reversed(keys):
        number, place = divmod(number, len(codes[key][1]))
        names.append(codes[key][1][place])
    return tuple(reversed(names))
