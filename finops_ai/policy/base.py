"""What a policy engine is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from finops_ai.domain.proposal import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Rego sources by file name (tests apart) and the data document they see."""

    name: str
    modules: Mapping[str, str]
    tests: Mapping[str, str]
    data: Mapping[str, Any]


class PolicyEngine(Protocol):
    def check(self, document: Mapping[str, Any], bundle: Bundle) -> Sequence[Verdict]:
        """Verdicts on one AdmissionReview-shaped input. Never raises on a bad rule: it denies and says why."""
        ...
