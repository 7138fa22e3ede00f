"""Detection on kinds of bill that are in no set at hand: incidents are planted, days fill up for three mornings.

`ratio` is our day-level AUC-PR over that of a weekday's median and MAD, on all these bills; rows of single kinds tell
how own alerts fare there. New levels and new spending are planted nowhere: an alert on those counts as false.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from finops_ai.app import evaluation_detection as production
from finops_ai.app.evaluation import read_split
from finops_ai.domain.series import FloatArray
from tests.benchmarks.detection import verdicts, weekday_mad
from tests.benchmarks.judge import judge
from tests.benchmarks.regime_kinds import DATES, DAYS, IDLE, KINDS, Kind

SEED, EACH = 20, 8
_BEGIN, _QUICK_BEGIN = 275, 520
_QUICK = ("grows", "jobs on a base", "office hours", "sparse")
_AS_A_FEED = {
    "aws": ((0.72, 0.06), (0.96, 0.02)),
    "gcp": ((0.85, 0.05), (0.98, 0.01)),
    "azure": ((0.6, 0.08), (0.92, 0.03)),
}
"""Share of a day that is on the bill after one and two mornings, with its spread; the third has it all."""
_TYPES = {  # how often, and for how many days
    "spike": (0.24, 1, 3),
    "runaway_job": (0.16, 5, 12),
    "forgotten_cluster": (0.1, 14, 40),
    "slow_leak": (0.12, 20, 40),
    "retry_storm": (0.16, 3, 6),
    "ingestion_gap": (0.08, 1, 3),
    "duplicate_billing": (0.06, 1, 2),
    "drop": (0.08, 5, 12),
}
_DATA, _DOWN = ("ingestion_gap", "duplicate_billing"), ("ingestion_gap", "drop")


@dataclass(frozen=True, kw_only=True)
class Planted:
    kind: str
    first: int
    excess: FloatArray
    snr: float


def planted(clean: FloatArray, begin: int, random: np.random.Generator, *, idle: bool) -> list[Planted]:
    """Incidents of one series: now and then one in its training, up to two in the days from `begin` that are scored."""
    born = int(np.isnan(clean).sum())
    known = clean[born:]
    spent = known[known > 0]
    level = float(np.median(spent))
    error = 0.15 * float(np.quantile(spent, 0.9)) if idle else 1.2 * float(np.median(np.abs(known[7:] - known[:-7])))
    error = max(error, 0.03 * level)
    at = [born + (begin - born) / 2] if random.random() < 0.4 and born < begin - 120 else []
    begin = max(begin, born + 45)
    room = DAYS - begin - 50
    at += [begin + room * random.uniform(0, 0.45)] if random.random() < 0.55 else []
    at += [begin + room * random.uniform(0.55, 1)] if random.random() < 0.45 else []
    return [_incident(clean, int(first), error, random, idle=idle) for first in at]


def _incident(clean: FloatArray, first: int, error: float, random: np.random.Generator, *, idle: bool) -> Planted:
    odds = np.array([odds for odds, _, _ in _TYPES.values()])
    kind = str(random.choice(list(_TYPES), p=odds / odds.sum()))
    if idle and kind in (*_DATA, *_DOWN):
        kind = "spike"
    days = min(int(random.integers(*_TYPES[kind][1:])), DAYS - 5 - first)
    usual, snr = clean[first : first + days], float(np.exp(random.uniform(np.log(5), np.log(30))))
    if kind == "slow_leak":
        excess = snr * error * np.arange(1, days + 1) / days
    elif kind == "duplicate_billing":
        excess = usual.copy()
    elif kind in _DOWN:
        excess = -usual * random.uniform(0.5 if kind == "drop" else 0.8, 1.0, days)
    else:
        excess = snr * error * random.uniform(0.85, 1.15, days) * (0.6 if kind == "forgotten_cluster" else 1)
    return Planted(kind=kind, first=first, excess=excess, snr=snr)


def bills(folder: Path, kinds: Mapping[str, Kind], idle: Collection[str], each: int, begin: int) -> Path:
    """A split of `each` series of each kind, some of which are `idle` at times, with the judge's files."""
    log, events, days, series = [], [], [], []
    for number, kind in enumerate(kinds):
        for i in range(each):
            random = np.random.default_rng([SEED, number, i])
            key, provider = f"{kind} {i}", list(_AS_A_FEED)[i % 3]
            clean = np.exp(random.uniform(2.5, 9)) * kinds[kind](random)
            costs = clean.copy()
            for one in planted(clean, begin, random, idle=kind in idle):
                costs[one.first : one.first + len(one.excess)] += one.excess
                name = f"{key}-{one.first}"
                events.append(_event(name, key, one, float(np.nanmedian(clean))))
                days += [
                    {"event_id": name, "day": f"{DATES[one.first + d]:%Y-%m-%d}", "excess": float(x)}
                    for d, x in enumerate(one.excess)
                ]
            log.append(_filling(key, costs, provider, random))
            series.append({"series_id": key, "provider": provider, "service": kind, "archetype": kind})
    pd.concat(log).to_parquet(folder / "costs_log.parquet")
    pd.DataFrame(events).to_csv(folder / "events.csv", index=False)
    pd.DataFrame(days).to_parquet(folder / "excess.parquet")
    told = pd.DataFrame(series)
    told.drop(columns="archetype").to_csv(folder / "series.csv", index=False)
    told[["series_id", "archetype"]].to_csv(folder / "strata.csv", index=False)
    task = {"freq": "d", "first": f"{DATES[0]:%Y-%m-%d}", "score_from": f"{DATES[begin]:%Y-%m-%d}"}
    task["score_to"] = f"{DATES[-1]:%Y-%m-%d}"
    (folder / "task.json").write_text(json.dumps(task))
    return folder


def _event(name: str, key: str, one: Planted, level: float) -> dict[str, Any]:
    category = "data" if one.kind in _DATA else "cost_down" if one.kind in _DOWN else "cost_up"
    total = float(one.excess.sum())
    return {
        "event_id": name,
        "incident_id": name,
        "series_id": key,
        "type": one.kind,
        "category": category,
        "start": DATES[one.first].date(),
        "end": DATES[one.first + len(one.excess) - 1].date(),
        "direction": 1 if total > 0 else -1,
        "excess_usd": 0.0 if category == "data" else total,
        "snr": one.snr,
        "peak_ratio": float(np.abs(one.excess).max()) / max(abs(level), 1e-9),
    }


def _filling(key: str, costs: FloatArray, provider: str, random: np.random.Generator) -> pd.DataFrame:
    """The bill as it fills up: credits are there at once, costs in three steps."""
    known = np.flatnonzero(np.isfinite(costs))
    (early, spread), (later, narrow) = _AS_A_FEED[provider]
    first = np.clip(random.normal(early, spread, len(known)), 0.2, 1)
    second = np.clip(random.normal(later, narrow, len(known)), first, 1)
    parts = []
    for age, share in ((1, first), (2, second), (4, np.ones(len(known)))):
        cost = np.where(costs[known] > 0, costs[known] * share, costs[known])
        parts.append(
            pd.DataFrame(
                {
                    "series_id": key,
                    "usage_date": DATES[known],
                    "known_on": DATES[known] + timedelta(days=age),
                    "cost": cost.astype(np.float32),
                }
            )
        )
    return pd.concat(parts)


def run(*, quick: bool = False) -> list[dict[str, Any]]:
    """Rows of all kinds and of each: how many series and incidents, the judge's figures, and the ratio of all."""
    kinds = {kind: KINDS[kind] for kind in (_QUICK if quick else KINDS)}
    return judged(kinds, IDLE, quick=quick)


def judged(kinds: Mapping[str, Kind], idle: Collection[str], *, quick: bool) -> list[dict[str, Any]]:
    """The same of any kinds of bill."""
    each = 2 if quick else EACH
    with tempfile.TemporaryDirectory() as home:
        folder = bills(Path(home), kinds, idle, each, _QUICK_BEGIN if quick else _BEGIN)
        split, path = read_split(folder), folder / "verdicts.csv"
        production.run(split, path, jobs=1, progress=lambda _: None)
        ours = judge("detection")(folder, path, by="archetype")
        columns = ["series_id", "date", "known_on", "score"]
        pd.DataFrame(verdicts(split, weekday_mad), columns=columns).assign(alert=0).to_csv(path, index=False)
        theirs = judge("detection")(folder, path)
    ratio = float(ours.loc["all", "auc_pr"] / theirs.loc["all", "auc_pr"])
    rows = [{"name": str(name), **{key: float(line[key]) for key in _TOLD}} for name, line in ours.iterrows()]
    return [{"series": each if row["name"] != "all" else len(split.keys), **row, "ratio": ratio} for row in rows]


_TOLD = ("incidents", "precision", "recall", "false_per_series_year", "auc_pr", "recall@1", "saved@1")
