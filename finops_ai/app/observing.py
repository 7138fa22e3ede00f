"""Whether the program can work, and the figures by which others watch it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from finops_ai.domain.episode import EpisodeState, Severity
from finops_ai.domain.errors import Unavailable

if TYPE_CHECKING:
    from sqlalchemy import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """`oldest_unsent` and `deliveries` are ages in seconds."""

    runs: Mapping[tuple[str, str], int]
    last_success: Mapping[str, datetime]
    outbox: Mapping[tuple[str, str], int]
    oldest_unsent: Mapping[str, float]
    episodes: Mapping[str, int]
    deliveries: Mapping[str, float]


def figures(engine: Engine, now: datetime) -> Figures:
    """As known at `now`. Raises Unavailable."""
    from finops_ai.ledger import findings, watch

    open_now = [one for one in findings.episodes(engine, now) if one.state is not EpisodeState.RESOLVED]
    by_severity = Counter(one.severity for one in open_now)
    return Figures(
        runs=watch.runs(engine),
        last_success=watch.last_success(engine),
        outbox=watch.outbox(engine),
        oldest_unsent={sink: _age(at, now) for sink, at in watch.oldest_unsent(engine).items()},
        episodes={one.value: by_severity[one] for one in Severity},
        deliveries={source: _age(at, now) for source, at in watch.newest_deliveries(engine).items()},
    )


def must_be_ready(engine: Engine) -> None:
    """Raises Unavailable when the database does not answer or is at another schema than this program."""
    from finops_ai.ledger import connect

    current, newest = connect.status(engine)
    if current != newest:
        raise Unavailable(f"the database is at schema {current}, this program at {newest}: run finops-ai db upgrade")


def _age(at: datetime, now: datetime) -> float:
    return max(0.0, (now - at).total_seconds())
