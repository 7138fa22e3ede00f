"""From a recommendation to a proposal: the files that say what the workload runs with, edited; title and body."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial

from finops_ai.domain import quantity
from finops_ai.domain.errors import Rejected
from finops_ai.domain.proposal import Change, Decision, FileEdit, Proposal, ProposalState, Recommendation, Verdict
from finops_ai.domain.usage import Workload
from finops_ai.rightsizing.body import body, title
from finops_ai.rightsizing.manifest.edit import Value
from finops_ai.rightsizing.manifest.truth import set_object, written
from finops_ai.rightsizing.settings import Place

PREFIX = "finops/rightsize"
LABELS = ("finops", "rightsizing")

_SAFE = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.|lock$|$)){0,80}")


def branch(workload: Workload) -> str:
    """`finops/rightsize/<cluster>/<namespace>/<kind>-<name>`, stable; what is no safe branch name is hashed."""
    kind = workload.kind.lower()
    parts = (workload.cluster, workload.namespace, f"{_safe(kind, dashes=False)}-{_safe(workload.name)}")
    return "/".join([PREFIX, _safe(parts[0]), _safe(parts[1]), parts[2]])


def edit(
    recommendation: Recommendation, files: Mapping[str, str], places: Sequence[Place] = ()
) -> tuple[Recommendation, tuple[FileEdit, ...]]:
    """The edits where Git says what the workload runs with, and the recommendation in that file's own words.

    `files` maps paths to texts; `places` say where charts hold their values. Raises Rejected, with the reason, when
    no file or several declare the workload, the file must not be edited, or Git and the cluster disagree about the
    values to be changed.
    """
    after = dict(files)
    changes: list[Change] = []
    for container in dict.fromkeys(change.container for change in recommendation.changes):
        own = [change for change in recommendation.changes if change.container == container]
        if not container:
            after |= set_object(after, recommendation.workload, {one.path: _value(one.proposed) for one in own})
            changes += own
            continue
        place = written(after, recommendation.workload, container, partial(_runs_with, own), places)
        kept = [done for change in own if (done := _in_the_authors_words(change, place.values.get(change.path)))]
        after |= place.set(after, {change.path: change.proposed for change in kept})
        _refuse_requests_over_limits(container, {**place.values, **{change.path: change.proposed for change in kept}})
        changes += kept
    edits = tuple(
        FileEdit(path=path, before=files[path], after=text) for path, text in after.items() if text != files[path]
    )
    if not edits:
        raise Rejected("Git holds the proposed values already; they are not rolled out yet")
    return replace(recommendation, changes=tuple(changes)), edits


def propose(recommendation: Recommendation, edits: Sequence[FileEdit], verdicts: Sequence[Verdict]) -> Proposal:
    """The proposal with its page; blocked when any verdict denies."""
    key = branch(recommendation.workload)
    blocked = any(verdict.decision is Decision.DENY for verdict in verdicts)
    extra = (f"risk:{recommendation.risk}", *(["policy:blocked"] if blocked else []))
    return Proposal(
        key=key,
        recommendation=recommendation,
        edits=tuple(edits),
        verdicts=tuple(verdicts),
        state=ProposalState.BLOCKED if blocked else ProposalState.OPEN,
        title=title(recommendation),
        body=body(key, recommendation, verdicts),
        labels=(*LABELS, *extra),
    )


def _value(proposed: str) -> Value:
    """A structure is told as JSON, all else as it is."""
    value: Value = json.loads(proposed) if proposed.startswith(("[", "{")) else proposed
    return value


def _runs_with(changes: Sequence[Change], values: Mapping[str, str]) -> bool:
    """Whether these values of Git are those that run: tells two overlays of one workload apart."""
    try:
        return all(
            (change.now is None) == (change.path not in values)
            and (change.now is None or _equal(quantity.parse(values[change.path]), quantity.parse(change.now)))
            for change in changes
        )
    except ValueError:
        return False


def _in_the_authors_words(change: Change, written: str | None) -> Change | None:
    """The change as the file would put it; None for a limit that the file has raised far enough already."""
    if written is None:
        if change.now is not None:
            raise Rejected(f"Git does not set {change.path} of {change.container}, but it runs with {change.now}")
        return change
    in_git, proposed = _size(change, written), quantity.parse(change.proposed)
    live = None if change.now is None else quantity.parse(change.now)
    if change.path.startswith("limits.") and live is not None and live < proposed <= in_git:
        return None
    if live is None or not _equal(in_git, live):
        runs = change.now or "nothing"
        raise Rejected(
            f"Git and the cluster differ: {change.path} of {change.container} is {written}, it runs with {runs}"
        )
    is_cpu = change.path.endswith(".cpu")
    text = quantity.format_cpu(proposed, written) if is_cpu else quantity.format_memory(proposed, written)
    return replace(change, now=written, proposed=text)


def _size(change: Change, written: str) -> Decimal:
    try:
        return quantity.parse(written)
    except ValueError as error:
        raise Rejected(f"{change.path} of {change.container}: {error}") from None


def _equal(in_git: Decimal, live: Decimal) -> bool:
    """Equal as far as usage exports tell: they round to millicores and mebibytes."""
    return abs(in_git - live) * 1000 <= max(in_git, live)


def _refuse_requests_over_limits(container: str, written: Mapping[str, str]) -> None:
    for resource in ("cpu", "memory"):
        request, limit = written.get(f"requests.{resource}"), written.get(f"limits.{resource}")
        if request and limit and quantity.parse(request) > quantity.parse(limit):
            raise Rejected(f"{container} would ask for {request} of {resource}, more than its limit of {limit} in Git")


def _safe(text: str, *, dashes: bool = True) -> str:
    if _SAFE.fullmatch(text) and (dashes or "-" not in text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    readable = re.sub(r"[^a-z0-9]+", "-", text.lower()[:40]).strip("-")
    return f"{readable}-{digest}" if readable and dashes else f"{re.sub('-', '', readable)}{digest}"
