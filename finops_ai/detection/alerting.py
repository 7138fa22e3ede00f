"""Who is told what of the episodes, as one pure step: the same episodes, history and instant give the same words.

The history of decisions is the memory: an episode pages a team once, however often the step runs again, is run for an
earlier instant, or its figures are restated. Decisions of the very instant stand; later ones are known as facts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from finops_ai.detection.alert_budget import by_worth, left, sure_enough
from finops_ai.detection.answers import Answers
from finops_ai.detection.digest import digests
from finops_ai.detection.memory import Memory
from finops_ai.detection.news import OPENED, RESOLVED, UPDATED
from finops_ai.detection.routes import Destination, destinations, facts
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.speech import Speech
from finops_ai.detection.telling import AlertSettings, Verdict, instead
from finops_ai.domain.episode import Episode, EpisodeState, Severity
from finops_ai.domain.page_decision import PageDecision, Told

ACKNOWLEDGED = "episode_acknowledged"
STORM = "storm/"
PLAINLY = "paged"
STORM_OPENED, STORM_UPDATED, STORM_RESOLVED = "storm_opened", "storm_updated", "storm_resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Decisions that are new, and what is to be said because of them."""

    decisions: tuple[PageDecision, ...]
    speeches: tuple[Speech, ...]


def decide(
    episodes: Sequence[Episode],
    history: Sequence[PageDecision],
    *,
    now: datetime,
    scopes: int,
    answers: Answers,
    settings: AlertSettings,
    detect: DetectSettings,
) -> Decided:
    """Bring what every team knows up to `now`; `scopes` is how many were judged."""
    step = _Step(Memory.of(history, now), now, scopes, answers, settings, detect)
    by_key = {one.key: one for one in episodes}
    for episode in sorted(episodes, key=lambda one: (one.opened_on, one.key)):
        step.follow(episode)
    for team in sorted(step.wanting):
        step.page(team, step.wanting[team])
    step.close_storms(by_key)
    sent, said = digests(step.memory.with_(step.decisions), by_key, now, settings)
    return Decided(decisions=(*step.decisions, *sent), speeches=(*step.speeches, *said))


@dataclass
class _Step:
    memory: Memory
    now: datetime
    scopes: int
    answers: Answers
    settings: AlertSettings
    detect: DetectSettings
    decisions: list[PageDecision] = field(default_factory=list)
    speeches: list[Speech] = field(default_factory=list)
    wanting: dict[str, list[tuple[Episode, Destination]]] = field(default_factory=lambda: defaultdict(list))
    changed: set[tuple[str, str]] = field(default_factory=set)
    """(team, storm) of which something is new to tell."""

    def follow(self, episode: Episode) -> None:
        """What is new for those who know of the episode, and who else should."""
        found = {one.team: one for one in destinations(self.settings.top, facts(episode))}
        for team in sorted({*found, *self.memory.teams(episode.key)}):
            standing = self.memory.standing(team, episode.key)
            if episode.state is EpisodeState.RESOLVED:
                self._resolve(team, episode, standing)
            elif standing is not None and standing.told is Told.PAGED and not self._lapsed(episode, standing):
                self._update(team, episode, standing)
            elif team in found and not self._is_told(found[team], found, episode, standing):
                self._judge(episode, found[team], standing)

    def _resolve(self, team: str, episode: Episode, standing: PageDecision | None) -> None:
        if standing is None or standing.told is Told.RESOLVED:
            return  # over before it was found: read in the report; nobody is woken for it
        if page := self.memory.open_page(team, episode.key):
            self.speeches.append(Speech(kind=RESOLVED, team=team, sinks=page.sinks, episode=episode))
        if standing.storm:
            self.changed.add((team, standing.storm))
        reason = "taken as the new normal" if episode.accepted else "back to expected"
        self._put(episode, team, Told.RESOLVED, reason, standing.sinks, storm=standing.storm)

    def _update(self, team: str, episode: Episode, standing: PageDecision) -> None:
        """An open page is edited when it gets graver or somebody takes it; that interrupts nobody anew."""
        today = self.now.date()
        if self.answers.silence(episode, today, heard=True) or self.answers.snooze(episode, today):
            return
        taken = episode.state is EpisodeState.ACKNOWLEDGED and standing.state is not EpisodeState.ACKNOWLEDGED
        graver = episode.severity.rank > standing.severity.rank
        if not taken and not graver:
            return
        # Whoever took it was heard at once; what is left to tell is that it grew.
        if graver:
            self.speeches.append(Speech(kind=UPDATED, team=team, sinks=standing.sinks, episode=episode))
        self._put(episode, team, Told.PAGED, "acknowledged" if taken else "became graver", standing.sinks)

    def _lapsed(self, episode: Episode, standing: PageDecision) -> bool:
        return self.answers.lapsed(episode, standing.at, self.now.date())

    def _is_told(
        self,
        where: Destination,
        found: Mapping[str, Destination],
        episode: Episode,
        standing: PageDecision | None,
    ) -> bool:
        """Told in a storm and no graver than that, or to the same sinks by a team that routes no longer lead to."""
        if standing is not None and standing.told is Told.STORM:
            storm = self.memory.standing(where.team, standing.storm)
            return storm is None or episode.severity.rank <= storm.severity.rank
        before = (self.memory.standing(team, episode.key) for team in self.memory.teams(episode.key) - found.keys())
        return any(
            one is not None and one.told is Told.PAGED and where.sinks and set(where.sinks) <= set(one.sinks)
            for one in before
        )

    def _judge(self, episode: Episode, where: Destination, standing: PageDecision | None) -> None:
        told_now = self.memory.told_now(where.team, episode.key)
        if not told_now and self.memory.told_later(where.team, episode.key):
            return
        verdict = instead(
            episode,
            where,
            standing,
            heard=self.memory.heard(where.team, episode.key),
            now=self.now,
            answers=self.answers,
            settings=self.settings,
            detect=self.detect,
        )
        if verdict is None or told_now:
            self.wanting[where.team].append((episode, where))
        else:
            self._tell_instead(episode, where, verdict, standing)

    def _tell_instead(
        self, episode: Episode, where: Destination, verdict: Verdict, standing: PageDecision | None
    ) -> None:
        if standing is not None and standing.told is Told.PAGED:
            return  # told before it was put off: it must still be told the end
        known = standing is not None and standing.told is verdict.told
        if known and standing is not None and episode.severity.rank <= standing.severity.rank:
            waits_for_something_else = verdict.told is Told.HELD and standing.reason != verdict.reason
            if not waits_for_something_else:
                return
        sinks = () if verdict.quietly else where.digest
        self._put(episode, where.team, verdict.told, verdict.reason, sinks)

    def page(self, team: str, wanting: Sequence[tuple[Episode, Destination]]) -> None:
        """Storms first, then the budget; what finds no room in either is read in the digest."""
        wanting = [one for one in wanting if not self._joined(team, *one)]
        places = {episode.key: where for episode, where in wanting}
        if not wanting:
            return
        if self.memory.storm_now(team) or 0 < self.settings.storm <= len(wanting):
            self._storm(team, [episode for episode, _ in wanting], places)
            return
        episodes = by_worth([episode for episode, _ in wanting], self.answers, self.detect)
        chosen, spent = self._chosen(team, episodes)
        for one in episodes:
            where = places[one.key]
            if one.key in chosen:
                self._open(one, where, chosen[one.key])
            else:
                self._tell_instead(one, where, self._overflow(spent), self.memory.standing(team, one.key))

    def _chosen(self, team: str, episodes: Sequence[Episode]) -> tuple[dict[str, str], bool]:
        """Keys of those that page, each with what is to be said of that; and whether the budget is spent.

        What this instant has paged already stays, and is among those that would be chosen anyway unless the settings
        have changed since.
        """
        stands = {one.key: row.reason for one in episodes if (row := self.memory.paged_now(team, one.key))}
        budget = self.settings.budget
        if budget is None:
            return {**{one.key: PLAINLY for one in episodes}, **stands}, False
        room = left(budget, [at for at in self.memory.pages(team) if at != self.now], self.now)
        sure = [one.key for one in sure_enough(episodes, room, self.scopes, budget)]
        more = max(room - len(stands), 0)
        chosen = stands | dict.fromkeys([key for key in sure if key not in stands][:more], PLAINLY)
        beyond = f"beyond the budget of {budget.pages} pages in seven days"
        through = {one.key: beyond for one in episodes if budget.breaks_through(one)}
        return {**through, **chosen}, len(sure) >= room

    def _overflow(self, spent: bool) -> Verdict:
        budget = self.settings.budget
        if budget is None:
            raise ValueError("nothing overflows without a budget")
        reason = f"budget: not sure enough to keep false pages within {budget.false_discovery:.0%}"
        if spent:
            reason = f"budget: the {budget.pages} pages of seven days are spent on dearer or earlier ones"
        return Verdict(told=Told.DIGEST, reason=reason)

    def _open(self, episode: Episode, where: Destination, note: str) -> None:
        said = "" if note == PLAINLY else note
        self.speeches.append(Speech(kind=OPENED, team=where.team, sinks=where.sinks, episode=episode, note=said))
        self._put(episode, where.team, Told.PAGED, note, where.sinks, page=True)

    def _joined(self, team: str, episode: Episode, where: Destination) -> bool:
        """Told in the storm that is going on, unless it is graver than that."""
        storm = self.memory.open_storm(team, self.now - timedelta(hours=self.settings.storm_hours))
        if storm is None or episode.severity.rank > storm.severity.rank or storm.at == self.now:
            return False
        self.changed.add((team, storm.key))
        self._put(episode, team, Told.STORM, "one of many at once", where.sinks, storm=storm.key)
        return True

    def _storm(self, team: str, episodes: Sequence[Episode], places: dict[str, Destination]) -> None:
        budget = self.settings.budget
        note, key = "", f"{STORM}{self.now.date()}"
        if (
            budget is not None
            and not self.memory.storm_now(team)
            and not left(budget, self.memory.pages(team), self.now)
        ):
            if not any(budget.breaks_through(one) for one in episodes):
                for one in episodes:
                    verdict = self._overflow(True)
                    self._tell_instead(one, places[one.key], verdict, self.memory.standing(team, one.key))
                return
            note = f"beyond the budget of {budget.pages} pages in seven days"
        members = by_worth(episodes, self.answers, self.detect)
        sinks = tuple(dict.fromkeys(sink for one in members for sink in places[one.key].sinks))
        gravest = max((one.severity for one in members), key=lambda one: one.rank)
        self._put(members[0], team, Told.PAGED, note or "storm", sinks, page=True, key=key, severity=gravest)
        for one in members:
            self._put(one, team, Told.STORM, "one of many at once", places[one.key].sinks, storm=key)
        self.speeches.append(
            Speech(kind=STORM_OPENED, team=team, sinks=sinks, key=key, members=tuple(members), note=note)
        )

    def close_storms(self, episodes: dict[str, Episode]) -> None:
        """Tell of storms that grew, shrank or ended."""
        memory = self.memory.with_(self.decisions)
        for team, key in sorted(self.changed):
            storm = memory.standing(team, key)
            if storm is None or storm.told is Told.RESOLVED:
                continue
            members = [episodes[one.key] for one in memory.members(team, key) if one.key in episodes]
            members = by_worth(members, self.answers, self.detect)
            over = all(one.state is EpisodeState.RESOLVED for one in members)
            kind = STORM_RESOLVED if over else STORM_UPDATED
            self.speeches.append(Speech(kind=kind, team=team, sinks=storm.sinks, key=key, members=tuple(members)))
            if over:
                self.decisions.append(
                    replace(storm, at=self.now, told=Told.RESOLVED, reason="all its episodes ended", page=False)
                )

    def _put(
        self,
        episode: Episode,
        team: str,
        told: Told,
        reason: str,
        sinks: tuple[str, ...],
        *,
        page: bool = False,
        storm: str = "",
        key: str = "",
        severity: Severity | None = None,
    ) -> None:
        self.decisions.append(
            PageDecision(
                team=team,
                key=key or episode.key,
                at=self.now,
                told=told,
                reason=reason,
                severity=severity or episode.severity,
                state=episode.state,
                projected=episode.projected,
                sinks=sinks,
                page=page,
                storm=storm,
            )
        )
