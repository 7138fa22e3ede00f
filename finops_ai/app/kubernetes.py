"""The ledger's rows for the split of clusters: what was billed, what the attribution says, and what comes of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from types import ModuleType
from typing import Any

from finops_ai.allocation.kubernetes import (
    ATTRIBUTION_KEYS,
    COSTS,
    Nodes,
    Split,
    attribute,
    clusters_named,
)
from finops_ai.config import Config
from finops_ai.domain.errors import ConfigError, UsageError
from finops_ai.domain.focus import ALLOCATED, canonical_tag
from finops_ai.domain.money import EXACT
from finops_ai.domain.period import Days

Row = Mapping[str, Any]

TAGS = ("cluster", "namespace", "controller", "workload")
"""The keys under which the attribution tells what ran, tags in the ledger."""

PLACED = (*TAGS[1:], *ALLOCATED)
"""What the attribution answers, besides tag:NAME; all other keys are the bill's."""


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """Clusters over some days, as known at an instant. `modules` are the kinds of sources, `costs` is `App.costs`."""

    config: Config
    modules: Mapping[str, ModuleType]
    costs: Callable[..., list[dict[str, Any]]]
    days: Days
    as_of: datetime

    @cached_property
    def sources(self) -> list[str]:
        """Names of the sources that tell what ran in clusters."""
        return list(cluster_tags(self.config, self.modules))

    def workloads(self, group_by: Sequence[str]) -> tuple[list[dict[str, Any]], Split]:
        """What clusters were billed by the keys asked for: sums of the parts, sorted; and the split they came from.

        Keys are day, cluster, what the attribution answers (PLACED and tag:NAME), and columns of the bill. Raises
        UsageError when no source tells of clusters.
        """
        if not self.sources:
            raise UsageError("no source tells what ran in clusters: add one of kind opencost")
        kept = [key for key in group_by if not _is_placed(key) and key not in ("day", "cluster", "currency")]
        done = self._split([key for key in group_by if _is_placed(key)], kept, leave=False)
        return summed(done.parts, [*group_by, "currency"]), done

    def shared_out(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        """Costs by `keys` after what clusters were billed went to who ran in them; the rest stays with its owner."""
        if not self.sources:
            return self._rows(keys)
        done = self._split([key for key in keys if key in ALLOCATED], keys, leave=True)
        return summed([*done.rest, *done.parts], [*keys, "currency"])

    def _split(self, keys: Sequence[str], kept: Sequence[str], *, leave: bool) -> Split:
        """The ledger's rows split; what the attributing sources tell is no part of the bill."""
        names = {key: f"tag:{key}" if key in TAGS else key for key in (*ATTRIBUTION_KEYS, *keys)}
        told = self._rows(list(names.values()), self.sources)
        attribution = [{key: row[name] for key, name in names.items()} | _cost(row) for row in told]
        nodes = self._nodes(clusters_named(attribution))
        bill = self._rows(["source", "day", *(key for one in nodes for key in one.keys), *kept])
        return attribute(
            [row for row in bill if row["source"] not in self.sources], attribution, nodes, keys, kept, leave=leave
        )

    def _nodes(self, clusters: Sequence[str]) -> list[Nodes]:
        """The rules of the configuration, then the clusters that no rule names, told by the tags of clouds.

        Raises ConfigError for a rule that names a source which tells of no clusters.
        """
        told = self.config.allocation.kubernetes
        for one in told:
            if one.source is not None and one.source not in self.sources:
                known = ", ".join(self.sources)
                message = f"{one.source!r} tells of no clusters; sources that do: {known}"
                raise ConfigError(f"allocation.kubernetes: {message}")
        tags = tuple(sorted({tag for each in cluster_tags(self.config, self.modules).values() for tag in each}))
        named = [
            Nodes(cluster=one.cluster, source=one.source or "", match=one.match, weigh_by=one.weigh_by, tags=tags)
            for one in told
        ]
        unnamed = [name for name in clusters if name not in {one.cluster for one in told}]
        return [*named, *(Nodes(cluster=name, tags=tags) for name in unnamed)]

    def _rows(self, keys: Sequence[str], sources: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Costs by `keys`; of `sources` alone if there are some, whether they count or not."""
        return self.costs(
            days=self.days,
            group_by=tuple(dict.fromkeys(keys)),
            where=tuple(("source", name) for name in sources),
            currency=None,
            as_of=self.as_of,
        )


def tags_needed(config: Config, modules: Mapping[str, ModuleType]) -> set[str]:
    """Canonical tag keys that the cube must keep, so that a charge can be told to be a cluster's."""
    match = {key for one in config.allocation.kubernetes for key in one.match}
    asked = {canonical_tag(key.removeprefix("tag:")) for key in match if key.startswith("tag:")}
    return asked.union(*cluster_tags(config, modules).values())


def cluster_tags(config: Config, modules: Mapping[str, ModuleType]) -> dict[str, tuple[str, ...]]:
    """The sources that tell what ran in clusters, by name, with the tags by which bills mark a cluster's charges."""
    kinds = {one.name: modules[one.kind] for one in config.sources}
    return {name: kind.CLUSTER_TAGS for name, kind in kinds.items() if hasattr(kind, "CLUSTER_TAGS")}


def summed(rows: Sequence[Row], keys: Sequence[str]) -> list[dict[str, Any]]:
    """Rows added up by `keys`, sorted by them; costs only."""
    names = tuple(dict.fromkeys(keys))
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        values = tuple(row[name] for name in names)
        fresh = {**dict(zip(names, values, strict=True)), **dict.fromkeys(COSTS, Decimal(0))}
        known = sums.setdefault(values, fresh)
        for cost in COSTS:
            known[cost] = EXACT.add(known[cost], row[cost])
    return [sums[values] for values in sorted(sums)]


def _cost(row: Row) -> dict[str, Any]:
    return {"effective_cost": row["effective_cost"]}


def _is_placed(key: str) -> bool:
    return key in PLACED or key.startswith("tag:")
