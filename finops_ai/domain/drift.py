"""Where a cluster differs from Git: which values, by whose hand, whose it is and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

from finops_ai.domain.money import Money
from finops_ai.domain.usage import Workload

CHANGED, MISSING, UNMANAGED, OUT_OF_SYNC = "changed", "missing", "unmanaged", "out of sync"
"""Other values than in Git; in Git only; in the cluster only; a controller says so and the values do not tell why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value: `path` as a person writes it, values as text, None where there is none.

    `by` is the field manager that last wrote it and `at` when; both are empty where the cluster does not tell.
    """

    path: str
    desired: str | None
    live: str | None
    by: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """`kind` is one of the four above. `monthly` is the cost of the live values over Git's, None where unknown.

    `heals` names who puts it right by itself: such a difference is told and is no drift. `why` is in words.
    """

    kind: str
    workload: Workload
    owner: str
    differences: tuple[Difference, ...]
    monthly: Money | None
    heals: str = ""
    why: str = ""

    @property
    def blocks(self) -> bool:
        """Whether no change of the workload may be proposed until it is put right."""
        return not self.heals and self.kind in (CHANGED, MISSING, OUT_OF_SYNC)
