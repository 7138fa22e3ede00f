"""Exact money: a Decimal with its currency; nothing here accepts a float."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal

from finops_ai.domain.errors import Leak

COST_SCALE = 18
"""Decimal places kept for every cost; the ledger's columns are NUMERIC(38, 18)."""

QUANTUM = Decimal(1).scaleb(-COST_SCALE)
EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency (ISO 4217 code, or the provider's own for virtual currencies)."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal):
            raise TypeError(f"money is Decimal, not {type(self.amount).__name__}")
        if not self.amount.is_finite():
            raise ValueError(f"money is finite, not {self.amount}")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(EXACT.add(self.amount, other.amount), self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(EXACT.subtract(self.amount, other.amount), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __str__(self) -> str:
        return f"{plain(self.amount)} {self.currency}"

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}: convert at a dated rate first")


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Exact sum; Python's default context would round after 28 digits."""
    result = Decimal(0)
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result


def plain(amount: Decimal) -> str:
    """Amount as text for machines: no exponent, no trailing zeros beyond the cents, no negative zero."""
    if not amount:
        return "0.00"
    text = format(amount, "f")
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def split(amount: Decimal, weights: Sequence[Decimal], quantum: Decimal = QUANTUM) -> list[Decimal]:
    """Divide `amount` by `weights` so that the parts add up to it exactly (largest remainder).

    Weights are non-negative with a positive sum; equal remainders go to the earlier part.
    Raises ValueError on unusable weights and Leak if the parts do not add up.
    """
    whole = total(weights)
    if whole <= 0 or any(weight < 0 for weight in weights):
        raise ValueError("weights must be non-negative and not all zero")
    exact = [EXACT.divide(EXACT.multiply(amount, weight), whole) for weight in weights]
    parts = [value.quantize(quantum, rounding=ROUND_DOWN, context=EXACT) for value in exact]
    left = EXACT.subtract(amount, total(parts))
    step = quantum if left >= 0 else -quantum
    order = sorted(range(len(parts)), key=lambda i: (-abs(EXACT.subtract(exact[i], parts[i])), i))
    steps = int(EXACT.divide_int(left, step)) if left else 0
    for i in order[: steps % len(parts)] if parts else []:
        parts[i] = EXACT.add(parts[i], step)
    rest = EXACT.subtract(amount, total(parts))
    if rest:  # an amount finer than the quantum: the dust goes to the largest weight
        heaviest = max(range(len(parts)), key=lambda i: (weights[i], -i))
        parts[heaviest] = EXACT.add(parts[heaviest], rest)
    if total(parts) != amount:
        raise Leak(f"split of {amount} into {len(parts)} parts gives {total(parts)}")
    return parts
