"""The whole story of an episode as plain values: what was expected, what crossed which line, who contributed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from finops_ai.domain.episode import Cause, Episode
from finops_ai.domain.forecast import BANDS, MEDIAN, Forecast, Score
from finops_ai.domain.money import Money, plain
from finops_ai.domain.series import CostSeries


def explain(
    episode: Episode, series: CostSeries, scores: Sequence[Score], forecast: Forecast | None = None
) -> dict[str, Any]:
    """Amounts as decimal text, floats only in what was never money; days as ISO dates; nothing but JSON's types."""
    judged = {s.day: s for s in scores if s.scope == episode.scope and s.currency == episode.excess.currency}
    during = [judged[day] for day in sorted(judged) if episode.opened_on <= day <= episode.last_day]
    return {
        "key": episode.key,
        "scope": dict(episode.scope.pairs),
        "kind": episode.kind,
        "shape": episode.shape,
        "state": episode.state.value,
        "severity": episode.severity.value,
        "opened_on": episode.opened_on.isoformat(),
        "last_day": episode.last_day.isoformat(),
        "resolved_on": episode.resolved_on.isoformat() if episode.resolved_on else None,
        "currency": episode.excess.currency,
        "expected": plain(episode.expected.amount),
        "observed": plain(episode.observed.amount),
        "excess": plain(episode.excess.amount),
        "projected": plain(episode.projected.amount),
        "p_value": episode.p_value,
        "second_opinion": episode.second_opinion,
        "threshold": episode.threshold,
        "forecaster": episode.forecaster,
        "where": dict(episode.where),
        "seen_in": [dict(scope.pairs) for scope in episode.seen_in],
        "days": [
            {
                "day": score.day.isoformat(),
                "observed": round(score.observed, 6),
                "expected": round(score.expected, 6),
                "upper": round(score.upper, 6),
                "z": round(score.z, 3),
                "p_value": score.p_value,
                "scorer": score.scorer,
            }
            for score in during
        ],
        "causes": [_cause(cause) for cause in episode.causes],
        "counterfactual": _counterfactual(episode, during),
        "context": _context(series, episode.opened_on, episode.last_day),
        "forecast": _forecast(forecast) if forecast else None,
    }


def _cause(cause: Cause) -> dict[str, object]:
    def text(money: Money | None) -> str | None:
        return None if money is None else plain(money.amount)

    return {
        "what": dict(cause.what),
        "expected": text(cause.expected),
        "observed": text(cause.observed),
        "excess": text(cause.excess),
        "quantity_effect": text(cause.quantity_effect),
        "price_effect": text(cause.price_effect),
        "mix_effect": text(cause.mix_effect),
        "note": cause.note,
    }


def _counterfactual(episode: Episode, during: Sequence[Score]) -> str | None:
    """What the excess would have been without its main cause, in units of the band; None without causes or band."""
    band = sum(score.upper - score.expected for score in during)
    if not episode.causes or band <= 0:
        return None
    main = max(episode.causes, key=lambda cause: abs(cause.excess.amount))
    left = float((episode.excess - main.excess).amount) / band
    name = ", ".join(main.names)
    return f"without {name}: {left:.1f} of the band instead of {float(episode.excess.amount) / band:.1f}"


def _context(series: CostSeries, opened_on: date, last_day: date) -> dict[str, object]:
    """The four weeks before, for a sense of size."""
    at = (opened_on - series.days.start).days
    before = series.charged[max(at - 28, 0) : max(at, 0)]
    return {
        "mean_28_days_before": round(float(before.mean()), 6) if len(before) else None,
        "largest_28_days_before": round(float(before.max()), 6) if len(before) else None,
        "days": (last_day - opened_on).days + 1,
        "complete_through": series.complete_through.isoformat(),
    }


def _forecast(forecast: Forecast) -> dict[str, object]:
    """The month's end as now forecast, with the coverage its band had when it was tested."""
    ends = sorted(forecast.total_quantiles)
    low, high = BANDS[0.8]
    return {
        "forecaster": forecast.forecaster,
        "issued_on": forecast.issued_on.isoformat(),
        "totals": [
            {
                "from": forecast.days.start.isoformat(),
                "through": day.isoformat(),
                "low_80": round(float(forecast.total_quantiles[day][low]), 2),
                "median": round(float(forecast.total_quantiles[day][MEDIAN]), 2),
                "high_80": round(float(forecast.total_quantiles[day][high]), 2),
            }
            for day in ends
        ],
        "measured_coverage": {
            f"{level:.0%}": None if np.isnan(share) else round(share, 3)
            for level, share in forecast.measured_coverage.items()
        },
        "degraded": forecast.degraded,
    }
