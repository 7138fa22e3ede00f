"""Argo CD: which application was deployed when, to which revision, and by whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from finops_ai.domain.change import NearbyChange
from finops_ai.domain.errors import Unavailable
from finops_ai.domain.period import Days
from finops_ai.domain.placing import PathPlace, by_labels, by_path
from finops_ai.sources.change_documents import asked, instant, part, recorded, text
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World

PATH = "/api/v1/applications"


class Settings(BaseModel):
    """Deployments of applications, from the API at `url` or from its recorded answers at `uri`.

    `labels` (column to label) and `places` (by the application's name in place of a path) say whose they are; its
    destination namespace is `namespace`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["argocd"]
    name: str
    url: str | None = None
    uri: str | None = None
    token: SecretRef | None = None
    places: tuple[PathPlace, ...] = ()
    labels: dict[str, str] = {}
    timeout_seconds: float = Field(default=30.0, gt=0, le=600)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.url is None) == (self.uri is None):
            raise ValueError("name one of url (the API) and uri (recorded answers)")
        return self


class ArgoCd:
    """Every entry of an application's history is one deployment; the API keeps the last ten."""

    def __init__(self, settings: Settings, world: World) -> None:
        self.name = settings.name
        self._told = settings
        self._world = world

    def changes(self, days: Days) -> Iterator[NearbyChange]:
        for application in self._applications():
            history = part(application, "status", "history")
            for entry in history if isinstance(history, list) else ():
                at = instant(part(entry, "deployedAt"))
                if at is not None and at.date() in days:
                    yield self._change(application, entry, at)

    def _applications(self) -> Iterator[Mapping[str, Any]]:
        if self._told.uri is not None:
            yield from recorded(self._world, self._told.uri)
            return
        url = f"{str(self._told.url).rstrip('/')}{PATH}"
        found = list(asked(self._world, url, self._told.token, self._told.timeout_seconds))
        if any("status" not in one and "spec" not in one for one in found):
            raise Unavailable(f"{url} does not answer with applications")
        yield from found

    def _change(self, application: Mapping[str, Any], entry: Mapping[str, Any], at: Any) -> NearbyChange:
        name, revision = text(application, "metadata", "name"), _revision(entry)
        by = part(entry, "initiatedBy")
        who = text(by, "username") or ("automated sync" if part(by, "automated") is True else "")
        path = text(entry, "source", "path") or text(entry, "source", "chart")
        destination = text(application, "spec", "destination", "namespace")
        place = {
            **by_path(name, self._told.places),
            **by_labels(
                {"labels": part(application, "metadata", "labels"), "namespace": destination}, self._told.labels
            ),
        }
        project = text(application, "metadata", "namespace")
        return NearbyChange(
            source=self.name,
            key=f"{project}/{name}@{part(entry, 'id')}@{at.isoformat()}",
            kind="deployment",
            what=f"{name} to {revision[:12]}" + (f" ({path})" if path else ""),
            who=who,
            at=at,
            url=f"{self._told.url.rstrip('/')}/applications/{project}/{name}" if self._told.url and project else None,
            places=(place,) if place else (),
        )


def _revision(entry: Mapping[str, Any]) -> str:
    several = part(entry, "revisions")
    found = text(entry, "revision") or (str(several[0]) if isinstance(several, list) and several else "")
    return found or "an unknown revision"


def make(settings: Settings, world: World) -> ArgoCd:
    return ArgoCd(settings, world)
