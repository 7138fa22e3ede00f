"""What changed beside the bill, kept as it was first told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain.change import NearbyChange
from finops_ai.domain.period import Days
from finops_ai.ledger.change_tables import nearby_change as table

BATCH = 1_000


def keep(engine: sa.Engine, changes: Iterable[NearbyChange], known_at: datetime) -> int:
    """Keep changes; how many are new. One told again stays as it was: a fact has no versions."""
    rows = {(one.source, one.key): _row(one, known_at) for one in changes}
    values, new = list(rows.values()), 0
    with engine.begin() as connection:
        for start in range(0, len(values), BATCH):
            kept = pg.insert(table).values(values[start : start + BATCH]).on_conflict_do_nothing()
            new += len(connection.execute(kept.returning(table.c.key)).all())
    return new


def changes(engine: sa.Engine, days: Days, as_of: datetime) -> list[NearbyChange]:
    """Those of `days` that were known at `as_of`, oldest first."""
    first, end = (datetime.combine(day, time(), UTC) for day in (days.start, days.end))
    chosen = sa.select(table).where(table.c.at >= first, table.c.at < end, table.c.known_at <= as_of)
    with engine.connect() as connection:
        rows = connection.execute(chosen.order_by(table.c.at, table.c.source, table.c.key)).all()
    return [
        NearbyChange(
            source=row.source,
            key=row.key,
            kind=row.body["kind"],
            what=row.body["what"],
            who=row.body["who"],
            at=row.at,
            url=row.body["url"],
            places=tuple(row.body["places"]),
        )
        for row in rows
    ]


def _row(change: NearbyChange, known_at: datetime) -> dict[str, object]:
    body = {
        "kind": change.kind,
        "what": _text(change.what),
        "who": _text(change.who),
        "url": change.url,
        "places": [{_text(key): _text(value) for key, value in place.items()} for place in change.places],
    }
    return {"source": change.source, "key": _text(change.key), "at": change.at, "known_at": known_at, "body": body}


def _text(text: str) -> str:
    # PostgreSQL keeps no NUL in text, and no half of a surrogate pair.
    return text.replace("\0", "").encode("utf-8", "replace").decode()
