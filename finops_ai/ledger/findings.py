"""Forecasts, scores, episodes and feedback: one version for each day of knowledge, never changed by a later day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain.episode import Episode, EpisodeState, Feedback, FeedbackVerdict
from finops_ai.domain.errors import Ambiguous, Unknown
from finops_ai.domain.forecast import Forecast, Score
from finops_ai.domain.message import Message
from finops_ai.domain.money import Money
from finops_ai.domain.page_decision import PageDecision
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope
from finops_ai.ledger import acknowledgements, bulk, codecs, episode_changes, outbox
from finops_ai.ledger import decisions as told
from finops_ai.ledger.connect import driver_errors, psycopg_connection, transaction
from finops_ai.ledger.tables import episode as episode_table
from finops_ai.ledger.tables import feedback as feedback_table
from finops_ai.ledger.tables import forecast as forecast_table
from finops_ai.ledger.tables import score as score_table


def record(
    target: sa.Engine | sa.Connection,
    *,
    as_of: datetime,
    forecasts: Sequence[Forecast] = (),
    scores: Sequence[Score] = (),
    episodes: Sequence[Episode] = (),
    decisions: Sequence[PageDecision] = (),
    messages: Sequence[Message] = (),
) -> None:
    """Write what one run found and what is to be said of it, in one transaction (the caller's, given a connection).

    The same run again overwrites its own rows of that UTC day and queues no message twice. Feedback that hangs on an
    episode is not written: it is kept by `feedback`.
    """
    with transaction(target) as connection, driver_errors(connection.engine):
        found = (
            (forecast_table, [_forecast_row(forecast) for forecast in forecasts]),
            (score_table, [_score_row(score) for score in scores]),
            (episode_table, [_episode_row(episode) for episode in episodes]),
        )
        for table, rows in found:
            if rows:
                known = {"as_of_day": as_of.astimezone(UTC).date(), "as_of": as_of}
                columns = [*rows[0], *known]
                key = [column.name for column in table.primary_key]
                values = ((*row.values(), *known.values()) for row in rows)
                bulk.upsert(psycopg_connection(connection), table.name, key, columns, values)
        episode_changes.put(connection, episodes, as_of)
        told.put(connection, decisions)
        outbox.put(connection, messages, as_of)


def forget(connection: sa.Connection, before: datetime) -> None:
    """Drop the history before that instant of decisions and of episodes as runs knew them; what stands stays."""
    told.prune(connection, before)
    episode_changes.prune(connection, before)


def episodes(engine: sa.Engine, as_of: datetime) -> list[Episode]:
    """Every episode as it was known at `as_of`, with what people said of it by then; by opening day and key."""
    return _episodes(engine, as_of, sa.true())


def episode(engine: sa.Engine, key: str, as_of: datetime) -> Episode:
    """The episode of that key, or the only one whose key starts so. Raises UsageError when there is none or many."""
    found = _episodes(engine, as_of, episode_table.c.key.startswith(key, autoescape=True))
    exact = [each for each in found if each.key == key]
    if len(exact or found) != 1:
        many = ", ".join(each.key for each in found[:5])
        raise Ambiguous(f"{key!r} fits several episodes: {many}") if found else Unknown(f"there is no episode {key!r}")
    return (exact or found)[0]


def forecasts(engine: sa.Engine, as_of: datetime) -> list[Forecast]:
    """The latest forecast of each scope, basis and currency that was issued by `as_of`; by scope and currency."""
    table = forecast_table
    latest = (table.c.scope_digest, table.c.cost_basis, table.c.currency)
    chosen = sa.select(table).where(table.c.as_of <= as_of).ext(pg.distinct_on(*latest))
    with engine.connect() as connection:
        rows = connection.execute(chosen.order_by(*latest, table.c.as_of_day.desc())).all()
    made = [
        codecs.forecast_from_json(
            row.body,
            scope=row.scope,
            cost_basis=row.cost_basis,
            currency=row.currency,
            quantiles=row.quantiles,
            total_quantiles=row.total_quantiles,
        )
        for row in rows
    ]
    return sorted(made, key=lambda each: (each.scope, each.currency, each.cost_basis))


def scores(engine: sa.Engine, days: Days, as_of: datetime) -> list[Score]:
    """The latest score of each scope, currency and day of `days` that was given by `as_of`; by day and scope."""
    table = score_table
    latest = (table.c.scope_digest, table.c.currency, table.c.day)
    within = (table.c.as_of <= as_of, table.c.day >= days.start, table.c.day < days.end)
    chosen = sa.select(table).where(*within).ext(pg.distinct_on(*latest))
    with engine.connect() as connection:
        rows = connection.execute(chosen.order_by(*latest, table.c.as_of_day.desc())).all()
    made = [
        Score(
            scope=Scope.from_key(row.scope),
            currency=row.currency,
            day=row.day,
            observed=row.observed,
            expected=row.expected,
            upper=row.upper,
            z=row.z,
            p_value=row.p_value,
            scorer=row.scorer,
            second_opinion=row.second_opinion,
        )
        for row in rows
    ]
    return sorted(made, key=lambda each: (each.day, each.scope, each.currency))


def feedback(engine: sa.Engine, given: Feedback) -> None:
    """Keep one verdict, with what the episode came to when it was given; the same again changes nothing.

    Raises UsageError when there is no such episode.
    """
    table = episode_table
    versions = sa.select(table.c.body).where(table.c.key == given.episode_key)
    then = versions.order_by((table.c.as_of <= given.at).desc(), table.c.as_of_day.desc()).limit(1)
    values: dict[str, Any] = {
        "episode_key": given.episode_key,
        "verdict": given.verdict.value,
        "at": given.at,
        "until": given.until,
        "note": given.note,
        "by": given.by,
    }
    with engine.begin() as connection:
        body = connection.scalar(then)
        if body is None:
            raise Unknown(f"there is no episode {given.episode_key!r}")
        known = codecs.episode_from_json(body)
        values |= {
            "projected": known.projected.amount,
            "currency": known.projected.currency,
            "p_value": known.p_value,
        }
        connection.execute(pg.insert(feedback_table).values(**values).on_conflict_do_nothing())


def feedbacks(engine: sa.Engine, as_of: datetime) -> list[Feedback]:
    """All feedback given by `as_of`, oldest first."""
    table = feedback_table
    chosen = sa.select(table).where(table.c.at <= as_of).order_by(table.c.at, table.c.id)
    with engine.connect() as connection:
        return [
            Feedback(
                episode_key=row.episode_key,
                verdict=FeedbackVerdict(row.verdict),
                at=row.at,
                until=row.until,
                note=row.note,
                by=row.by,
                projected=None if row.projected is None else Money(row.projected, row.currency),
                p_value=row.p_value,
            )
            for row in connection.execute(chosen)
        ]


def _episodes(engine: sa.Engine, as_of: datetime, chosen: sa.ColumnElement[bool]) -> list[Episode]:
    table = episode_table
    latest = sa.select(table.c.key, table.c.body).where(table.c.as_of <= as_of, chosen).ext(pg.distinct_on(table.c.key))
    with engine.connect() as connection:
        rows = connection.execute(latest.order_by(table.c.key, table.c.as_of_day.desc())).all()
    given = {each.episode_key: each for each in feedbacks(engine, as_of)}
    looked_after = acknowledgements.in_force(engine, as_of)
    made = [codecs.episode_from_json(row.body, given.get(row.key)) for row in rows]
    said = [
        each.with_(state=EpisodeState.ACKNOWLEDGED)
        if each.key in looked_after and each.state is EpisodeState.OPEN
        else each
        for each in made
    ]
    return sorted(said, key=lambda each: (each.opened_on, each.key))


def _forecast_row(forecast: Forecast) -> dict[str, Any]:
    return {
        "scope_digest": codecs.digest(forecast.scope.key),
        "cost_basis": forecast.cost_basis,
        "currency": forecast.currency,
        "scope": forecast.scope.key,
        "body": Jsonb(codecs.forecast_to_json(forecast)),
        "quantiles": codecs.doubles(forecast.quantiles),
        "total_quantiles": b"".join(codecs.doubles(each) for each in forecast.total_quantiles.values()),
    }


def _score_row(score: Score) -> dict[str, Any]:
    return {
        "scope_digest": codecs.digest(score.scope.key),
        "currency": score.currency,
        "day": score.day,
        "scope": score.scope.key,
        "observed": score.observed,
        "expected": score.expected,
        "upper": score.upper,
        "z": score.z,
        "p_value": score.p_value,
        "scorer": score.scorer,
        "second_opinion": score.second_opinion,
    }


def _episode_row(episode: Episode) -> dict[str, Any]:
    return {
        "key": episode.key,
        "scope": episode.scope.key,
        "state": episode.state.value,
        "severity": episode.severity.value,
        "opened_on": episode.opened_on,
        "resolved_on": episode.resolved_on,
        "excess": episode.excess.amount,
        "currency": episode.excess.currency,
        "body": Jsonb(codecs.episode_to_json(episode)),
    }
