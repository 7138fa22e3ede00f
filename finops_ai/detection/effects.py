"""An excess told as price, volume and mix, adding up to it exactly."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import NamedTuple

from finops_ai.detection.contributors import ZERO, Contributor
from finops_ai.domain.money import EXACT, QUANTUM, total


class Effects(NamedTuple):
    """`quantity` and `price` add up to the excess; `mix` is the part of `quantity` that is not volume."""

    quantity: Decimal
    price: Decimal
    mix: Decimal | None


def growth(found: Collection[Contributor]) -> Decimal | None:
    """By what the whole quantity grew; None where parts of it are not known, or not all in one unit."""
    units = {unit for one in found for unit in one.units}
    usual = total(one.usual_quantity or ZERO for one in found)
    if len(units) != 1 or usual <= 0 or not all(one.is_counted for one in found):
        return None
    return EXACT.divide(total(one.quantity or ZERO for one in found), usual)


def effects(one: Contributor, grown: Decimal | None) -> Effects | None:
    """Of one contributor, with the growth of the whole; None where its quantities are not known.

    What is new is all quantity. Volume is what it would cost more had it grown as the whole did.
    """
    if not one.is_counted:
        return None
    by_quantity = one.excess
    if one.usual_quantity:
        more = EXACT.subtract(one.quantity or ZERO, one.usual_quantity)
        by_quantity = _exact(EXACT.divide(EXACT.multiply(more, one.expected), one.usual_quantity))
    mix = None
    if grown is not None:
        volume = _exact(EXACT.multiply(one.expected, EXACT.subtract(grown, Decimal(1))))
        mix = EXACT.subtract(by_quantity, volume)
    return Effects(by_quantity, EXACT.subtract(one.excess, by_quantity), mix)


def together(each: Collection[Effects | None], excess: Decimal) -> Effects | None:
    """Effects of several contributors whose excess is `excess`; None where one is not known, or something is left."""
    known = [one for one in each if one is not None]
    if not known or len(known) < len(each):
        return None
    quantity, price = total(one.quantity for one in known), total(one.price for one in known)
    if EXACT.add(quantity, price) != excess:
        return None
    mixes = [one.mix for one in known]
    return Effects(quantity, price, None if None in mixes else total(one for one in mixes if one is not None))


def _exact(amount: Decimal) -> Decimal:
    return amount.quantize(QUANTUM, context=EXACT)
