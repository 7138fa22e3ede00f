"""Episodes as a team sees them, and a walk of mornings through the step that decides who is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from finops_ai.detection.alerting import Decided, decide
from finops_ai.detection.answers import Answers
from finops_ai.detection.routes import Route
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.severity import severity
from finops_ai.detection.telling import AlertSettings
from finops_ai.domain.episode import Episode, EpisodeState, Feedback, FeedbackVerdict
from finops_ai.domain.money import Money
from finops_ai.domain.page_decision import PageDecision
from finops_ai.domain.scope import Scope

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
SUNDAY = date(2026, 3, 1)
DETECT = DetectSettings()
TOP = Route(team="on-call", sinks=("pager", "mail"), digest=("mail",))


def usd(amount: int | str | Decimal) -> Money:
    return Money(Decimal(amount), "USD")


def an_episode(
    key: str = "e1",
    *,
    dollars: int = 2000,
    p_value: float = 1e-8,
    kind: str = "rise",
    opened_on: date = SUNDAY,
    days: int = 1,
    over: bool = False,
    where: Mapping[str, str] | None = None,
    **changes: object,
) -> Episode:
    """Comes to `dollars` by month end; its severity follows from that as in the product."""
    last_day = opened_on + timedelta(days=days - 1)
    made = Episode(
        key=key,
        scope=Scope((("x_cost_center", key),)),
        cost_basis="effective",
        kind=kind,
        state=EpisodeState.RESOLVED if over else EpisodeState.OPEN,
        severity=severity(dollars, p_value, kind, DETECT),
        opened_on=opened_on,
        last_day=last_day,
        resolved_on=last_day + timedelta(days=3) if over else None,
        expected=usd(100),
        observed=usd(100) + usd(max(dollars // 10, 1)),
        excess=usd(max(dollars // 10, 1)),
        projected=usd(dollars),
        p_value=p_value,
        forecaster="habit",
        threshold="p",
        where=where or {},
    )
    return made.with_(**changes)


def feedback(episode: Episode, verdict: FeedbackVerdict, at: datetime = MONDAY, until: date | None = None) -> Feedback:
    return Feedback(
        episode_key=episode.key,
        verdict=verdict,
        at=at,
        until=until,
        by="ann",
        projected=episode.projected,
        p_value=episode.p_value,
    )


@dataclass
class Team:
    """What the step said run after run; its memory is nothing but the decisions."""

    settings: AlertSettings = field(default_factory=lambda: AlertSettings(top=TOP, digest_at=MONDAY.time()))
    history: list[PageDecision] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)

    def hears(
        self, *episodes: Episode, at: datetime = MONDAY, answers: Answers | None = None, scopes: int = 10
    ) -> list[tuple[str, str]]:
        """(kind, key) of what is said; the decisions are kept as the ledger keeps them."""
        done = self.decided(episodes, at, answers, scopes)
        new = {(one.team, one.key, one.at) for one in done.decisions}
        self.history = [one for one in self.history if (one.team, one.key, one.at) not in new]
        self.history += done.decisions
        said = [(one.kind, one.episode.key if one.episode else one.key) for one in done.speeches]
        self.said += said
        return said

    def decided(
        self, episodes: Sequence[Episode], at: datetime, answers: Answers | None = None, scopes: int = 10
    ) -> Decided:
        return decide(
            episodes,
            self.history,
            now=at,
            scopes=scopes,
            answers=answers or Answers(),
            settings=self.settings,
            detect=DETECT,
        )

    def last(self, key: str) -> PageDecision:
        return max((one for one in self.history if one.key == key), key=lambda one: one.at)

    @property
    def pages(self) -> list[datetime]:
        return [one.at for one in self.history if one.page]
