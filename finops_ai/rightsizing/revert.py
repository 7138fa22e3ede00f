"""The way back: after a merge that made a workload worse, its old values as a proposal of its own, with evidence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from finops_ai.domain import quantity
from finops_ai.domain.errors import Rejected
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
from finops_ai.domain.usage import Workload
from finops_ai.rightsizing.evidence import range_text
from finops_ai.rightsizing.manifest import set_values, values
from finops_ai.rightsizing.markdown import bullets, escaped, table
from finops_ai.rightsizing.marker import marker
from finops_ai.rightsizing.propose import LABELS, PREFIX
from finops_ai.rightsizing.regression import Regression

Judge = Callable[[str, str, Workload], Sequence[Verdict]]

REVERT = "finops/revert"
STRATEGY = "revert"
_PLAIN = re.compile(r"[^A-Za-z0-9 .:/+=_-]+")


def key_of(merged_key: str) -> str:
    """The branch of a revert: as stable as that of what it takes back."""
    return f"{REVERT}/{merged_key.removeprefix(f'{PREFIX}/')}"


def revert(
    merged: Proposal, merged_on: date, signs: Sequence[Regression], files: Mapping[str, str], judge: Judge
) -> Proposal:
    """Raises Rejected where there is nothing to take back: the files hold other values by now."""
    known = merged.recommendation
    edits, changes = _edits(merged, files)
    saving = Saving(low=-known.saving.high, high=-known.saving.low, rate=known.saving.rate)
    recommendation = replace(
        known,
        changes=changes,
        saving=saving,
        risk="low",
        reasons=tuple(sign.words for sign in signs),
        strategy=STRATEGY,
    )
    verdicts = [verdict for edit in edits for verdict in judge(edit.path, edit.after, known.workload)]
    blocked = any(verdict.decision is Decision.DENY for verdict in verdicts)
    key = key_of(merged.key)
    name = _PLAIN.sub("?", str(known.workload))
    return Proposal(
        key=key,
        recommendation=recommendation,
        edits=edits,
        verdicts=tuple(verdicts),
        state=ProposalState.BLOCKED if blocked else ProposalState.OPEN,
        title=f"revert({name}): {', '.join(dict.fromkeys(sign.what for sign in signs))} since {merged_on}",
        body=_body(key, merged, merged_on, recommendation, signs, verdicts),
        labels=(LABELS[0], "revert", *(["policy:blocked"] if blocked else [])),
    )


def _edits(merged: Proposal, files: Mapping[str, str]) -> tuple[tuple[FileEdit, ...], tuple[Change, ...]]:
    """Each value that still is as we proposed it, back to what it was; what others changed since stays."""
    workload = merged.recommendation.workload
    edits, back = [], []
    for path in dict.fromkeys(edit.path for edit in merged.edits):
        before = after = files.get(path, "")
        for container in dict.fromkeys(change.container for change in merged.recommendation.changes):
            place = {"kind": workload.kind, "name": workload.name, "container": container}
            place["namespace"] = workload.namespace
            written = values(after, **place)
            own = [one for one in merged.recommendation.changes if one.container == container]
            kept = [one for one in own if one.now is not None and _same(written.get(one.path), one.proposed)]
            wanted = {one.path: one.now for one in kept if one.now is not None}
            if wanted:
                after = set_values(after, **place, changes=wanted).text
            back += [replace(one, now=one.proposed, proposed=one.now) for one in kept if one.now is not None]
        if after != before:
            edits.append(FileEdit(path=path, before=before, after=after))
    if not edits:
        raise Rejected("the values that were merged are no longer in Git: there is nothing to revert")
    return tuple(edits), tuple(back)


def _same(written: str | None, proposed: str) -> bool:
    try:
        return written is not None and quantity.parse(written) == quantity.parse(proposed)
    except ValueError:
        return written == proposed


def _body(
    key: str,
    merged: Proposal,
    merged_on: date,
    recommendation: Recommendation,
    signs: Sequence[Regression],
    verdicts: Sequence[Verdict],
) -> str:
    workload = recommendation.workload
    cost = range_text(Saving(low=-recommendation.saving.high, high=-recommendation.saving.low, rate=""))
    told = [
        f"**{one.decision.value}** {escaped(one.rule)}: {escaped(one.message)}"
        for one in verdicts
        if one.decision is not Decision.ALLOW
    ]
    rows = [
        [escaped(text) for text in (one.container, one.path, one.now or "unset", one.proposed)]
        for one in recommendation.changes
    ]
    denied = any(one.decision is Decision.DENY for one in verdicts)
    sections = [
        "**Blocked by policy: do not merge.** See the verdicts below." if denied else "",
        f"{escaped(workload.kind)} **{escaped(str(workload))}** on {escaped(workload.cluster)} fares worse since "
        f"`{merged.key}` was merged on {merged_on}: this takes its values back, and with them the saving of "
        f"{cost} a month.",
        table(["container", "resource", "now", "before"], rows[:40]),
        "### What was seen",
        bullets([f"**{escaped(sign.what)}**: {escaped(sign.words)}" for sign in signs[:20]]),
        "Associated in time, not proved to be the cause: look before merging. Nobody merges this but you.",
        "### Policy",
        bullets(told[:20]) or "Nothing to say.",
        marker(key, recommendation) + "\n",
    ]
    return "\n\n".join(section for section in sections if section)
