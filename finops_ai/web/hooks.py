"""What others tell us by signed request: a chat's buttons answer episodes, a Git host's events make us look."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from finops_ai import kinds
from finops_ai.app import App
from finops_ai.app.alerts import snooze
from finops_ai.domain.episode import FeedbackVerdict
from finops_ai.domain.errors import FinopsError, Rejected, UsageError
from finops_ai.sinks.base import Answer, Answerable
from finops_ai.web.work import Work
from finops_ai.world.secrets import SecretRef


def router(app: App, work: Work) -> APIRouter:
    """One address for each chat and host that is configured; to all others it says that there is none."""
    hooks = APIRouter(include_in_schema=False)

    async def pressed(name: str, request: Request) -> JSONResponse:
        body = await request.body()
        return await run_in_threadpool(_pressed, app, name, _headers(request), body)

    async def told(kind: str, request: Request) -> JSONResponse:
        body = await request.body()
        return await run_in_threadpool(_told, app, work, kind, _headers(request), body)

    hooks.post("/answers/{name}")(pressed)
    hooks.post("/webhooks/{kind}")(told)
    return hooks


def _pressed(app: App, name: str, headers: dict[str, str], body: bytes) -> JSONResponse:
    """Buttons of the sink `name`. An answer tells its own instant: the same request again changes nothing."""
    sink: object = app.sinks.get(name)
    if not isinstance(sink, Answerable):
        raise HTTPException(404, "no sink of that name takes answers")
    try:
        answers = sink.answers(headers, body)
    except Rejected as error:
        raise HTTPException(401, str(error)) from None
    for answer in answers:
        try:
            said = _kept(app, answer)
        except UsageError as error:
            said = str(error)
        with suppress(FinopsError):
            # A word back is a courtesy: the answer is kept whether it can be said or not.
            sink.reply(answer, said)
    return JSONResponse({"answers": len(answers)})


def _kept(app: App, answer: Answer) -> str:
    """Keep one answer; what to say to who gave it. Raises UsageError."""
    last = answer.at.date() + timedelta(days=answer.days) if answer.days else None
    if answer.verdict == "snooze" and last is not None:
        snooze(app.engine, answer.episode, until=last, note="", by=answer.by, as_of=answer.at)
        return f"Put off until {last}."
    verdict = FeedbackVerdict(answer.verdict)
    until = last if verdict is FeedbackVerdict.EXPECTED else None
    app.feedback(answer.episode, verdict, until=until, note="", by=answer.by, as_of=answer.at)
    return f"Kept: {verdict.value.replace('_', ' ')}{f' until {until}' if until else ''}."


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
