"""REST, version 1: what the command line tells, for programs; answers come in here too."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from finops_ai.app import App
from finops_ai.config.web import Caller
from finops_ai.domain.episode import FeedbackVerdict
from finops_ai.domain.period import Days, as_of_instant
from finops_ai.domain.plain_data import plain_data
from finops_ai.web.callers import Callers

Row = dict[str, Any]
AsOf = Annotated[str | None, Query(description="A UTC day (its end) or an ISO timestamp; now by default.")]
FOCUS_NAMES = {
    "provider_name": "ProviderName",
    "billing_account_id": "BillingAccountId",
    "sub_account_id": "SubAccountId",
    "service_name": "ServiceName",
    "region_id": "RegionId",
    "charge_category": "ChargeCategory",
    "billed_cost": "BilledCost",
    "effective_cost": "EffectiveCost",
    "consumed_quantity": "ConsumedQuantity",
    "currency": "BillingCurrency",
}
"""Columns of FOCUS as the API spells them; ours keep their x_, other keys their name."""


class Answer(BaseModel):
    """A verdict on an episode; `until` is the last day it is expected."""

    model_config = ConfigDict(extra="forbid")

    verdict: FeedbackVerdict
    until: date | None = None
    note: Annotated[str, Field(max_length=2_000)] = ""


def router(app: App) -> APIRouter:
    callers = Callers(app)
    writer = Depends(callers.writer)
    made = APIRouter(prefix="/api/v1", tags=["v1"], dependencies=[Depends(callers.reader)])

    @made.get("/episodes")
    def episodes(state: str | None = None, as_of: AsOf = None) -> list[Row]:
        """Episodes as known, open ones first, then the most expensive; amounts are decimal strings."""
        rows = app.episodes(_instant(app, as_of))
        return [plain_data(row) for row in rows if state in (None, str(row["state"]))]

    @made.get("/episodes/{key}")
    def episode(key: str, as_of: AsOf = None) -> Row:
        """One episode by its key or an unambiguous beginning of it."""
        found: Row = plain_data(app.episode(key, _instant(app, as_of)))
        return found

    @made.get("/episodes/{key}/explanation")
    def explanation(key: str, as_of: AsOf = None) -> Row:
        """Why it opened: expected against observed, the threshold, contributors, counterfactual."""
        found: Row = plain_data(app.explain(key, _instant(app, as_of)))
        return found

    @made.post("/episodes/{key}/feedback", status_code=201)
    def feedback(key: str, answer: Answer, caller: Caller = writer) -> Row:
        """Answer an episode: kept, shown, and used from the next detection on."""
        row = app.feedback(
            key, answer.verdict, until=answer.until, note=answer.note, by=f"api:{caller.name}", as_of=app.now()
        )
        kept: Row = plain_data(row)
        return kept

    @made.get("/pulls")
    def pulls() -> list[Row]:
        """The latest state of every proposal."""
        return [plain_data(row) for row in app.pulls()]

    @made.get("/pulls/{key:path}")
    def pull(key: str) -> Row:
        """One proposal with its body and diff."""
        found: Row = plain_data(app.pull(key))
        return found

    _add_costs(made, app)
    return made


def _add_costs(made: APIRouter, app: App) -> None:
    @made.get("/costs")
    def costs(
        response: Response,
        start: date | None = None,
        end: date | None = None,
        group_by: str = "",
        where: Annotated[list[str], Query(description="key=value, may be repeated")] = [],  # noqa: B006 - only read
        currency: str | None = None,
        as_of: AsOf = None,
    ) -> list[Row]:
        """The ledger's answer by the keys with commas between; `end` is exclusive; amounts are decimal strings."""
        if (start is None) != (end is None) or (start and end and start >= end):
            raise HTTPException(422, "give start and end, start before end (end is exclusive)")
        pairs = [one.partition("=") for one in where]
        if wrong := [key for key, sign, _ in pairs if not sign]:
            raise HTTPException(422, f"where wants key=value, not {wrong[0]!r}")
        rows = app.costs(
            days=Days(start, end) if start and end else None,
            group_by=tuple(key.strip() for key in group_by.split(",") if key.strip()),
            where=tuple((key, value) for key, _, value in pairs),
            currency=currency,
            as_of=_instant(app, as_of),
        )
        return [{FOCUS_NAMES.get(key, key): plain_data(value) for key, value in row.items()} for row in rows]


def _instant(app: App, as_of: str | None) -> datetime:
    try:
        return as_of_instant(as_of) if as_of else app.now()
    except ValueError:
        raise HTTPException(422, f"as_of wants YYYY-MM-DD or an ISO timestamp, not {as_of!r}") from None
