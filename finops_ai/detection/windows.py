"""When an episode is not to be told: quiet hours of the day, and windows of maintenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from finops_ai.detection.routes import Route
from finops_ai.domain.episode import Episode, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """From `start` to `end` by the clock of `time_zone`, over midnight where end is not later; on `days` (Monday 0) of
    their start. `unless` is the severity that is told all the same, None for none.
    """

    start: time
    end: time
    time_zone: str
    days: frozenset[int] = frozenset(range(7))
    unless: Severity | None = Severity.CRITICAL

    def at(self, now: datetime) -> bool:
        here = now.astimezone(ZoneInfo(self.time_zone))
        clock, today = here.time().replace(tzinfo=None), here.weekday()
        if self.start < self.end:
            return self.start <= clock < self.end and today in self.days
        yesterday = (today - 1) % 7
        return (clock >= self.start and today in self.days) or (clock < self.end and yesterday in self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """Work from `start` to `end` (instants) on what fits `match`; `note` says what it is."""

    start: datetime
    end: datetime
    note: str
    match: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def holds(self, episode: Episode, about: Mapping[str, str], now: datetime) -> bool:
        """While it lasts, and afterwards for what was unusual on its days only: a bill comes a day late."""
        if not Route(match=self.match).fits(about):
            return False
        last_day = (self.end - timedelta(microseconds=1)).date()
        within = self.start.date() <= episode.opened_on and episode.last_day <= last_day
        return self.start <= now < self.end or (within and now >= self.start)


def waits(
    episode: Episode,
    about: Mapping[str, str],
    now: datetime,
    *,
    quiet: Sequence[QuietHours],
    maintenance: Sequence[Maintenance],
) -> str | None:
    """Why the episode waits now, in words; None when it does not."""
    for window in maintenance:
        if window.holds(episode, about, now):
            return f"maintenance: {window.note}"
    for hours in quiet:
        loud = hours.unless is not None and episode.severity.rank >= hours.unless.rank
        if hours.at(now) and not loud:
            return f"quiet hours {hours.start:%H:%M} to {hours.end:%H:%M} {hours.time_zone}"
    return None
