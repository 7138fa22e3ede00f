"""The first lines of a report: what happened, in sentences."""

from __future__ import annotations

from finops_ai.domain.report import Mover, Report, Section
from finops_ai.domain.text import one_line
from finops_ai.reporting.formats import DASH, change, compact, money, percent

NAME_LENGTH = 60


def lead(report: Report, section: Section) -> tuple[str, ...]:
    """Up to five sentences; names in them are plain text, to be escaped by the page."""
    sentences = (_spend(section), _incomplete(report), _mover(section), _episodes(section), _month(section))
    return tuple(sentence for sentence in sentences if sentence)


def place(mover: Mover) -> str:
    """Names of a contributor from owner to service."""
    if mover.others:
        return f"{mover.others} smaller changes" if mover.others > 1 else "1 smaller change"
    return " · ".join(one_line(value, NAME_LENGTH) for _, value in mover.what if value and value != "(none)")


def _spend(section: Section) -> str:
    spend = section.spend
    now = money(spend.now, section.currency)
    if not spend.delta:
        return f"Spend was {now}, the same as the week before."
    more = "more" if spend.delta > 0 else "less"
    size = money(abs(spend.delta), section.currency)
    ratio = "" if spend.ratio is None else f" ({change(spend.now, spend.ratio)})"
    return f"Spend was {now}, {size} {more} than the week before{ratio}."


def _incomplete(report: Report) -> str:
    missing = [on for on in report.week if report.complete_through is None or on > report.complete_through]
    if not missing:
        return ""
    days = "1 day of the week is" if len(missing) == 1 else f"{len(missing)} days of the week are"
    return f"{days} not billed in full yet."


def _mover(section: Section) -> str:
    named = [mover for mover in section.movers if not mover.others]
    if not named:
        return ""
    return f"The largest change is {place(named[0])}: {money(named[0].spend.delta, section.currency, sign=True)}."


def _episodes(section: Section) -> str:
    count = len(section.open_episodes)
    if not count:
        return "No episode is open."
    subject = "1 episode is" if count == 1 else f"{count} episodes are"
    excess = money(section.open_excess, section.currency, sign=True)
    projected = compact(section.projected_excess, section.currency, sign=True)
    return f"{subject} open: {excess} against expected so far, about {projected} by month end if it continues."


def _month(section: Section) -> str:
    end = section.month_end
    if end is None:
        return ""
    amounts = [compact(amount, section.currency) for amount in (end.expected, end.low, end.high)]
    known = f"; such bands held on {percent(end.measured_coverage)} of past days" if end.measured_coverage else ""
    return f"The month is heading for {amounts[0]} (80% band {amounts[1]} {DASH} {amounts[2]}{known})."
