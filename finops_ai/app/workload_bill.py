"""What the bill says of each workload, day by day: by its own tags, or by the split of what clusters were billed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import ModuleType
from typing import Any

import numpy as np

from finops_ai.allocation.kubernetes import IDLE, UNMATCHED
from finops_ai.allocation.rules import MARKERS
from finops_ai.app.kubernetes import Clusters, cluster_tags
from finops_ai.config import Config
from finops_ai.domain.period import Days
from finops_ai.domain.series import FloatArray
from finops_ai.rightsizing.savings import Bill, Name

HISTORY_DAYS = 400

Row = tuple[date, str, Name | None, str, float]
"""Day, cluster, workload (None: nobody's), currency and cost."""


@dataclass(frozen=True, kw_only=True)
class WorkloadBills:
    """`modules` are the kinds of sources, `costs` is `App.costs`."""

    config: Config
    modules: Mapping[str, ModuleType]
    costs: Callable[..., list[dict[str, Any]]]

    @property
    def told(self) -> bool:
        """Whether anything tells what a workload was billed."""
        return bool(self.config.savings.bill or cluster_tags(self.config, self.modules))

    def bills(self, complete_through: date, as_of: datetime) -> list[Bill]:
        """One bill for each currency, up to the last day that is whole."""
        end = complete_through + timedelta(days=1)
        days = Days(end - timedelta(days=HISTORY_DAYS), end)
        rows = list(self._tagged(days, as_of) if self.config.savings.bill else self._split(days, as_of))
        return [_bill(days, currency, rows) for currency in sorted({row[3] for row in rows})]

    def _tagged(self, days: Days, as_of: datetime) -> Iterator[Row]:
        """A charge with a cluster's tag and no workload's is that cluster's idle."""
        keys = self.config.savings.bill
        if keys is None:
            return
        names = [keys.cluster, keys.namespace, keys.workload]
        asked = [name for name in names if name is not None]
        for row in self._costs(("day", *asked), days, as_of):
            cluster = str(keys.cluster_name if keys.cluster is None else row[keys.cluster])
            namespace, workload = str(row[keys.namespace]), str(row[keys.workload])
            if keys.cluster is None and workload in MARKERS:
                continue
            if cluster not in MARKERS:
                name = None if workload in MARKERS else (cluster, namespace, workload.rpartition("/")[2])
                yield row["day"], cluster, name, row["currency"], self._cost(row)

    def _split(self, days: Days, as_of: datetime) -> Iterator[Row]:
        clusters = Clusters(config=self.config, modules=self.modules, costs=self.costs, days=days, as_of=as_of)
        if not clusters.sources:
            return
        parts, _ = clusters.workloads(["day", "cluster", "namespace", "controller"])
        for row in parts:
            nobody = row["controller"] in (IDLE, UNMATCHED) or row["controller"] in MARKERS
            name = None if nobody else (row["cluster"], row["namespace"], row["controller"])
            yield row["day"], row["cluster"], name, row["currency"], self._cost(row)

    def _costs(self, keys: Sequence[str], days: Days, as_of: datetime) -> list[dict[str, Any]]:
        return self.costs(days=days, group_by=tuple(keys), where=(), currency=None, as_of=as_of)

    def _cost(self, row: Mapping[str, Any]) -> float:
        return float(row[f"{self.config.forecast.cost_basis}_cost"])


def _bill(days: Days, currency: str, rows: Sequence[Row]) -> Bill:
    mine = [row for row in rows if row[3] == currency]
    first = min(row[0] for row in mine)
    days = Days(max(first, days.start), days.end)
    workloads: dict[Name, FloatArray] = {}
    idle: dict[str, FloatArray] = {}
    for day, cluster, name, _, cost in mine:
        fresh = np.zeros(len(days))
        series = idle.setdefault(cluster, fresh) if name is None else workloads.setdefault(name, fresh)
        series[(day - days.start).days] += cost
    return Bill(days=days, currency=currency, workloads=workloads, idle=idle)
