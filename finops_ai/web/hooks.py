"""What others tell us by signed request: a chat's buttons answer episodes, a Git host's events make us look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from finops_ai import kinds
from finops_ai.app import App
from finops_ai.app.requests import first_time
from finops_ai.domain.errors import Rejected
from finops_ai.web.work import Work
from finops_ai.world.secrets import SecretRef


def router(app: App, work: Work) -> APIRouter:
    """One address for each chat and host that is configured; to all others it says that there is none."""
    hooks = APIRouter(include_in_schema=False)

    async def pressed(kind: str, request: Request) -> JSONResponse:
        body = await request.body()
        return await run_in_threadpool(_pressed, app, kind, _headers(request), body)

    async def told(kind: str, request: Request) -> JSONResponse:
        body = await request.body()
        return await run_in_threadpool(_told, app, work, kind, _headers(request), body)

    hooks.post("/{kind}/actions")(pressed)
    hooks.post("/webhooks/{kind}")(told)
    return hooks


def _pressed(app: App, kind: str, headers: dict[str, str], body: bytes) -> JSONResponse:
    configured = [one for one in app.config.web.actions if one.kind == kind]
    if not configured:
        raise HTTPException(404, "no such chat is configured in web.actions")
    chat, now = kinds.ACTIONS[kind], app.now()
    try:
        proof = chat.verify(_values(app, configured), headers, body, now)
    except Rejected as error:
        raise HTTPException(401, str(error)) from None
    answers = chat.read(body)
    # Kept before it is acted on: of two copies that come at once, one is the first.
    if answers and not first_time(app.engine, f"{kind}:{proof}", now):
        raise HTTPException(409, "this request was taken before")
    for key, verdict, by in answers:
        app.feedback(key, verdict, until=None, note="", by=by, as_of=now)
    return JSONResponse({})


def _told(app: App, work: Work, kind: str, headers: dict[str, str], body: bytes) -> JSONResponse:
    configured = [one for one in app.config.web.webhooks if one.kind == kind]
    if not configured:
        raise HTTPException(404, "no such host is configured in web.webhooks")
    hook = kinds.WEBHOOKS[kind]
    try:
        hook.verify(_values(app, configured), headers, body)
    except Rejected as error:
        raise HTTPException(401, str(error)) from None
    notice = hook.read(headers, body)
    ours = {row["key"] for row in app.pulls()} if notice and notice.branch else set()
    if notice is None or (notice.branch is not None and notice.branch not in ours):
        return JSONResponse({"queued": None}, status_code=200)
    # The whole of it is looked at: a hint that came late, twice or out of order does no harm.
    work.ask("follow")
    return JSONResponse({"queued": "follow"}, status_code=202)


def _values(app: App, configured: Sequence[Any]) -> list[str]:
    references: list[SecretRef] = [secret for one in configured for secret in one.secret]
    return [app.world.secrets.get(secret).get_secret_value() for secret in references]


def _headers(request: Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}
