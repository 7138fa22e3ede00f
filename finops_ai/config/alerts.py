"""Who is told of what, when, and how often at most: the routes, budget and quiet times of alerts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, time
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from finops_ai.allocation.rules import ATTRIBUTES, PLAIN_COLUMNS
from finops_ai.config.values import Amounts, Text, TimeZone, wrong
from finops_ai.detection.routes import DATA_KINDS, OTHER_NAMES, Route
from finops_ai.domain.episode import Severity

KINDS = ("rise", "drift", "drop", "new_spend", "budget_projected", "budget_exceeded", *sorted(DATA_KINDS))
MATCH_KEYS = frozenset(
    {*PLAIN_COLUMNS, *(f"x_{name}" for name in ATTRIBUTES), *OTHER_NAMES, "x_sku_group", "severity", "kind"}
)
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SinkPath = tuple[str | int, ...]


def _globs(value: Any) -> Any:
    """One glob alone is a list of one."""
    return [value] if isinstance(value, str) else value


def _known_keys(match: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    for key, globs in match.items():
        if key not in MATCH_KEYS:
            close = get_close_matches(key, MATCH_KEYS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(MATCH_KEYS))}"
            raise wrong(f"{key!r} is nothing to match; {hint}")
        if not globs:
            raise wrong(f"{key}: names no value, so that nothing fits")
        known = {"severity": tuple(Severity), "kind": KINDS}.get(key)
        for glob in globs:
            if known and not set(glob) & set("*?[") and glob.casefold() not in known:
                raise wrong(f"{glob!r} is no {key}; known are {', '.join(known)}")
    return match


def _clock(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", value):
        raise wrong(f"{value!r} is no time of day: write HH:MM")
    return value.rjust(5, "0") if isinstance(value, str) else value


Globs = Annotated[tuple[Text, ...], BeforeValidator(_globs, json_schema_input_type=str | list[str])]
Match = Annotated[dict[Text, Globs], AfterValidator(_known_keys)]
Clock = Annotated[time, BeforeValidator(_clock, json_schema_input_type=str)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AlertRoute(Section):
    """What fits `match` (a glob or a list by column, `severity` or `kind`) goes to `team`, by the first route that
    fits and the deepest in it; `continue` looks at the next one too. What is left out is as the route around it says.
    """

    team: Text | None = None
    match: Annotated[dict[Text, Globs], Field(min_length=1), AfterValidator(_known_keys)]
    sinks: tuple[Text, ...] | None = None
    digest: tuple[Text, ...] | None = None
    page_at: Severity | None = None
    continue_: Annotated[bool, Field(alias="continue")] = False
    routes: tuple[AlertRoute, ...] = ()

    def route(self) -> Route:
        return Route(
            team=self.team,
            match=self.match,
            sinks=self.sinks,
            digest=self.digest,
            page_at=self.page_at,
            go_on=self.continue_,
            routes=tuple(one.route() for one in self.routes),
        )


class PageBudget(Section):
    """At most `pages` to a team in any seven days, of which a share of `false_discovery` may be false.

    A critical episode that comes to `break_through` or more by month end pages even when none is left, and says so.
    """

    pages: Annotated[int, Field(ge=0, le=10_000)]
    false_discovery: Annotated[float, Field(gt=0, le=1)] = 0.1
    break_through: Amounts = {}


class Storm(Section):
    """So many `episodes` at once for one team become one message, joined for `hours`; 0 switches that off."""

    episodes: Annotated[int, Field(ge=0)] = 10
    hours: Annotated[int, Field(ge=1, le=168)] = 24


class Quiet(Section):
    """From `start` to `end` nobody is paged but for what is of severity `unless` (nothing: for nothing at all)."""

    start: Clock
    end: Clock
    days: Annotated[tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...], Field(min_length=1)] = (
        WEEKDAYS  # type: ignore[assignment]
    )
    unless: Severity | None = Severity.CRITICAL
    time_zone: TimeZone | None = None

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.start == self.end:
            raise wrong("start and end are the same: that is no time at all")
        return self


class Maintenance(Section):
    """Announced work from `start` to `end` on what fits `match`; a day alone is its midnight, by `time_zone`."""

    start: datetime
    end: datetime
    note: Text
    match: Match = {}
    time_zone: TimeZone | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if (self.start.tzinfo is None) != (self.end.tzinfo is None):
            raise wrong("start and end must both have an offset from UTC, or both be by time_zone")
        if self.end <= self.start:
            raise wrong("end is not after start")
        return self

    def instants(self, time_zone: str) -> tuple[datetime, datetime]:
        zone = ZoneInfo(self.time_zone or time_zone)
        start, end = (one if one.tzinfo else one.replace(tzinfo=zone) for one in (self.start, self.end))
        return start, end


class Alerts(Section):
    """`sinks` (all, if none is named) get the pages of `team`; `digest` gets once a day what did not page, and why.

    `page_from` by currency is what an episode must come to by month end to page, in place of detect.page_at.
    `keep_days` is for how long `replay` and `episodes show` can tell what was decided and known.
    """

    team: Text = "on-call"
    sinks: tuple[Text, ...] | None = None
    digest: tuple[Text, ...] = ()
    digest_at: Clock = time(8)
    time_zone: TimeZone = "UTC"
    page_from: Amounts = {}
    budget: PageBudget | None = None
    storm: Storm = Storm()
    quiet_hours: tuple[Quiet, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    keep_days: Annotated[int, Field(ge=120)] = 400
    routes: tuple[AlertRoute, ...] = ()

    def named_sinks(self) -> Iterator[tuple[SinkPath, str]]:
        """Every name of a sink with the path of its key."""
        for key, names in (("sinks", self.sinks), ("digest", self.digest)):
            yield from (((key, position), name) for position, name in enumerate(names or ()))
        yield from _sinks_of(("routes",), self.routes)


def _sinks_of(path: SinkPath, routes: Sequence[AlertRoute]) -> Iterator[tuple[SinkPath, str]]:
    for position, route in enumerate(routes):
        here = (*path, position)
        for key, names in (("sinks", route.sinks), ("digest", route.digest)):
            yield from (((*here, key, number), name) for number, name in enumerate(names or ()))
        yield from _sinks_of((*here, "routes"), route.routes)
