"""One morning of detection: score, ask for a second opinion, bring the episodes up to date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from finops_ai.detection import by_hour
from finops_ai.detection.episodes import advance
from finops_ai.detection.outliers import second_opinion
from finops_ai.detection.panel import Filling, panels
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.today import so_far
from finops_ai.detection.verdicts import Verdicts, judge, scores
from finops_ai.domain.episode import Episode
from finops_ai.domain.forecast import Score
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.series import CostSeries, HourlySeries

NO_BURSTS: by_hour.Bursts = {}
_TOGETHER = 1024  # series in a panel: their state stays in the processor's cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """Scores of the series in which something may be strange, and all episodes known."""

    scores: tuple[Score, ...]
    episodes: tuple[Episode, ...]


def detect(
    series: Sequence[CostSeries],
    previous: Sequence[Episode],
    *,
    as_of: datetime,
    settings: DetectSettings,
    filling: Sequence[Filling | None] = (),
    announced: Sequence[KnownEvent] = (),
    hours: Sequence[HourlySeries] = (),
    beside: Sequence[CostSeries] = (),
) -> Detection:
    """Judge the last days of `series` as known at `as_of` and advance the `previous` episodes.

    Days that are not complete are judged where `filling` (of `series`, then `beside`, or none) says how far they are: a
    rise at once, since they can only grow, a fall when enough is there. The day that is not over is one once it cost
    more than all of it should, or as soon as its `hours` cost more than they should. `announced` changes raise no
    alarm. Series `beside` are parts of others, and are not judged themselves.
    """
    every = [*series, *beside]
    fills = filling or [None] * len(every)
    side_by_side = panels(every, fills, announced, today=as_of.date(), size=_TOGETHER, settings=settings)
    verdicts = judge(side_by_side, settings)
    begun = (
        so_far(series, beside, fills, announced, verdicts[0].tails, as_of=as_of, size=_TOGETHER, settings=settings)
        if verdicts
        else []
    )
    told = by_hour.bursts(hours, announced, as_of=as_of, settings=settings)
    return follow(verdicts, series, previous, as_of=as_of, settings=settings, begun=begun, bursts=told)


def follow(
    verdicts: Sequence[Verdicts],
    series: Sequence[CostSeries],
    previous: Sequence[Episode],
    *,
    as_of: datetime,
    settings: DetectSettings,
    begun: Sequence[Score] = (),
    bursts: by_hour.Bursts = NO_BURSTS,
) -> Detection:
    """What verdicts on `series`, scores of the day that has `begun` and `bursts` make of the `previous` episodes."""
    also = [i for i, one in enumerate(series) if bursts and (one.scope, one.currency) in bursts]
    found = second_opinion(scores(verdicts, series, settings, also=also), verdicts, series, settings=settings)
    found = by_hour.told([*found, *begun], series, bursts, settings)
    episodes = advance(previous, found, series, as_of=as_of, settings=settings)
    return Detection(scores=tuple(found), episodes=tuple(episodes))
