"""Nouns as plain JSON and back: decimals and instants as text, floats exact, nothing pickled."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from finops_ai.domain.episode import Cause, Episode, EpisodeState, Feedback, Severity
from finops_ai.domain.errors import Problem
from finops_ai.domain.forecast import LEVELS, Forecast
from finops_ai.domain.money import Money
from finops_ai.domain.period import Days
from finops_ai.domain.proposal import (
    Change,
    Decision,
    FileEdit,
    Proposal,
    ProposalState,
    Recommendation,
    Saving,
    Verdict,
)
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import FloatArray
from finops_ai.domain.usage import Workload

Json = dict[str, Any]
LITTLE_ENDIAN_DOUBLE = "<f8"


def canonical(value: object) -> str:
    """JSON text that is equal exactly when the plain data are. Raises TypeError for anything else."""
    return json.dumps(value, default=_plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not plain data")


def _float(value: float) -> float | str:
    return float(value) if math.isfinite(value) else str(float(value))


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _money(money: Money) -> Json:
    return {"amount": str(money.amount), "currency": money.currency}


def _to_money(value: Json) -> Money:
    return Money(Decimal(value["amount"]), value["currency"])


def problems_to_json(problems: Sequence[Problem]) -> list[Json]:
    return [
        {
            "file": problem.file,
            "message": problem.message,
            "line": problem.line,
            "column": problem.column,
            "value": problem.value,
            "severity": problem.severity,
        }
        for problem in problems
    ]


def problems_from_json(values: Sequence[Json]) -> tuple[Problem, ...]:
    return tuple(Problem(**value) for value in values)


def episode_to_json(episode: Episode) -> Json:
    """Everything but the feedback, which is kept by itself."""
    return {
        "key": episode.key,
        "scope": episode.scope.key,
        "cost_basis": episode.cost_basis,
        "kind": episode.kind,
        "state": episode.state.value,
        "severity": episode.severity.value,
        "opened_on": episode.opened_on.isoformat(),
        "last_day": episode.last_day.isoformat(),
        "resolved_on": episode.resolved_on.isoformat() if episode.resolved_on else None,
        "expected": _money(episode.expected),
        "observed": _money(episode.observed),
        "excess": _money(episode.excess),
        "projected": _money(episode.projected),
        "p_value": _float(episode.p_value),
        "forecaster": episode.forecaster,
        "threshold": episode.threshold,
        "where": dict(episode.where),
        "causes": [_cause_to_json(cause) for cause in episode.causes],
        "seen_in": [scope.key for scope in episode.seen_in],
        "second_opinion": None if episode.second_opinion is None else _float(episode.second_opinion),
        "accepted": episode.accepted,
        "restated": episode.restated,
        "shape": episode.shape,
    }


def episode_from_json(value: Json, feedback: Feedback | None = None) -> Episode:
    return Episode(
        key=value["key"],
        scope=Scope.from_key(value["scope"]),
        cost_basis=value["cost_basis"],
        kind=value["kind"],
        state=EpisodeState(value["state"]),
        severity=Severity(value["severity"]),
        opened_on=date.fromisoformat(value["opened_on"]),
        last_day=date.fromisoformat(value["last_day"]),
        resolved_on=_day(value["resolved_on"]),
        expected=_to_money(value["expected"]),
        observed=_to_money(value["observed"]),
        excess=_to_money(value["excess"]),
        projected=_to_money(value["projected"]),
        p_value=float(value["p_value"]),
        forecaster=value["forecaster"],
        threshold=value["threshold"],
        where=value["where"],
        causes=tuple(_cause_from_json(cause) for cause in value["causes"]),
        seen_in=tuple(Scope.from_key(key) for key in value["seen_in"]),
        second_opinion=None if value["second_opinion"] is None else float(value["second_opinion"]),
        accepted=value["accepted"],
        restated=value.get("restated", False),
        shape=value.get("shape", ""),
        feedback=feedback,
    )


def _cause_to_json(cause: Cause) -> Json:
    return {
        "what": dict(cause.what),
        "expected": _money(cause.expected),
        "observed": _money(cause.observed),
        "excess": _money(cause.excess),
        "quantity_effect": _money(cause.quantity_effect) if cause.quantity_effect else None,
        "price_effect": _money(cause.price_effect) if cause.price_effect else None,
        "mix_effect": _money(cause.mix_effect) if cause.mix_effect else None,
        "note": cause.note,
    }


def _cause_from_json(value: Json) -> Cause:
    return Cause(
        what=value["what"],
        expected=_to_money(value["expected"]),
        observed=_to_money(value["observed"]),
        excess=_to_money(value["excess"]),
        quantity_effect=_to_money(value["quantity_effect"]) if value["quantity_effect"] else None,
        price_effect=_to_money(value["price_effect"]) if value["price_effect"] else None,
        mix_effect=_to_money(value["mix_effect"]) if value.get("mix_effect") else None,
        note=value["note"],
    )


def forecast_to_json(forecast: Forecast) -> Json:
    """Everything but the two matrices, which `doubles` packs."""
    return {
        "issued_on": forecast.issued_on.isoformat(),
        "forecaster": forecast.forecaster,
        "start": forecast.days.start.isoformat(),
        "end": forecast.days.end.isoformat(),
        "total_days": [day.isoformat() for day in forecast.total_quantiles],
        "measured_coverage": {repr(float(level)): _float(share) for level, share in forecast.measured_coverage.items()},
        "backtest_error": {name: _float(error) for name, error in forecast.backtest_error.items()},
        "degraded": forecast.degraded,
    }


def forecast_from_json(
    value: Json, *, scope: str, cost_basis: str, currency: str, quantiles: bytes, total_quantiles: bytes
) -> Forecast:
    totals = from_doubles(total_quantiles).reshape(-1, len(LEVELS))
    return Forecast(
        scope=Scope.from_key(scope),
        cost_basis=cost_basis,
        currency=currency,
        issued_on=date.fromisoformat(value["issued_on"]),
        forecaster=value["forecaster"],
        days=Days(date.fromisoformat(value["start"]), date.fromisoformat(value["end"])),
        quantiles=from_doubles(quantiles).reshape(len(LEVELS), -1),
        total_quantiles={date.fromisoformat(d): row for d, row in zip(value["total_days"], totals, strict=True)},
        measured_coverage={float(level): float(share) for level, share in value["measured_coverage"].items()},
        backtest_error={name: float(error) for name, error in value["backtest_error"].items()},
        degraded=value["degraded"],
    )


def doubles(values: FloatArray) -> bytes:
    """Row by row, little-endian."""
    return np.ascontiguousarray(values, dtype=LITTLE_ENDIAN_DOUBLE).tobytes()


def from_doubles(packed: bytes) -> FloatArray:
    return np.frombuffer(packed, dtype=LITTLE_ENDIAN_DOUBLE).astype(np.float64)


def proposal_to_json(proposal: Proposal) -> Json:
    it = proposal.recommendation
    return {
        "key": proposal.key,
        "recommendation": {
            "workload": _workload_to_json(it.workload),
            "changes": [
                {"container": c.container, "path": c.path, "now": c.now, "proposed": c.proposed} for c in it.changes
            ],
            "saving": {"low": _money(it.saving.low), "high": _money(it.saving.high), "rate": it.saving.rate},
            "evidence": {container: dict(figures) for container, figures in it.evidence.items()},
            "risk": it.risk,
            "reasons": list(it.reasons),
            "strategy": it.strategy,
            "urgent": it.urgent,
        },
        "edits": [{"path": edit.path, "before": edit.before, "after": edit.after} for edit in proposal.edits],
        "verdicts": [
            {
                "rule": v.rule,
                "decision": v.decision.value,
                "message": v.message,
                "resource": v.resource,
                "evaluated": v.evaluated,
            }
            for v in proposal.verdicts
        ],
        "state": proposal.state.value,
        "title": proposal.title,
        "body": proposal.body,
        "labels": list(proposal.labels),
    }


def proposal_from_json(value: Json) -> Proposal:
    it = value["recommendation"]
    saving = it["saving"]
    return Proposal(
        key=value["key"],
        recommendation=Recommendation(
            workload=Workload(**it["workload"]),
            changes=tuple(Change(**change) for change in it["changes"]),
            saving=Saving(low=_to_money(saving["low"]), high=_to_money(saving["high"]), rate=saving["rate"]),
            evidence=it["evidence"],
            risk=it["risk"],
            reasons=tuple(it["reasons"]),
            strategy=it["strategy"],
            urgent=it.get("urgent", False),
        ),
        edits=tuple(FileEdit(**edit) for edit in value["edits"]),
        verdicts=tuple(Verdict(**{**v, "decision": Decision(v["decision"])}) for v in value["verdicts"]),
        state=ProposalState(value["state"]),
        title=value["title"],
        body=value["body"],
        labels=tuple(value["labels"]),
    )


def _workload_to_json(workload: Workload) -> Json:
    return {
        "cluster": workload.cluster,
        "namespace": workload.namespace,
        "kind": workload.kind,
        "name": workload.name,
    }
