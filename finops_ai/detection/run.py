"""One morning of detection: score, ask for a second opinion, bring the episodes up to date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from finops_ai.detection.episodes import advance
from finops_ai.detection.outliers import second_opinion
from finops_ai.detection.residual import scores
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.episode import Episode
from finops_ai.domain.expectation import Expectation
from finops_ai.domain.forecast import Score
from finops_ai.domain.series import CostSeries


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """Scores of the series in which something may be strange, and all episodes known."""

    scores: tuple[Score, ...]
    episodes: tuple[Episode, ...]


def detect(
    series: Sequence[CostSeries],
    expected: Sequence[Expectation],
    previous: Sequence[Episode],
    *,
    as_of: datetime,
    settings: DetectSettings,
) -> Detection:
    """Judge the last complete days of `series` (with `expected` in the same order) and advance `previous` episodes."""
    judged = second_opinion(scores(series, expected, settings=settings), series, expected, settings=settings)
    return Detection(
        scores=tuple(judged), episodes=tuple(advance(previous, judged, series, as_of=as_of, settings=settings))
    )
