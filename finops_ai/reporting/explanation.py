"""An episode explained for a terminal: figures, contributors, threshold and counterfactual in plain lines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from finops_ai.domain.episode import Cause, Episode
from finops_ai.domain.series import CostSeries
from finops_ai.domain.text import one_line
from finops_ai.reporting.formats import money
from finops_ai.reporting.page import place, title

BARS = "▁▂▃▄▅▆▇█"
SPARK_DAYS = 28
NAME_LENGTH = 60


def explanation(episode: Episode, told: Mapping[str, Any], series: CostSeries) -> str:
    """Lines for a person; `told` is what `detection.explain` says. Names stay on a line and cannot steer a terminal."""
    currency = episode.excess.currency
    lines = [
        place(episode),
        f"  episode      {episode.key}  {_kind(episode)}, {episode.state.value}, {episode.severity.value}",
        f"  days         {episode.opened_on} to {episode.last_day}"
        + (f", resolved {episode.resolved_on}" if episode.resolved_on else "")
        + (" (taken as the new normal: the cost stayed)" if episode.accepted else "")
        + (" (the bill was corrected: it no longer shows this)" if episode.restated else ""),
        f"  observed     {money(episode.observed.amount, currency)} ({episode.cost_basis} cost)",
        f"  expected     {money(episode.expected.amount, currency)} by {episode.forecaster}",
        f"  excess       {money(episode.excess.amount, currency, sign=True)}, "
        f"by month end {money(episode.projected.amount, currency, sign=True)} if it continues",
        f"  last days    {spark(episode, series)}",
        f"  threshold    {one_line(episode.threshold, 200)}",
    ]
    if episode.second_opinion is not None:
        lines.append(f"  second view  {episode.second_opinion:.2f} of 1 (outlier model, PyOD)")
    lines.append("  causes       (they add up to the excess; associated, not proven)")
    lines += [f"    {money(cause.excess.amount, currency, sign=True):>14}  {_cause(cause)}" for cause in episode.causes]
    if counterfactual := told.get("counterfactual"):
        lines.append(f"  without it   {one_line(str(counterfactual), 300)}")
    if episode.seen_in:
        wider = ", ".join(one_line(str(scope), NAME_LENGTH) for scope in episode.seen_in)
        lines.append(f"  also seen in {wider}")
    if episode.feedback:
        lines.append(f"  answered     {episode.feedback.verdict.value} {one_line(episode.feedback.note, 200)}".rstrip())
    return "\n".join(lines)


def threshold_told(episode: Episode) -> str:
    """Lines for a person of an episode that no series of cost explains: a budget, or the data behind the bill."""
    currency = episode.excess.currency
    lines = [
        title(episode),
        f"  episode      {episode.key}  {episode.kind}, {episode.state.value}, {episode.severity.value}",
        f"  days         {episode.opened_on} to {episode.last_day}"
        + (f", resolved {episode.resolved_on}" if episode.resolved_on else ""),
        f"  observed     {money(episode.observed.amount, currency)}",
        f"  expected     {money(episode.expected.amount, currency)}",
        f"  threshold    {one_line(episode.threshold, 300)}",
    ]
    lines += [f"  {key:<12} {one_line(value, NAME_LENGTH)}" for key, value in episode.where.items()]
    if episode.seen_in:
        lines.append("  also seen in " + ", ".join(one_line(str(scope), NAME_LENGTH) for scope in episode.seen_in))
    lines += [f"    {money(cause.excess.amount, currency, sign=True):>14}  {_cause(cause)}" for cause in episode.causes]
    return "\n".join(lines)


def spark(episode: Episode, series: CostSeries) -> str:
    """Four weeks up to the episode's last day, one bar a day from zero to the largest."""
    end = (episode.last_day - series.days.start + timedelta(days=1)).days
    values = series.values[max(0, end - SPARK_DAYS) : end]
    top = max((float(value) for value in values), default=0.0)
    if top <= 0:
        return "no positive cost"
    return "".join(BARS[min(len(BARS) - 1, int(max(0.0, float(value)) / top * len(BARS)))] for value in values)


def _kind(episode: Episode) -> str:
    """Its kind, and where that says more what the cost did."""
    more = {"price": "the unit price rose", "commitment": "a discount ended or covers less"}
    told = more.get(episode.shape, episode.shape)
    return episode.kind if told in ("", episode.kind, "new") else f"{episode.kind} ({told})"


def _cause(cause: Cause) -> str:
    names = " · ".join(one_line(name, NAME_LENGTH) for name in cause.names)
    effects = ""
    if cause.quantity_effect and cause.price_effect:
        code = cause.excess.currency
        mix = f", of it mix {money(cause.mix_effect.amount, code, sign=True)}" if cause.mix_effect else ""
        effects = (
            f" (quantity {money(cause.quantity_effect.amount, code, sign=True)}{mix}, "
            f"price {money(cause.price_effect.amount, code, sign=True)})"
        )
    note = f" — {one_line(cause.note, 120)}" if cause.note else ""
    return f"{names}{effects}{note}"
