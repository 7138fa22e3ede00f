"""Realised savings on simulated treated and control clusters: how often the 80 % range holds the truth, and how wide.

Yardstick: what a spreadsheet does, the mean of the days before against the mean after with a t-interval of independent
days. `ratio` is the yardstick's width over ours where both held the truth; `held` and `naive_held` are the shares of
merges whose true saving lay inside, `over` the share of panels in which more was booked than the bill fell by.
"""

from __future__ import annotations

import time

import numpy as np

from finops_ai.domain.money import total
from finops_ai.domain.series import FloatArray
from finops_ai.rightsizing.savings import ledger, name_of
from tests.unit.rightsizing.panels import AFTER, BEFORE, Panel, panel

CASES = {
    "no memory": {"memory": 0.0, "noise": 0.05},
    "memory 0.5": {"memory": 0.5, "noise": 0.05},
    "memory 0.7": {"memory": 0.7, "noise": 0.05},
    "noisy": {"memory": 0.5, "noise": 0.15},
    "small change": {"memory": 0.5, "noise": 0.05, "share": 0.05},
    "nothing saved": {"memory": 0.5, "noise": 0.05, "share": 0.0},
    "half moves to idle": {"memory": 0.5, "noise": 0.05, "to_idle": 0.5},
    "wandering 1 % a day": {"memory": 0.5, "noise": 0.05, "wander": 0.01},
    "wandering 2 % a day": {"memory": 0.5, "noise": 0.05, "wander": 0.02},
}
PANELS = 500
T_QUANTILE = 1.292
"""90 % point of Student's t with about 80 degrees of freedom."""


def run(*, quick: bool = False) -> list[dict[str, object]]:
    return [_case(name, 10 if quick else PANELS, **settings) for name, settings in CASES.items()]


def _case(name: str, panels: int, **settings: float) -> dict[str, object]:
    held, naive_held, errors, widths, ratios, over = [], [], [], [], [], []
    began = time.process_time()
    for seed in range(panels):
        one = panel(seed, clusters=3, **settings)  # type: ignore[arg-type]
        rows = ledger(one.bill, one.merges)
        for row in rows:
            true, low, high = one.true[row.key], float(row.low.amount), float(row.high.amount)
            paid = one.bill.workloads[name_of(row.workload)]
            naive = _naive(paid[:BEFORE], paid[BEFORE + 1 :])
            held.append(low <= true <= high)
            naive_held.append(naive[0] <= true <= naive[1])
            errors.append((float(row.estimate.amount) - true) / float(row.counterfactual.amount))
            widths.append((high - low) / float(row.counterfactual.amount))
            ratios.append((naive[1] - naive[0]) / (high - low))
        over.append(float(total(row.booked.amount for row in rows)) > max(_fall(one), 0) + 0.01 * len(rows))
    return {
        "name": name,
        "merges": len(held),
        "held": float(np.mean(held)),
        "naive_held": float(np.mean(naive_held)),
        "bias": float(np.mean(errors)),
        "width": float(np.mean(widths)),
        "ratio": float(np.mean(ratios)),
        "over": float(np.mean(over)),
        "ours_s": time.process_time() - began,
        "note": "held: aim 0.75 to 0.85; bias and width as shares of what would have been paid",
    }


def _naive(before: FloatArray, after: FloatArray) -> tuple[float, float]:
    saved = (before.mean() - after.mean()) * len(after)
    error = float(np.sqrt(before.var(ddof=1) / len(before) + after.var(ddof=1) / len(after))) * len(after)
    return float(saved - T_QUANTILE * error), float(saved + T_QUANTILE * error)


def _fall(one: Panel) -> float:
    """What the treated workloads and the idle part of their clusters cost less than before."""
    clusters = {merge.recommendation.workload.cluster for merge in one.merges}
    falls = []
    for cluster in clusters:
        own = [m.recommendation.workload for m in one.merges if m.recommendation.workload.cluster == cluster]
        paid = sum((one.bill.workloads[name_of(each)] for each in own), one.bill.idle[cluster])
        falls.append(max(float(paid[:BEFORE].mean() * AFTER - paid[BEFORE + 1 :].sum()), 0.0))
    return sum(falls)
