"""One cause, one episode: runs in nested and crossing scopes are told once, in the narrowest that explains them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

from finops_ai.detection.runs import Run
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.scope import Scope, is_of_owner

_SEVERAL = 3
_LEAST_REST = 0.05  # of what a whole was expected to cost: the rest of it besides its largest part
_ALIKE = 1 / 3
_TOGETHER_DAYS = 1


def merge(runs: Sequence[Run], settings: DetectSettings) -> list[tuple[Run, tuple[Scope, ...]]]:
    """The runs to keep, each with the scopes of those it stands for.

    Runs that continue an episode are always kept: what was told once keeps its name. A fresh run is told in
    - the whole it is part of, if several parts of that whole rose together and none of them carries most of it, or all
      of it moved by much the same ratio;
    - else where a run with the same cause is told: the narrower of the two carries `nested_share` of the wider;
    - else, when runs inside it carry that share of its excess together, where the largest of these is told.
    """
    order = sorted(runs, key=_narrow_first)
    home: dict[int, Run] = {}
    for whole in reversed(order):
        parts = [] if id(whole) in home else _equal_parts(whole, order, settings)
        home.update({id(part): whole for part in parts if part.previous is None})

    def told_in(run: Run) -> Run:
        while id(run) in home:
            run = home[id(run)]
        return run

    kept: list[Run] = []
    known = [run for run in order if id(run) in home]
    for run in order:
        if id(run) in home:
            continue
        others = [one for one in known if told_in(one) is not run]
        found = None if run.previous else _explained_by(run, others, settings)
        if found is None:
            kept.append(run)
        else:
            home[id(run)] = found
        known.append(run)
    stands_for: dict[int, set[Scope]] = {id(run): set() for run in kept}
    for run in order:
        told = told_in(run)
        if told.scope != run.scope:
            stands_for[id(told)].add(run.scope)
    return [(run, tuple(sorted(stands_for[id(run)]))) for run in kept]


def _narrow_first(run: Run) -> tuple[bool, int, float, bool, float, str, date]:
    """What continues an episode, then by the number of keys, then by how much of what a scope costs is too much.

    Where two scopes have as much of it, as an account and its cost center do, it is told by owner.
    """
    excess, observed = abs(run.excess), math.fsum(score.observed for score in run.scores)
    share = round(excess / max(observed, excess), 2) if excess else 0.0
    by_owner = is_of_owner(name for name, _ in run.scope.pairs)
    fresh = run.previous is None
    return fresh, -len(run.scope.pairs), -share, not by_owner, -excess, run.scope.key, run.opened_on


def _equal_parts(whole: Run, runs: Sequence[Run], settings: DetectSettings) -> list[Run]:
    """The runs inside `whole` that rose with it, if they are several and none dominates, or all of it moved; else none.

    A large part carries most of what all parts did alike: it dominates only if the rest of the whole stayed.
    """
    inside = [
        one
        for one in runs
        if one.scope != whole.scope and whole.scope.contains(one.scope) and one.near(whole, settings.join_days)
    ]
    together = [one for one in inside if abs((one.opened_on - whole.opened_on).days) <= _TOGETHER_DAYS]
    if not together:
        return []
    largest = max(inside, key=lambda one: (abs(one.excess), one.scope.key))
    dominates = abs(largest.excess) >= settings.nested_share * abs(whole.excess)
    if dominates:
        return together if len(together) > 1 and _moved_alike(largest, whole) else []
    return together if len(together) >= _SEVERAL or _moved_alike(largest, whole) else []


def _moved_alike(part: Run, whole: Run) -> bool:
    """Whether what is in `whole` beside `part` changed by at least a third of its ratio, on the days that both have."""
    days = {score.day for score in part.scores} & {score.day for score in whole.scores}
    (was, more), (was_all, more_all) = (
        (math.fsum(score.expected for score in known), math.fsum(score.observed - score.expected for score in known))
        for known in ([score for score in run.scores if score.day in days] for run in (part, whole))
    )
    was_rest, more_rest = was_all - was, more_all - more
    if was <= 0 or was_rest < _LEAST_REST * was_all:
        return False
    return more_rest / was_rest / (more / was) >= _ALIKE


def _explained_by(run: Run, others: Sequence[Run], settings: DetectSettings) -> Run | None:
    near = [one for one in others if one.scope != run.scope and one.near(run, settings.join_days)]
    for one in near:
        if _same_cause(one, run, settings.nested_share):
            return one
    for one in near:
        if one.scope.contains(run.scope) and _moved_alike(run, one):
            return one
    inside = [one for one in near if run.scope.contains(one.scope)]
    disjoint = [one for one in inside if not any(two.scope.contains(one.scope) for two in inside if two is not one)]
    parts = math.fsum(one.excess_beside(run) for one in disjoint)
    if disjoint and parts >= settings.nested_share * max(run.excess_beside(one) for one in disjoint):
        return max(disjoint, key=lambda one: (abs(one.excess), one.scope.key))
    return None


def _same_cause(one: Run, other: Run, share: float) -> bool:
    """Whether the narrower scope carries most of the wider one's excess; crossing scopes must be of a size."""
    a, b = one.excess_beside(other), other.excess_beside(one)
    if one.scope.contains(other.scope):
        return b >= share * a
    if other.scope.contains(one.scope):
        return a >= share * b
    return min(a, b) >= share * max(a, b) and can_overlap(one.scope, other.scope)


def can_overlap(one: Scope, other: Scope) -> bool:
    """Whether some charge can be in both scopes: no key that both name has two values."""
    mine = dict(one.pairs)
    return all(mine.get(name, value) == value for name, value in other.pairs)
