"""The API, version 1: episodes and their answers, costs, and proposed pull requests."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from finops_ai.app import App
from finops_ai.domain.episode import FeedbackVerdict
from finops_ai.domain.errors import UsageError
from finops_ai.domain.period import Days, as_of_instant
from finops_ai.domain.plain_data import plain_data as data
from finops_ai.web.access import Caller, gate
from finops_ai.web.problems import MEDIA_TYPE, TITLES

Row = dict[str, Any]
AsOf = Annotated[
    str | None, Query(max_length=40, description="As known at the end of this UTC day, or at a timestamp [now].")
]
Word = Annotated[str, Query(min_length=1, max_length=400, pattern=r"^[^\x00]+$")]


class Rows(BaseModel):
    """Rows as known at `as_of`; amounts are decimal text in the row's currency."""

    as_of: datetime
    items: list[Row]


class Given(BaseModel):
    """An answer to an episode. `until` goes with the verdict expected: its last day."""

    model_config = ConfigDict(extra="forbid")

    verdict: FeedbackVerdict
    until: date | None = None
    note: Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")] = ""


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    schema = {
        "type": "object",
        "required": ["title", "status", "detail"],
        "properties": {"status": {"type": "integer"}},
    }
    return {one: {"description": TITLES[one], "content": {MEDIA_TYPE: {"schema": schema}}} for one in statuses}


def router(app: App) -> APIRouter:
    api = APIRouter(prefix="/api/v1", tags=["v1"], responses=_problems(401, 403, 404, 409, 422, 503))
    _episodes(api, app)
    _money(api, app)
    return api


def _episodes(api: APIRouter, app: App) -> None:
    reader = Annotated[Caller, Depends(gate(app, answering=False))]
    answerer = Annotated[Caller, Depends(gate(app, answering=True))]

    def episodes(
        _: reader, as_of: AsOf = None, state: Literal["open", "acknowledged", "resolved"] | None = None
    ) -> Rows:
        """Every episode, open ones first, then the dearest."""
        at = instant(app, as_of)
        return Rows(as_of=at, items=[data(row) for row in app.episodes(at) if state in (None, row["state"])])

    def episode(_: reader, key: str, as_of: AsOf = None) -> Row:
        """One episode by its key, or by a beginning that fits no other."""
        found: Row = data(app.episode(_key(key), instant(app, as_of)))
        return found

    def feedback(caller: answerer, key: str, given: Given) -> Row:
        """Answer an episode: kept, shown, and used from the next detection on."""
        row = app.feedback(
            _key(key), given.verdict, until=given.until, note=given.note, by=f"api:{caller.name}", as_of=app.now()
        )
        found: Row = data(row)
        return found

    api.get("/episodes")(episodes)
    api.get("/episodes/{key}")(episode)
    api.post("/episodes/{key}/feedback")(feedback)


def _money(api: APIRouter, app: App) -> None:
    reader = Annotated[Caller, Depends(gate(app, answering=False))]

    def costs(
        _: reader,
        group_by: Annotated[list[Word] | None, Query(max_length=20)] = None,
        where: Annotated[list[Word] | None, Query(max_length=50, description="KEY=VALUE; may be repeated.")] = None,
        start: date | None = None,
        end: Annotated[date | None, Query(description="The day after the last one.")] = None,
        currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$")] = None,
        report_in: Annotated[str | None, Query(pattern="^[A-Z]{3}$")] = None,
        as_of: AsOf = None,
    ) -> Rows:
        """What the ledger answers, by any keys; two currencies are never added."""
        at = instant(app, as_of)
        if (start is None) != (end is None):
            raise UsageError("start and end go together; end is the day after the last one")
        if start and end and not start < end:
            raise UsageError("start lies before end; end is the day after the last one")
        rows = app.costs(
            days=Days(start, end) if start and end else None,
            group_by=tuple(part for text in group_by or () for part in text.split(",") if part),
            where=tuple(_pair(text) for text in where or ()),
            currency=currency,
            as_of=at,
            report_in=report_in,
        )
        return Rows(as_of=at, items=[data(row) for row in rows])

    def pulls(_: reader) -> Rows:
        """The latest state of every proposed pull request."""
        return Rows(as_of=app.now(), items=[data(row) for row in app.pulls()])

    api.get("/costs")(costs)
    api.get("/pulls")(pulls)


def instant(app: App, text: str | None) -> datetime:
    """The instant of knowledge that was asked for. Raises UsageError."""
    if text is None:
        return app.now()
    try:
        return as_of_instant(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError("as_of is YYYY-MM-DD or an ISO timestamp") from None


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"where is KEY=VALUE, not {text[:100]!r}")
    return key, value


def _key(key: str) -> str:
    if not key or "\0" in key or len(key) > 500:
        raise UsageError("that cannot be the key of an episode")
    return key
