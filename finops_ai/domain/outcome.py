"""What a job did: counts and problems, for the person who asked and for the record of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from finops_ai.domain.errors import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`results` are the values shown to the caller, one plain mapping each."""

    job: str
    as_of: datetime
    counts: Mapping[str, int]
    results: tuple[Mapping[str, Any], ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def refused(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)
