"""Which figures a person approved: one hash over everything that a reviewer was shown and would merge."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal, InvalidOperation

from finops_ai.domain import quantity
from finops_ai.domain.proposal import Change, Proposal


def evidence_hash(proposal: Proposal) -> str:
    """sha256 of the bytes that would be merged, the values, the saving and the verdicts; the same on every run."""
    it = proposal.recommendation
    shown = {
        "key": proposal.key,
        "edits": [[one.path, hashlib.sha256(_bytes(one.after)).hexdigest()] for one in proposal.edits],
        "changes": [[one.container, one.path, one.now, one.proposed] for one in it.changes],
        "saving": [_plain(it.saving.low.amount), _plain(it.saving.high.amount), it.saving.low.currency, it.saving.rate],
        "risk": it.risk,
        "verdicts": sorted([one.rule, one.decision.value, one.message, one.resource] for one in proposal.verdicts),
    }
    text = json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(_bytes(text)).hexdigest()


def has_moved(before: tuple[Change, ...], after: tuple[Change, ...], step: Decimal) -> bool:
    """True when a proposed value lies further than `step` (0.15 = 15 %) from what was proposed before.

    Another container or another resource to change is a move as well; one that is left out is none.
    """
    known = {(one.container, one.path): one.proposed for one in before}
    for change in after:
        old = known.get((change.container, change.path))
        if old is None or _differ(old, change.proposed, step):
            return True
    return False


def _differ(before: str, after: str, step: Decimal) -> bool:
    try:
        old, new = quantity.parse(before), quantity.parse(after)
    except (ValueError, InvalidOperation):
        return before != after
    return abs(new - old) > step * abs(old)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _plain(amount: Decimal) -> str:
    return format(amount.normalize(), "f")
