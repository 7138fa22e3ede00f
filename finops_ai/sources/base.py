"""What a source of charges or of usage is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Protocol, get_args, runtime_checkable

import pyarrow as pa

from finops_ai.domain.delivery import ControlTotal, Delivery, Refusal
from finops_ai.domain.errors import Problem
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.domain.usage import Usage

Dialect = Literal["duckdb", "spark", "trino", "athena", "bigquery"]
"""Engines whose SQL a scan can be told in."""
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Which tag keys and cost categories the cube keeps, in canonical spelling; "*" keeps every key.

    With `hours` a scan also tells what each hour cost.
    """

    tags: frozenset[str]
    cost_categories: frozenset[str]
    hours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scan:
    """A delivery at the grain of the cube.

    `dimensions`: column `dimension` (int32, dense from 0) and one text column for each of focus.DIMENSIONS.
    `facts`: `dimension`, `day` (date32, UTC) and focus.MEASURES as decimal128(38, 18), one row for each pair.
    `hours` (None where the scan was not asked, or its files know days only): `dimension`, `day` and for each of
    focus.BY_HOUR a list of 24 doubles, what the hours of that UTC day cost; they add up to the facts but for rounding.
    `control` is summed from the raw rows by a second path, so that a fault of the mapping shows; `problems` holds
    warnings only: errors are raised as Malformed before anything is applied.
    """

    dimensions: pa.Table
    facts: pa.Table
    control: ControlTotal
    rows_rejected: int
    problems: tuple[Problem, ...]
    hours: pa.Table | None = None

    def billed(self) -> Mapping[str, Decimal]:
        """Billed cost by currency as the facts have it."""
        import pyarrow.compute as pc

        # Arrow's own join and group_by would load pandas, which takes longer than reading most deliveries.
        place = pc.index_in(self.facts["dimension"], value_set=self.dimensions["dimension"])
        currency = self.dimensions["billing_currency"].take(place)
        return {
            name.as_py(): pc.sum(self.facts["billed_cost"].filter(pc.equal(currency, name))).as_py()
            for name in currency.unique()
        }


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


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReading:
    """What a source of usage can be read for: one UTC `day`, or all that it knows (None).

    `fingerprint` is equal exactly when reading again would bring nothing new.
    """

    day: date | None
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageScan:
    """What a reading brought. `problems` holds warnings only: what could not be known, and why."""

    usages: tuple[Usage, ...]
    problems: tuple[Problem, ...] = ()


@runtime_checkable
class DetailSource(ChargeSource, Protocol):
    """A source of charges that can also tell a delivery line by line."""

    def rows(self, delivery: Delivery, days: Days) -> Iterator[pa.RecordBatch]:
        """Every charge of `delivery` on `days`, in the order of its lines.

        A batch has `dimensions`, a struct of focus.DIMENSIONS as the cube has them, and focus.FOCUS_1_2 as text: an
        instant as ISO 8601 in UTC, an amount as a plain decimal, null where nothing is said. Costs add up to those of
        `charges`. Raises Malformed and Unavailable as `charges` does.
        """
        ...


@runtime_checkable
class RenderedSource(ChargeSource, Protocol):
    """A source of charges that another engine can add up where they lie."""

    def sql(self, delivery: Delivery, dialect: Dialect, tables: Sequence[str]) -> str:
        """What makes the charges of `delivery` of `tables`, one for each set of columns that its parts have.

        The answer's columns are those of FOCUS, so that files of it are read by focus_files. Raises UsageError for
        another number of tables.
        """
        ...


class UsageSource(Protocol):
    """One configured place of utilisation metrics. Reading changes nothing outside."""

    name: str

    def readings(self, as_of: datetime) -> Iterator[UsageReading]:
        """What can be read of the hours that were over at `as_of`, oldest first. Raises Unavailable."""
        ...

    def usage(self, reading: UsageReading) -> UsageScan:
        """Hours of UTC, each noun once. Raises Malformed or Unavailable."""
        ...
