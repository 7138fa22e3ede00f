"""Merges that made a workload worse: their revert is proposed in the run that sees it, and merged by nobody here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from finops_ai.domain.errors import FinopsError, Problem, Rejected
from finops_ai.domain.message import Message
from finops_ai.domain.proposal import Proposal, ProposalState
from finops_ai.domain.usage import ContainerUsage, Workload
from finops_ai.forges.base import Forge
from finops_ai.jobs.run import Turn, problems_of
from finops_ai.ledger import outbox, proposals, savings, usage
from finops_ai.rightsizing.regression import Burn, Regression, regressions
from finops_ai.rightsizing.revert import Judge, key_of, revert

Burns = Callable[[Workload, datetime, datetime], tuple[Sequence[Burn], Sequence[Problem]]]
"""Workload, instant of the merge and now to how its budgets burn, and what could not be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How merges are watched: for `days`, by metrics and by budgets; `judge` gives the verdicts on a revert."""

    days: int
    throttled_ratio: float
    manifests: str
    judge: Judge
    burns: Burns


def watch(turn: Turn, forge: Forge, how: Watch) -> tuple[list[Mapping[str, Any]], list[Problem]]:
    """Look at every merge that is not older than `how.days`, the last one of each branch."""
    recent = {
        one.key: one
        for one in savings.merges(turn.engine, turn.as_of)
        if 0 <= (turn.as_of.date() - one.on).days <= how.days and not one.key.startswith("finops/revert/")
    }
    usages = _Usages(turn)
    files: dict[str, str] | None = None
    results: list[Mapping[str, Any]] = []
    problems: list[Problem] = []
    for merge in recent.values():
        signs, unasked = _signs(turn, merge, usages, how)
        problems.extend(unasked)
        if not signs or _answered(turn, merge):
            continue
        try:
            files = dict(forge.files(how.manifests)) if files is None else files
            proposal = revert(merge.proposal, merge.on, signs, files, how.judge)
        except FinopsError as error:
            severity = "warning" if isinstance(error, Rejected) else "error"
            told = problems_of(error, forge.name)
            problems.extend(
                Problem(file=one.file, message=f"{merge.key}: {one.message}", severity=severity) for one in told
            )
            continue
        results.append({"key": proposal.key, "state": f"regression: {proposal.state.value}", "url": ""})
        if not turn.dry_run:
            _keep(turn, forge, proposal)
    return results, problems


class _Usages:
    """Usage as known at a merge, and of the time since it; asked for once per day of merge."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._before: dict[date, list[ContainerUsage]] = {}
        self._since: dict[date, list[ContainerUsage]] = {}

    def before(self, workload: Workload, on: date) -> list[ContainerUsage]:
        if on not in self._before:
            self._before[on] = usage.usages(self._turn.engine, _start(on))
        return [one for one in self._before[on] if one.workload == workload]

    def since(self, workload: Workload, on: date) -> list[ContainerUsage]:
        if on not in self._since:
            days = max((self._turn.as_of.date() - on).days - 1, 0)
            self._since[on] = usage.usages(self._turn.engine, self._turn.as_of, days)
        return [one for one in self._since[on] if one.workload == workload]


def _signs(
    turn: Turn, merge: savings.Merged, usages: _Usages, how: Watch
) -> tuple[list[Regression], Sequence[Problem]]:
    workload = merge.proposal.recommendation.workload
    # The day of the merge belongs to neither side: when the pods were replaced is not known to the hour.
    since = _start(merge.on + timedelta(days=1))
    burns, unasked = how.burns(workload, _start(merge.on), turn.as_of)
    before, now = usages.before(workload, merge.on), usages.since(workload, merge.on)
    return regressions(before, now, since, throttled_ratio=how.throttled_ratio, burns=burns), unasked


def _answered(turn: Turn, merge: savings.Merged) -> bool:
    """Whether the revert of this merge is open, was merged, or was closed by a person since."""
    return any(
        known_at >= merge.known_at and version.state is not ProposalState.SUPERSEDED
        for known_at, version in proposals.history(turn.engine, key_of(merge.key))
    )


def _keep(turn: Turn, forge: Forge, proposal: Proposal) -> None:
    """Proposal and message in one transaction; one that policy could not be asked about is opened nowhere."""
    with turn.engine.begin() as connection:
        proposals.save(connection, proposal, turn.as_of)
        if all(verdict.evaluated for verdict in proposal.verdicts):
            body = {
                "title": proposal.title,
                "workload": proposal.recommendation.workload.key,
                "changes": list(_words(proposal)),
                "content": _digest(proposal),
            }
            message = Message(key=proposal.key, kind="proposal", sink=forge.name, body=body)
            outbox.put(connection, (message,), turn.as_of)


def _words(proposal: Proposal) -> Iterator[str]:
    for change in proposal.recommendation.changes:
        yield f"{change.container} {change.path}: {change.now or 'unset'} -> {change.proposed}"


def _digest(proposal: Proposal) -> str:
    edits = "".join(f"{edit.path}\0{edit.before}\0{edit.after}\0" for edit in proposal.edits)
    return hashlib.sha256(edits.encode("utf-8", "surrogatepass")).hexdigest()


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
