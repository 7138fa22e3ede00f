"""Episodes of data: one for each doubt about the bill, for as long as it lasts; and what it must not page as."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from finops_ai.detection.tag_loss import UNPLACED
from finops_ai.domain.doubt import Doubt
from finops_ai.domain.episode import DATA_KINDS, Episode, EpisodeState, FeedbackVerdict, Severity
from finops_ai.domain.scope import Scope

_JOIN_DAYS = 3
_MOSTLY = 0.5


def advance_doubts(
    previous: Sequence[Episode], doubts: Sequence[Doubt], *, today: date, owners: Mapping[str, str], cost_basis: str
) -> list[Episode]:
    """All `previous` episodes of data and the new ones, by opening day and key; `owners` by source, "" for any.

    An episode ends when its doubt is gone (the bill was completed), or is so old that it is how things are.
    """
    left = {one.key: one for one in previous if one.kind in DATA_KINDS}
    told = []
    for doubt in doubts:
        before = next((one for one in left.values() if _continues(one, doubt)), None)
        if before is None and doubt.settled:
            continue
        if before is not None:
            del left[before.key]
        told.append(_episode(doubt, before, today, owners, cost_basis))
    told += [_over(one, today) for one in left.values()]
    return sorted(told, key=lambda one: (one.opened_on, one.key))


def excused(episode: Episode, doubts: Sequence[Doubt], feeds: Mapping[str, float]) -> Doubt | None:
    """The doubt that explains a fresh `episode` of cost, if one does; `feeds` has the share of its sources in it.

    A drop is no drop where its source misses days or took cost away; a rise of what is not placed, or a drop of what
    is, is none where tags were lost.
    """
    for one in doubts:
        overlaps = one.first <= episode.last_day and episode.opened_on <= one.last
        if not overlaps or one.expected.currency != episode.excess.currency:
            continue
        if one.kind == "tag_loss":
            value = episode.scope.get(one.where["dimension"])
            if value is not None and (value in UNPLACED) == (episode.excess.amount > 0):
                return one
        elif episode.kind == "drop" and feeds.get(one.where["source"], 0.0) >= _MOSTLY:
            return one
    return None


def noting(episodes: Sequence[Episode], doubt: Doubt, scope: Scope) -> list[Episode]:
    """The episodes; that of `doubt` also names `scope`, in which it showed."""
    return [
        one.with_(seen_in=tuple(sorted({*one.seen_in, scope}))) if _continues(one, doubt) else one for one in episodes
    ]


def _continues(one: Episode, doubt: Doubt) -> bool:
    gap = timedelta(days=_JOIN_DAYS)
    near = one.opened_on - gap <= doubt.last and doubt.first - gap <= one.last_day
    return near and (one.kind, one.scope) == (doubt.kind, _scope(doubt))


def _scope(doubt: Doubt) -> Scope:
    return Scope((("data", doubt.anchor),))


def _episode(doubt: Doubt, before: Episode | None, today: date, owners: Mapping[str, str], cost_basis: str) -> Episode:
    owner = owners.get(doubt.where.get("source", ""), owners.get("", ""))
    answer = before.feedback if before else None
    quieted = (
        answer is not None
        and answer.verdict is FeedbackVerdict.EXPECTED
        and (answer.until is None or today <= answer.until)
    )
    is_over = doubt.settled or quieted
    acknowledged = before is not None and before.state is EpisodeState.ACKNOWLEDGED
    state = EpisodeState.ACKNOWLEDGED if acknowledged else EpisodeState.OPEN
    opened_on = before.opened_on if before else doubt.first
    named = f"{doubt.kind}|{doubt.anchor}|{doubt.first.isoformat()}"
    excess = doubt.observed - doubt.expected
    return Episode(
        key=before.key if before else hashlib.sha256(named.encode()).hexdigest()[:16],
        scope=_scope(doubt),
        cost_basis=cost_basis,
        kind=doubt.kind,
        state=EpisodeState.RESOLVED if is_over else state,
        severity=Severity.INFO,
        opened_on=opened_on,
        last_day=max(doubt.last, opened_on),
        resolved_on=(before.resolved_on if before and before.resolved_on else today) if is_over else None,
        expected=doubt.expected,
        observed=doubt.observed,
        excess=excess,
        projected=excess,
        p_value=0.0,
        forecaster="",
        threshold=doubt.words,
        where={**doubt.where, **({"owner": owner} if owner else {})},
        causes=doubt.causes,
        seen_in=before.seen_in if before else (),
        accepted=is_over,
        feedback=answer,
    )


def _over(one: Episode, today: date) -> Episode:
    if one.state is EpisodeState.RESOLVED:
        return one
    return one.with_(state=EpisodeState.RESOLVED, resolved_on=today, restated=True)
