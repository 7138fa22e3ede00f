"""The demo company's bills on disk, in the layouts that its providers deliver, as they stood on a given day."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Literal

from finops_ai.demo.aws import cur2_files, legacy_files
from finops_ai.demo.billing import Charge, at
from finops_ai.demo.company import Company
from finops_ai.demo.northwind import focus_files
from finops_ai.domain.focus import UNTAGGED
from finops_ai.domain.money import total
from finops_ai.domain.period import BillingPeriod

AwsLayout = Literal["cur2", "legacy"]

FINAL_AFTER = timedelta(days=7)
"""A closed month's bill is issued, and changes no more, this long after its end."""
_PUBLISHED_AT_HOUR = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What one provider says of one month, exact in USD. `effective_by_cost_center` goes by tag."""

    source: str
    billing_period: BillingPeriod
    rows: int
    billed_cost: Decimal
    effective_cost: Decimal
    effective_by_cost_center: Mapping[str, Decimal]


def write_exports(
    company: Company, folder: Path, *, known_on: date | None = None, aws_layout: AwsLayout = "cur2"
) -> tuple[Bill, ...]:
    """Write `folder`/aws and `folder`/northwind as their providers had published them by the morning of `known_on`.

    Default: the company's `as_of`. Called again with a later day, months that went on are delivered anew and the
    rest stays untouched, byte and time stamp.
    """
    known_on = known_on or company.as_of
    aws_files = cur2_files if aws_layout == "cur2" else legacy_files
    written: list[Bill] = []
    for provider, render in (("aws", aws_files), ("northwind", focus_files)):
        for period, lines in groupby(company.charges(provider, known_on), key=lambda charge: charge.billing_period):
            bill = list(lines)
            final_on = period.end + FINAL_AFTER
            for name, content in render(period, bill, invoiced=known_on >= final_on).items():
                put(folder / provider / name, content, min(known_on, final_on))
            written.append(_summed(provider, period, bill))
    return tuple(written)


def put(path: Path, content: bytes, published_on: date) -> None:
    """Write a file unless it already says that; its time stamp is the morning of `published_on`."""
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    published = at(published_on, _PUBLISHED_AT_HOUR).timestamp()
    os.utime(path, (published, published))


def _summed(provider: str, period: BillingPeriod, charges: Sequence[Charge]) -> Bill:
    owners = sorted({_owner(charge) for charge in charges})
    return Bill(
        source=provider,
        billing_period=period,
        rows=len(charges),
        billed_cost=total(charge.billed_cost for charge in charges),
        effective_cost=total(charge.effective_cost for charge in charges),
        effective_by_cost_center={
            owner: total(charge.effective_cost for charge in charges if _owner(charge) == owner) for owner in owners
        },
    )


def _owner(charge: Charge) -> str:
    return charge.tags.get("cost-center", UNTAGGED)
