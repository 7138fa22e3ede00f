"""What was decided about telling an episode: paged, in a storm, in the digest, held back or silenced, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from finops_ai.domain.episode import EpisodeState, Severity
from finops_ai.domain.money import Money


class Told(StrEnum):
    PAGED = "paged"
    STORM = "storm"
    """Told as one of many, in a single message."""
    DIGEST = "digest"
    """Read in the next digest; it pages if that changes."""
    HELD = "held"
    """Waits for quiet hours, maintenance or a snooze to end."""
    SILENCED = "silenced"
    """A person said that it is no news, or answers of the past ask for more before this scope pages."""
    RESOLVED = "resolved"
    """Over; whoever was told of it was told that too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageDecision:
    """What `team` was told of an episode from `at` on, until a later decision of the two.

    `page` says that this decision interrupted somebody: it is what an alert budget counts. `storm` names the storm
    that the episode is told in. A storm and a digest have a decision of their own, under the name of their message.
    """

    team: str
    key: str
    at: datetime
    told: Told
    reason: str
    severity: Severity
    state: EpisodeState
    projected: Money
    sinks: tuple[str, ...] = ()
    page: bool = False
    storm: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snooze:
    """An episode is not to be told of before `until` has passed, unless it outgrows `projected` by far."""

    episode_key: str
    at: datetime
    until: date
    projected: Money
    note: str = ""
    by: str = ""
