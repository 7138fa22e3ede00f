"""A second opinion on suspicious days: PyOD's k nearest neighbours among the series' own past days.

It sees what the residual score does not: whether a combination of surprise, momentum, weekly change and place in the
month has been seen before. It loosens or tightens the threshold for a day within bounds. PyOD: Y. Zhao, Z. Nasrullah,
Z. Li, JMLR 20 (2019); KNN: S. Ramaswamy, R. Rastogi, K. Shim, SIGMOD 2000.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.verdicts import Verdicts
from finops_ai.domain.forecast import Score
from finops_ai.domain.series import CostSeries, FloatArray

_NEIGHBOURS = 5
_LEAST_DAYS = 60
_STRANGE, _FAMILIAR = 0.995, 0.9
_EDGE = 2.0  # distance between the month's edges and its middle, in usual errors


def factor(opinion: float | None, settings: DetectSettings) -> float:
    """By how much the threshold on the p-value is multiplied: `opinion_weight`, 1, or one over it."""
    if opinion is None or _FAMILIAR <= opinion < _STRANGE:
        return 1.0
    return settings.opinion_weight if opinion >= _STRANGE else 1 / settings.opinion_weight


def second_opinion(
    scores: Sequence[Score], verdicts: Sequence[Verdicts], series: Sequence[CostSeries], *, settings: DetectSettings
) -> list[Score]:
    """`scores` with `second_opinion` filled in on the days that PyOD's view could decide; deterministic."""
    wanted: dict[str, list[int]] = {}
    for i, score in enumerate(scores):
        if score.p_value <= settings.threshold * settings.opinion_weight and score.z > 0:
            wanted.setdefault(f"{score.scope.key}|{score.currency}", []).append(i)
    stakes = {key: sum(scores[i].observed - scores[i].expected for i in found) for key, found in wanted.items()}
    asked = sorted(wanted, key=lambda key: (-stakes[key], key))[: settings.second_opinions]
    place = {
        series[i].key: (one, row) for one in verdicts for row, i in enumerate(one.panel.members) if i < len(series)
    }
    result = list(scores)
    for key in asked:
        one, row = place[key]
        days = [(scores[i].day - one.panel.end).days for i in wanted[key]]
        for i, opinion in zip(wanted[key], _opinions(one, row, days, settings), strict=True):
            result[i] = replace(scores[i], second_opinion=opinion)
    return result


def _opinions(one: Verdicts, row: int, days: Sequence[int], settings: DetectSettings) -> Sequence[float | None]:
    """Share of the days before the judged ones that are less strange than each of `days` (counted from the end, -1)."""
    features = _features(one, row)
    past = features[: -settings.judge_days]
    past = past[np.isfinite(past).all(axis=1)]
    if len(past) < _LEAST_DAYS:
        return [None] * len(days)
    from pyod.models.knn import KNN

    model = KNN(n_neighbors=_NEIGHBOURS, method="mean")
    model.fit(past)
    usual = np.sort(model.decision_scores_)
    strange = model.decision_function(np.nan_to_num(features[list(days)]))
    return [round(float(np.searchsorted(usual, value) / len(usual)), 6) for value in strange]


def _features(one: Verdicts, row: int) -> FloatArray:
    """Per day, in usual errors: surprise, yesterday's, mean of three, change in a week, month's edge."""
    found = one.surprise
    unit = found.unit[row]
    surprise, seen = found.rise[row] / unit, found.seen[row] / unit
    count = len(surprise)

    def before(values: FloatArray, days: int) -> FloatArray:
        return np.concatenate([np.full(min(days, count), np.nan), values[: max(count - days, 0)]])

    three = (surprise + before(surprise, 1) + before(surprise, 2)) / 3
    dates = [found.panel.day(found.first + i) for i in range(count)]
    edge = np.array([_EDGE * (day.day <= 2 or day.day >= 28) for day in dates])
    return np.stack([surprise, before(surprise, 1), three, seen - before(seen, 7), edge], axis=1)
