"""Who is told of an episode: a tree of routes, walked from the top; the deepest that matches has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType

from finops_ai.domain.episode import Episode, Severity

DATA_KINDS = frozenset({"gap", "late_delivery", "shrunk_delivery", "tag_loss"})
"""Kinds of episode that doubt the bill, not the spending: they are for the owner of the data, never for on-call."""

DEFAULT_TEAM = "on-call"
KIND = "kind"
NAMED = MappingProxyType({"x_cost_center": "", "x_ai_model": "", "x_environment": "", "service_name": ""})
OTHER_NAMES = MappingProxyType({"environment": "x_environment", "cost_center": "x_cost_center", "model": "x_ai_model"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`match` has globs by column, `severity` or `kind`, one of which must fit each; what is None is the parent's.

    `sinks` get pages, `digest` gets what did not page. `go_on` looks at the next route as well.
    """

    team: str | None = None
    match: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sinks: tuple[str, ...] | None = None
    digest: tuple[str, ...] | None = None
    page_at: Severity | None = None
    go_on: bool = False
    routes: tuple[Route, ...] = ()

    def fits(self, facts: Mapping[str, str]) -> bool:
        """In any case; a column that the episode does not have is the empty text."""
        return all(
            any(fnmatchcase(facts.get(OTHER_NAMES.get(key, key), "").casefold(), glob.casefold()) for glob in globs)
            for key, globs in self.match.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where an episode is told. `for_data` says that a route asked for this kind of doubt about the data."""

    team: str
    sinks: tuple[str, ...]
    digest: tuple[str, ...]
    page_at: Severity
    for_data: bool = False


def facts(episode: Episode) -> dict[str, str]:
    """What routes and windows match on: the episode's place, its severity and its kind."""
    place = {**NAMED, **episode.where, **dict(episode.scope.pairs)}
    return {**place, "severity": str(episode.severity), KIND: episode.kind}


def destinations(top: Route, about: Mapping[str, str]) -> tuple[Destination, ...]:
    """Every destination, one for each team; several only where a route goes on. The top fits everything.

    Doubts about the data that no route names by kind come to the top without sinks: its digest tells of them.
    """
    is_data = about[KIND] in DATA_KINDS
    start = Destination(
        team=top.team or DEFAULT_TEAM,
        sinks=top.sinks or (),
        digest=top.digest or (),
        page_at=top.page_at or Severity.WARNING,
    )
    found = list(_walk(top, start, about))
    if is_data:
        found = [one for one in found if one.for_data] or [replace(start, sinks=())]
    by_team: dict[str, Destination] = {}
    for one in found:
        by_team.setdefault(one.team, one)
    return tuple(by_team.values())


def _walk(route: Route, here: Destination, about: Mapping[str, str]) -> Iterator[Destination]:
    deeper = False
    for one in route.routes:
        if not one.fits(about):
            continue
        deeper = True
        yield from _walk(one, _narrowed(here, one, about), about)
        if not one.go_on:
            break
    if not deeper:
        yield here


def _narrowed(here: Destination, route: Route, about: Mapping[str, str]) -> Destination:
    asked = here.for_data or (KIND in route.match and about[KIND] in DATA_KINDS)
    # Who asks for doubts about the data gets them however small: they have no price of their own.
    default = Severity.INFO if asked and not here.for_data else here.page_at
    return Destination(
        team=route.team or here.team,
        sinks=here.sinks if route.sinks is None else route.sinks,
        digest=here.digest if route.digest is None else route.digest,
        page_at=route.page_at or default,
        for_data=asked,
    )


def unreachable(routes: Sequence[Route]) -> list[tuple[int, ...]]:
    """Positions, from the top down, of routes that an earlier neighbour leaves nothing to fit."""
    found: list[tuple[int, ...]] = []
    for position, route in enumerate(routes):
        if any(not before.go_on and _covers(before, route) for before in routes[:position]):
            found.append((position,))
        else:
            found += [(position, *deeper) for deeper in unreachable(route.routes)]
    return found


def _covers(wide: Route, narrow: Route) -> bool:
    """Whether every episode that fits `narrow` certainly fits `wide`: equal or catch-all globs, key by key."""
    theirs = {OTHER_NAMES.get(key, key): globs for key, globs in narrow.match.items()}
    for key, globs in wide.match.items():
        if "*" in globs:
            continue
        asked = theirs.get(OTHER_NAMES.get(key, key))
        if asked is None or not all(any(_within(one, glob) for glob in globs) for one in asked):
            return False
    return True


def _within(narrow: str, wide: str) -> bool:
    narrow, wide = narrow.casefold(), wide.casefold()
    plain = not set(narrow) & set("*?[")
    return narrow == wide or (plain and fnmatchcase(narrow, wide))
