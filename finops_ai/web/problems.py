"""What goes wrong as problem+json (RFC 9457): a status, a title, and the sentence that a person can act on."""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from finops_ai.domain.errors import Ambiguous, ConfigError, FinopsError, Rejected, Unavailable, Unknown, UsageError

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "The request cannot be read",
    401: "Who asks?",
    403: "Not allowed",
    404: "There is no such thing",
    405: "Not done that way",
    409: "In conflict with what is known",
    413: "Too large",
    422: "The request says something that cannot be",
    500: "A fault of ours",
    503: "Not available now",
}

log = structlog.get_logger()


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    title = TITLES.get(status, "The request failed")
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def status_of(error: FinopsError) -> int:
    """The one map from errors to HTTP statuses."""
    match error:
        case Unknown():
            return 404
        case Ambiguous():
            return 409
        case UsageError():
            return 422
        case Rejected():
            return 403
        case Unavailable():
            return 503
        case ConfigError():
            return 500
        case _:
            return 500


def told(error: FinopsError) -> str:
    """What a caller may hear: of our own faults and our configuration, only that there is one."""
    return str(error) if status_of(error) < 500 else "see the server's log"


def add_to(api: FastAPI) -> None:
    """Every error of the program and of the framework in the one form."""

    @api.exception_handler(FinopsError)
    def failed(_: Request, error: FinopsError) -> JSONResponse:
        status = status_of(error)
        if status >= 500:
            log.warning("request failed", status=status, error=str(error))
        headers = {"Retry-After": "30"} if status == 503 else None
        return problem(status, told(error), headers)

    @api.exception_handler(HTTPException)
    def refused(_: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), dict(error.headers or {}))

    @api.exception_handler(RequestValidationError)
    def wrong(_: Request, error: RequestValidationError) -> JSONResponse:
        # Without the values: a secret that was sent in the wrong place is not sent back.
        errors = [{"where": ".".join(map(str, one["loc"])), "message": one["msg"]} for one in error.errors()]
        detail = "; ".join(f"{one['where']}: {one['message']}" for one in errors[:5])
        return problem(422, detail, errors=errors[:20])

    @api.exception_handler(Exception)
    def broke(_: Request, error: Exception) -> JSONResponse:
        log.error("request broke", error=type(error).__name__)
        return problem(500, "see the server's log")
