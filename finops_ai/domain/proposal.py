"""A proposed change: what to write where, why it is safe, what policy said, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from finops_ai.domain.money import Money
from finops_ai.domain.usage import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value of one container: `path` such as "requests.cpu"; values are Kubernetes quantities."""

    container: str
    path: str
    now: str | None
    proposed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """Per month of 730 hours, as a range at a named rate; negative when the change costs more."""

    low: Money
    high: Money
    rate: str

    @property
    def middle(self) -> Money:
        return Money((self.low.amount + self.high.amount) / Decimal(2), self.low.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """`evidence` holds the figures shown to the reviewer: per container the percentiles, samples and replay.

    It is `urgent` after OOM kills or throttling: it is proposed first, and whatever it saves or costs.
    """

    workload: Workload
    changes: tuple[Change, ...]
    saving: Saving
    evidence: Mapping[str, Mapping[str, str]]
    risk: str
    reasons: tuple[str, ...]
    strategy: str
    urgent: bool = False


class Decision(StrEnum):
    ALLOW = "allow"
    WARN = "warn"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one rule says of one object. Cannot evaluate = denied; `evaluated` is False then."""

    rule: str
    decision: Decision
    message: str
    resource: str = ""
    evaluated: bool = True


class ProposalState(StrEnum):
    """`blocked` by policy or guard, `open`, `merged`, `closed` unmerged (remembered), `superseded`."""

    BLOCKED = "blocked"
    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEdit:
    """One file of the target repository: whole text before and after."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """`key` is the branch name: one workload, one stable branch."""

    key: str
    recommendation: Recommendation
    edits: tuple[FileEdit, ...]
    verdicts: tuple[Verdict, ...]
    state: ProposalState
    title: str = ""
    body: str = ""
    labels: tuple[str, ...] = field(default_factory=tuple)
