"""Money in the reporting currency: the configured rate table read, and costs told beside their worth in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from finops_ai.allocation.rates import converted, unknown
from finops_ai.domain.errors import ConfigError, Malformed, Problem, UsageError
from finops_ai.domain.outcome import Outcome
from finops_ai.jobs import rates
from finops_ai.jobs.run import Turn
from finops_ai.ledger.costs import CostQuery, costs

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from finops_ai.config.schema import Currencies


def with_rates(turn: Turn, told: Currencies, outcome: Outcome) -> Outcome:
    """The outcome of an ingest with the rate table read as well, where one is configured. Raises ConfigError."""
    if told.rates is None:
        return outcome
    try:
        text = told.rates.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"currencies.rates: {told.rates}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"currencies.rates: {told.rates} is not UTF-8: byte {error.start} cannot be read") from None
    problems: Sequence[Problem] = ()
    try:
        result = rates.load(turn, text, str(told.rates))
    except Malformed as error:
        result, problems = rates.refused(text, error), error.problems
    status = str(result["status"])
    return Outcome(
        job=outcome.job,
        as_of=outcome.as_of,
        counts={**outcome.counts, status: outcome.counts.get(status, 0) + 1},
        results=(*outcome.results, result),
        problems=(*outcome.problems, *problems),
    )


def reported(engine: Engine, query: CostQuery, reporting: str) -> list[dict[str, Any]]:
    """Costs by the query's keys, each beside its worth in `reporting`. Raises UsageError where that is no currency."""
    if not re.fullmatch(r"[A-Za-z]{3}", reporting):
        raise UsageError(f"{reporting!r} is not a currency: write three letters such as USD")
    by_day = CostQuery(
        days=query.days,
        group_by=tuple(dict.fromkeys((*query.group_by, "day"))),
        where=query.where,
        currency=query.currency,
        as_of=query.as_of,
    )
    keys = [key for key in query.group_by if key != "currency"]
    return converted(costs(engine, by_day), keys, reporting.upper(), rates.table(engine, query.as_of))


def without_rates(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """What to tell where charges could not be converted."""
    if not (missing := list(unknown(rows))):
        return None
    return (
        f"no rate from {', '.join(missing)} to {rows[0]['x_reporting_currency']} on some days: those charges stand in "
        "rows of their own without a worth; add the rates to the file of currencies.rates, then run finops-ai ingest"
    )
