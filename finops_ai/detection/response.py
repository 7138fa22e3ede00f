"""How fast unusual cost was noticed, taken and over, and what ending it early avoided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from statistics import median

from finops_ai.domain.episode import Episode, EpisodeState, Feedback, FeedbackVerdict
from finops_ai.domain.money import Money, total
from finops_ai.domain.page_decision import PageDecision, Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """Median hours; None where nothing of the kind happened. Counts are of paged episodes.

    `awareness` runs from the start of the first unusual day to the first page, `taken` from the page to the first
    acknowledgement or answer, `over` from the page to the end. `avoided` is, by currency, what the paged episodes that
    ended would have cost more had they gone on to the end of their month as the first page projected: a projection, not
    a measurement. Episodes that became the new normal, were corrected away, or were called false avoid nothing.
    """

    paged: int
    ended: int
    awareness: float | None
    taken: float | None
    over: float | None
    avoided: tuple[Money, ...]


def response(
    episodes: Sequence[Episode], made: Sequence[PageDecision], given: Sequence[Feedback], since: datetime
) -> Response:
    """Of the episodes that paged somebody for the first time at `since` or later."""
    pages = _first(one for one in made if one.told in (Told.PAGED, Told.STORM) and "/" not in one.key)
    known = {one.key: one for one in episodes if one.key in pages and pages[one.key].at >= since}
    over = _first(one for one in made if one.told is Told.RESOLVED)
    taken = {key: one.at for key, one in _first(x for x in made if x.state is EpisodeState.ACKNOWLEDGED).items()}
    for answer in given:
        taken[answer.episode_key] = min(answer.at, taken.get(answer.episode_key, answer.at))
    ended = [one for one in known.values() if one.state is EpisodeState.RESOLVED and one.key in over]
    begun = {key: datetime.combine(one.opened_on, time(), UTC) for key, one in known.items()}
    at = {key: pages[key].at for key in known}
    return Response(
        paged=len(known),
        ended=len(ended),
        awareness=_hours(begun, at),
        taken=_hours(at, {key: taken[key] for key in known if key in taken}),
        over=_hours(at, {one.key: over[one.key].at for one in ended}),
        avoided=_avoided(ended, pages),
    )


def _first(made: Iterable[PageDecision]) -> dict[str, PageDecision]:
    found: dict[str, PageDecision] = {}
    for one in made:
        if one.key not in found or one.at < found[one.key].at:
            found[one.key] = one
    return found


def _hours(since: Mapping[str, datetime], until: Mapping[str, datetime]) -> float | None:
    taken = [(at - since[key]).total_seconds() / 3600 for key, at in until.items() if at >= since[key]]
    return median(taken) if taken else None


def _avoided(ended: Sequence[Episode], pages: Mapping[str, PageDecision]) -> tuple[Money, ...]:
    found: dict[str, list[Money]] = {}
    for one in ended:
        false = one.feedback is not None and one.feedback.verdict is not FeedbackVerdict.REAL
        if one.accepted or one.restated or false:
            continue
        more = max(Decimal(0), pages[one.key].projected.amount - one.excess.amount)
        found.setdefault(one.excess.currency, []).append(Money(more, one.excess.currency))
    sums = (Money(total(one.amount for one in amounts), currency) for currency, amounts in sorted(found.items()))
    return tuple(one for one in sums if one.amount)
