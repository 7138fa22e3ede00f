"""Whether an episode ended because its cost went back, or because its level became the normal one."""

from __future__ import annotations

from datetime import timedelta

from finops_ai.domain.episode import Episode, EpisodeState
from finops_ai.domain.series import CostSeries

_DAYS_AFTER = 7
_STILL_THERE = 0.5


def accepted(episode: Episode, series: CostSeries) -> bool:
    """True when at least half of a resolved episode's daily excess goes on in the (up to seven) days after it."""
    if episode.state is not EpisodeState.RESOLVED or episode.excess.amount <= 0:
        return False
    days = (episode.last_day - episode.opened_on).days + 1
    first = (episode.last_day + timedelta(days=1) - series.days.start).days
    after = series.complete_values[first : first + _DAYS_AFTER] if first >= 0 else series.complete_values[:0]
    if not len(after):
        return False
    before = float(episode.expected.amount) / days
    return float(after.mean()) - before >= _STILL_THERE * float(episode.excess.amount) / days
