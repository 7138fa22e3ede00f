"""Currency rates in: the configured table is read whole, checked against final months, and kept with its date."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from finops_ai.allocation.rates import Rate, RateTable, frozen, parse
from finops_ai.domain.errors import Malformed
from finops_ai.jobs.ingest import told as told_problem
from finops_ai.jobs.run import Turn
from finops_ai.ledger import rates

NAME = "currency rates"

FINAL_AFTER_DAYS = 10
"""Providers finish a month's bill about a week after its end; from then on its rates stay as they were."""


def load(turn: Turn, text: str, file: str) -> Mapping[str, Any]:
    """Keep what is new in a rate table; one result in the manner of `ingest`. Raises Malformed: then none is taken."""
    known = table(turn.engine, turn.as_of).rates
    told = parse(text, file)
    if problems := frozen(told, known, turn.as_of.date() - timedelta(days=FINAL_AFTER_DAYS), file):
        raise Malformed(problems, rows=len(told))
    earlier = {one.key: one.rate for one in known}
    new = [one for one in told if earlier.get(one.key) != one.rate]
    if not turn.dry_run:
        rates.add(turn.engine, [(*one.key, one.rate) for one in new], turn.as_of)
    return _result(text, "loaded" if new else "unchanged", len(told))


def refused(text: str, error: Malformed) -> Mapping[str, Any]:
    """The result of a table that was not taken."""
    problems = [told_problem(problem) for problem in error.problems]
    return {**_result(text, "refused", error.rows), "rows_rejected": error.rejected, "problems": problems}


def table(engine: Engine, as_of: datetime) -> RateTable:
    """The rates known at `as_of`."""
    return RateTable(
        [Rate(currency=a, reporting_currency=b, period=c, rate=d) for a, b, c, d in rates.rates(engine, as_of)]
    )


def _result(text: str, status: str, rows: int) -> Mapping[str, Any]:
    return {
        "source": NAME,
        "billing_period": None,
        "fingerprint": hashlib.sha256(text.encode()).hexdigest(),
        "status": status,
        "rows": rows,
        "rows_rejected": 0,
        "billed_cost": {},
        "effective_cost": {},
        "problems": [],
    }
