"""Runs of strange days in one series, and which of them open an episode."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from finops_ai.detection.outliers import factor
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.episode import Episode
from finops_ai.domain.forecast import Score
from finops_ai.domain.scope import Scope

_NORMAL_DROP_Z = -2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Days `opened_on` to `last_day` of one scope; `scores` are all judged days between, `opening` the first to open.

    `resolved_on` is the day on which enough normal days had passed, None while they have not; `since` are those that
    have. `previous` is the episode that this run continues.
    """

    scope: Scope
    currency: str
    is_drop: bool
    scores: tuple[Score, ...]
    opening: Score
    resolved_on: date | None
    since: tuple[Score, ...] = ()
    previous: Episode | None = None

    @property
    def opened_on(self) -> date:
        return self.scores[0].day

    @property
    def last_day(self) -> date:
        return self.scores[-1].day

    @property
    def excess(self) -> float:
        return math.fsum(score.observed - score.expected for score in self.scores)

    def excess_beside(self, other: Run) -> float:
        """Size of the excess on the days that both runs have; on all its own days if there are none such."""
        common = [s for s in self.scores if other.opened_on <= s.day <= other.last_day] or self.scores
        return abs(math.fsum(score.observed - score.expected for score in common))

    def near(self, other: Run, days: int) -> bool:
        """Same direction and currency, and at most `days` apart."""
        gap = timedelta(days=days)
        return (
            self.is_drop == other.is_drop
            and self.currency == other.currency
            and self.opened_on - gap <= other.last_day
            and other.opened_on - gap <= self.last_day
        )


def limits(scores: Iterable[Score], scopes: int, settings: DetectSettings) -> dict[date, float]:
    """Largest p-value (after the second opinion) that opens an episode on each day; a day without any is left out.

    The smaller of two: the rate that one series may err at, and Benjamini-Hochberg over the `scopes` of the day
    (Y. Benjamini, Y. Hochberg, JRSS B 57, 1995).
    """
    by_day: dict[date, list[float]] = defaultdict(list)
    for score in scores:
        by_day[score.day].append(weighted(score, settings))
    found = {}
    for day, values in by_day.items():
        values.sort()
        lines = [settings.false_discovery * rank / scopes for rank in range(1, len(values) + 1)]
        passed = [line for p, line in zip(values, lines, strict=True) if p <= line]
        if passed:
            found[day] = min(passed[-1], settings.threshold)
    return found


def weighted(score: Score, settings: DetectSettings) -> float:
    """The p-value as the threshold sees it: the second opinion counts within its bounds."""
    return score.p_value / factor(score.second_opinion, settings)


def runs(scores: Sequence[Score], limit: dict[date, float], settings: DetectSettings) -> list[Run]:
    """Runs in the scores of one series, in order of days, rises before drops."""

    def opens(score: Score, is_drop: bool) -> bool:
        return (score.z < 0) == is_drop and weighted(score, settings) <= limit.get(score.day, -1.0)

    rises = [opens(score, False) for score in scores]
    drops = [opens(score, True) for score in scores]
    strange = [score.z > 0 and score.p_value <= settings.normal_p for score in scores]
    onset = [score.z > 0 and score.p_value <= settings.onset_p for score in scores]
    low = [score.z <= _NORMAL_DROP_Z for score in scores]
    return [
        *_runs(scores, rises, strange, onset, is_drop=False, settings=settings),
        *_runs(scores, drops, low, low, is_drop=True, settings=settings),
    ]


def _runs(
    scores: Sequence[Score],
    opening: Sequence[bool],
    strange: Sequence[bool],
    onset: Sequence[bool],
    *,
    is_drop: bool,
    settings: DetectSettings,
) -> list[Run]:
    spans: list[tuple[int, int, int]] = []  # first, opening, last strange index
    for i in range(len(scores)):
        if spans and _continues(scores, strange, spans[-1][2], i, opening[i], settings):
            spans[-1] = (*spans[-1][:2], i)
        elif opening[i]:
            first = i
            while first and onset[first - 1] and (not spans or first - 1 > spans[-1][2]):
                first -= 1
            spans.append((first, i, i))
    return [
        Run(
            scope=scores[0].scope,
            currency=scores[0].currency,
            is_drop=is_drop,
            scores=tuple(scores[first : last + 1]),
            opening=scores[opened],
            resolved_on=scores[last + settings.normal_days].day if last + settings.normal_days < len(scores) else None,
            since=tuple(scores[last + 1 : last + 1 + settings.normal_days]),
        )
        for first, opened, last in spans
    ]


def _continues(
    scores: Sequence[Score], strange: Sequence[bool], last: int, i: int, opens: bool, settings: DetectSettings
) -> bool:
    """Whether day `i` belongs to the run whose last strange day is `last`: before it resolves, or by reopening it."""
    if opens:
        return (scores[i].day - scores[last].day).days <= settings.reopen_days
    return strange[i] and i - last <= settings.normal_days
