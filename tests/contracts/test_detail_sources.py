"""What every source promises that tells its bills line by line: the lines add up to the cube of the same delivery."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finops_ai.domain import focus
from finops_ai.domain.focus import AMOUNTS, FOCUS_1_2, INSTANTS
from finops_ai.domain.money import total
from finops_ai.domain.period import Days
from finops_ai.kinds import SOURCES
from finops_ai.sources.base import ChargeSource, DetailSource, Scan
from tests.unit.sources.exports import delivered, facts, source

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "sources"


def made(case: tuple[str, str]) -> ChargeSource:
    kind, name = case
    return source(SOURCES[kind], GOLDEN / kind / name / "bill")


EVERY = sorted((kind, folder.name) for kind in SOURCES for folder in (GOLDEN / kind).glob("*") if folder.is_dir())
CASES = [case for case in EVERY if isinstance(made(case), DetailSource)]
ALWAYS = Days(date(1, 1, 2), date(9999, 12, 30))

COSTS = {"BilledCost": "billed_cost", "EffectiveCost": "effective_cost", "ListCost": "list_cost"}
COSTS |= {"ContractedCost": "contracted_cost"}

KEYS = ("sub_account_id", "service_name", "billing_currency", "charge_category", "region_id", "tags")


@pytest.fixture(params=CASES, ids="/".join)
def of(request: pytest.FixtureRequest) -> DetailSource:
    found = made(request.param)
    assert isinstance(found, DetailSource)
    return found


def test_the_kinds_that_tell_lines_have_golden_cases() -> None:
    assert {"aws_cur", "focus_files"} <= {kind for kind, _ in CASES}


def rows(of: DetailSource, delivery: Any, days: Days = ALWAYS) -> list[dict[str, Any]]:
    return [row for batch in of.rows(delivery, days) for row in batch.to_pylist()]


def summed(
    charges: Iterable[dict[str, Any]], key: Callable[[dict[str, Any]], Any], columns: Iterable[str]
) -> dict[Any, tuple[Decimal, ...]]:
    """Sums by key that are not all 0: what cancels may be told or left out."""
    found: dict[Any, list[tuple[Decimal, ...]]] = defaultdict(list)
    for charge in charges:
        found[key(charge)].append(tuple(Decimal(charge[name]) for name in columns))
    sums = {name: tuple(map(total, zip(*costs, strict=True))) for name, costs in found.items()}
    return {name: costs for name, costs in sums.items() if any(costs)}


def cube(scan: Scan) -> list[dict[str, Any]]:
    return [{**row, "tags": json.dumps(row["tags"], ensure_ascii=False, separators=(",", ":"))} for row in facts(scan)]


def test_lines_add_up_to_the_cube(of: DetailSource) -> None:
    for delivery in delivered(of):
        told = summed(rows(of, delivery), lambda row: tuple(row["dimensions"][name] for name in KEYS), COSTS)
        kept = summed(cube(of.charges(delivery)), lambda row: tuple(row[name] for name in KEYS), COSTS.values())
        assert told == kept


def test_lines_have_every_column_in_its_form(of: DetailSource) -> None:
    for delivery in delivered(of):
        for row in rows(of, delivery):
            assert tuple(row) == ("dimensions", *FOCUS_1_2)
            assert tuple(row["dimensions"]) == focus.DIMENSIONS
            for name in AMOUNTS:
                assert row[name] is None or format(Decimal(row[name]), "f") == row[name]
            for name in INSTANTS:
                assert row[name].endswith("Z")
            assert all(value != "" for value in row.values())
            for name in ("Tags", "SkuPriceDetails"):
                assert row[name] is None or isinstance(json.loads(row[name]), dict)


def test_lines_of_some_days_are_those_of_all_days_on_them(of: DetailSource) -> None:
    for delivery in delivered(of):
        days = sorted({row["day"] for row in facts(of.charges(delivery))})
        some = Days(days[0], days[-1]) if len(days) > 1 else Days(days[0], date(9999, 12, 30))
        told = summed(rows(of, delivery, some), lambda row: row["BillingCurrency"], COSTS)
        within = [row for row in facts(of.charges(delivery)) if some.start <= row["day"] < some.end]
        assert told == summed(within, lambda row: row["billing_currency"], COSTS.values())


def test_lines_read_the_same_again(of: DetailSource) -> None:
    for delivery in delivered(of):
        assert rows(of, delivery) == rows(of, delivery)
