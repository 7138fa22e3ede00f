"""Episodes through time: opened, grown, resolved, reopened; the same input gives the same episodes."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from finops_ai.detection.levels import as_answered
from finops_ai.detection.nesting import merge
from finops_ai.detection.newcomers import SCORER as NEW
from finops_ai.detection.newcomers import newcomers
from finops_ai.detection.quiet import quiet, told_already
from finops_ai.detection.runs import Run, limits, runs
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.severity import projected_excess, severity, share_of_days
from finops_ai.detection.today import SCORER as TODAY
from finops_ai.detection.verdicts import SCORERS, STANDING
from finops_ai.domain.episode import COST_KINDS, Episode, EpisodeState
from finops_ai.domain.forecast import Score
from finops_ai.domain.money import Money
from finops_ai.domain.rounding import micros
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries


def advance(
    previous: Sequence[Episode],
    scores: Sequence[Score],
    series: Sequence[CostSeries],
    *,
    as_of: datetime,
    settings: DetectSettings,
) -> list[Episode]:
    """Episodes as known at `as_of` (UTC): the `previous` ones brought up to date and the newly opened, oldest first.

    Days that have not begun at `as_of` are not judged. Episodes older than the scores stay as they are. Keys outlive
    growth, restatement and restart: what overlaps a previous episode of its scope continues it.
    """
    known = {one.key: one for one in series}
    today = as_of.date()
    mine = [one for one in previous if one.kind in COST_KINDS]
    by_series: dict[str, list[Score]] = {}
    for score in scores:
        key = _series_key(score.scope, score.currency)
        if key in known and score.day <= today:
            by_series.setdefault(key, []).append(score)
    limit = limits((score for found in by_series.values() for score in found), len(series), settings)
    strange: list[Run] = []
    for judged in by_series.values():
        judged.sort(key=lambda score: score.day)
        strange += runs(judged, limit, settings)
    strange += _besides(newcomers(series, today, settings), strange)
    found = _continuing(strange, mine, by_series, settings)
    worth = [run for run in found if _is_worth(run, settings)]
    silent = _silent(mine, worth)
    series_of = {(one.scope, one.currency): one for one in series}
    worth, shows = told_already(worth, mine, silent, series_of, today, settings)
    told = {
        episode.key: as_answered(episode, one_series, today, settings)
        for run, seen_in in merge(worth, settings)
        for one_series in [known[_series_key(run.scope, run.currency)]]
        for episode in [_episode(run, seen_in, one_series, limit, as_of, settings)]
    }
    for one in previous:
        if one.key not in told:
            told[one.key] = _left(one, known, shows.get(one.key, set()), today, settings)
    return sorted(told.values(), key=lambda one: (one.opened_on, one.key))


def _left(
    one: Episode, known: Mapping[str, CostSeries], shows: set[Scope], today: date, settings: DetectSettings
) -> Episode:
    """An episode that no run continues."""
    series = known.get(_series_key(one.scope, one.excess.currency))
    if one.kind not in COST_KINDS or series is None:
        return one
    left = quiet(one, series, today, settings)
    if left.state is not EpisodeState.RESOLVED or one.state is not EpisodeState.RESOLVED:
        left = as_answered(left, series, today, settings)
    left = left.with_(seen_in=tuple(sorted({*left.seen_in, *shows})))
    if left.excess == one.excess:
        return left
    ahead = severity(float(left.projected.amount), left.p_value, left.kind, settings, _floor(left, settings))
    return left.with_(severity=min(left.severity, ahead, key=lambda each: each.rank))


def _floor(one: Episode, settings: DetectSettings) -> float:
    return settings.floor_of(one.excess.currency, one.scope)


def _besides(more: Sequence[Run], runs: Sequence[Run]) -> list[Run]:
    """Of `more` those of which none of `runs` tells."""
    return [one for one in more if not any(run.scope == one.scope and run.near(one, 0) for run in runs)]


def _is_worth(run: Run, settings: DetectSettings) -> bool:
    """Whether to tell of it: what was told stays told, but for what the bill took back."""
    told = run.previous is not None and not run.previous.restated
    return told or abs(run.excess) >= settings.floor_of(run.currency, run.scope)


def _continuing(
    strange: Sequence[Run], previous: Sequence[Episode], judged: Mapping[str, Sequence[Score]], settings: DetectSettings
) -> list[Run]:
    """The runs, and where they continue previous episodes the parts that do, with all days since those opened."""
    known: dict[str, list[Episode]] = {}
    for one in previous:
        known.setdefault(_series_key(one.scope, one.excess.currency), []).append(one)
    parts = []
    for run in strange:
        key = _series_key(run.scope, run.currency)
        for part in _continued(run, known.get(key, []), settings):
            first = part.previous.opened_on if part.previous else part.opened_on
            before = tuple(score for score in judged.get(key, ()) if first <= score.day < part.opened_on)
            parts.append(replace(part, scores=(*before, *part.scores)) if before else part)
    return parts


def _silent(previous: Sequence[Episode], runs: Sequence[Run]) -> list[Episode]:
    """Episodes that are not resolved, and of which no run tells any more."""
    going_on = {run.previous.key for run in runs if run.previous}
    return [one for one in previous if one.state is not EpisodeState.RESOLVED and one.key not in going_on]


def episode_key(scope: Scope, currency: str, opened_on: date) -> str:
    """Sixteen hexadecimal digits that name an episode for good."""
    return hashlib.sha256(f"{scope.key}|{currency}|{opened_on.isoformat()}".encode()).hexdigest()[:16]


def _series_key(scope: Scope, currency: str) -> str:
    return f"{scope.key}|{currency}"


def _continued(run: Run, previous: Sequence[Episode], settings: DetectSettings) -> list[Run]:
    """`run` divided among the previous episodes it overlaps, each part continuing one; itself if there is none.

    One that is not over goes on, however many days are not on the bill between.
    """
    gap = timedelta(days=settings.join_days)
    mine = sorted(
        (
            one
            for one in previous
            if (one.kind == "drop") == run.is_drop
            and one.opened_on - gap <= run.last_day
            and (run.opened_on - gap <= one.last_day or one.state is not EpisodeState.RESOLVED)
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
    expected = Money(before_expected + micros(math.fsum(score.expected for score in judged)), run.currency)
    observed = Money(before_observed + micros(math.fsum(score.observed for score in judged)), run.currency)
    excess = observed - expected
    is_open = run.resolved_on is None
    projected = Money(excess.amount + micros(_ahead(run, series)), run.currency)
    p_value = min(score.p_value for score in run.scores)
    scorer, _, forecaster = run.opening.scorer.partition("@")
    kind = previous.kind if previous else _kind(run, scorer, settings)
    state = EpisodeState.RESOLVED
    if is_open:
        acknowledged = previous is not None and previous.state is EpisodeState.ACKNOWLEDGED
        state = EpisodeState.ACKNOWLEDGED if acknowledged else EpisodeState.OPEN
    return Episode(
        key=previous.key if previous else episode_key(run.scope, run.currency, opened_on),
        scope=run.scope,
        cost_basis=series.cost_basis,
        kind=kind,
        state=state,
        severity=severity(float(projected.amount), p_value, kind, settings, settings.floor_of(run.currency, run.scope)),
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


def _ahead(run: Run, series: CostSeries) -> float:
    """Excess of the days that are left of the month, as they are expected to go on."""
    by_day, since = ([score.observed - score.expected for score in part] for part in (run.scores, run.since))
    before = series.charged[: max((run.opened_on - series.days.start).days, 0)]
    is_open, share = run.resolved_on is None, share_of_days(before.tolist())
    found = projected_excess(by_day, run.last_day, is_open=is_open, since=since, share=share)
    return found - math.fsum(by_day)


def _kind(run: Run, scorer: str, settings: DetectSettings) -> str:
    if run.is_drop:
        return "drop"
    if run.opening.scorer == SCORERS[STANDING]:
        return "rise"
    expected, observed = (math.fsum(getattr(score, name) for score in run.scores) for name in ("expected", "observed"))
    if expected <= settings.new_share * observed:
        return "new_spend"
    return "drift" if scorer == "drift" else "rise"


def _threshold(run: Run, limit: dict[date, float], settings: DetectSettings) -> str:
    """Which line was crossed, on which day, and why it lies there; in words."""
    score = run.opening
    if score.scorer == NEW:
        line = f"{score.upper:.2f} {score.currency} a day is worth telling"
        return f"first charge on {score.day}, nothing was expected; {line}"
    if score.scorer == SCORERS[STANDING]:
        charge = f"{score.observed - score.expected:.2f} {score.currency}"
        return f"a standing charge of {charge} a day since {run.opened_on}, in a series that rested between its jobs"
    rate = f"{settings.false_per_series_year:g} false episodes per series-year"
    so_far = ", which is not over" if score.scorer == TODAY else ""
    so_far += f", from {score.since:%H:%M} UTC on" if score.since else ""
    line = f"p = {score.p_value:.1e} at most {limit[score.day]:.1e} on {score.day}{so_far} ({rate}"
    if limit[score.day] < settings.threshold:
        line += f", of one day's openings at most {settings.false_discovery:.0%} false"
    return f"{line}); {score.observed:.2f} against {score.upper:.2f} {score.currency}"
