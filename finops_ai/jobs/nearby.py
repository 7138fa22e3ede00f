"""Gathers what changed beside the bill, and tells what of it is near an episode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from finops_ai.detection.nearby import nearby as ranked
from finops_ai.detection.nearby import window
from finops_ai.domain.change import ChangeSource, NearbyChange
from finops_ai.domain.episode import Episode
from finops_ai.domain.errors import FinopsError, Problem
from finops_ai.domain.outcome import Outcome
from finops_ai.domain.period import Days
from finops_ai.domain.proposal import ProposalState
from finops_ai.domain.usage import Workload
from finops_ai.jobs.run import Turn, problems_of
from finops_ai.ledger import changes, proposals
from finops_ai.reporting.nearby import changes_nearby

GATHERED_DAYS = 14


def gather(turn: Turn, sources: Sequence[ChangeSource]) -> Outcome:
    """Keep what the sources and our own merged proposals tell of the last days; one that fails does not stop others."""
    today = turn.as_of.date()
    days = Days(today - timedelta(days=GATHERED_DAYS), today + timedelta(days=1))
    problems: list[Problem] = []
    results: list[dict[str, Any]] = []
    asked: list[tuple[str, Iterator[NearbyChange]]] = [(one.name, one.changes(days)) for one in sources]
    for name, told in (*asked, (OWN, own(turn.engine, days, turn.as_of))):
        try:
            found = [one for one in told if one.at <= turn.as_of]
        except FinopsError as error:
            problems.extend(problems_of(error, name))
            continue
        new = 0 if turn.dry_run else changes.keep(turn.engine, found, turn.as_of)
        results.append({"source": name, "changes": len(found), "new": new})
    counts = {"changes": sum(row["changes"] for row in results), "new": sum(row["new"] for row in results)}
    counts |= {"unavailable": len(problems)} if problems else {}
    return Outcome(job="nearby", as_of=turn.as_of, counts=counts, results=tuple(results), problems=tuple(problems))


OWN = "finops-ai"


def own(engine: Engine, days: Days, as_of: datetime) -> Iterator[NearbyChange]:
    """Our own proposals that were merged on `days`."""
    for proposal in proposals.proposals(engine, as_of):
        if proposal.state is not ProposalState.MERGED:
            continue
        merged = [at for at, one in proposals.history(engine, proposal.key) if one.state is ProposalState.MERGED]
        if merged and merged[0].date() in days:
            workload = proposal.recommendation.workload
            yield NearbyChange(
                source=OWN,
                key=f"{proposal.key}@{merged[0].isoformat()}",
                kind="proposal",
                what=proposal.title,
                who=OWN,
                at=merged[0],
                places=(_place(workload),),
            )


def _place(workload: Workload) -> dict[str, str]:
    """As episodes have it; a cluster that nobody named is no place."""
    name = f"{workload.kind.lower()}/{workload.name}"
    told = {"cluster": workload.cluster, "namespace": workload.namespace, "workload": name}
    return {key: value for key, value in told.items() if value}


def near(engine: Engine, episode: Episode, as_of: datetime) -> list[dict[str, Any]]:
    """What changed near an episode's opening, as far as known at `as_of`: associated, not proven."""
    return near_each(engine, [episode], as_of)[episode.key]


def near_each(engine: Engine, episodes: Sequence[Episode], as_of: datetime) -> dict[str, list[dict[str, Any]]]:
    """The same of many by key, all changes read once."""
    if not episodes:
        return {}
    windows = [window(episode) for episode in episodes]
    days = Days(min(one.start for one in windows), max(one.end for one in windows))
    known = changes.changes(engine, days, as_of)
    return {episode.key: changes_nearby(ranked(episode, known)) for episode in episodes}
