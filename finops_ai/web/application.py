"""The web application put together: every face of the program behind one guard."""

from __future__ import annotations

from itertools import chain

from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse, Response

from finops_ai import __version__
from finops_ai.app import App
from finops_ai.app.observing import must_be_ready
from finops_ai.web import answers, api, hooks, problems
from finops_ai.web.guard import Asgi, Guard
from finops_ai.web.metrics import metrics
from finops_ai.web.work import Work


def application(app: App, work: Work) -> Asgi:
    """An ASGI application. Reads every secret once, so that one that is not set stops the start, not a request."""
    told = app.config.web
    hooked = chain.from_iterable(one.secret for one in told.webhooks)
    for secret in (*told.secret, *(one.token for one in told.tokens), *hooked):
        app.world.secrets.get(secret)
    faces = FastAPI(
        title="finops-ai",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.add_to(faces)
    faces.include_router(api.router(app))
    faces.include_router(answers.router(app))
    faces.include_router(_watched(app))
    faces.include_router(hooks.router(app, work))
    return Guard(faces)


def _watched(app: App) -> APIRouter:
    watched = APIRouter(include_in_schema=False)

    def livez() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    def readyz() -> PlainTextResponse:
        must_be_ready(app.engine)
        return PlainTextResponse("ok\n")

    def measured() -> Response:
        text, media_type = metrics(app)
        return Response(text, media_type=media_type)

    watched.get("/livez")(livez)
    watched.get("/readyz")(readyz)
    watched.get("/metrics")(measured)
    return watched
