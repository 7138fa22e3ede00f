"""The SQL of a delivery for an engine that has its rows: what comes back is a small bill in FOCUS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

from finops_ai.domain import focus
from finops_ai.domain.errors import UsageError
from finops_ai.domain.period import BillingPeriod
from finops_ai.sources import lines
from finops_ai.sources.base import Dialect, Keep
from finops_ai.sources.mapping import LineMapping, quoted
from finops_ai.sources.rendering import Renderer
from finops_ai.sources.shapes import Shape, shapes
from finops_ai.sources.staging import engine, stage

OWN = {
    "day": "ChargePeriodStart",
    "x_sku_group": "SkuMeter",
    "x_service_code": "x_ServiceCode",
    "x_cost_categories": "x_CostCategories",
    "line_items": "x_LineItems",
    "problem": "x_Problem",
}
"""Columns whose name in FOCUS is not just another spelling; those with x_ are ours."""


def sql(
    parts: Iterable[tuple[str, Path]],
    mapping: LineMapping,
    keep: Keep,
    bill: BillingPeriod,
    dialect: Dialect,
    tables: Sequence[str],
    *,
    period: date | None = None,
) -> str:
    """The whole chain as one query over `tables`, which have the columns of `parts`, see `RenderedSource.sql`.

    Rows that a scan would reject are left out. Raises Malformed when a part cannot be read.
    """
    with engine() as duck:
        found = shapes(stage(parts, mapping, duck), mapping, keep, duck)
    if len(tables) != len(found):
        raise UsageError(f"the files have {len(found)} sets of columns: name a table for each, in the order of files")
    steps = {**lines.chain(found, mapping, period), "bill": in_focus(bill)}
    told = [f"Charges of {bill} in FOCUS, one row a day for each group of charges alike, UTC."]
    told += [f"{label} is {what}." for label, what in sorted(_labels(found).items())]
    comments = "".join(f"-- {line}\n" for line in told)
    return f"{comments}{Renderer(dialect=dialect, tables=tables).whole(steps)}\n"


def in_focus(bill: BillingPeriod) -> str:
    """The cube under the names of FOCUS 1.2."""
    names = [*focus.DIMENSIONS, "day", *focus.MEASURES, "line_items", "problem"]
    columns = ", ".join(f"{name} AS {quoted(OWN.get(name, _pascal(name)))}" for name in names)
    return f"SELECT {columns}, DATE '{bill.start}' AS {quoted('BillingPeriodStart')} FROM charge"


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _labels(found: Sequence[Shape]) -> Mapping[str, str]:
    """Where each label that is kept stands, as far as these files show."""
    told: dict[str, str] = {}
    for shape in found:
        for kind, labels in (("tag", shape.tags), ("cost category", shape.cost_categories)):
            for key, spellings in labels.items():
                told[f"{kind} {key!r}"] = " or ".join(repr(raw) for raw, _ in spellings)
    return told
