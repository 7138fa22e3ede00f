"""An episode: one cause of unusual cost, from the day it opened to the day it closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum

from finops_ai.domain.focus import NONE
from finops_ai.domain.money import Money
from finops_ai.domain.scope import Scope

COST_KINDS = frozenset({"rise", "drop", "drift", "new_spend"})
"""Kinds of episode that the cost of a scope tells of."""

BUDGET_KINDS = frozenset({"budget_projected", "budget_exceeded"})

DATA_KINDS = frozenset({"gap", "late_delivery", "shrunk_delivery", "tag_loss"})
"""Kinds that doubt the bill, not the spending: for the owner of the data, never for whoever is on call."""


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


UNNAMED = "not named on the bill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One contributor; the causes of an episode add up to its excess exactly.

    Where quantities are known `quantity_effect` and `price_effect` add up to `excess`; `mix_effect` is the part of the
    former that comes from a share of the whole quantity that is not the usual one, the rest is volume.
    """

    what: Mapping[str, str]
    expected: Money
    observed: Money
    excess: Money
    quantity_effect: Money | None = None
    price_effect: Money | None = None
    mix_effect: Money | None = None
    note: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """What the bill calls it, never empty: values that say nothing are left out, as are those said already."""
        told = dict.fromkeys(value for value in self.what.values() if value)
        return tuple(one for one in told if one != NONE) or tuple(told) or (UNNAMED,)


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
class Acknowledgement:
    """Somebody looks after an episode: from then on it is acknowledged, until it is resolved."""

    episode_key: str
    at: datetime
    by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """`excess` is observed minus expected over the judged days; `projected` what it comes to by month end.

    `kind` is one of COST_KINDS, BUDGET_KINDS or DATA_KINDS. `key` stays the same through growth, restatement and
    restart. `seen_in` are other scopes in which the same cause showed and which were therefore not opened. `accepted`:
    it is resolved because its level is taken as the new normal, not because the cost went back. `restated`: the bill
    was corrected, so that what it told of is no longer there. `shape` says what the cost did: see detection/shapes.py.
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
    restated: bool = False
    shape: str = ""
    feedback: Feedback | None = None

    def with_(self, **changes: object) -> Episode:
        return replace(self, **changes)  # type: ignore[arg-type]
