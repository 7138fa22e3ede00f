"""One version of a billing period as it arrived, kept in mind to learn when and how much a source delivers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from finops_ai.domain.period import BillingPeriod


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """`last_usage_day` is the newest day it tells of; `billed_cost` sums it by currency."""

    source: str
    billing_period: BillingPeriod
    fingerprint: str
    known_at: datetime
    rows: int
    last_usage_day: date | None
    billed_cost: Mapping[str, Decimal]
