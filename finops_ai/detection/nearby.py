"""Changes beside an episode, ranked by how well their place fits and how near in time they are: no proof of a cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta

from finops_ai.domain.change import NearbyChange, Ranked
from finops_ai.domain.episode import Episode
from finops_ai.domain.period import Days

BEFORE_DAYS = 7
HALF_LIFE_DAYS = 1.5
WEIGHTS = {"x_ai_model": 3.0, "x_cost_center": 2.0, "namespace": 2.0, "workload": 3.0}
"""How much it says that a column agrees; any other says 1."""

UNPLACED = 0.02
"""How well a change fits whose place nobody told: shown below all that are known to fit."""


def window(episode: Episode) -> Days:
    """The days whose changes can be associated: a week before the episode opened, and the day it opened."""
    return Days(episode.opened_on - timedelta(days=BEFORE_DAYS), episode.opened_on + timedelta(days=1))


def nearby(episode: Episode, changes: Iterable[NearbyChange], limit: int = 5) -> list[Ranked]:
    """The best first. What touches other places only, or came after the day the episode opened, is left out."""
    days = window(episode)
    opens = datetime.combine(episode.opened_on, time(), UTC)
    found = []
    for change in changes:
        if change.at.astimezone(UTC).date() not in days:
            continue
        fit, agrees = _fit(episode, change)
        # Cost is known by the day: when on its day it rose is not, so noon stands for it.
        lead = max(0.0, (opens + timedelta(hours=12) - change.at).total_seconds() / 86_400)
        if fit > 0:
            hours = (opens - change.at).total_seconds() / 3_600
            found.append(
                Ranked(change=change, score=fit * 0.5 ** (lead / HALF_LIFE_DAYS), agrees=agrees, hours_before=hours)
            )
    found.sort(key=lambda one: (-one.score, -one.change.at.timestamp(), one.change.source, one.change.key))
    return found[:limit]


def _fit(episode: Episode, change: NearbyChange) -> tuple[float, Mapping[str, str]]:
    """Of the places a change touches, the one that fits best: 1 at most, 0 for another's."""
    if not change.places:
        return UNPLACED, {}
    scope = dict(episode.scope.pairs)
    known = {**(dict(episode.causes[0].what) if episode.causes else {}), **episode.where, **scope}
    best: tuple[float, Mapping[str, str]] = (0.0, {})
    for place in change.places:
        agrees = {key: value for key, value in place.items() if known.get(key) == value}
        differs = {key for key, value in place.items() if key in known and known[key] != value}
        if not agrees or differs & set(scope):
            continue
        good, bad = (sum(WEIGHTS.get(key, 1.0) for key in keys) for keys in (agrees, differs))
        # A change of one workload says more than one of all workloads.
        fit = good / (good + bad + 1) / len(change.places) ** 0.25
        best = max(best, (fit, agrees), key=lambda one: one[0])
    return best
