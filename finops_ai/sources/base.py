"""What a source of charges or of usage is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import pyarrow as pa

from finops_ai.domain.delivery import ControlTotal, Delivery, Refusal
from finops_ai.domain.errors import Problem
from finops_ai.domain.period import BillingPeriod
from finops_ai.domain.usage import ContainerUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Which tag keys and cost categories the cube keeps, in canonical spelling; "*" keeps every key."""

    tags: frozenset[str]
    cost_categories: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scan:
    """A delivery at the grain of the cube.

    `dimensions`: column `dimension` (int32, dense from 0) and one text column for each of focus.DIMENSIONS.
    `facts`: `dimension`, `day` (date32, UTC) and focus.MEASURES as decimal128(38, 18), one row for each pair.
    `control` is summed from the raw rows by a second path, so that a fault of the mapping shows; `problems` holds
    warnings only: errors are raised as Malformed before anything is applied.
    """

    dimensions: pa.Table
    facts: pa.Table
    control: ControlTotal
    rows_rejected: int
    problems: tuple[Problem, ...]

    def billed(self) -> Mapping[str, Decimal]:
        """Billed cost by currency as the facts have it."""
        joined = self.facts.join(self.dimensions.select(["dimension", "billing_currency"]), "dimension")
        sums = joined.group_by("billing_currency").aggregate([("billed_cost", "sum")])
        return dict(zip(sums["billing_currency"].to_pylist(), sums["billed_cost_sum"].to_pylist(), strict=True))


class ChargeSource(Protocol):
    """One configured export. Reading changes nothing outside; the same delivery reads the same twice."""

    name: str

    def deliveries(self, since: BillingPeriod | None) -> Iterator[Delivery | Refusal]:
        """The newest delivery of each billing period from `since` on, oldest period first.

        Raises Unavailable when the export cannot be listed at all.
        """
        ...

    def charges(self, delivery: Delivery) -> Scan:
        """Read every part of `delivery`.

        Raises Malformed (with file, line, column, value) when it cannot be trusted, Unavailable when a part cannot
        be fetched or changed meanwhile.
        """
        ...


class UsageSource(Protocol):
    """One configured place of utilisation metrics."""

    name: str

    def fingerprint(self) -> str:
        """Equal exactly when there is nothing new to read."""
        ...

    def usage(self) -> Iterator[ContainerUsage]:
        """One value per workload and container. Raises Malformed or Unavailable."""
        ...
