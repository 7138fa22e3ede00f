"""Verdicts as SARIF 2.1.0, which code hosts show beside the lines they speak of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from finops_ai.domain.proposal import Decision, Verdict

LEVELS = {Decision.DENY: "error", Decision.WARN: "warning", Decision.ALLOW: "none"}


def sarif(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """One run; a verdict's resource is written `file#object`, its file becomes the location."""
    rules = sorted({verdict.rule for verdict in verdicts})
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "finops-ai", "rules": [{"id": rule} for rule in rules]}},
                "results": [_result(verdict) for verdict in verdicts],
            }
        ],
    }


def _result(verdict: Verdict) -> dict[str, Any]:
    file, _, resource = verdict.resource.partition("#")
    return {
        "ruleId": verdict.rule,
        "level": LEVELS[verdict.decision],
        "message": {"text": f"{resource}: {verdict.message}" if resource else verdict.message},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": file}}}] if file else [],
    }
