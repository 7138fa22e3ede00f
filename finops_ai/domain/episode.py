"""An episode: one cause of unusual cost, from the day it opened to the day it closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum

from finops_ai.domain.money import Money
from finops_ai.domain.scope import Scope


class EpisodeState(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """PagerDuty's four words, decided in projected dollars."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class FeedbackVerdict(StrEnum):
    REAL = "real"
    FALSE_POSITIVE = "false_positive"
    EXPECTED = "expected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One contributor; the causes of an episode add up to its excess exactly."""

    what: Mapping[str, str]
    expected: Money
    observed: Money
    excess: Money
    quantity_effect: Money | None = None
    price_effect: Money | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """`projected` and `p_value` are the episode's when it was answered, None where that is not known."""

    episode_key: str
    verdict: FeedbackVerdict
    at: datetime
    until: date | None = None
    note: str = ""
    by: str = ""
    projected: Money | None = None
    p_value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """`excess` is observed minus expected over the judged days; `projected` what it comes to by month end.

    `key` stays the same through growth, restatement and restart. `seen_in` are wider scopes in which the same
    cause showed and which were therefore not opened. `accepted`: it is resolved because its level is taken as the new
    normal, not because the cost went back.
    """

    key: str
    scope: Scope
    cost_basis: str
    kind: str
    state: EpisodeState
    severity: Severity
    opened_on: date
    last_day: date
    resolved_on: date | None
    expected: Money
    observed: Money
    excess: Money
    projected: Money
    p_value: float
    forecaster: str
    threshold: str
    where: Mapping[str, str] = field(default_factory=dict)
    causes: tuple[Cause, ...] = ()
    seen_in: tuple[Scope, ...] = ()
    second_opinion: float | None = None
    accepted: bool = False
    feedback: Feedback | None = None

    def with_(self, **changes: object) -> Episode:
        return replace(self, **changes)  # type: ignore[arg-type]
