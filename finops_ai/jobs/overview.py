"""The overview issue: every proposal, where it stands, and a box to tick for what can be done about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from finops_ai.domain import marker
from finops_ai.domain.evidence import evidence_hash
from finops_ai.domain.proposal import Proposal, ProposalState
from finops_ai.domain.pull_command import Order
from finops_ai.domain.pull_fact import Obeyed
from finops_ai.forges.base import Forge
from finops_ai.forges.terms import Terms
from finops_ai.jobs.run import Turn
from finops_ai.ledger import outbox, proposals, pull_facts
from finops_ai.rightsizing.markdown import escaped

TICK = "finops:tick"
MOST_LINES = 100
"""Of one section: an issue has room for some hundred lines, the command line lists all."""

_TICKED = re.compile(rf"^\s*- \[[xX]\] (<!-- {TICK} \{{.*?\}} -->)", re.MULTILINE)
HEAD = (
    "Kept by finops-ai: every rightsizing proposal and where it stands. Tick a box and the next run does it; the boxes "
    "are empty again afterwards. Close this issue to be rid of it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A box that somebody ticked: `shown` tells one showing of it from the next."""

    key: str
    order: Order
    shown: str


def ticks(text: str) -> list[Tick]:
    """The boxes that are ticked in an overview; what is no box of ours is passed over."""
    found = []
    for box in _TICKED.findall(text):
        values = marker.found(box, TICK) or {}
        if values.get("do") in (Order.REBASE.value, Order.REOPEN.value):
            order = Order(values["do"])
            found.append(Tick(key=str(values.get("key")), order=order, shown=str(values.get("n", ""))))
    return found


def show(turn: Turn, forge: Forge, terms: Terms) -> None:
    """Write the overview; there is none as long as there is nothing to tell."""
    every = proposals.proposals(turn.engine)
    if every:
        told = outbox.messages(turn.engine, None)
        urls = {
            one.message.key: one.receipt.remote_id for one in told if one.receipt and _is_url(one.receipt.remote_id)
        }
        waiting = {one.message.key: one.error or "" for one in told if one.state in ("queued", "claimed")}
        ignored = pull_facts.ignored(turn.engine, turn.as_of)
        versions = {one.key: len(pull_facts.obeyed(turn.engine, one.key)) for one in every}
        asked = {one.key for one in every if _waits(turn, one, terms)}
        forge.show_dashboard(page(every, urls=urls, waiting=waiting, ignored=ignored, versions=versions, asked=asked))


def page(
    every: Sequence[Proposal],
    *,
    urls: dict[str, str],
    waiting: dict[str, str],
    ignored: dict[str, Obeyed],
    versions: dict[str, int],
    asked: set[str],
) -> str:
    """The text of the issue. `versions` makes a box that is shown again another box."""
    sections: dict[str, list[str]] = {
        name: []
        for name in ("Waiting to be opened", "Waiting for approval", "Blocked by policy", "Open", "Closed or ignored")
    }
    for one in sorted(every, key=lambda one: one.key):
        words = _words(one, urls.get(one.key))
        rebase, reopen = (_box(one.key, order, versions.get(one.key, 0)) for order in (Order.REBASE, Order.REOPEN))
        if one.key in ignored:
            held = ignored[one.key]
            until = f"until {held.until}" if held.until else "for good"
            sections["Closed or ignored"].append(f"{reopen} {words} (ignored {until} by {escaped(held.by)})")
        elif one.state is ProposalState.CLOSED:
            sections["Closed or ignored"].append(f"{reopen} {words}")
        elif one.state not in (ProposalState.OPEN, ProposalState.BLOCKED):
            continue
        elif one.key in waiting and one.key not in urls:
            why = f" ({escaped(waiting[one.key])})" if waiting[one.key] else ""
            sections["Waiting to be opened"].append(f"- {words}{why}")
        elif one.state is ProposalState.BLOCKED:
            sections["Blocked by policy"].append(f"{rebase} {words}")
        elif one.key in asked:
            sections["Waiting for approval"].append(f"{rebase} {words}")
        else:
            sections["Open"].append(f"{rebase} {words}")
    parts = [HEAD]
    for name, lines in sections.items():
        if lines:
            more = [f"- and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
            parts.append("\n".join([f"### {name}", "", *lines[:MOST_LINES], *more]))
    return "\n\n".join(parts) + "\n"


def _box(key: str, order: Order, shown: int) -> str:
    mark = marker.marked(TICK, {"do": order.value, "key": key, "n": shown})
    word = "make anew" if order is Order.REBASE else "propose again"
    return f"- [ ] {mark} *{word}*:"


def _words(proposal: Proposal, url: str | None) -> str:
    title = escaped(proposal.title)
    return f"[{title}]({url})" if url else title


def _waits(turn: Turn, proposal: Proposal, terms: Terms) -> bool:
    if not terms.approval.asked_for(proposal.recommendation):
        return False
    return pull_facts.approval_of(turn.engine, proposal.key, evidence_hash(proposal)) is None


def _is_url(text: str) -> bool:
    return text.startswith(("http://", "https://", "file://")) and not set(text) & set(" ()<>")
