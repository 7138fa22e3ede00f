"""A delivery: one complete restatement of one billing period by one source, never a delta."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from finops_ai.domain.errors import Problem
from finops_ai.domain.period import BillingPeriod


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One object of a delivery. `etag` changes whenever the content does."""

    uri: str
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """`fingerprint` is equal exactly when nothing about the delivery changed."""

    source: str
    billing_period: BillingPeriod
    fingerprint: str
    parts: tuple[Part, ...]
    published_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A delivery that cannot be used, told while listing; other periods go on."""

    source: str
    billing_period: BillingPeriod | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTotal:
    """What the raw files hold, summed independently of the mapping: costs by currency, and by sub account in it.

    `by_account` maps (currency, sub account id); it is empty where a source cannot tell.
    """

    rows: int
    billed_cost: Mapping[str, Decimal]
    by_account: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
