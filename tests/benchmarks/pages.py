"""Pages of the shared accuracy set under an alert budget: how many, how many are real, how many dollars they catch.

Every organisation of the daily split is a team. The production engine replays the split morning by morning; what it
finds goes through the step that `detect` decides with. "200 answers" come morning by morning from a person who looks
at every episode the day after it was told in a page or a digest, and knows the truth ("20 % wrong": one in five is
turned round); they can only change what comes later. Pages on an unannounced legitimate shift are not judged in its
first week, as in the set's protocol. `ratio` is the precision over that without answers at the same budget.
"""

from __future__ import annotations

import csv
import math
import os
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from finops_ai.app import evaluation_detection as production
from finops_ai.app.evaluation import SERIES_KEY, Split, read_split
from finops_ai.detection.alert_budget import AlertBudget
from finops_ai.detection.alerting import decide
from finops_ai.detection.answers import learned
from finops_ai.detection.precision import Precision
from finops_ai.detection.routes import Route
from finops_ai.detection.run import follow
from finops_ai.detection.telling import AlertSettings
from finops_ai.domain.episode import Episode, EpisodeState, Feedback, FeedbackVerdict, Severity
from finops_ai.domain.page_decision import PageDecision, Told

FOLDER = Path(os.environ.get("FINOPS_SHARED") or Path(__file__).resolve().parents[3] / "shared") / "bench/dev/daily"
FOUND = ("cost_up", "cost_down", "data")
ANSWERS = 200
LEARN_DAYS = 150
"""Mornings before the scored time: answers are given from then on, pages are counted afterwards."""

BUDGET = 2
WEEK = timedelta(days=7)

Morning = tuple[datetime, tuple[Episode, ...]]


@dataclass(frozen=True)
class Truth:
    """The set's own labels; nothing that decides sees them."""

    events: Mapping[str, Sequence[Mapping[str, str]]]
    first: date
    last: date

    @classmethod
    def read(cls, folder: Path, split: Split) -> Truth:
        events: dict[str, list[Mapping[str, str]]] = defaultdict(list)
        with (folder / "events.csv").open(encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                if row[SERIES_KEY] in split.keys:
                    events[row[SERIES_KEY]].append(row)
        return cls(events, split.at(split.score_from).date(), split.at(split.score_to).date())

    def around(self, episode: Episode) -> list[Mapping[str, str]]:
        return [
            event
            for event in self.events.get(episode.scope.pairs[0][1], ())
            if date.fromisoformat(event["start"]) <= episode.last_day
            and episode.opened_on <= date.fromisoformat(event["end"])
        ]

    def real(self, episode: Episode) -> bool | None:
        """None where it is not judged."""
        found = {event["category"] for event in self.around(episode)}
        if found & set(FOUND):
            return True
        return None if "benign_ambiguous" in found else False

    def caught(self, paged: Sequence[Episode]) -> float:
        """Share of the excess dollars of rises in the scored time, each at most the 90th percentile."""
        rises = {
            event["event_id"]: max(float(event["excess_usd"]), 0.0)
            for events in self.events.values()
            for event in events
            if event["category"] == "cost_up" and self.first <= date.fromisoformat(event["start"]) <= self.last
        }
        cap = sorted(rises.values())[int(0.9 * (len(rises) - 1))]
        found = {event["event_id"] for episode in paged for event in self.around(episode)}
        capped = {name: min(amount, cap) for name, amount in rises.items()}
        return sum(amount for name, amount in capped.items() if name in found) / sum(capped.values())


def walk(split: Split) -> Iterator[Morning]:
    """The product's episodes as of every morning."""
    mornings = range(split.score_from + 1 - LEARN_DAYS, min(split.score_to + 1, split.log.steps) + production.VIEWS)
    place = {key: i for i, key in enumerate(split.keys)}
    previous: tuple[Episode, ...] = ()
    for morning in mornings:
        at = split.at(morning).replace(tzinfo=UTC)
        series, verdicts = production.series_of(split, morning), production.verdicts_of(split, morning)
        found = follow(verdicts, series, previous, as_of=at, settings=production.settings())
        previous = found.episodes
        yield at, tuple(one.with_(where=split.attributes[place[one.scope.pairs[0][1]]]) for one in previous)


@dataclass
class Person:
    """Answers every episode that was told, once, until `most` are given."""

    truth: Truth
    most: int
    wrong: float
    random: random.Random = field(default_factory=lambda: random.Random(20))
    given: list[Feedback] = field(default_factory=list)

    def answer(self, at: datetime, told: Sequence[Episode]) -> None:
        answered = {one.episode_key for one in self.given}
        for episode in told[: self.most - len(self.given)] if self.most > len(self.given) else ():
            if episode.key not in answered:
                self.given.append(
                    Feedback(
                        episode_key=episode.key,
                        verdict=self._verdict(episode),
                        at=at,
                        projected=episode.projected,
                        p_value=episode.p_value,
                    )
                )

    def _verdict(self, episode: Episode) -> FeedbackVerdict:
        real = bool(self.truth.real(episode))
        if self.random.random() < self.wrong:
            return FeedbackVerdict.FALSE_POSITIVE if real else FeedbackVerdict.REAL
        if real:
            return FeedbackVerdict.REAL
        return FeedbackVerdict.EXPECTED if self.truth.around(episode) else FeedbackVerdict.FALSE_POSITIVE


def year(
    mornings: Sequence[Morning], truth: Truth, scopes: int, *, pages: int | None, answers: int = 0, wrong: float = 0.0
) -> dict[str, object]:
    """One year of pages and what they were worth."""
    teams = sorted({one.where["org"] for _, known in mornings for one in known})
    settings = AlertSettings(
        top=Route(
            sinks=("pager",),
            digest=("mail",),
            routes=tuple(Route(team=team, match={"org": (team,)}) for team in teams),
        ),
        budget=None if pages is None else AlertBudget(pages=pages),
        digest_at=time(0),
    )
    person = Person(truth, answers, wrong)
    history: list[PageDecision] = []
    told: dict[str, Episode] = {}
    silent: dict[str, bool] = {}
    for at, episodes in mornings:
        given = learned(person.given, [], episodes, at)
        done = decide(
            episodes, history, now=at, scopes=scopes, answers=given, settings=settings, detect=production.settings()
        )
        history += done.decisions
        heard = {one.key for one in history}
        open_ones = [one for one in episodes if one.key in heard and one.state is not EpisodeState.RESOLVED]
        person.answer(at + timedelta(hours=8), open_ones)
        known = {one.key: one for one in episodes}
        if at.date() <= truth.first:
            continue
        aloud = [one for one in done.decisions if one.told in (Told.PAGED, Told.STORM) and one.key in known]
        told |= {one.key: known[one.key] for one in aloud}
        for one in done.decisions:
            if one.told is not Told.RESOLVED:
                silent[one.key] = one.told is Told.SILENCED
    last = {one.key: one for one in mornings[-1][1]}
    never = [last[key] for key, so in silent.items() if so and key not in told and truth.real(last[key])]
    large = [one for one in never if one.severity is Severity.CRITICAL]
    return {
        **_worth([last[key] for key in told], truth),
        "pages": sum(one.page and one.at.date() > truth.first for one in history),
        "fullest_week": _fullest(history),
        "answers": len(person.given),
        "large_real_silenced": len(large),
    }


def _worth(paged: Sequence[Episode], truth: Truth) -> dict[str, object]:
    judged = [real for one in paged if (real := truth.real(one)) is not None]
    low, high = Precision(real=sum(judged), answered=len(judged)).interval
    return {
        "precision": sum(judged) / len(judged) if judged else math.nan,
        "interval": f"{low:.2f}-{high:.2f}",
        "dollar_recall": truth.caught(paged),
    }


def _fullest(history: Sequence[PageDecision]) -> int:
    """Most pages of any team in any seven days."""
    by_team: dict[str, list[datetime]] = defaultdict(list)
    for one in history:
        if one.page:
            by_team[one.team].append(one.at)
    return max((sum(at <= other < at + WEEK for other in mine) for mine in by_team.values() for at in mine), default=0)


def table(mornings: Sequence[Morning], truth: Truth, scopes: int) -> list[dict[str, object]]:
    """Without and with a budget; without answers, after honest ones, after some wrong ones."""
    rows: list[dict[str, object]] = []
    for pages in (None, BUDGET, 1):
        before: dict[str, object] = {}
        for name, answers, wrong in (("no answers", 0, 0.0), ("answers", ANSWERS, 0.0), ("20 % wrong", ANSWERS, 0.2)):
            found = year(mornings, truth, scopes, pages=pages, answers=answers, wrong=wrong)
            before = before or found
            if pages is not None and int(str(found["fullest_week"])) > pages:
                raise AssertionError(f"{found['fullest_week']} pages in seven days, the budget is {pages}")
            limit = "no budget" if pages is None else f"{pages} per team and week"
            ratio = float(str(found["precision"])) / float(str(before["precision"]))
            rows.append({"name": f"{limit}, {name}", **found, "ratio": ratio})
    return rows


def run(*, quick: bool = False) -> list[dict[str, object]]:
    """Rows of {name, precision, interval, dollar_recall, pages, fullest_week, answers, ratio}."""
    split = read_split(FOLDER).every(41 if quick else 1)
    mornings = []
    for number, morning in enumerate(walk(split)):
        mornings.append(morning)
        if number % 60 == 0:
            print(f"  morning {number}", file=sys.stderr, flush=True)
    kinds = Counter(one.kind for one in mornings[-1][1])
    print(f"  episodes: {dict(kinds)}", file=sys.stderr, flush=True)
    return table(mornings, Truth.read(FOLDER, split), len(split.keys))
