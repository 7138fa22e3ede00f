"""Flux: which Kustomization or HelmRelease was applied when, and at which revision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from finops_ai.domain.change import NearbyChange
from finops_ai.domain.period import Days
from finops_ai.domain.placing import PathPlace, by_path
from finops_ai.sources.change_documents import asked, instant, part, recorded, text
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World

PATH = "/api/v1/events"
KINDS = ("Kustomization", "HelmRelease")
REASONS = frozenset(
    {"ReconciliationSucceeded", "InstallSucceeded", "UpgradeSucceeded", "RollbackSucceeded", "UninstallSucceeded"}
)
"""What tells that something was applied; progress and failures change nothing."""

GROUPS = ("kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io")


class Settings(BaseModel):
    """Events of Flux: of the Kubernetes API at `url`, or recorded at `uri` (its lists, or the notifications of Flux).

    `places` say by namespace/name in place of a path whose workload an object is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["flux"]
    name: str
    url: str | None = None
    uri: str | None = None
    token: SecretRef | None = None
    places: tuple[PathPlace, ...] = ()
    timeout_seconds: float = Field(default=30.0, gt=0, le=600)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.url is None) == (self.uri is None):
            raise ValueError("name one of url (the API) and uri (recorded events)")
        return self


class Flux:
    """An object is reconciled every few minutes: only the first time at a revision is a deployment."""

    def __init__(self, settings: Settings, world: World) -> None:
        self.name = settings.name
        self._told = settings
        self._world = world

    def changes(self, days: Days) -> Iterator[NearbyChange]:
        first: dict[str, NearbyChange] = {}
        for event in self._events():
            change = self._change(event)
            if change is not None and change.at.date() in days:
                known = first.get(change.key)
                first[change.key] = change if known is None or change.at < known.at else known
        yield from sorted(first.values(), key=lambda one: (one.at, one.key))

    def _events(self) -> Iterator[Mapping[str, Any]]:
        if self._told.uri is not None:
            return recorded(self._world, self._told.uri)
        url = f"{str(self._told.url).rstrip('/')}{PATH}"
        return asked(self._world, url, self._told.token, self._told.timeout_seconds)

    def _change(self, event: Mapping[str, Any]) -> NearbyChange | None:
        kind, reason, at = text(event, "involvedObject", "kind"), text(event, "reason"), _at(event)
        if kind not in KINDS or reason not in REASONS or at is None:
            return None
        name, namespace = (text(event, "involvedObject", key) for key in ("name", "namespace"))
        revision = _revision(event)
        place = {**({"namespace": namespace} if namespace else {}), **by_path(f"{namespace}/{name}", self._told.places)}
        return NearbyChange(
            source=self.name,
            key=f"{kind}/{namespace}/{name}@{revision or at.isoformat()}",
            kind="deployment",
            what=f"{kind} {name} {reason} {revision}".rstrip(),
            who=text(event, "reportingController") or text(event, "reportingComponent") or "flux",
            at=at,
            places=(place,) if place else (),
        )


def _at(event: Mapping[str, Any]) -> datetime | None:
    """The first time it was seen; notifications have a timestamp only."""
    names = ("firstTimestamp", "eventTime", "timestamp", "lastTimestamp")
    found = (instant(part(event, name)) for name in names)
    return next((at for at in found if at is not None), None)


def _revision(event: Mapping[str, Any]) -> str:
    """From the annotations of a Kubernetes event, or the metadata of a notification, which are the same names."""
    for told in (part(event, "metadata", "annotations"), part(event, "metadata")):
        for name in (*(f"{group}/revision" for group in GROUPS), "revision"):
            if found := text(told, name):
                return found
    return ""


def make(settings: Settings, world: World) -> Flux:
    return Flux(settings, world)
