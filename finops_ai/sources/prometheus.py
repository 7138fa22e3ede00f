"""Prometheus, and what answers like it: hourly usage of containers, GPUs, volumes and networks, day by day."""

from __future__ import annotations

import base64
import difflib
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from finops_ai.domain.errors import Problem
from finops_ai.domain.usage import Usage
from finops_ai.sources.base import UsageReading, UsageScan
from finops_ai.sources.gpus import METRICS, gpus
from finops_ai.sources.hourly import HOUR_SECONDS, Hourly, Labels, Scale, by_labels, hourly
from finops_ai.sources.pods import Pods, containers, networks, volumes
from finops_ai.sources.prometheus_api import Api
from finops_ai.sources.prometheus_queries import BEFORE, FINE, QUERIES
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World

VERSION = 1
ASK_SECONDS = 300
GPU_FIGURES = tuple(name for name in QUERIES if name.removesuffix("_max") in METRICS)
EXPECTED = {
    "restarts": ("restarts and OOM kills", "kube_pod_container_status_restarts_total"),
    "cpu_request": ("requests and limits", "kube_pod_container_resource_requests"),
    "pod_owner": ("workloads: every pod counts as its own", "kube_pod_owner"),
}
"""Figures without which containers are half told: what is unknown then, and the metric that would tell."""


def _known(queries: dict[str, str]) -> dict[str, str]:
    for name in queries:
        if name not in QUERIES:
            close = difflib.get_close_matches(name, QUERIES, n=1)
            raise ValueError(f"{name!r} is no query; {f'did you mean {close[0]}?' if close else ', '.join(QUERIES)}")
    return queries


def _number(value: object) -> object:
    """A configuration is text until its meaning is known; a choice of numbers would not take it."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


class Settings(BaseModel):
    """`url` is the base of the API; `queries` replaces PromQL by its name, an empty text leaves that figure out.

    `matchers` (such as `cluster="prod"`) narrows every selector, `cluster` names series without a label `cluster`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["prometheus"] = "prometheus"
    name: str
    url: str
    token: SecretRef | None = None
    username: str | None = None
    password: SecretRef | None = None
    headers: dict[str, str] = {}
    cluster: str = ""
    matchers: str = ""
    queries: Annotated[dict[str, str], AfterValidator(_known)] = {}
    history_days: int = Field(default=14, ge=1, le=400)
    resolution_minutes: Annotated[Literal[1, 2, 3, 5, 10, 15, 20, 30, 60], BeforeValidator(_number)] = 5
    settle_minutes: int = Field(default=5, ge=0, le=720)
    timeout_seconds: float = Field(default=60.0, gt=0, le=600)

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        if self.token is not None and self.username is not None:
            raise ValueError("set token, or username and password, not both")
        return self


def make(settings: Settings, world: World) -> Prometheus:
    return Prometheus(name=settings.name, settings=settings, world=world)


@dataclass(frozen=True, kw_only=True)
class Prometheus:
    """Only whole hours are read, once they are over for `settle_minutes`: the same window reads the same again."""

    name: str
    settings: Settings
    world: World = field(repr=False)

    def readings(self, as_of: datetime) -> Iterator[UsageReading]:
        """The last `history_days` UTC days; today's fingerprint changes with each hour that is over."""
        over = int((as_of - timedelta(minutes=self.settings.settle_minutes)).timestamp()) // HOUR_SECONDS
        last = datetime.fromtimestamp(over * HOUR_SECONDS, UTC)
        for back in range(self.settings.history_days, -1, -1):
            day = last.date() - timedelta(days=back)
            hours = min(24, over - _start(day) // HOUR_SECONDS)
            if hours:
                yield UsageReading(day=day, fingerprint=f"{self._asked()}:{hours}")

    def usage(self, reading: UsageReading) -> UsageScan:
        if reading.day is None:
            raise ValueError("Prometheus is read by day")
        start = _start(reading.day)
        end = start + int(reading.fingerprint.rpartition(":")[2]) * HOUR_SECONDS
        api = self._api()
        told = {name: self._metric(api, name, start, end) for name in QUERIES if self._query(name)}
        pods = Pods.of(told, self.settings.cluster)
        devices = {name: told[name] for name in GPU_FIGURES if name in told}
        usages: tuple[Usage, ...] = (
            *containers(told, pods),
            *gpus(devices, self.settings.cluster, pods.workload),
            *volumes(told, pods),
            *networks(told, pods),
        )
        return UsageScan(usages=usages, problems=tuple(self._problems(told, api, reading.day)))

    def ask(self, query: str, at: datetime) -> float | None:
        """The largest value of a query's answer at an instant, None for no answer. Raises as reading does."""
        end = int(at.timestamp())
        answers = self._api().range("objective", query, end - ASK_SECONDS, end, ASK_SECONDS)
        values = [float(one.values[-1]) for window in answers for one in window if one.values.size]
        return max((value for value in values if math.isfinite(value)), default=None)

    def _api(self) -> Api:
        return Api(
            url=self.settings.url,
            timeout_seconds=self.settings.timeout_seconds,
            headers=self._headers,
            http=self.world.http,
        )

    def _metric(self, api: Api, name: str, start: int, end: int) -> Mapping[Labels, Hourly]:
        """A query's answer by hours; each window is reduced before the next is asked for."""
        step = self.settings.resolution_minutes * 60 if name in FINE else HOUR_SECONDS
        scale = METRICS.get(name.removesuffix("_max"), ("", Scale()))[1]
        first = start - HOUR_SECONDS if name in BEFORE else start
        windows = api.range(name, self._query(name), first, end, step)
        return by_labels((one.labels, hourly(one, step, scale)) for window in windows for one in window)

    def _query(self, name: str) -> str:
        asked = self.settings.queries.get(name, QUERIES[name])
        step = f"{self.settings.resolution_minutes}m" if name in FINE else "1h"
        matchers = self.settings.matchers.strip().strip(",")
        return asked.replace("$step", step).replace("$matchers", f",{matchers}" if matchers else "")

    def _asked(self) -> str:
        """Changes whenever a day would be read otherwise."""
        how = [VERSION, self.settings.url, self.settings.cluster, {name: self._query(name) for name in QUERIES}]
        return hashlib.sha256(json.dumps(how).encode()).hexdigest()

    def _headers(self) -> dict[str, str]:
        given, secrets = self.settings, self.world.secrets
        if given.token is not None:
            return {**given.headers, "Authorization": f"Bearer {secrets.get(given.token).get_secret_value()}"}
        if given.username is not None and given.password is not None:
            pair = f"{given.username}:{secrets.get(given.password).get_secret_value()}".encode()
            return {**given.headers, "Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return given.headers

    def _problems(self, told: Mapping[str, Mapping[Labels, Hourly]], api: Api, day: date) -> Iterator[Problem]:
        if not any(told.values()):
            yield self._warning(f"{day}: no series at all: nothing of this day is known")
        elif told.get("cpu") or told.get("memory"):
            for name, (what, metric) in EXPECTED.items():
                if name in told and not told[name]:
                    yield self._warning(f"{day}: no {metric}, so that nothing is known of {what}")
        for warning in api.warnings:
            yield self._warning(f"{day}: the server warns: {warning}")

    def _warning(self, message: str) -> Problem:
        return Problem(file=self.name, message=message, severity="warning")


def _start(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())
