"""Hooks: peers tell what happened there. Each is named in the configuration and proves itself by its signature."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol, runtime_checkable

import structlog
from fastapi import APIRouter, HTTPException, Request
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from finops_ai.app import App
from finops_ai.domain.episode import FeedbackVerdict
from finops_ai.domain.errors import FinopsError, Rejected
from finops_ai.web.guard import body_of

log = structlog.get_logger()


@runtime_checkable
class Answering(Protocol):
    """A sink whose receiver sends answers back."""

    def answers(self, headers: Mapping[str, str], content: bytes) -> tuple[Any, ...]:
        """Raises Rejected for a request that its vendor did not sign."""
        ...


@runtime_checkable
class Hooked(Protocol):
    """A forge that tells of its pull requests."""

    def heard(self, headers: Mapping[str, str], content: bytes) -> bool:
        """Whether a pull request may have changed. Raises Rejected for a request that its vendor did not sign."""
        ...


def router(app: App) -> APIRouter:
    made = APIRouter(tags=["hooks"], include_in_schema=False)

    @made.post("/hooks/{name}", status_code=202)
    async def hook(name: str, request: Request) -> JSONResponse:
        """202 when it was signed and read; 401 when it was not, 404 for a name that takes no hooks."""
        body = await body_of(request)
        headers = {key.lower(): value for key, value in request.headers.items()}
        peer: object = app.sinks.get(name) or app.forges.get(name)
        try:
            if isinstance(peer, Answering):
                given = await run_in_threadpool(_answered, app, peer, headers, body)
                return JSONResponse({"answers": given}, 200)
            if isinstance(peer, Hooked):
                heard = await run_in_threadpool(peer.heard, headers, body)
                return JSONResponse({"follow": heard}, 202, background=BackgroundTask(_follow, app) if heard else None)
        except Rejected as error:
            log.warning("hook refused", hook=name, error=str(error))
            raise HTTPException(401, "not signed as configured") from None
        raise HTTPException(404, "no sink or forge of that name takes hooks")

    return made


def _answered(app: App, peer: Answering, headers: Mapping[str, str], body: bytes) -> int:
    """Keep the answers of one request; the same request again changes nothing, for it tells its own instant."""
    given = peer.answers(headers, body)
    for answer in given:
        verdict = FeedbackVerdict(answer.verdict)
        last = answer.at.date() + timedelta(days=answer.days) if answer.days else None
        until = last if verdict is FeedbackVerdict.EXPECTED else None
        app.feedback(answer.episode, verdict, until=until, note="", by=answer.by, as_of=answer.at)
    return len(given)


def _follow(app: App) -> None:
    """Look at the pull requests now; a hint that cannot be taken is made up for by the next scheduled look."""
    try:
        app.run("follow", app.now())
    except FinopsError as error:
        log.warning("hint not taken", job="follow", error=str(error))
