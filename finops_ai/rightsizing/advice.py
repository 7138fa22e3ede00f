"""Advice: what people should do who know more than the figures, with a saving that never exceeds what is billed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from finops_ai.domain.money import EXACT, Money
from finops_ai.domain.proposal import Saving

NONE = "none"
"""Kind of an answer that advises nothing, and says why: too little is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """`about` is a workload's key, a device, a claim or a model; `saving` is None where a price is unknown."""

    kind: str
    about: str
    words: str
    saving: Saving | None = None
    evidence: Mapping[str, str] = field(default_factory=dict)


def per_month(hourly: Decimal, currency: str, rate: str, low: Decimal, high: Decimal) -> Saving:
    """Shares of a price per hour over a month of 730 hours; both ends lie between nothing and what is billed."""
    billed = EXACT.multiply(hourly, Decimal(730))
    ends = [EXACT.multiply(billed, min(max(share, Decimal(0)), Decimal(1))) for share in sorted((low, high))]
    return Saving(low=Money(ends[0], currency), high=Money(ends[1], currency), rate=rate)


def between(whole: Saving, low: Decimal, high: Decimal) -> Saving:
    """From a share of the low end of a saving to a share of its high end."""
    ends = (EXACT.multiply(whole.low.amount, low), EXACT.multiply(whole.high.amount, high))
    return Saving(low=Money(ends[0], whole.low.currency), high=Money(ends[1], whole.high.currency), rate=whole.rate)
