"""What changed beside the bill: a merge, a deployment, a price; when, by whom, and whose workload it touches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from finops_ai.domain.period import Days


@dataclass(frozen=True, slots=True, kw_only=True)
class NearbyChange:
    """`key` names it within its source for good. `places` are what it touches, by the ledger's columns or namespace.

    `kind` is merge, commit, deployment, proposal or price. `what` and `who` are as their author wrote them.
    """

    source: str
    key: str
    kind: str
    what: str
    who: str
    at: datetime
    url: str | None = None
    places: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A change beside an episode. `agrees` are the columns in which change and episode are the same."""

    change: NearbyChange
    score: float
    agrees: Mapping[str, str]
    hours_before: float


class ChangeSource(Protocol):
    """Tells what changed on days; asked again it tells the same, and more when it has learned more."""

    name: str

    def changes(self, days: Days) -> Iterator[NearbyChange]:
        """Raises Unavailable (try again) or Malformed."""
        ...
