"""Period swap against raw COPY of the same bytes; reading many series back against reading their rows alone."""

from __future__ import annotations

import io
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from pyarrow import csv

from finops_ai.domain import focus
from finops_ai.domain.delivery import ControlTotal
from finops_ai.domain.period import BillingPeriod
from finops_ai.ledger import bulk, charges, connect, series
from finops_ai.ledger.connect import psycopg_connection
from finops_ai.world.postgres import embedded

DAYS = 30
SERIES, SERIES_DAYS = 10_000, 400
ROUNDS = 3
CHUNK_BYTES = 1 << 20
PERIOD = BillingPeriod(2026, 3)
NOW = datetime(2026, 4, 10, tzinfo=UTC)


def run(rows: int = 1_000_000, *, quick: bool = False) -> list[dict[str, Any]]:
    """Swap one period of `rows` rows three times in turn with raw COPY; read back 10,000 series of 400 days."""
    rounds, rows, scopes = (1, 30_000, 100) if quick else (ROUNDS, rows, SERIES)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home, embedded(Path(home)) as url:
        engine = connect.open_engine(url)
        connect.upgrade(engine)
        try:
            return [_swap(engine, rows, rounds), _read_back(engine, scopes, rounds)]
        finally:
            engine.dispose()


def _swap(engine: sa.Engine, rows: int, rounds: int) -> dict[str, Any]:
    dimensions, facts = _period(rows // DAYS, PERIOD.start, DAYS)
    raw = _raw(facts)
    ours, yardstick = [], []
    for number in range(rounds + 1):
        yardstick.append(_copy(engine, raw))
        known_at = NOW + timedelta(minutes=number)
        ours.append(_seconds(partial(_load, engine, PERIOD, dimensions, facts, known_at)))
    # The first round fills the dictionary and warms both up.
    return _row(
        f"swap a period of {facts.num_rows:,} rows",
        statistics.median(ours[1:] or ours),
        statistics.median(yardstick[1:] or yardstick),
        "yardstick: COPY of the same bytes into an empty table without index; ours: dictionary, COPY, checks, unique"
        " index, sums settled, swap",
    )


def _read_back(engine: sa.Engine, scopes: int, rounds: int) -> dict[str, Any]:
    start = date(2024, 1, 1)
    dimensions, facts = _period(scopes, start, SERIES_DAYS)
    _load(engine, BillingPeriod.of(start), dimensions, facts, NOW)
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM delivery WHERE billing_period = :start"), {"start": PERIOD.start})
    query = (
        "SELECT array_agg(dimension_id), array_agg(day), array_agg(effective_cost::float8) FROM charge"
        f" WHERE day >= '{start}' AND day < '{start + timedelta(days=SERIES_DAYS)}' GROUP BY day"
    )
    ours, yardstick = [], []
    for _ in range(rounds):
        with engine.connect() as connection:
            yardstick.append(_seconds(partial(bulk.read_arrays, psycopg_connection(connection), query, {})))
        ours.append(_seconds(partial(_series, engine)))
    return _row(
        f"read {scopes:,} series of {SERIES_DAYS} days",
        statistics.median(ours),
        statistics.median(yardstick),
        "yardstick: the same rows as numpy arrays and no more; ours: usage only, three levels, completeness",
    )


def _row(name: str, ours: float, yardstick: float, note: str) -> dict[str, Any]:
    return {
        "name": name,
        "ours_s": round(ours, 3),
        "yardstick_s": round(yardstick, 3),
        "ratio": round(yardstick / ours, 3),
        "note": note,
    }


def _period(tuples: int, start: date, days: int) -> tuple[pa.Table, pa.Table]:
    """A cube of `tuples` dimension tuples with a charge on every day, money to ten places."""
    random, count = np.random.default_rng(20260401), tuples * days
    names = (*focus.DIMENSIONS, *focus.ALLOCATED)
    columns = {name: [f"{name} {number % 7}" for number in range(tuples)] for name in names}
    columns |= {
        "x_cost_center": [f"team {number % 100}" for number in range(tuples)],
        "x_sku_group": [f"meter {number}" for number in range(tuples)],
        "charge_category": ["Usage"] * tuples,
        "charge_class": [""] * tuples,
        "billing_currency": ["USD"] * tuples,
        "tags": [f'{{"team":"{number % 100}"}}' for number in range(tuples)],
        "x_cost_categories": [""] * tuples,
    }
    dimensions = pa.table({"dimension": pa.array(range(tuples), pa.int32()), **columns})
    epoch_day = (start - date(1970, 1, 1)).days
    facts = {
        "dimension": pa.array(np.arange(count) // days, pa.int32()),
        "day": pa.array((epoch_day + np.arange(count) % days).astype(np.int32)).cast(pa.date32()),
    }
    for measure in focus.MEASURES:
        units = pa.array(random.integers(1, 10**9, count)).cast(pa.decimal128(19, 0))
        facts[measure] = pc.multiply(units, pa.scalar(Decimal("1e-10"))).cast(pa.decimal128(38, 18))
    return dimensions, pa.table(facts)


def _load(engine: sa.Engine, period: BillingPeriod, dimensions: pa.Table, facts: pa.Table, known_at: datetime) -> None:
    charges.load(
        engine,
        source="bench",
        billing_period=period,
        fingerprint=str(known_at),
        rules_version="1",
        known_at=known_at,
        dimensions=dimensions,
        facts=facts,
        control=ControlTotal(rows=facts.num_rows, billed_cost={"USD": pc.sum(facts["billed_cost"]).as_py()}),
        rows_rejected=0,
        problems=(),
    )


def _raw(facts: pa.Table) -> bytes:
    written = io.BytesIO()
    csv.write_csv(facts, written, csv.WriteOptions(include_header=False))
    return written.getvalue()


def _copy(engine: sa.Engine, raw: bytes) -> float:
    """Seconds of the COPY and its commit; the table is there before."""
    measures = ", ".join(f"{measure} numeric(38, 18)" for measure in focus.MEASURES)
    with engine.connect() as connection:
        driver = psycopg_connection(connection)
        driver.execute("DROP TABLE IF EXISTS raw")
        driver.execute(f"CREATE TABLE raw (dimension bigint, day date, {measures})")
        driver.commit()
        began = time.perf_counter()
        with driver.cursor().copy("COPY raw FROM STDIN (FORMAT csv)") as copy:
            for start in range(0, len(raw), CHUNK_BYTES):
                copy.write(raw[start : start + CHUNK_BYTES])
        driver.commit()
        return time.perf_counter() - began


def _series(engine: sa.Engine) -> None:
    levels: list[tuple[str, ...]] = [(), ("x_cost_center",), ("x_cost_center", "x_sku_group")]
    series.series(engine, levels=levels, cost_basis="effective", as_of=NOW, settle_days={})


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
