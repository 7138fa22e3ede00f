"""Hours beside the cube: kept with their version, read as series at any instant, forgotten with what nobody reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa

from finops_ai.domain import focus
from finops_ai.domain.errors import Leak, UsageError
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import HourlySeries
from finops_ai.ledger import hour_rows, hours
from finops_ai.ledger.pruning import prune, thin_hours
from tests.ledger.bills import Bill, bill, charge, load

NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)
TOTAL = Scope()


def by_hour(what: Bill, *, first: int = 0, factor: float = 1.0) -> pa.Table:
    """Each day's costs evenly over the hours from `first` on; `factor` makes them wrong."""
    share = np.where(np.arange(24) >= first, factor / (24 - first), 0.0)
    days = what.facts.to_pylist()
    return pa.table(
        {
            "dimension": what.facts["dimension"],
            "day": what.facts["day"],
            **{name: [(float(day[name]) * share).tolist() for day in days] for name in focus.BY_HOUR},
        }
    )


def ask(engine: sa.Engine, *levels: tuple[str, ...], as_of: datetime = NOON) -> Mapping[Scope, HourlySeries]:
    found = hours.hourly(engine, levels=levels or ((),), cost_basis="effective", as_of=as_of)
    return {one.scope: one for one in found}


def two_uses(cost: int = 24) -> Bill:
    return bill(
        charge("2026-03-18", cost, x_cost_center="a", service_name="S", effective=Decimal(cost * 2)),
        charge("2026-03-19", cost, x_cost_center="a", service_name="S", effective=Decimal(cost * 2)),
        charge("2026-03-19", cost, x_cost_center="b", service_name="S", effective=Decimal(cost * 2)),
        charge("2026-03-19", 100, x_cost_center="b", service_name="S", charge_category="Tax"),
    )


def keep(engine: sa.Engine, what: Bill, at: datetime = NOON, **other: Any) -> None:
    load(engine, what, known_at=at, fingerprint=at.isoformat(), by_hour=by_hour(what, **other))


def test_scopes_have_their_hours_of_usage_and_begin_with_the_first(ledger: sa.Engine) -> None:
    keep(ledger, two_uses(), first=12)
    found = ask(ledger, (), ("x_cost_center",))
    total = found[TOTAL]
    assert total.start == datetime(2026, 3, 18, 12, tzinfo=UTC)
    assert total.values.tolist() == pytest.approx([4.0] * 12 + [0.0] * 12 + [8.0] * 12)
    center = found[Scope((("x_cost_center", "b"),))]
    assert (center.currency, center.cost_basis, center.start) == ("USD", "effective", total.start + timedelta(days=1))
    assert center.values.tolist() == pytest.approx([4.0] * 12)


def test_they_are_those_of_the_version_that_answers(ledger: sa.Engine) -> None:
    keep(ledger, two_uses())
    later = NOON + timedelta(days=1)
    keep(ledger, two_uses(48), later)
    assert ask(ledger)[TOTAL].values.max() == pytest.approx(4.0)
    assert ask(ledger, as_of=later)[TOTAL].values.max() == pytest.approx(8.0)
    load(ledger, two_uses(96), known_at=later + timedelta(days=1), fingerprint="no hours")
    assert ask(ledger, as_of=later + timedelta(days=1)) == {}


def test_what_does_not_add_up_is_not_loaded(ledger: sa.Engine) -> None:
    keep(ledger, two_uses())
    with pytest.raises(Leak, match="the hours come to"):
        keep(ledger, two_uses(48), NOON + timedelta(hours=1), factor=0.999)
    assert ask(ledger, as_of=NOON + timedelta(hours=2))[TOTAL].values.max() == pytest.approx(4.0)


def test_days_that_nobody_reads_are_not_kept(ledger: sa.Engine) -> None:
    old = NOON.date() - timedelta(days=hour_rows.READ_DAYS + 1)
    keep(ledger, bill(charge(old, 24), charge("2026-03-19", 24)))
    assert ask(ledger)[TOTAL].start.date() == date(2026, 3, 19)
    with ledger.connect() as connection:
        assert connection.scalar(sa.text("SELECT min(day) FROM charge_hour")) == date(2026, 3, 19)
    prune(ledger, NOON + timedelta(days=hour_rows.READ_DAYS - 1))
    assert ask(ledger) != {}
    prune(ledger, NOON + timedelta(days=hour_rows.READ_DAYS))
    assert ask(ledger) == {}


def test_of_one_days_versions_the_last_keeps_its_hours(ledger: sa.Engine) -> None:
    instants = [NOON, NOON + timedelta(hours=1), NOON + timedelta(days=1), NOON + timedelta(days=1, hours=1)]
    for number, at in enumerate(instants):
        keep(ledger, two_uses(24 * (number + 1)), at)
    thin_hours(ledger, NOON + timedelta(days=1))
    kept = [ask(ledger, as_of=at) for at in instants]
    assert [one[TOTAL].values.max() if one else None for one in kept] == pytest.approx([None, 8.0, 12.0, 16.0])


def test_an_unknown_key_is_told(ledger: sa.Engine) -> None:
    keep(ledger, two_uses())
    with pytest.raises(UsageError, match="cannot group or filter by 'x_cost_centre'"):
        ask(ledger, ("x_cost_centre",))
