"""What people answer to an episode, that they look after it or what they think of it; and how budgets stand."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from finops_ai.app import parts
from finops_ai.config import Config
from finops_ai.domain.episode import Feedback, FeedbackVerdict
from finops_ai.domain.errors import UsageError
from finops_ai.domain.period import BillingPeriod
from finops_ai.jobs import answers
from finops_ai.ledger import findings

_INSTANT = timedelta(microseconds=1)


def feedback(
    engine: Engine, key: str, verdict: FeedbackVerdict, *, until: date | None, note: str, by: str, as_of: datetime
) -> dict[str, Any]:
    """Keep an answer to an episode; the episode with it. Raises UsageError."""
    if until is not None and verdict is not FeedbackVerdict.EXPECTED:
        raise UsageError("--until goes with the verdict expected")
    found = findings.episode(engine, key, as_of)
    given = Feedback(episode_key=found.key, verdict=verdict, at=as_of, until=until, note=note, by=by)
    findings.feedback(engine, given)
    return answers.episode(engine, found.key, as_of + _INSTANT)


def acknowledge(engine: Engine, key: str, *, note: str, by: str, as_of: datetime) -> dict[str, Any]:
    """Keep that somebody looks after an episode; the episode. Raises UsageError."""
    from finops_ai.jobs.acknowledge import acknowledge

    return answers.episode_row(acknowledge(engine, key, by=by, note=note, as_of=as_of))


def budgets(engine: Engine, config: Config, month: BillingPeriod | None, as_of: datetime) -> list[dict[str, Any]]:
    """Every budget as it stands in `month`, by default that of the last full day."""
    from finops_ai.jobs.budgets import standing_row, standings

    months = [month or BillingPeriod.of(as_of.date() - timedelta(days=1))]
    told = parts.budgets_of(config)
    found = standings(engine, told, months, cost_basis=config.forecast.cost_basis, as_of=as_of)
    return [standing_row(one) for one in found]
