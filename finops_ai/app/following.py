"""What follows a merge, put together: the bill by workload, budgets by Prometheus, policy for reverts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from finops_ai.app import parts
from finops_ai.app.workload_bill import WorkloadBills
from finops_ai.config import Config, PlugIn
from finops_ai.config.savings import Objective
from finops_ai.domain.errors import ConfigError, Problem, Rejected, Unavailable
from finops_ai.domain.outcome import Outcome
from finops_ai.domain.proposal import Verdict
from finops_ai.domain.usage import Workload
from finops_ai.forges.base import Forge
from finops_ai.jobs.attend import attend
from finops_ai.jobs.follow import Following, by_key
from finops_ai.jobs.follow import follow as work
from finops_ai.jobs.regressions import Watch
from finops_ai.jobs.run import Turn
from finops_ai.jobs.savings import Measuring
from finops_ai.rightsizing.regression import Burn
from finops_ai.rightsizing.savings import Bill
from finops_ai.world.world import World

LONG, SHORT = "1h", "5m"
"""Both windows must burn: the long one that it matters, the short one that it still goes on (Google SRE workbook)."""

BEFORE = "1d"
_NAME = re.compile(r"[a-zA-Z0-9.-]+")


@dataclass(frozen=True, kw_only=True)
class Follower:
    """The parts of the program that following needs; `costs` is `App.costs`."""

    config: Config
    world: World
    forges: Mapping[str, Forge]
    costs: Callable[..., list[dict[str, Any]]]

    def follow(self, turn: Turn) -> Outcome:
        forge = by_key(self.forges, self.config.recommend.forge)
        return attend(turn, forge, self.config.pull_requests, work(turn, forge, _following(self)))

    def burns(self, workload: Workload, merged_at: datetime, now: datetime) -> tuple[list[Burn], list[Problem]]:
        """How the budgets that are configured for a workload burn, and what could not be asked."""
        return _burns(self, workload, merged_at, now)


def _following(app: Follower) -> Following:
    told = app.config
    bills = WorkloadBills(config=told, modules=parts.kinds().sources, costs=app.costs)

    def asked(complete: date, turn: Turn) -> Sequence[Bill]:
        return bills.bills(complete, turn.as_of)

    return Following(
        measuring=Measuring(
            bills=asked if bills.told else None,
            cost_basis=told.forecast.cost_basis,
            settle_days=parts.settle_days(told),
            prices=told.recommend.prices,
        ),
        watch=Watch(
            days=told.savings.watch_days,
            throttled_ratio=told.recommend.strategy.throttled_ratio,
            manifests=told.recommend.manifests,
            judge=partial(_judged, app),
            burns=app.burns,
            terms=told.pull_requests,
        ),
        tell=told.savings.tell,
    )


def _judged(app: Follower, path: str, text: str, workload: Workload) -> Sequence[Verdict]:
    with parts.policies(app.config.recommend.policies, app.config.recommend.packs) as judge:
        verdicts: Sequence[Verdict] = judge.manifest(path, text, workload)
        return verdicts


def _burns(app: Follower, workload: Workload, merged_at: datetime, now: datetime) -> tuple[list[Burn], list[Problem]]:
    burns, problems = [], []
    for objective in app.config.savings.objectives:
        if not (
            fnmatchcase(workload.namespace, objective.namespace) and fnmatchcase(workload.name, objective.workload)
        ):
            continue
        try:
            ask = _asker(app, objective.source)
            burns.append(_burn(objective, workload, ask, merged_at, now))
        except (Unavailable, Rejected, ConfigError) as error:
            problems.append(Problem(file=objective.source, message=f"{objective.name}: {error}", severity="warning"))
    return burns, problems


def _burn(
    objective: Objective,
    workload: Workload,
    ask: Callable[[str, datetime], float | None],
    merged_at: datetime,
    now: datetime,
) -> Burn:
    allowed = 1 - objective.objective

    def rate(window: str, at: datetime) -> float | None:
        ratio = ask(_query(objective, workload, window), at)
        return None if ratio is None else ratio / allowed

    both = [rate(window, now) for window in (LONG, SHORT)]
    known = [one for one in both if one is not None]
    return Burn(
        name=objective.name,
        before=rate(BEFORE, merged_at - timedelta(minutes=1)),
        now=min(known) if len(known) == len(both) else None,
        at=objective.burn_at,
    )


def _query(objective: Objective, workload: Workload, window: str) -> str:
    """Raises Rejected for a name that is none of Kubernetes' and could say more than a name."""
    query = objective.bad_ratio.replace("$window", window)
    for word, value in (("$namespace", workload.namespace), ("$workload", workload.name)):
        if word in query and not _NAME.fullmatch(value):
            raise Rejected(f"{value!r} is no name of Kubernetes: it is not put into a query")
        query = query.replace(word, value)
    return query


def _asker(app: Follower, source: str) -> Callable[[str, datetime], float | None]:
    known = parts.kinds().usage
    for one in _named(app, source):
        part = known[one.kind].make(one, app.world)
        ask: Callable[[str, datetime], float | None] | None = getattr(part, "ask", None)
        if ask is not None:
            return ask
    raise ConfigError(f"savings.objectives: no usage source {source!r} answers queries: name one of kind prometheus")


def _named(app: Follower, source: str) -> Iterator[PlugIn]:
    return (one for one in app.config.usage if one.name == source)
