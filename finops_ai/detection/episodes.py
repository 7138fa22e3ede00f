"""Episodes through time: opened, grown, resolved, reopened; the same input gives the same episodes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from finops_ai.detection.nesting import merge
from finops_ai.detection.runs import Run, limits, runs
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.severity import projected_excess, severity
from finops_ai.domain.episode import Episode, EpisodeState
from finops_ai.domain.forecast import Score
from finops_ai.domain.money import EXACT, Money
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries

_CENT_OF_CENT = Decimal("0.000001")


def advance(
    previous: Sequence[Episode],
    scores: Sequence[Score],
    series: Sequence[CostSeries],
    *,
    as_of: datetime,
    settings: DetectSettings,
) -> list[Episode]:
    """Episodes as known at `as_of` (UTC): the `previous` ones brought up to date and the newly opened, oldest first.

    Days that are not over at `as_of` are not judged. Episodes older than the scores stay as they are. Keys outlive
    growth, restatement and restart: what overlaps a previous episode of its scope continues it.
    """
    known = {one.key: one for one in series}
    by_series: dict[str, list[Score]] = {}
    for score in scores:
        key = _series_key(score.scope, score.currency)
        if key in known and score.day < as_of.date():
            by_series.setdefault(key, []).append(score)
    limit = limits((score for found in by_series.values() for score in found), len(series), settings)
    found: list[Run] = []
    for key, judged in by_series.items():
        judged.sort(key=lambda score: score.day)
        mine = [one for one in previous if _series_key(one.scope, one.excess.currency) == key]
        for run in runs(judged, limit, settings):
            found += _continued(run, mine, settings)
    worth = [run for run in found if run.previous or abs(run.excess) >= settings.floor_of(run.currency)]
    told = {
        episode.key: episode
        for run, seen_in in merge(worth, settings)
        for episode in [_episode(run, seen_in, known[_series_key(run.scope, run.currency)], limit, as_of, settings)]
    }
    for one in previous:
        told.setdefault(one.key, _quiet(one, known.get(_series_key(one.scope, one.excess.currency)), as_of, settings))
    return sorted(told.values(), key=lambda one: (one.opened_on, one.key))


def episode_key(scope: Scope, currency: str, opened_on: date) -> str:
    """Sixteen hexadecimal digits that name an episode for good."""
    return hashlib.sha256(f"{scope.key}|{currency}|{opened_on.isoformat()}".encode()).hexdigest()[:16]


def _series_key(scope: Scope, currency: str) -> str:
    return f"{scope.key}|{currency}"


def _continued(run: Run, previous: Sequence[Episode], settings: DetectSettings) -> list[Run]:
    """`run` divided among the previous episodes it overlaps, each part continuing one; itself if there is none."""
    gap = timedelta(days=settings.join_days)
    mine = sorted(
        (
            one
            for one in previous
            if (one.kind == "drop") == run.is_drop
            and one.opened_on - gap <= run.last_day
            and run.opened_on - gap <= one.last_day
        ),
        key=lambda one: (one.opened_on, one.key),
    )
    parts = []
    for i, one in enumerate(mine):
        first = run.opened_on if i == 0 else one.opened_on
        end = mine[i + 1].opened_on if i + 1 < len(mine) else date.max
        scores = tuple(score for score in run.scores if first <= score.day < end)
        if scores:
            is_last = scores[-1].day == run.last_day
            parts.append(
                replace(
                    run,
                    scores=scores,
                    resolved_on=run.resolved_on if is_last else scores[-1].day + timedelta(days=settings.normal_days),
                    previous=one,
                )
            )
    return parts or [run]


def _episode(
    run: Run,
    seen_in: tuple[Scope, ...],
    series: CostSeries,
    limit: dict[date, float],
    as_of: datetime,
    settings: DetectSettings,
) -> Episode:
    previous = run.previous
    opened_on = previous.opened_on if previous else run.opened_on
    judged = [score for score in run.scores if score.day >= opened_on] or list(run.scores)
    before_expected, before_observed = Decimal(0), Decimal(0)
    if previous and previous.opened_on < as_of.date() - timedelta(days=settings.judge_days):
        # its first days are no longer judged: their part stays as it was told
        judged = [score for score in judged if score.day > previous.last_day]
        before_expected, before_observed = previous.expected.amount, previous.observed.amount
    expected = Money(before_expected + _decimal(math.fsum(score.expected for score in judged)), run.currency)
    observed = Money(before_observed + _decimal(math.fsum(score.observed for score in judged)), run.currency)
    excess = observed - expected
    is_open = run.resolved_on is None
    by_day = [score.observed - score.expected for score in run.scores]
    ahead = _decimal(projected_excess(by_day, run.last_day, is_open=is_open) - math.fsum(by_day))
    projected = Money(excess.amount + ahead, run.currency)
    p_value = min(score.p_value for score in run.scores)
    scorer, _, forecaster = run.opening.scorer.partition("@")
    kind = "drop" if run.is_drop else "drift" if scorer == "drift" else "rise"
    state = EpisodeState.RESOLVED
    if is_open:
        acknowledged = previous is not None and previous.state is EpisodeState.ACKNOWLEDGED
        state = EpisodeState.ACKNOWLEDGED if acknowledged else EpisodeState.OPEN
    return Episode(
        key=previous.key if previous else episode_key(run.scope, run.currency, opened_on),
        scope=run.scope,
        cost_basis=series.cost_basis,
        kind=previous.kind if previous else kind,
        state=state,
        severity=severity(float(projected.amount), p_value, kind, settings),
        opened_on=opened_on,
        last_day=max(run.last_day, opened_on),
        resolved_on=run.resolved_on,
        expected=expected,
        observed=observed,
        excess=excess,
        projected=projected,
        p_value=p_value,
        forecaster=forecaster,
        threshold=previous.threshold if previous else _threshold(run, limit, settings),
        where=dict(run.scope.pairs),
        causes=previous.causes if previous and previous.excess == excess else (),
        seen_in=tuple(sorted({*seen_in, *(previous.seen_in if previous else ())})),
        second_opinion=run.opening.second_opinion,
        feedback=previous.feedback if previous else None,
    )


def _quiet(one: Episode, series: CostSeries | None, as_of: datetime, settings: DetectSettings) -> Episode:
    """An episode of which no strange day is left to see: resolved once enough normal days are complete."""
    if one.state is EpisodeState.RESOLVED or series is None:
        return one
    complete = min(series.complete_through, as_of.date() - timedelta(days=1))
    resolved_on = one.last_day + timedelta(days=settings.normal_days)
    if complete < resolved_on:
        return one
    return one.with_(state=EpisodeState.RESOLVED, resolved_on=resolved_on, projected=one.excess)


def _threshold(run: Run, limit: dict[date, float], settings: DetectSettings) -> str:
    """Which line was crossed, on which day, and why it lies there; in words."""
    score = run.opening
    rate = f"{settings.false_per_series_year:g} false episodes per series-year"
    line = f"p = {score.p_value:.1e} at most {limit[score.day]:.1e} on {score.day} ({rate}"
    if limit[score.day] < settings.threshold:
        line += f", of one day's openings at most {settings.false_discovery:.0%} false"
    return f"{line}); {score.observed:.2f} against {score.upper:.2f} {score.currency}"


def _decimal(value: float) -> Decimal:
    return Decimal(value).quantize(_CENT_OF_CENT, context=EXACT)
