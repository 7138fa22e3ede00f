"""Open episodes of which no strange day is left to see: kept while days are missing, and who else tells of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from finops_ai.detection.nesting import can_overlap
from finops_ai.detection.runs import Run
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.episode import Episode, EpisodeState
from finops_ai.domain.money import Money
from finops_ai.domain.rounding import micros
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries

_TOLD = Decimal("0.01")
"""A difference of less is the rounding of a model's floats."""

_GONE = Decimal("0.5")
"""An episode that lost this share of its excess was restated away."""


def quiet(one: Episode, series: CostSeries | None, today: date, settings: DetectSettings) -> Episode:
    """The episode with its days as they are billed now; resolved once enough normal days are complete after it.

    It never becomes graver by that. Where the bill took back most of the excess the episode says so, and it waits for
    the normal days all the same: a delivery that is only half there takes back as much, until it is whole.
    """
    if one.state is EpisodeState.RESOLVED or series is None:
        return one
    one = _as_billed(one, series, today, settings)
    complete = min(series.complete_through, today - timedelta(days=1))
    resolved_on = one.last_day + timedelta(days=settings.normal_days)
    if complete < resolved_on:
        return one
    return one.with_(state=EpisodeState.RESOLVED, resolved_on=resolved_on, projected=one.excess)


def told_already(
    runs: Sequence[Run],
    previous: Sequence[Episode],
    silent: Sequence[Episode],
    series_of: Mapping[tuple[Scope, str], CostSeries],
    today: date,
    settings: DetectSettings,
) -> tuple[list[Run], dict[str, set[Scope]]]:
    """The runs that are news or continue what is known, and by episode the scopes in which it shows besides its own.

    A fresh run in which a `previous` episode showed before is that episode, whatever becomes of the latter's own days.
    One beside a `silent` open episode has its cause where it overlaps it and is of its size; it carries the episode on,
    under its key, where the bill took from the one scope what it gave to the other: tags that came late.
    """
    kept: list[Run] = []
    shows: dict[str, set[Scope]] = {}
    for run in runs:
        if run.previous is None and any(_showed(one, run, settings) for one in previous):
            continue
        beside = [one for one in silent if _near(one, run, settings)] if run.previous is None else []
        same = next((one for one in beside if _explains(one, run, settings)), None)
        if same is not None:
            shows.setdefault(same.key, set()).add(run.scope)
            continue
        moved = next((one for one in beside if _moved(one, run, series_of, today, settings)), None)
        kept.append(replace(run, previous=moved) if moved else run)
        silent = [one for one in silent if one is not moved]
    return kept, shows


def _near(one: Episode, run: Run, settings: DetectSettings) -> bool:
    gap = timedelta(days=settings.join_days)
    return (
        one.scope != run.scope
        and one.excess.currency == run.currency
        and (one.kind == "drop") == run.is_drop
        and one.opened_on - gap <= run.last_day
        and run.opened_on - gap <= one.last_day
    )


def _showed(one: Episode, run: Run, settings: DetectSettings) -> bool:
    told = abs(float(one.excess.amount))
    return run.scope in one.seen_in and _near(one, run, settings) and settings.nested_share * abs(run.excess) <= told


def _explains(one: Episode, run: Run, settings: DetectSettings) -> bool:
    return can_overlap(one.scope, run.scope) and _of_a_size(float(one.excess.amount), run.excess, settings)


def _moved(
    one: Episode,
    run: Run,
    series_of: Mapping[tuple[Scope, str], CostSeries],
    today: date,
    settings: DetectSettings,
) -> bool:
    series = series_of.get((one.scope, one.excess.currency))
    if series is None or can_overlap(one.scope, run.scope) or not _still_judged(one, today, settings):
        return False
    lost = float((one.excess - _as_billed(one, series, today, settings).excess).amount)
    return lost * run.excess > 0 and _of_a_size(lost, run.excess, settings)


def _of_a_size(a: float, b: float, settings: DetectSettings) -> bool:
    return min(abs(a), abs(b)) >= settings.nested_share * max(abs(a), abs(b)) > 0


def _still_judged(one: Episode, today: date, settings: DetectSettings) -> bool:
    return one.opened_on >= today - timedelta(days=settings.judge_days)


def _as_billed(one: Episode, series: CostSeries, today: date, settings: DetectSettings) -> Episode:
    """The episode with what its days cost now; unchanged where nothing was restated."""
    if not _still_judged(one, today, settings):
        return one
    first, end = ((day - series.days.start).days for day in (one.opened_on, one.last_day + timedelta(days=1)))
    values = series.charged[max(first, 0) : max(end, 0)]
    observed = Money(micros(math.fsum(values)), one.excess.currency)
    if abs(observed.amount - one.observed.amount) < _TOLD:
        return one
    excess = observed - one.expected
    shrunk = abs(excess.amount) < abs(one.excess.amount)
    gone = excess.amount * one.excess.amount <= 0 or abs(excess.amount) < _GONE * abs(one.excess.amount)
    projected = excess if shrunk else excess + (one.projected - one.excess)
    return one.with_(observed=observed, excess=excess, projected=projected, restated=(one.restated or gone) and shrunk)
