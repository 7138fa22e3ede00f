"""Words of the pages that are not about the cost of a scope: budgets, and the data behind the bill."""

from __future__ import annotations

from finops_ai.domain.episode import Episode, EpisodeState
from finops_ai.domain.text import one_line
from finops_ai.reporting.formats import day_year, money

NAME_LENGTH = 60

DATA_TITLES = {
    "gap": "cost is missing from the bill",
    "late_delivery": "the bill is late",
    "shrunk_delivery": "a delivery took cost away",
    "tag_loss": "cost lost its tags",
}
DATA_NEXT = {
    "gap": "Days that cost something before are empty: check the export. Nothing is paged as a drop for it.",
    "late_delivery": "Check the export and the source's access. Figures of its last days are not whole.",
    "shrunk_delivery": "Check the export before trusting any figure of that month.",
    "tag_loss": "What they show less, (untagged) shows more: check tagging and allocation rules, not spending.",
}


def budget_title(episode: Episode) -> str:
    by = money(episode.excess.amount, episode.excess.currency, sign=True)
    what = "over budget" if episode.kind == "budget_exceeded" else "over budget by month end, as forecast"
    return f"Budget {_name(episode, 'budget')}: {by} {what}"


def budget_summary(episode: Episode) -> str:
    code = episode.expected.currency
    name, amount = f"Budget {_name(episode, 'budget')}", money(episode.expected.amount, code)
    observed = money(episode.observed.amount, code)
    if episode.state is EpisodeState.RESOLVED:
        since = f" since {day_year(episode.resolved_on)}" if episode.resolved_on else ""
        return f"{name}: no longer {_told(episode)}{since}; {observed} of {amount}."
    if episode.kind == "budget_exceeded":
        end = money(episode.expected.amount + episode.projected.amount, code)
        return f"{name}: {observed} of {amount} spent; the month ends near {end}."
    return f"{name}: {observed} forecast for the month against {amount}; {one_line(episode.threshold, 200)}."


def data_title(episode: Episode) -> str:
    return f"{_name(episode, 'source')}: {DATA_TITLES[episode.kind]}"


def data_summary(episode: Episode) -> str:
    told = one_line(episode.threshold, 300)
    if episode.state is EpisodeState.RESOLVED:
        since = f" since {day_year(episode.resolved_on)}" if episode.resolved_on else ""
        return f"{data_title(episode)}: over{since}. It was: {told}."
    return f"{data_title(episode)}: {told}. {DATA_NEXT[episode.kind]}"


def _told(episode: Episode) -> str:
    return "told as exceeded" if episode.kind == "budget_exceeded" else "likely to be exceeded"


def _name(episode: Episode, key: str) -> str:
    return one_line(episode.where.get(key, "the bill"), NAME_LENGTH)
