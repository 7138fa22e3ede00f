"""How forecasts turned out, as the ledger kept it: one row for each promise."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from finops_ai.domain.period import BillingPeriod
from finops_ai.domain.promise import Promise
from finops_ai.ledger.promises import promises


def accuracy(engine: Engine, month: BillingPeriod | None, as_of: datetime) -> list[dict[str, Any]]:
    """Promises as known at `as_of`, newest month first; shares are fractions, None where nothing could be said."""
    return [_row(one) for one in promises(engine, as_of, month)]


def _row(one: Promise) -> dict[str, Any]:
    return {
        "month": str(one.month),
        "scope": dict(one.scope.pairs),
        "currency": one.currency,
        "cost_basis": one.cost_basis,
        "issued_on": one.issued_on,
        "forecaster": one.forecaster,
        "days": one.days,
        "expected": f"{one.expected:.2f}",
        "actual": f"{one.actual:.2f}",
        "error": _share(one.wape),
        "naive_error": _share(one.naive_wape),
        "bias": _share(one.bias),
        "inside_80": _share(one.coverage_80),
        "inside_95": _share(one.coverage_95),
    }


def _share(share: float) -> str | None:
    return None if share != share else f"{share:.3f}"
