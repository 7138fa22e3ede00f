"""Promises are kept as they were seen on each day that looked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import sqlalchemy as sa

from finops_ai.domain.period import BillingPeriod
from finops_ai.domain.promise import Promise
from finops_ai.domain.scope import Scope
from finops_ai.ledger import promises

MARCH, APRIL = BillingPeriod(2026, 3), BillingPeriod(2026, 4)
PROMISE = Promise(
    scope=Scope((("x_cost_center", "search"),)),
    cost_basis="effective",
    currency="EUR",
    month=MARCH,
    issued_on=date(2026, 3, 1),
    forecaster="combination/1",
    days=31,
    expected=310.0,
    actual=300.0,
    wape=0.05,
    naive_wape=0.1,
    bias=0.033,
    coverage_80=0.8,
    coverage_95=0.95,
)


def test_a_look_is_kept_once_and_read_as_it_was_known(ledger: sa.Engine) -> None:
    early, late = datetime(2026, 4, 9, tzinfo=UTC), datetime(2026, 5, 9, tzinfo=UTC)
    for _ in range(2):
        promises.keep(ledger, [PROMISE], early)
    restated = replace(PROMISE, actual=320.0)
    newer = replace(PROMISE, month=APRIL)
    promises.keep(ledger, [restated, newer], late)
    assert promises.promises(ledger, early) == [PROMISE]
    assert promises.promises(ledger, late) == [newer, restated]
    assert promises.promises(ledger, late, MARCH) == [restated]
    assert promises.promises(ledger, datetime(2026, 4, 1, tzinfo=UTC)) == []


def test_nothing_to_keep_is_no_error(ledger: sa.Engine) -> None:
    promises.keep(ledger, [], datetime(2026, 4, 9, tzinfo=UTC))
