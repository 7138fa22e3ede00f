"""From a delivery to the message in the outbox, for many scopes; and whether causes name the true place."""

from __future__ import annotations

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

from finops_ai.detection.localise import localise
from finops_ai.detection.routes import Route
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.telling import AlertSettings
from finops_ai.domain import focus
from finops_ai.domain.delivery import ControlTotal
from finops_ai.domain.episode import Severity
from finops_ai.domain.period import BillingPeriod
from finops_ai.jobs.detect import detect
from finops_ai.jobs.run import Turn
from finops_ai.jobs.voice import Voice
from finops_ai.ledger import bulk, charges, connect, outbox
from finops_ai.ledger.connect import psycopg_connection
from finops_ai.world.postgres import embedded
from tests.unit.detection.faults import KEYS, KINDS, plant
from tests.unit.detection.planted import SHAPES, told

SCOPES, SERVICES = 10_000, 20
MONTHS = 14
TODAY = date(2026, 3, 31)
FAULTS = 12
"""Incidents of the last days that are to be told."""

SEEDS = 1_000
SHAPE_SEEDS = 10


def run(*, quick: bool = False) -> list[dict[str, Any]]:
    """Fourteen months of 10,000 scopes (cost center x service); then a delivery, a morning, a message."""
    scopes, months, seeds = (200, 5, 30) if quick else (SCOPES, MONTHS, SEEDS)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home, embedded(Path(home)) as url:
        engine = connect.open_engine(url)
        connect.upgrade(engine)
        try:
            found = [_told(engine, scopes, months), *(_causes(kind, seeds) for kind in KINDS)]
            return [*found, _shapes(1 if quick else SHAPE_SEEDS)]
        finally:
            engine.dispose()


def _told(engine: sa.Engine, scopes: int, months: int) -> dict[str, Any]:
    every = [BillingPeriod.of(TODAY)]
    while len(every) < months:
        every.insert(0, BillingPeriod.of(every[0].start - timedelta(days=1)))
    days = [day for month in every for day in month.days if day < TODAY]
    costs = _costs(scopes, days)
    for month in every:
        chosen = [i for i, day in enumerate(days) if day in month.days]
        _load(engine, month, [days[i] for i in chosen], costs[:, chosen], _instant(TODAY) - timedelta(days=1))
    _detect(engine, _instant(TODAY) - timedelta(hours=20))  # what the morning before left
    query = "SELECT array_agg(dimension_id), array_agg(day), array_agg(effective_cost::float8) FROM charge GROUP BY day"
    with engine.connect() as connection:
        yardstick = _seconds(partial(bulk.read_arrays, psycopg_connection(connection), query, {}))
    chosen = [i for i, day in enumerate(days) if day in every[-1].days]
    fault = costs[:, chosen]
    apart = SERVICES + 1  # another service of another cost center each: one service in all of them were one cause
    fault[: FAULTS * apart : apart, -2:] *= 6
    before = len(outbox.messages(engine))
    loaded = _seconds(
        partial(_load, engine, every[-1], [days[i] for i in chosen], fault, _instant(TODAY) - timedelta(hours=1))
    )
    detected = _seconds(partial(_detect, engine, _instant(TODAY)))
    queued = len(outbox.messages(engine)) - before
    if queued < min(FAULTS, scopes // SERVICES):
        raise RuntimeError(f"only {queued} messages for {FAULTS} incidents")
    return {
        "name": f"delivery to outbox, {scopes:,} scopes x {len(days)} days",
        "ours_s": round(loaded + detected, 3),
        "yardstick_s": round(yardstick, 3),
        "ratio": round(yardstick / (loaded + detected), 3),
        "note": f"yardstick: raw read of the same rows as arrays; ours: swap of the month {loaded:.1f} s, detect"
        f" {detected:.1f} s with {queued} messages explained and queued",
    }


def _causes(kind: str, seeds: int) -> dict[str, Any]:
    first, seconds = 0, []
    for seed in range(seeds):
        fault = plant(10_000 + seed, kind)
        began = time.perf_counter()
        found = localise(fault.parts, KEYS)
        seconds.append(time.perf_counter() - began)
        first += fault.found_by(found[0])
    return {
        "name": f"causes: {kind} faults, true place first",
        "ours_s": round(statistics.median(seconds), 4),
        "ratio": round(first / seeds, 3),
        "note": f"ratio: share of {seeds:,} planted faults whose exact place is ranked first; seconds: median of one",
    }


def _shapes(seeds: int) -> dict[str, Any]:
    """Macro-F1 over the kinds of incident, each lived through morning by morning."""
    began = time.perf_counter()
    pairs = [(kind, told(kind, 100 + seed)) for kind in SHAPES for seed in range(seeds)]
    f1 = []
    for kind in SHAPES:
        right = sum(true == said == kind for true, said in pairs)
        f1.append(2 * right / (sum(true == kind for true, _ in pairs) + sum(said == kind for _, said in pairs)))
    wrong = sorted({f"{true} as {said}" for true, said in pairs if true != said})
    return {
        "name": "shapes of incidents told apart",
        "ours_s": round((time.perf_counter() - began) / len(pairs), 3),
        "ratio": round(statistics.mean(f1), 3),
        "note": f"ratio: macro-F1 over {', '.join(SHAPES)}, {seeds} each; mistaken: {', '.join(wrong) or 'none'}",
    }


def _costs(scopes: int, days: list[date]) -> np.ndarray:
    random = np.random.default_rng(20260331)
    level = np.exp(random.normal(3.0, 1.0, scopes))[:, None]
    weekend = np.array([0.7 if day.weekday() > 4 else 1.0 for day in days])
    costs: np.ndarray = level * weekend * np.exp(random.normal(0, 0.05, (scopes, len(days))))
    return costs


def _load(engine: sa.Engine, month: BillingPeriod, days: list[date], costs: np.ndarray, known_at: datetime) -> None:
    tuples = len(costs)
    names = (*focus.DIMENSIONS, *focus.ALLOCATED)
    columns = {name: [""] * tuples for name in names}
    columns |= {
        "provider_name": ["Cloud"] * tuples,
        "x_cost_center": [f"team {number // SERVICES}" for number in range(tuples)],
        "service_name": [f"service {number % SERVICES}" for number in range(tuples)],
        "sub_account_id": [f"account {number // SERVICES}" for number in range(tuples)],
        "region_id": [f"region {number % 3}" for number in range(tuples)],
        "x_sku_group": [f"meter {number % 97}" for number in range(tuples)],
        "x_ai_model": [focus.NONE] * tuples,
        "charge_category": ["Usage"] * tuples,
        "billing_currency": ["USD"] * tuples,
    }
    dimensions = pa.table({"dimension": pa.array(range(tuples), pa.int32()), **columns})
    epoch = np.array([(day - date(1970, 1, 1)).days for day in days], dtype=np.int32)
    units = pa.array(np.rint(costs.ravel() * 1e6).astype(np.int64)).cast(pa.decimal128(19, 0))
    cost = pc.multiply(units, pa.scalar(Decimal("1e-6"))).cast(pa.decimal128(38, 18))
    facts = pa.table(
        {
            "dimension": pa.array(np.repeat(np.arange(tuples), len(days)), pa.int32()),
            "day": pa.array(np.tile(epoch, tuples)).cast(pa.date32()),
            **dict.fromkeys(focus.MEASURES[:-1], cost),
            focus.MEASURES[-1]: pa.nulls(len(cost), pa.decimal128(38, 18)),
        }
    )
    charges.load(
        engine,
        source="bench",
        billing_period=month,
        fingerprint=known_at.isoformat(),
        rules_version="1",
        known_at=known_at,
        dimensions=dimensions,
        facts=facts,
        control=ControlTotal(rows=facts.num_rows, billed_cost={"USD": pc.sum(facts["billed_cost"]).as_py()}),
        rows_rejected=0,
        problems=(),
    )


def _detect(engine: sa.Engine, as_of: datetime) -> None:
    turn = Turn(engine=engine, as_of=as_of, now=lambda: as_of)
    everyone = Route(team="on-call", sinks=("pager",), digest=(), page_at=Severity.INFO)
    voice = Voice(settings=AlertSettings(top=everyone, storm=0))
    detect(turn, cost_basis="effective", settle_days={"bench": 0}, settings=DetectSettings(), voice=voice)


def _instant(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 6, tzinfo=UTC)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
