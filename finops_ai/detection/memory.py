"""What teams have been told: the history of decisions as one instant sees it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from finops_ai.domain.page_decision import PageDecision, Told

_ALOUD = (Told.PAGED, Told.STORM)


@dataclass(frozen=True)
class Memory:
    """`rows` in order of time. Decisions before `now` are what is known; those at `now` stand, later ones are facts."""

    rows: tuple[PageDecision, ...]
    now: datetime
    _standing: dict[tuple[str, str], PageDecision]
    _teams: dict[str, set[str]]
    _heard: set[tuple[str, str]]

    @classmethod
    def of(cls, history: Iterable[PageDecision], now: datetime, *, also_now: bool = False) -> Memory:
        rows = sorted(history, key=lambda one: (one.at, one.team, one.key))
        standing: dict[tuple[str, str], PageDecision] = {}
        teams: dict[str, set[str]] = defaultdict(set)
        heard: set[tuple[str, str]] = set()
        for one in rows:
            if one.at < now or (also_now and one.at == now):
                standing[one.team, one.key] = one
                teams[one.key].add(one.team)
                if one.told in _ALOUD:
                    heard.add((one.team, one.key))
        return cls(tuple(rows), now, standing, teams, heard)

    def with_(self, decisions: Sequence[PageDecision]) -> Memory:
        """The same with what was decided at `now`, which takes the place of what stood there."""
        new = {(one.team, one.key) for one in decisions}
        kept = [one for one in self.rows if one.at != self.now or (one.team, one.key) not in new]
        return Memory.of([*kept, *decisions], self.now, also_now=True)

    def standing(self, team: str, key: str) -> PageDecision | None:
        """The last decision before now."""
        return self._standing.get((team, key))

    def open_page(self, team: str, key: str) -> PageDecision | None:
        """The last page of it by itself before now, unless its end was told since."""
        mine = [one for one in self.rows if one.at < self.now and one.team == team and one.key == key]
        ended = max((one.at for one in mine if one.told is Told.RESOLVED), default=None)
        paged = [one for one in mine if one.told is Told.PAGED and (ended is None or one.at > ended)]
        return paged[-1] if paged else None

    def teams(self, key: str) -> set[str]:
        """Teams of which something was decided before."""
        return self._teams.get(key, set())

    def heard(self, team: str, key: str) -> bool:
        """Whether the team was told of it aloud before now, by itself or in a storm."""
        return any(
            one.at < self.now and one.team == team and one.key == key and one.told in _ALOUD for one in self.rows
        )

    def told_later(self, team: str, key: str) -> bool:
        """Whether a later run has spoken of it already: this one, for an earlier instant, does not again."""
        return any(
            one.at > self.now and one.team == team and one.key == key and one.told in _ALOUD for one in self._late()
        )

    def paged_now(self, team: str, key: str) -> PageDecision | None:
        """The page of it that this very instant has sent, in a run before this one."""
        return next((one for one in self._now() if one.page and one.team == team and one.key == key), None)

    def told_now(self, team: str, key: str) -> bool:
        """Whether this very instant has told it aloud, in a run before this one."""
        return any(one.told in _ALOUD and one.team == team and one.key == key for one in self._now())

    def storm_now(self, team: str) -> bool:
        """Whether this very instant began a storm, in a run before this one."""
        return any(one.page and one.team == team and "/" in one.key for one in self._now())

    def pages(self, team: str) -> list[datetime]:
        """When the team was paged, ever."""
        return [one.at for one in self.rows if one.page and one.team == team]

    def open_storm(self, team: str, since: datetime) -> PageDecision | None:
        """The newest storm that began after `since` and is not over."""
        begun = [one for one in self.rows if one.page and one.team == team and since < one.at < self.now]
        open_ones = [
            one
            for one in begun
            if "/" in one.key and (last := self.standing(team, one.key)) and last.told is not Told.RESOLVED
        ]
        return open_ones[-1] if open_ones else None

    def members(self, team: str, storm: str) -> list[PageDecision]:
        """The standing decisions of the episodes told in a storm."""
        return [one for (whose, _), one in sorted(self._standing.items()) if whose == team and one.storm == storm]

    def _now(self) -> list[PageDecision]:
        return [one for one in self._late() if one.at == self.now]

    def _late(self) -> list[PageDecision]:
        """Decisions from now on: none but in a run again or for an earlier instant."""
        found = []
        for one in reversed(self.rows):
            if one.at < self.now:
                break
            found.append(one)
        return found
