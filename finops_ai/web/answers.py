"""Answers by a signed link: looking changes nothing, only the button does, so that a mail scanner answers nobody."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, PlainTextResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool

from finops_ai.app import App
from finops_ai.app.answer_links import permitted
from finops_ai.domain.episode import FeedbackVerdict
from finops_ai.domain.errors import FinopsError, Rejected, UsageError
from finops_ai.domain.signature import Permission
from finops_ai.web.guard import body_of

SAID = {
    FeedbackVerdict.REAL: ("It is real", "It stays open, and the like will page again."),
    FeedbackVerdict.FALSE_POSITIVE: ("It is a false alarm", "The like will have to be rarer or dearer to page."),
    FeedbackVerdict.EXPECTED: ("It was expected", "It will not page again until the day you name, or while it lasts."),
}
LONGEST_NOTE = 2_000


def router(app: App) -> APIRouter:
    made = APIRouter(tags=["answers"], include_in_schema=False)
    pages = Environment(loader=PackageLoader("finops_ai.web"), autoescape=True, undefined=StrictUndefined)
    style = (pages.loader and pages.loader.get_source(pages, "answer.css")[0]) or ""

    def page(status: int = 200, **told: Any) -> HTMLResponse:
        blank = {"episode": None, "said": "", "means": "", "error": "", "done": False, "expected": False}
        return HTMLResponse(pages.get_template("answer.html.j2").render({**blank, **told}), status)

    def shown(text: str, **more: Any) -> HTMLResponse:
        try:
            may = permitted(app.config.web, app.world.secrets, text, app.now())
            row = app.episode(may.episode, app.now())
        except FinopsError as error:
            return page(_status(error), error=str(error))
        said, means = SAID[may.verdict]
        expected = may.verdict is FeedbackVerdict.EXPECTED
        return page(episode=row, said=said, means=means, expected=expected, **more)

    @made.get("/answer/{text}")
    def look(text: str) -> HTMLResponse:
        """What the button would say; nothing is changed."""
        return shown(text)

    @made.post("/answer/{text}")
    async def say(text: str, request: Request) -> HTMLResponse:
        """Give the answer that the link permits."""
        body = await body_of(request)

        def answered() -> HTMLResponse:
            try:
                may = permitted(app.config.web, app.world.secrets, text, app.now())
                _give(app, may, body)
            except FinopsError as error:
                return page(_status(error), error=str(error))
            return shown(text, done=True)

        return await run_in_threadpool(answered)

    @made.get("/answer.css")
    def css() -> PlainTextResponse:
        return PlainTextResponse(style, media_type="text/css", headers={"Cache-Control": "max-age=3600"})

    return made


def _give(app: App, may: Permission, body: bytes) -> None:
    """Raises UsageError for a day that is none."""
    form = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    until = (form.get("until") or [""])[0]
    try:
        last = date.fromisoformat(until) if until and may.verdict is FeedbackVerdict.EXPECTED else None
    except ValueError:
        raise UsageError(f"the last day is written YYYY-MM-DD, not {until[:40]!r}") from None
    note = (form.get("note") or [""])[0][:LONGEST_NOTE]
    app.feedback(may.episode, may.verdict, until=last, note=note, by="signed link", as_of=app.now())


def _status(error: FinopsError) -> int:
    match error:
        case Rejected():
            return 403
        case UsageError():
            return 422
    return 503
