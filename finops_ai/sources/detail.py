"""A delivery line by line as FOCUS 1.2 has it: the mapping that makes its cube, run on every line alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from finops_ai.domain import focus
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.sources import lines
from finops_ai.sources.base import Keep
from finops_ai.sources.mapping import COST, US_DATE, LineMapping, quoted, text_literal, us_amount, us_instant
from finops_ai.sources.scan import blame
from finops_ai.sources.shapes import shapes
from finops_ai.sources.staging import engine, stage

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

BATCH_ROWS = 20_000
ZEROS = r"\.?0+$"
"""Decimals that say nothing: a DECIMAL(38, 18) as text always has a point."""

IN_ORDER = """
SET threads = 1;
SET preserve_insertion_order = true;
SET disabled_optimizers = 'join_order,build_side_probe_side';
"""
"""One thread keeps the lines in their order; and they are never the side of a join that is held in memory."""

MACROS = f"""
CREATE TEMP MACRO instant(said) AS CASE
  WHEN regexp_matches(said, '{US_DATE}') THEN CAST({us_instant("said")} AS TIMESTAMPTZ)
  ELSE TRY_CAST(said AS TIMESTAMPTZ)
END;
CREATE TEMP MACRO amount(said) AS TRY_CAST({us_amount("said")} AS {COST});
CREATE TEMP MACRO unit_price(rate, quantity, cost) AS CAST(
  CASE
    WHEN quantity = 0 THEN coalesce(rate, 0)
    WHEN abs(CAST(rate AS DOUBLE) * quantity - cost) <= 1e-9 * greatest(1, abs(CAST(cost AS DOUBLE))) THEN rate
    ELSE abs(CAST(cost AS DOUBLE) / quantity)
  END AS {COST}
);
"""
"""What the SQL of a Detail may call. `unit_price` is the rate told, or what makes `cost` of `quantity` where that does
not: prices are for reading, costs are what adds up."""

IN_THE_CUBE = {
    "BilledCost": "billed_cost",
    "BillingAccountId": "billing_account_id",
    "BillingAccountName": "billing_account_name",
    "BillingCurrency": "billing_currency",
    "ChargeCategory": "charge_category",
    "ChargeClass": "charge_class",
    "ChargeFrequency": "charge_frequency",
    "ConsumedUnit": "consumed_unit",
    "ContractedCost": "contracted_cost",
    "EffectiveCost": "effective_cost",
    "InvoiceIssuerName": "invoice_issuer_name",
    "ListCost": "list_cost",
    "PricingCategory": "pricing_category",
    "ProviderName": "provider_name",
    "RegionId": "region_id",
    "ServiceCategory": "service_category",
    "ServiceName": "service_name",
    "SkuMeter": "x_sku_group",
    "SubAccountId": "sub_account_id",
    "SubAccountName": "sub_account_name",
}
"""FOCUS columns that the cube's own mapping tells of a line, unless the detail says them otherwise."""


def rows(
    parts: Iterable[tuple[str, Path]],
    mapping: LineMapping,
    keep: Keep,
    bill: BillingPeriod,
    days: Days,
    *,
    period: date | None = None,
) -> Iterator[pa.RecordBatch]:
    """Charges of `parts` on `days`, in the order of the lines, as batches of text: see `base.DetailSource.rows`.

    `bill` is the period that lines belong to which name none. `parts`, `keep` and `period` as for `scan`: lines that a
    scan leaves out are left out here. Memory is bounded by the engine's. Raises Malformed and Unavailable as `scan`.
    """
    detail = mapping.detail
    if detail is None:
        raise ValueError("this mapping does not tell lines one by one")
    mapping = replace(mapping, reads=(*mapping.reads, *detail.reads))
    with engine(kept=False) as duck:  # IN_ORDER is for all of it
        staged = stage(parts, mapping, duck)
        with blame(staged, duck):
            con = duck.con
            con.execute(IN_ORDER)
            con.execute(MACROS)
            found = shapes(staged, mapping, keep, duck)
            steps = lines.chain(found, mapping, period)
            steps["grouped"] = lines.single(found, mapping)
            steps["groups"] = lines.groups(found, mapping, "origin")
            steps["charged"] = lines.charged(mapping, "origin")
            steps["charge"] = _charge(days)
            for name, sql in steps.items():
                con.execute(f"CREATE TEMP VIEW {name} AS {sql}")
            con.execute(f"CREATE TEMP VIEW told AS {detail.sql.read_text(encoding='utf-8')}")
            yield from con.sql(_as_text(con, bill)).to_arrow_reader(BATCH_ROWS)


def _charge(days: Days) -> str:
    """Charges one by one, as exact as in the cube."""
    costs = ", ".join(f"CAST({name} AS {COST}) AS {name}" for name in focus.MEASURES)
    within = f"day >= DATE '{days.start}' AND day < DATE '{days.end}'"
    return f"SELECT * REPLACE ({costs}) FROM charged WHERE {within}"


def _as_text(con: DuckDBPyConnection, bill: BillingPeriod) -> str:
    """One struct of the cube's dimensions and every FOCUS column as text, from what `told` has."""
    said = {name for name, *_ in con.execute("DESCRIBE told").fetchall()}
    if unknown := sorted(said - {"charge", *focus.FOCUS_1_2}):
        raise ValueError(f"{', '.join(unknown)}: no column of FOCUS 1.2")
    values = {name: f"charge.{column}" for name, column in IN_THE_CUBE.items()}
    values |= {"BillingPeriodStart": f"DATE '{bill.start}'", "BillingPeriodEnd": f"DATE '{bill.end}'"}
    values |= {name: quoted(name) for name in said}
    columns = [f"{_text(name, values.get(name, 'NULL'))} AS {quoted(name)}" for name in focus.FOCUS_1_2]
    dimensions = ", ".join(f"{text_literal(name)}: charge.{name}" for name in focus.DIMENSIONS)
    return f"SELECT {{{dimensions}}} AS dimensions, {', '.join(columns)} FROM told"


def _text(name: str, value: str) -> str:
    if name in focus.INSTANTS:
        return f"strftime(CAST({value} AS TIMESTAMPTZ), '%Y-%m-%dT%H:%M:%SZ')"
    if name in focus.AMOUNTS:
        plain = f"CAST(CAST({value} AS {COST}) AS VARCHAR)"
        return f"regexp_replace({plain}, {text_literal(ZEROS)}, '')"
    return f"nullif({lines.NUL.format(f'CAST({value} AS VARCHAR)')}, '')"
