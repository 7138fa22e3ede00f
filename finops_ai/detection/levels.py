"""Whether an episode ended because its cost went back, or because its level became the normal one; a person may say."""

from __future__ import annotations

import math
from datetime import date, timedelta

from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.episode import Episode, EpisodeState, FeedbackVerdict
from finops_ai.domain.money import Money
from finops_ai.domain.rounding import micros
from finops_ai.domain.series import CostSeries, FloatArray

_DAYS_AFTER = 7
_STILL_THERE = 0.5


def accepted(episode: Episode, series: CostSeries) -> bool:
    """True when at least half of a resolved episode's daily excess goes on in the (up to seven) days after it."""
    if episode.state is not EpisodeState.RESOLVED or episode.excess.amount <= 0:
        return False
    after = _days_after(episode, series)[:_DAYS_AFTER]
    return bool(len(after)) and float(after.mean()) >= _line(episode)


def as_answered(episode: Episode, series: CostSeries, today: date, settings: DetectSettings) -> Episode:
    """The episode as it stands after what a person said of it.

    `expected`, while that holds: its level is the new normal at once, and it is over. `real`: no level is taken as
    normal; it goes on, and grows, for as long as at least half of its daily excess is there.
    """
    answer = episode.feedback
    if answer is None:
        return episode
    if answer.verdict is FeedbackVerdict.EXPECTED and (answer.until is None or today <= answer.until):
        over = episode.resolved_on or max(min(answer.at.date(), today), episode.last_day)
        return episode.with_(state=EpisodeState.RESOLVED, resolved_on=over, accepted=True, projected=episode.excess)
    ended = episode.state is EpisodeState.RESOLVED
    if answer.verdict is FeedbackVerdict.REAL and ended and episode.excess.amount > 0 and not episode.restated:
        return _gone_on(episode, series, settings)
    return episode


def _gone_on(episode: Episode, series: CostSeries, settings: DetectSettings) -> Episode:
    """The episode through the last day on which its level was there; open unless normal days came after that."""
    after, line = _days_after(episode, series), _line(episode)
    last = -1
    for i, value in enumerate(after.tolist()):
        if i - last > settings.normal_days:
            break
        last = i if value >= line else last
    if last < 0:
        return episode
    more, currency = after[: last + 1], episode.excess.currency
    days = (episode.last_day - episode.opened_on).days + 1
    expected = episode.expected + Money(micros(float(episode.expected.amount) / days * len(more)), currency)
    observed = episode.observed + Money(micros(math.fsum(more)), currency)
    last_day = episode.last_day + timedelta(days=len(more))
    over = len(after) - 1 - last >= settings.normal_days
    return episode.with_(
        state=EpisodeState.RESOLVED if over else EpisodeState.OPEN,
        resolved_on=last_day + timedelta(days=settings.normal_days) if over else None,
        last_day=last_day,
        expected=expected,
        observed=observed,
        excess=observed - expected,
        projected=observed - expected,
        accepted=False,
    )


def _days_after(episode: Episode, series: CostSeries) -> FloatArray:
    first = (episode.last_day + timedelta(days=1) - series.days.start).days
    return series.charged[first : len(series.complete_days)] if first >= 0 else series.charged[:0]


def _line(episode: Episode) -> float:
    """Daily cost from which on half of the excess is still there."""
    days = (episode.last_day - episode.opened_on).days + 1
    return (float(episode.expected.amount) + _STILL_THERE * float(episode.excess.amount)) / days
