"""The ledger's answers: grouping, filtering, quantities, coverage, breakdown, the finest grain."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.domain import focus
from finops_ai.domain.errors import UsageError
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.ledger import costs
from finops_ai.ledger.costs import CostQuery
from tests.ledger.bills import ALWAYS, LATER, bill, charge, load

MARCH = Days(date(2026, 3, 1), date(2026, 4, 1))


def ask(engine: sa.Engine, *group_by: str, where: Any = (), currency: str | None = None, days: Days = ALWAYS) -> Any:
    query = CostQuery(days=days, group_by=group_by, where=tuple(where), currency=currency, as_of=LATER)
    return costs.costs(engine, query)


def figures(rows: Any, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


@pytest.fixture
def loaded(ledger: sa.Engine) -> sa.Engine:
    march = bill(
        charge(
            "2026-03-01", 10, service_name="Compute", quantity=Decimal(2), consumed_unit="Hours", tags='{"team":"a"}'
        ),
        charge(
            "2026-03-01", 3, service_name="Tokens", quantity=Decimal(500), consumed_unit="Tokens", x_ai_model="clip"
        ),
        charge(
            "2026-03-02", 5, service_name="Compute", quantity=Decimal(1), consumed_unit="Hours", effective=Decimal(4)
        ),
        charge("2026-03-03", 2, service_name="Compute", charge_category="Tax", consumed_unit=""),
        charge("2026-03-03", 7, billing_currency="EUR", x_cost_center=focus.UNTAGGED, x_allocation_rule="none"),
    )
    april = bill(charge("2026-04-01", 1, service_name="Compute"), charge("2026-03-31", -1, charge_class="Correction"))
    load(ledger, march, period="2026-03")
    load(ledger, april, period="2026-04", source="beta")
    return ledger


def test_totals_never_add_currencies(loaded: sa.Engine) -> None:
    assert figures(ask(loaded), "currency", "billed_cost", "effective_cost") == [("EUR", 7, 7), ("USD", 20, 19)]
    assert figures(ask(loaded, currency="USD"), "currency", "billed_cost") == [("USD", 20)]


def test_rows_are_sorted_by_their_keys(loaded: sa.Engine) -> None:
    rows = ask(loaded, "day", "service_name", days=MARCH)
    assert list(rows[0]) == [
        "day",
        "service_name",
        "currency",
        "billed_cost",
        "effective_cost",
        "list_cost",
        "contracted_cost",
        "consumed_quantity",
    ]
    assert figures(rows, "day", "service_name", "currency", "billed_cost") == [
        (date(2026, 3, 1), "Compute", "USD", 10),
        (date(2026, 3, 1), "Tokens", "USD", 3),
        (date(2026, 3, 2), "Compute", "USD", 5),
        (date(2026, 3, 3), "", "EUR", 7),
        (date(2026, 3, 3), "Compute", "USD", 2),
        (date(2026, 3, 31), "", "USD", -1),
    ]


def test_quantities_add_up_in_one_unit_only(loaded: sa.Engine) -> None:
    rows = ask(loaded, "service_name", currency="USD")
    assert figures(rows, "service_name", "consumed_quantity") == [("", None), ("Compute", 3), ("Tokens", 500)]
    assert figures(ask(loaded, currency="USD"), "consumed_quantity") == [(None,)]


def test_a_period_holds_what_its_bill_brought_wherever_the_days_lie(loaded: sa.Engine) -> None:
    rows = ask(loaded, "billing_period", "source", currency="USD")
    assert figures(rows, "billing_period", "source", "billed_cost") == [("2026-03", "acme", 20), ("2026-04", "beta", 0)]
    assert figures(ask(loaded, where=[("billing_period", "2026-04")]), "billed_cost") == [(0,)]


@pytest.mark.parametrize("key", ["tag:team", "tag:Team", "tag:user:team"])
def test_a_tag_is_one_key_in_every_spelling(loaded: sa.Engine, key: str) -> None:
    rows = ask(loaded, key, currency="USD")
    assert figures(rows, key, "billed_cost") == [(focus.UNTAGGED, 10), ("a", 10)]
    assert figures(ask(loaded, where=[(key, "a")]), "billed_cost") == [(10,)]


def test_filters_of_one_key_are_alternatives_and_keys_must_all_hold(loaded: sa.Engine) -> None:
    either = [("service_name", "Compute"), ("service_name", "Tokens")]
    assert figures(ask(loaded, where=either, currency="USD"), "billed_cost") == [(21,)]
    assert figures(ask(loaded, where=[*either, ("day", "2026-03-01")]), "billed_cost") == [(13,)]
    assert ask(loaded, where=[("service_name", "' OR 1=1 --")]) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"group_by": ("servce_name",)}, "did you mean 'service_name'"),
        ({"where": (("x_cost_centre", "a"),)}, "did you mean 'x_cost_center'"),
        ({"group_by": ("tag:",)}, "tag:NAME"),
        ({"group_by": ("tags",)}, "cannot group"),
        ({"where": (("day", "yesterday"),)}, "YYYY-MM-DD"),
        ({"where": (("billing_period", "March"),)}, "YYYY-MM"),
    ],
)
def test_unknown_keys_are_told_with_the_nearest(ledger: sa.Engine, wrong: dict[str, Any], words: str) -> None:
    query = {"days": ALWAYS, "group_by": (), "where": (), "currency": None, "as_of": LATER}
    with pytest.raises(UsageError, match=words):
        costs.costs(ledger, CostQuery(**{**query, **wrong}))


def test_breakdown_is_of_one_scope_basis_and_kind(loaded: sa.Engine) -> None:
    scope = Scope((("x_cost_center", "search"),))
    rows = costs.breakdown(
        loaded, scope=scope, currency="USD", cost_basis="effective", days=MARCH, keys=("service_name",), as_of=LATER
    )
    assert [(row["day"], row["service_name"], row["cost"], row["quantity"]) for row in rows] == [
        (date(2026, 3, 1), "Compute", 10, 2),
        (date(2026, 3, 1), "Tokens", 3, 500),
        (date(2026, 3, 2), "Compute", 4, 1),
    ]
    rest = costs.breakdown(
        loaded, scope=Scope(), currency="USD", cost_basis="billed", days=MARCH, keys=(), as_of=LATER, charges="other"
    )
    assert [(row["day"], row["cost"], row["quantity"]) for row in rest] == [
        (date(2026, 3, 3), 2, None),
        (date(2026, 3, 31), -1, None),
    ]


def test_the_finest_grain_is_streamed_whole(loaded: sa.Engine) -> None:
    rows = list(costs.finest(loaded, MARCH, LATER))
    assert len(rows) == 6
    assert {*focus.DIMENSIONS, *focus.ALLOCATED, *focus.MEASURES, "source", "day", "billing_period"} == set(rows[0])
    first = next(row for row in rows if row["billed_cost"] == 10)
    assert (first["tags"], first["billing_period"], first["consumed_unit"]) == ({"team": "a"}, "2026-03", "Hours")


def test_only_the_partitions_that_answer_are_opened(ledger: sa.Engine) -> None:
    for day in range(1, 6):
        load(ledger, bill(charge("2026-03-01", day)), known_at=datetime(2026, 4, day, tzinfo=UTC))
    opened = []

    def explain(connection: sa.Connection, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "FROM charge" in statement and not statement.startswith("EXPLAIN"):
            plan = connection.exec_driver_sql("EXPLAIN " + statement, parameters)
            opened.append("\n".join(row[0] for row in plan))

    sa.event.listen(ledger, "before_cursor_execute", explain)
    assert figures(ask(ledger), "billed_cost") == [(5,)]
    assert len(opened) == 1
    assert opened[0].count("Scan on charge_") == 1
    with ledger.connect() as connection:
        plan = connection.scalars(sa.text("EXPLAIN ANALYZE SELECT * FROM v_charge_day")).all()
    scans = [line for line in plan if "Scan on charge_" in line and "never executed" not in line]
    # One looks whether the statement knows the newest version's partition, one reads it.
    assert len(scans) == 2, "\n".join(plan)


CHARGES = st.lists(
    st.tuples(
        st.dates(date(2026, 2, 27), date(2026, 4, 2)),
        st.decimals(min_value=-(10**6), max_value=10**6, places=6, allow_nan=False),
        st.sampled_from(["USD", "EUR"]),
        st.sampled_from(["a", "b", focus.UNTAGGED]),
        st.sampled_from(["Usage", "Tax", "Credit"]),
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda row: (row[0], *row[2:]),
)


@settings(max_examples=25)
@given(rows=CHARGES, keys=st.sets(st.sampled_from(["day", "x_cost_center", "charge_category"])))
def test_any_grouping_gives_the_sums_of_plain_python(ledger_of_module: sa.Engine, rows: Any, keys: set[str]) -> None:
    names = ("day", "billed", "currency", "x_cost_center", "charge_category")
    load(
        ledger_of_module,
        bill(
            *(charge(day, cost, billing_currency=c, x_cost_center=o, charge_category=k) for day, cost, c, o, k in rows)
        ),
    )
    expected: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    ordered = [*sorted(keys), "currency"]
    for row in rows:
        values = dict(zip(names, row, strict=True))
        expected[tuple(values[key] for key in ordered)] += values["billed"]
    answer = ask(ledger_of_module, *sorted(keys))
    assert figures(answer, *ordered, "billed_cost") == [(*key, cost) for key, cost in sorted(expected.items())]
