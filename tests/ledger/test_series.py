"""Daily series of many scopes, and the last day whose bill is whole."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from finops_ai.domain.errors import UsageError
from finops_ai.domain.period import BillingPeriod
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries
from finops_ai.ledger import series
from finops_ai.ledger.costs import breakdown
from tests.ledger.bills import LATER, bill, charge, load

TOTAL = Scope()


def of(*pairs: tuple[str, str]) -> Scope:
    return Scope(pairs)


def ask(
    engine: sa.Engine,
    *levels: tuple[str, ...],
    as_of: datetime = LATER,
    cost_basis: str = "billed",
    settle_days: dict[str, int] | None = None,
    charges: str = "usage",
) -> dict[tuple[Scope, str], CostSeries]:
    found = series.series(
        engine,
        levels=levels or ((),),
        cost_basis=cost_basis,
        as_of=as_of,
        settle_days=settle_days or {},
        charges=charges,
    )
    return {(each.scope, each.currency): each for each in found}


def daily(first: str, last: str, cost: int = 1, **other: Any) -> list[dict[str, Any]]:
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [charge(start + timedelta(days=i), cost, **other) for i in range((end - start).days + 1)]


def noon(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC) + timedelta(hours=12)


def test_every_level_has_its_scopes_per_currency(ledger: sa.Engine) -> None:
    load(
        ledger,
        bill(
            charge("2026-03-01", 1, x_cost_center="a", service_name="S"),
            charge("2026-03-03", 2, x_cost_center="a", service_name="T"),
            charge("2026-03-02", 4, x_cost_center="b", service_name="S"),
            charge("2026-03-03", 8, x_cost_center="b", billing_currency="EUR", service_name="S", x_sku_group="1"),
            charge("2026-03-03", 16, x_cost_center="b", billing_currency="EUR", service_name="S", x_sku_group="2"),
        ),
    )
    found = ask(ledger, (), ("x_cost_center",), ("x_cost_center", "service_name"))
    assert {(str(scope), currency): list(each.values) for (scope, currency), each in found.items()} == {
        ("total", "EUR"): [24],
        ("total", "USD"): [1, 4, 2],
        ("a", "USD"): [1, 0, 2],
        ("b", "EUR"): [24],
        ("b", "USD"): [4, 0],
        ("a · S", "USD"): [1, 0, 0],
        ("a · T", "USD"): [2],
        ("b · S", "EUR"): [24],
        ("b · S", "USD"): [4, 0],
    }
    assert {each.days.end for each in found.values()} == {date(2026, 3, 4)}
    assert found[of(("x_cost_center", "b")), "USD"].days.start == date(2026, 3, 2)
    assert list(found) == sorted(found, key=lambda key: (len(key[0].pairs), key))


def test_levels_of_tags_and_of_sources(ledger: sa.Engine) -> None:
    load(ledger, bill(charge("2026-03-01", 1, tags='{"team":"a"}'), charge("2026-03-01", 2)))
    assert {str(scope) for scope, _ in ask(ledger, ("tag:team",), ("source",))} == {"a", "(untagged)", "acme"}


def test_usage_and_the_rest_are_apart_and_make_up_the_whole(ledger: sa.Engine) -> None:
    load(
        ledger,
        bill(
            charge("2026-03-01", 1),
            charge("2026-03-02", 2, charge_category="Tax"),
            charge("2026-03-02", 4, charge_class="Correction"),
            charge("2026-03-02", 16, charge_frequency="Recurring"),
            charge("2026-03-03", 8, charge_frequency="Usage-Based"),
        ),
    )
    assert list(ask(ledger)[TOTAL, "USD"].values) == [1, 0, 8]
    assert list(ask(ledger, charges="other")[TOTAL, "USD"].values) == [22, 0]


def test_the_basis_and_the_instant_are_respected(ledger: sa.Engine) -> None:
    load(ledger, bill(charge("2026-03-01", 10, effective=7)), known_at=noon("2026-03-02"))
    load(ledger, bill(charge("2026-03-01", 11, effective=8)), known_at=noon("2026-03-03"))
    assert list(ask(ledger, cost_basis="effective")[TOTAL, "USD"].values) == [8]
    assert list(ask(ledger, as_of=noon("2026-03-02"))[TOTAL, "USD"].values) == [10]
    assert ask(ledger, as_of=noon("2026-03-01")) == {}


def test_no_charge_no_series(ledger: sa.Engine) -> None:
    assert ask(ledger) == {}
    load(ledger, bill(charge("2026-03-01", 1)))
    assert ask(ledger, charges="other") == {}


@pytest.mark.parametrize("key", ["day", "currency", "billing_period", "x_cost_centre"])
def test_a_level_that_cannot_be(ledger: sa.Engine, key: str) -> None:
    with pytest.raises(UsageError, match=key):
        ask(ledger, (key,))


@pytest.mark.parametrize("wrong", [{"charges": "all"}, {"cost_basis": "amortised"}])
def test_a_kind_or_basis_that_cannot_be(ledger: sa.Engine, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ask(ledger, **wrong)


@pytest.mark.parametrize(
    ("as_of", "settle", "through"),
    [
        ("2026-03-21", {}, "2026-03-19"),  # the default: one day to settle
        ("2026-03-21", {"acme": 0}, "2026-03-20"),  # yesterday, but nothing is known of later days anyway
        ("2026-03-21", {"acme": 3}, "2026-03-17"),
        ("2026-03-30", {"acme": 3}, "2026-03-20"),  # the last day of usage that is known
        ("2026-04-08", {"acme": 30}, "2026-03-08"),  # seven days after the month: not closed yet
        ("2026-04-09", {"acme": 30}, "2026-03-20"),  # closed: whole, as far as it goes
    ],
)
def test_a_source_is_complete_as_far_as_known_settled_or_closed(
    ledger: sa.Engine, as_of: str, settle: dict[str, int], through: str
) -> None:
    load(ledger, bill(*daily("2026-03-01", "2026-03-20")), known_at=noon("2026-03-21"))
    found = ask(ledger, as_of=noon(as_of), settle_days=settle)[TOTAL, "USD"]
    assert found.complete_through == date.fromisoformat(through)
    assert found.days.end == date(2026, 3, 21)


def test_fees_dated_ahead_make_no_day_complete(ledger: sa.Engine) -> None:
    ahead = charge("2026-03-31", 5, charge_category="Purchase")
    load(ledger, bill(*daily("2026-03-01", "2026-03-10"), ahead), known_at=noon("2026-03-11"))
    usage = ask(ledger, as_of=noon("2026-03-20"))[TOTAL, "USD"]
    other = ask(ledger, as_of=noon("2026-03-20"), charges="other")[TOTAL, "USD"]
    assert usage.complete_through == date(2026, 3, 10)
    assert other.complete_through == date(2026, 3, 10)
    assert (usage.days.end, other.days.end) == (date(2026, 3, 11), date(2026, 4, 1))


def test_the_slowest_source_of_a_scope_holds_it_back_until_it_is_gone_for_long(ledger: sa.Engine) -> None:
    for period in ("2026-03", "2026-04", "2026-05"):
        days = BillingPeriod.parse(period).days
        last = min(days.end - timedelta(days=1), date(2026, 5, 14)).isoformat()
        load(ledger, bill(*daily(days.start.isoformat(), last)), period=period, known_at=noon("2026-05-15"))
    slow = bill(*daily("2026-05-01", "2026-05-10", x_cost_center="b"))
    load(ledger, slow, source="slow", period="2026-05", known_at=noon("2026-05-15"))
    gone = bill(*daily("2026-03-01", "2026-03-30", x_cost_center="c"))
    load(ledger, gone, source="gone", period="2026-03", known_at=noon("2026-05-15"))
    found = ask(ledger, (), ("x_cost_center",), as_of=noon("2026-05-15"), settle_days={"acme": 0, "slow": 0, "gone": 0})
    through = {str(scope): each.complete_through for (scope, _), each in found.items()}
    assert through == {
        "total": date(2026, 5, 10),
        "search": date(2026, 5, 14),
        "b": date(2026, 5, 10),
        "c": date(2026, 3, 31),
    }


def test_the_series_are_the_ledger_s_costs(ledger: sa.Engine) -> None:
    load(ledger, bill(*(charge(date(2026, 3, 1 + i % 28), i, x_sku_group=f"s{i}") for i in range(300))))
    each = ask(ledger)[TOTAL, "USD"]
    rows = breakdown(ledger, scope=TOTAL, currency="USD", cost_basis="billed", days=each.days, keys=(), as_of=LATER)
    exact = np.array([float(row["cost"]) for row in rows])
    assert np.array_equal(each.values, exact)
