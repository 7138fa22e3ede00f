"""What each contributor to a cost was expected to cost and did, exactly, with its quantities."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from finops_ai.domain.money import EXACT, QUANTUM, split, total

ZERO = Decimal(0)


class Share(NamedTuple):
    """One contributor's cost on one day; `what` has the values of the breakdown's keys, in their order."""

    day: date
    what: tuple[str, ...]
    cost: Decimal
    quantity: Decimal | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """Daily cost of an episode's scope by `keys`, on its own days and on those before it that are like them.

    `weights` says how much of each day before is expected of all its own days together (`like_days`).
    """

    keys: tuple[str, ...]
    weights: Mapping[date, Decimal]
    baseline: Sequence[Share]
    during: Sequence[Share]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributor:
    """Quantities are None where they are not known."""

    expected: Decimal = ZERO
    observed: Decimal = ZERO
    usual_quantity: Decimal | None = None
    quantity: Decimal | None = None
    is_new: bool = False
    units: frozenset[str] = frozenset()

    @property
    def excess(self) -> Decimal:
        return EXACT.subtract(self.observed, self.expected)

    @property
    def is_counted(self) -> bool:
        """Whether quantities can tell how much of the excess is price."""
        known = self.quantity is not None and (self.usual_quantity is not None or self.is_new)
        return known and len(self.units) < 2


@dataclass(slots=True)
class _Sums:
    expected: Decimal = ZERO
    observed: Decimal = ZERO
    usual_quantity: Decimal | None = None
    quantity: Decimal | None = None
    units: set[str] = field(default_factory=set)


def contributors(breakdown: Breakdown) -> dict[tuple[str, ...], Contributor]:
    """Observed and expected of each contributor, the expected one by its means over the like days before."""
    sums: dict[tuple[str, ...], _Sums] = defaultdict(_Sums)
    for share in breakdown.baseline:
        one, weight = sums[share.what], breakdown.weights.get(share.day, ZERO)
        one.expected = EXACT.add(one.expected, EXACT.multiply(share.cost, weight))
        one.usual_quantity = _more(one.usual_quantity, share.quantity, weight)
        one.units.add(share.unit)
    seen = {share.what for share in breakdown.baseline if share.cost}
    for share in breakdown.during:
        one = sums[share.what]
        one.observed = EXACT.add(one.observed, share.cost)
        one.quantity = _more(one.quantity, share.quantity, Decimal(1))
        one.units.add(share.unit)
    return {
        what: Contributor(
            expected=one.expected.quantize(QUANTUM, context=EXACT),
            observed=one.observed,
            usual_quantity=one.usual_quantity,
            quantity=one.quantity,
            is_new=what not in seen,
            units=frozenset(one.units),
        )
        for what, one in sums.items()
    }


def scaled(found: Mapping[tuple[str, ...], Contributor], expected: Decimal) -> dict[tuple[str, ...], Contributor]:
    """The contributors with expected costs that add up to `expected`, where that is a matter of proportion.

    Credits, nothing before, or a sum more than twice off are not: then the difference is left to the rest.
    """
    parts = list(found.values())
    whole = total(one.expected for one in parts)
    if whole <= 0 or not whole / 2 <= expected <= whole * 2 or any(one.expected < 0 for one in parts):
        return dict(found)
    shares = split(expected, [one.expected for one in parts])
    return {
        what: replace(
            one,
            expected=share,
            usual_quantity=None
            if one.usual_quantity is None
            else EXACT.divide(EXACT.multiply(one.usual_quantity, expected), whole),
        )
        for (what, one), share in zip(found.items(), shares, strict=True)
    }


def _more(so_far: Decimal | None, quantity: Decimal | None, weight: Decimal) -> Decimal | None:
    if quantity is None:
        return so_far
    return EXACT.add(so_far or ZERO, EXACT.multiply(quantity, weight))
