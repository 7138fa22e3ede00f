"""What people's answers change: which episodes are no news, how much a scope must show, and how sure it must be.

Each answer counts half as much after `HALF_LIFE_DAYS`. Three things follow from them, each within bounds:

- An answer silences its own episode, until that comes to `OUTGROWN` times what it came to when the answer was given;
  a critical one only once it has been told aloud, and for `SILENT_DAYS`, unless the answer names a last day.
- "false_positive" doubles what the scope's excess must come to before it pages, "real" halves it, within `LEAST` and
  `MOST`; what is of severity `ALWAYS` or graver without that pages all the same.
- An episode pages if of the answers to ones as sure as it, of its kind and above all of its own scope, at least
  `LEAST_REAL` were "real", counting `PRIOR_REAL` of `PRIOR` from before there was any. One wrong answer is therefore
  too few, and so are three about other scopes. Critical episodes and those as rare as `SURE` page all the same.

So no answer, wrong or right, hides a large one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from finops_ai.domain.episode import Episode, Feedback, FeedbackVerdict, Severity
from finops_ai.domain.known_event import KnownEvent
from finops_ai.domain.money import Money
from finops_ai.domain.page_decision import Snooze
from finops_ai.domain.period import Days
from finops_ai.domain.scope import Scope

HALF_LIFE_DAYS = 90.0
LEAST, MOST = 0.5, 8.0
ALWAYS = Severity.ERROR
OUTGROWN = 3
SILENT_DAYS = 3
LEAST_REAL = 0.75
PRIOR_REAL, PRIOR = 10.0, 12.0
SURE = 1e-6
_SAME_PLACE, _OTHER_KIND, _AS_SURE = 1.3, 0.25, 0.75  # weights, and how near two p-values are in powers of ten
_FEW = 10.0  # answers of other scopes below which they count less
TUNED_KINDS = frozenset({"rise", "drift", "new_spend"})
"""Kinds that are a judgement; an overspent budget or a gap in the data is a fact and not tuned."""

Place = tuple[Scope, str]
"""A scope and its currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An episode that a person called real or not; `weight` falls with the age of the answer."""

    place: Place
    kind: str
    surety: float
    real: bool
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """`strictness` by place, 1 where it is not named; `said` and `snoozed` by episode key, the newest of each."""

    strictness: Mapping[Place, float] = field(default_factory=dict)
    counts: Mapping[Place, int] = field(default_factory=dict)
    answered: tuple[Answered, ...] = ()
    said: Mapping[str, Feedback] = field(default_factory=dict)
    snoozed: Mapping[str, Snooze] = field(default_factory=dict)

    def asks(self, episode: Episode) -> float:
        """What the excess of this scope is divided by before its severity is looked at."""
        if episode.kind not in TUNED_KINDS:
            return 1.0
        return self.strictness.get((episode.scope, episode.excess.currency), 1.0)

    def real(self, episode: Episode) -> float:
        """The share of episodes like this one that are real, as far as answers tell."""
        if episode.kind not in TUNED_KINDS:
            return 1.0
        place, surety = (episode.scope, episode.excess.currency), _surety(episode.p_value)
        own = [one for one in self.answered if one.place == place]
        others = [one for one in self.answered if one.place != place]
        near = [
            one.weight
            * math.exp(-(((one.surety - surety) / _AS_SURE) ** 2) / 2)
            * (1.0 if one.kind == episode.kind else _OTHER_KIND)
            for one in others
        ]
        heard = min(1.0, math.fsum(near) / _FEW)
        good = PRIOR_REAL + _SAME_PLACE * math.fsum(one.weight for one in own if one.real)
        good += heard * math.fsum(weight for one, weight in zip(others, near, strict=True) if one.real)
        every = PRIOR + _SAME_PLACE * math.fsum(one.weight for one in own) + heard * math.fsum(near)
        return good / every

    def doubts(self, episode: Episode) -> bool:
        """Whether answers say that it is too likely false to page; never of one that is large or beyond doubt."""
        if episode.severity is Severity.CRITICAL or episode.p_value <= SURE:
            return False
        return self.real(episode) < LEAST_REAL

    def silence(self, episode: Episode, today: date, *, heard: bool) -> str | None:
        """Why a person's answer to this episode keeps it quiet today, in words; `heard`: it was told aloud before."""
        answer = self.said.get(episode.key)
        if answer is None or answer.verdict is FeedbackVerdict.REAL:
            return None
        if (answer.until is not None and today > answer.until) or outgrown(episode, answer.projected):
            return None
        large = episode.severity is Severity.CRITICAL and answer.until is None
        if large and not (heard and today <= answer.at.date() + timedelta(days=SILENT_DAYS)):
            return None
        until = f" until {answer.until}" if answer.until else ""
        by = f" by {answer.by}" if answer.by else ""
        return f"answered {answer.verdict}{until}{by}"

    def snooze(self, episode: Episode, today: date) -> str | None:
        """Why a snooze keeps it quiet today, in words."""
        found = self.snoozed.get(episode.key)
        if found is None or today > found.until or outgrown(episode, found.projected):
            return None
        return f"snoozed until {found.until}" + (f" by {found.by}" if found.by else "")

    def lapsed(self, episode: Episode, since: datetime, today: date) -> bool:
        """Whether it was put off, or expected, after `since` until a day that has passed: it is to be told anew."""
        answer, snooze = self.said.get(episode.key), self.snoozed.get(episode.key)
        ends = [(one.at, one.until) for one in (answer, snooze) if one is not None and one.until is not None]
        return any(at > since and at.date() <= until < today for at, until in ends)


def outgrown(episode: Episode, then: Money | None) -> bool:
    """Whether it comes to so much more than `then` that what was said of it no longer holds."""
    if then is None or then.currency != episode.projected.currency:
        return False
    return abs(episode.projected.amount) > OUTGROWN * max(abs(then.amount), Decimal(1))


def learned(
    given: Sequence[Feedback], snoozes: Iterable[Snooze], episodes: Iterable[Episode], now: datetime
) -> Answers:
    """What the answers `given` by `now`, oldest first, ask for; the last one of each episode counts."""
    said = {one.episode_key: one for one in given if one.at <= now}
    snoozed = {one.episode_key: one for one in sorted(snoozes, key=lambda one: one.at) if one.at <= now}
    power: dict[Place, float] = {}
    counts: dict[Place, int] = {}
    answered = []
    by_key = {one.key: one for one in episodes}
    for key, answer in sorted(said.items()):
        episode = by_key.get(key)
        if episode is None or answer.verdict is FeedbackVerdict.EXPECTED or episode.kind not in TUNED_KINDS:
            continue
        real = answer.verdict is FeedbackVerdict.REAL
        place = (episode.scope, episode.excess.currency)
        weight = 0.5 ** ((now - answer.at) / timedelta(days=HALF_LIFE_DAYS))
        power[place] = power.get(place, 0.0) + (-weight if real else weight)
        counts[place] = counts.get(place, 0) + 1
        surety = _surety(episode.p_value if answer.p_value is None else answer.p_value)
        answered.append(Answered(place=place, kind=episode.kind, surety=surety, real=real, weight=weight))
    strictness = {place: min(max(2.0**value, LEAST), MOST) for place, value in power.items()}
    return Answers(strictness=strictness, counts=counts, answered=tuple(answered), said=said, snoozed=snoozed)


def _surety(p_value: float) -> float:
    """Powers of ten by which it is rare; beyond twelve makes no difference."""
    return -math.log10(min(max(p_value, 1e-12), 1.0))


def accepted_levels(given: Sequence[Feedback], episodes: Iterable[Episode], now: datetime) -> list[KnownEvent]:
    """Known events that answers teach: "expected" without a last day means that the level reached is the normal one.

    Only the days up to the answer are announced, so that what comes after it is judged by the level accepted.
    """
    said = {one.episode_key: one for one in given if one.at <= now}
    found = []
    for episode in episodes:
        answer = said.get(episode.key)
        if answer is None or answer.verdict is not FeedbackVerdict.EXPECTED or answer.until is not None:
            continue
        until = max(min(answer.at.date(), episode.last_day + timedelta(days=1)), episode.opened_on + timedelta(days=1))
        found.append(
            KnownEvent(
                scope=episode.scope,
                days=Days(episode.opened_on, until),
                note=answer.note or f"answered expected, episode {episode.key}",
            )
        )
    return found
