"""Which of the episodes that want to page do, under a number of pages per team and week: the dearest and surest first.

The number holds in every span of seven days (and so in every calendar week): a page is allowed when no such span that
holds it has as many already. Pages chosen on one morning are a self-consistent set (G. Blanchard, E. Roquain, EJS 2,
2008): each has a p-value of at most q |S| / m, for |S| pages chosen among m judged scopes, which keeps the expected
share of false ones at or below q for independent or positively dependent scopes, whatever else they are ranked by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from finops_ai.detection.answers import TUNED_KINDS, Answers
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.severity import confidence
from finops_ai.domain.episode import Episode, Severity

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertBudget:
    """At most `pages` per team in seven days, of which a share of `false_discovery` may be false.

    `break_through` by currency: a critical episode that comes to so much pages even when nothing is left.
    """

    pages: int
    false_discovery: float = 0.1
    break_through: Mapping[str, Decimal] = field(default_factory=dict)

    def breaks_through(self, episode: Episode) -> bool:
        amount = self.break_through.get(episode.projected.currency, self.break_through.get("*"))
        return (
            amount is not None
            and episode.severity is Severity.CRITICAL
            and max(episode.projected.amount, episode.excess.amount) >= amount
        )


def left(budget: AlertBudget, paged_at: Sequence[datetime], now: datetime) -> int:
    """Pages that may still be sent at `now` so that no span of seven days holds more than the budget."""
    near = sorted(at for at in paged_at if abs(at - now) < WEEK)
    starts = [at for at in near if at <= now] + [now]
    fullest = max(sum(start <= at < start + WEEK for at in near) for start in starts)
    # A span may also begin between two pages; only its pages count, and the ones after a page are a subset of its span.
    return max(budget.pages - fullest, 0)


def worth(episode: Episode, answers: Answers, settings: DetectSettings) -> float:
    """What it comes to in floors of its currency, times the confidence that it is real, by its p-value and answers."""
    dollars = float(max(abs(episode.projected.amount), abs(episode.excess.amount)))
    return (
        dollars
        / max(settings.floor_of(episode.excess.currency), 1e-9)
        * confidence(p_value(episode))
        * answers.real(episode)
    )


def p_value(episode: Episode) -> float:
    """Of all its days together (Bonferroni); 0 for what is no judgement but a fact."""
    if episode.kind not in TUNED_KINDS:
        return 0.0
    return min(1.0, max(episode.p_value, 0.0) * ((episode.last_day - episode.opened_on).days + 1))


def by_worth(episodes: Sequence[Episode], answers: Answers, settings: DetectSettings) -> list[Episode]:
    """Dearest and surest first."""
    return sorted(episodes, key=lambda one: (-worth(one, answers, settings), one.key))


def sure_enough(episodes: Sequence[Episode], size: int, scopes: int, budget: AlertBudget) -> list[Episode]:
    """The first of `episodes` that may page together: as many as can, at most `size`, each as sure as their number
    asks for."""
    for count in range(min(size, len(episodes)), 0, -1):
        line = budget.false_discovery * count / max(scopes, 1)
        passed = [one for one in episodes if p_value(one) <= line]
        if len(passed) >= count:
            return passed[:count]
    return []
