"""The words for what a cost did, held against the labels of the shared accuracy set: nothing here was planted by us.

The set has no quantities, so that `price` and `commitment` cannot show: a commitment that ends is a step there.
"""

from __future__ import annotations

import csv
import statistics
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from finops_ai.detection.holes import holes
from finops_ai.detection.levels import accepted
from finops_ai.detection.run import detect
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.shapes import shape
from finops_ai.domain.episode import Episode
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries
from tests.unit.forecasting.bills import one_series

SHAPE_OF = {
    "spike": "spike",
    "retry_storm": "spike",
    "forgotten_cluster": "step",
    "egress_logging": "step",
    "model_misroute": "step",
    "commitment_expiry": "step",
    "slow_leak": "drift",
    "lost_tags": "drop",
    "ingestion_gap": "gap",
}
"""Labels whose cost has one shape by what they are; a leaked key or a runaway job may have any."""

WORDS = ("spike", "step", "drift", "drop", "gap")
SETTINGS = DetectSettings(second_opinions=0)
SOURCE = Scope((("source", "one"),))
MORNINGS = 45
HISTORY = 420


def costs(folder: Path) -> Mapping[str, dict[date, float]]:
    """What each day costs by the last that was known of it."""
    table = pq.read_table(folder / "costs_log.parquet", columns=["series_id", "usage_date", "known_on", "cost"])
    found: dict[str, dict[date, tuple[date, float]]] = {}
    for row in table.to_pylist():
        day, known = (one.date() if isinstance(one, datetime) else one for one in (row["usage_date"], row["known_on"]))
        days = found.setdefault(row["series_id"], {})
        if day not in days or days[day][0] <= known:
            days[day] = (known, row["cost"])
    return {name: {day: cost for day, (_, cost) in days.items()} for name, days in found.items()}


def until(known: Mapping[date, float], last: date, scope: Scope | None = None) -> CostSeries:
    first = max(min(known), last - timedelta(days=HISTORY))
    values = [known.get(first + timedelta(days=n), 0.0) for n in range((last - first).days + 1)]
    made = {} if scope is None else {"scope": scope}
    return one_series(np.array(values), start=first, **made)


def told(known: Mapping[date, float], event: Mapping[str, str]) -> str:
    """The shape of the dearest episode that overlaps the event, lived through morning by morning."""
    start, end = (date.fromisoformat(event[name]) for name in ("start", "end"))
    last = min(end + timedelta(days=6), start + timedelta(days=MORNINGS), max(known))
    episodes: tuple[Episode, ...] = ()
    for ahead in range((last - start).days + 1):
        today = start + timedelta(days=ahead)
        as_of = datetime.combine(today + timedelta(days=1), time(6), tzinfo=UTC)
        episodes = detect([until(known, today)], episodes, as_of=as_of, settings=SETTINGS).episodes
    if event["type"] == "ingestion_gap" and holes([until(known, last, SOURCE)], last + timedelta(days=1), SETTINGS):
        return "gap"
    found = [one for one in episodes if one.opened_on <= end and start <= one.last_day]
    if not found:
        return "nothing"
    dearest, series = max(found, key=lambda one: abs(one.excess.amount)), until(known, last)
    return shape(dearest.with_(accepted=accepted(dearest, series)), None, series)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_labelled_incidents_are_told_by_their_shape(shared: Path) -> None:
    folder = shared / "bench/dev/daily"
    known = costs(folder)
    with (folder / "events.csv").open(encoding="utf-8") as lines:
        events = [row for row in csv.DictReader(lines) if row["type"] in SHAPE_OF and row["series_id"] in known]
    pairs = Counter((SHAPE_OF[event["type"]], told(known[event["series_id"]], event)) for event in events)
    said = sorted({word for _, word in pairs} | set(WORDS), key=lambda word: (word not in WORDS, word))
    print(f"\n{len(events)} labelled incidents; rows are labels, columns what was said")
    print(" " * 8 + "".join(f"{word:>9}" for word in said))
    for true in WORDS:
        print(f"{true:<8}" + "".join(f"{pairs[true, word]:>9}" for word in said))
    found = Counter({pair: count for pair, count in pairs.items() if pair[1] != "nothing"})
    for name, counted in (("found or not", pairs), ("of those found", found)):
        scores = [f1(counted, word) for word in WORDS]
        each = ", ".join(f"{word} {score:.2f}" for word, score in zip(WORDS, scores, strict=True))
        print(f"macro-F1, {name}: {statistics.mean(scores):.2f} ({each})")


def f1(pairs: Mapping[tuple[str, str], int], word: str) -> float:
    both = sum(count * ((true == word) + (said == word)) for (true, said), count in pairs.items())
    return 2 * pairs.get((word, word), 0) / both if both else 0.0
