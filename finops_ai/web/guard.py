"""What every request and answer goes through: bounded bodies, headers that allow a page nothing, plain errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from finops_ai.domain.errors import FinopsError, Rejected, Unavailable, UsageError

LARGEST_BODY = 1024 * 1024
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # An answer's address is its authority: it must not travel to where a link leads.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

log = structlog.get_logger()


def protect(api: FastAPI) -> None:
    """Add the limits and the one map from errors to statuses."""
    api.middleware("http")(_bounded)
    api.exception_handler(HTTPException)(_http_problem)
    api.exception_handler(RequestValidationError)(_wrong_request)
    api.exception_handler(FinopsError)(_our_problem)


async def body_of(request: Request) -> bytes:
    """The whole body. Raises HTTPException 413 beyond LARGEST_BODY, however it is sent."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise HTTPException(413, f"at most {LARGEST_BODY} bytes")
    return bytes(body)


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """RFC 9457 problem details."""
    told = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(told, status, {**HEADERS, **(headers or {})}, media_type="application/problem+json")


async def _bounded(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or int(length[:12]) > LARGEST_BODY:
        return problem(413, f"at most {LARGEST_BODY} bytes")
    try:
        response = await call(request)
    except Exception:
        log.exception("request broke", method=request.method, path=request.scope["path"].split("/")[1:2])
        return problem(500, "a bug; the log has it")
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


async def _http_problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return problem(error.status_code, str(error.detail), dict(error.headers or {}))


async def _wrong_request(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    wrong = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
    return problem(422, "; ".join(wrong))


async def _our_problem(_: Request, error: Exception) -> Response:
    match error:
        case UsageError():
            return problem(404 if str(error).startswith(("there is no", "no ")) else 422, str(error))
        case Unavailable():
            wait = error.retry_after_seconds
            return problem(503, str(error), {"Retry-After": str(int(wait or 30))})
        case Rejected():
            return problem(409, str(error))
    log.error("request failed", error=str(error))
    return problem(500, "the request failed; the log has the reason")
