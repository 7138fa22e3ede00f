"""Several alike series of one bill, and the episodes of the first of them after something was done to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

from finops_ai.detection.run import detect
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.episode import Episode
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import FloatArray
from tests.unit.forecasting.bills import START, one_series

SERIES = 6


def dates(days: int) -> list[date]:
    return [START + timedelta(days=i) for i in range(days)]


def found(change: Callable[[FloatArray, list[date]], None], *, plain: FloatArray) -> list[Episode]:
    """Episodes of the first of the `plain` series (series, days), after `change` was done to its costs."""
    costs = plain.copy()
    days = dates(costs.shape[1])
    change(costs[0], days)
    series = [one_series(row, scope=Scope((("x_cost_center", f"team-{i}"),))) for i, row in enumerate(costs)]
    as_of = datetime.combine(START + timedelta(days=len(days)), time(6), tzinfo=UTC)
    told = detect(series, [], as_of=as_of, settings=DetectSettings()).episodes
    return [one for one in told if one.scope == series[0].scope]


def nothing(_costs: FloatArray, _dates: list[date]) -> None:
    """Leave the bill as it is."""
