"""Hourly usage from files: containers in CSV, OpenShift's usage files, GPU metrics of dcgm-exporter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.usage import Usage, Workload
from finops_ai.sources import openshift_csv
from finops_ai.sources.base import UsageReading, UsageScan
from finops_ai.sources.container_csv import CONTAINERS, containers
from finops_ai.sources.dcgm_files import Sampled, metrics, read
from finops_ai.sources.fetch import fingerprint
from finops_ai.sources.gpus import gpus
from finops_ai.sources.parts import unpack, verify
from finops_ai.sources.usage_csv import recognised, stage
from finops_ai.world.world import ObjectInfo, ObjectStore, World

if TYPE_CHECKING:
    from pathlib import Path

    from finops_ai.sources.staging import Engine

VERSION = 2
TABLES = (".csv", ".csv.gz", ".csv.zip")
METRICS = tuple(f"{kind}{packed}" for kind in (".prom", ".json") for packed in ("", ".gz", ".zip"))
LAYOUTS = (CONTAINERS, *openshift_csv.LAYOUTS)


class Settings(BaseModel):
    """`uri` is a file or a folder of parts; `cluster` names the cluster of files that do not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["usage_files"] = "usage_files"
    name: str
    uri: str
    endpoint_url: str | None = None
    region: str | None = None
    cluster: str = ""


def make(settings: Settings, world: World) -> UsageFiles:
    store = world.objects.store(settings.uri, endpoint_url=settings.endpoint_url, region=settings.region)
    return UsageFiles(name=settings.name, store=store, cluster=settings.cluster)


@dataclass(frozen=True, kw_only=True)
class UsageFiles:
    """Files of one place; the hours they tell are all the hours known."""

    name: str
    store: ObjectStore = field(repr=False)
    cluster: str = ""

    def readings(self, as_of: datetime) -> Iterator[UsageReading]:
        """One, of all that the files tell: hours after `as_of` would be strange, and are read all the same."""
        told = [(info.key, info.size_bytes, info.etag) for info in self._infos()]
        yield UsageReading(day=None, fingerprint=fingerprint(f"usage_files {VERSION}", self.cluster, told))

    def usage(self, reading: UsageReading) -> UsageScan:
        from finops_ai.sources.staging import MAX_PROBLEMS, engine

        with engine() as duck:
            parts, problems = _Parts(), list[Problem]()
            for number, info in enumerate(self._infos()):
                try:
                    parts.add(self.store.fetch(info), info.key, number, duck)
                except Malformed as error:
                    problems.extend(error.problems)
            if problems:
                raise Malformed(problems[:MAX_PROBLEMS], rejected=len(problems))
            if not parts.tables and not parts.samples:
                suffixes = ", ".join(TABLES + METRICS)
                strange = parts.left_out or [
                    Problem(file=self.store.root, message=f"holds no usage files ({suffixes})")
                ]
                raise Malformed([Problem(file=one.file, message=one.message) for one in strange[:MAX_PROBLEMS]])
            return UsageScan(usages=tuple(self._usages(parts, duck)), problems=tuple(parts.left_out))

    def _usages(self, parts: _Parts, duck: Engine) -> Iterator[Usage]:
        if CONTAINERS.name in parts.tables:
            yield from containers(parts.tables[CONTAINERS.name], duck)
        yield from openshift_csv.usages(parts.tables, self.cluster, duck)
        yield from gpus(metrics(parts.samples), self.cluster, _alone)

    def _infos(self) -> list[ObjectInfo]:
        return [info for info in self.store.list() if info.key.lower().endswith(TABLES + METRICS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The files of a reading: tables by layout, samples, and what is no usage file at all."""

    tables: dict[str, list[Path]] = field(default_factory=dict)
    samples: list[Sampled] = field(default_factory=list)
    left_out: list[Problem] = field(default_factory=list)

    def add(self, path: Path, name: str, number: int, duck: Engine) -> None:
        """Raises Malformed for a file that is one of usage and cannot be trusted."""
        if name.lower().endswith(METRICS):
            text = duck.scratch / "metrics"
            unpack(path, name, text)
            samples, problems = read(text, name)
            self.samples.extend(samples)
            self.left_out.extend(problems)
            return
        whole = verify(path, name, duck.scratch)
        if whole.is_parquet:
            raise Malformed([Problem(file=name, message="is Parquet: usage files are CSV")])
        layout = recognised(whole.header, LAYOUTS)
        if layout:
            self.tables.setdefault(layout.name, []).append(stage(whole, layout, number, duck))
        elif not set(openshift_csv.LABELS) & set(whole.header):
            known = "; ".join(f"{one.name}: {', '.join(one.columns[:4])} …" for one in LAYOUTS)
            message = f"has the columns of no usage file ({known})"
            self.left_out.append(Problem(file=name, message=message, severity="warning"))


def _alone(cluster: str, namespace: str, pod: str) -> Workload:
    """Files of GPU metrics know pods and not what stands over them."""
    return Workload(cluster, namespace, "Pod", pod)
