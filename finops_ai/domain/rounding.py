"""From a model's floats to money: rounded to a millionth, where it is stored or shown."""

from __future__ import annotations

from decimal import Decimal

from finops_ai.domain.money import EXACT

_MICRO = Decimal("0.000001")


def micros(value: float) -> Decimal:
    """The amount to a millionth; a float has no more to say of money."""
    return Decimal(value).quantize(_MICRO, context=EXACT)
