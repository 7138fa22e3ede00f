"""What is said of a realised saving on its pull request, with how it was found and what it does not tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from finops_ai.domain.money import Money
from finops_ai.domain.period import Days
from finops_ai.domain.realised import Realised
from finops_ai.domain.usage import Workload
from finops_ai.rightsizing.markdown import bullets, escaped, table
from finops_ai.rightsizing.realised import DIFFERENCE

NAMES = {"week": "the first full week", "month": "the first month"}


def told(row: Realised, stage: str) -> str:
    """Markdown; names of others are escaped."""
    last = row.days.end - timedelta(days=1)
    saved = "saved" if row.estimate.amount >= 0 else "cost"
    sure = "proved" if row.proved_on else "not proved yet: the range holds zero"
    controls = (
        f"{row.controls} unaffected workloads" if row.method == DIFFERENCE else "no other workload to compare with"
    )
    rows = [
        ["promised for these days", _money(row.identified)],
        ["realised (80% range)", f"**{_money(row.estimate)}** ({_money(row.low)} to {_money(row.high)})"],
        ["would have cost", _money(row.counterfactual)],
        ["did cost, on the bill", _money(row.actual)],
        ["less paid than before", _money(row.fall)],
        ["booked in the savings ledger", _money(row.booked)],
    ]
    facts = [f"{escaped(name)}: {escaped(value)}" for name, value in row.utilisation.items()]
    sections = [
        f"**{NAMES[stage].capitalize()} after the merge** ({row.days.start} to {last}): this {saved} "
        f"{_money(row.estimate if row.estimate.amount >= 0 else -row.estimate)}; {sure}.",
        table([f"{escaped(str(row.workload))}", "amount"], rows),
        bullets(facts),
        f"Method: {row.method}, {controls}; see docs/savings.md. Booked is never more than what the bill fell by.",
    ]
    return "\n\n".join(section for section in sections if section)


def unbilled(workload: Workload, days: Days, use: Mapping[str, str], stage: str) -> str:
    """Where no bill names the workload: what the metrics show, and that nothing is claimed."""
    facts = [f"{escaped(name)}: {escaped(value)}" for name, value in use.items()]
    last = days.end - timedelta(days=1)
    sections = [
        f"**{NAMES[stage].capitalize()} after the merge** ({days.start} to {last}): the metrics of "
        f"{escaped(str(workload))} are told, a saving is not.",
        bullets(facts),
        "The bill does not tell what this workload cost, or not for long enough before the merge, so that nothing is "
        "booked; see docs/savings.md.",
    ]
    return "\n\n".join(sections)


def _money(money: Money) -> str:
    return f"{money.amount:,.2f} {money.currency}"
