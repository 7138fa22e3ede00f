"""The comparison of Git with clusters, put together; a method of the program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from finops_ai.app import parts
from finops_ai.config import Config
from finops_ai.domain.focus import canonical_tag
from finops_ai.domain.outcome import Outcome
from finops_ai.forges.base import Forge
from finops_ai.jobs.run import Turn
from finops_ai.world.world import World

TAG = "tag:"


class Program(Protocol):
    """What of the program a look needs."""

    @property
    def config(self) -> Config: ...

    @property
    def world(self) -> World: ...

    @property
    def forges(self) -> Mapping[str, Forge]: ...

    def _run(self, job: str, as_of: datetime, dry_run: bool, work: Callable[[Turn], Outcome]) -> Outcome: ...


def drift(self: Program, as_of: datetime, *, dry_run: bool = False) -> Outcome:
    """Git against every cluster whose live state is configured."""
    from finops_ai.jobs.drift import Looking
    from finops_ai.jobs.drift import drift as look
    from finops_ai.jobs.follow import by_key
    from finops_ai.world import kustomize

    known, told = parts.kinds().live, self.config
    clusters = [known[one.kind].make(one, self.world) for one in told.live]
    rules = told.allocation.cost_center
    how = Looking(
        prices=told.recommend.prices,
        owner_keys=tuple(canonical_tag(one.removeprefix(TAG)) for one in rules if one.startswith(TAG)),
        render=kustomize.render,
    )
    forge = by_key(self.forges, told.recommend.forge)
    return self._run("drift", as_of, dry_run, lambda turn: look(turn, forge, clusters, how))
