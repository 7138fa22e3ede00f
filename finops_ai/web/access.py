"""Who may use the API: bearer tokens by name, compared in constant time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from finops_ai.app import App
from finops_ai.domain.signature import same


@dataclass(frozen=True, slots=True)
class Caller:
    """The name of the token; empty for one who only reads where that is open."""

    name: str
    may_answer: bool


BEARER = HTTPBearer(auto_error=False, description="One of web.tokens.")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]


def gate(app: App, *, answering: bool) -> Callable[[Request, Bearer], Caller]:
    """A dependency that lets callers through. Raises 401 for an unknown one and 403 for one who may only read."""
    told = app.config.web

    def known(given: str) -> Caller | None:
        callers = [
            Caller(one.name, not one.read_only)
            for one in told.tokens
            if same([app.world.secrets.get(one.token).get_secret_value()], given)
        ]
        return callers[0] if callers else None

    def let(_: Request, bearer: Bearer) -> Caller:
        caller = known(bearer.credentials) if bearer else None
        if bearer is None and told.open_reads and not answering:
            return Caller("", may_answer=False)
        if caller is None:
            why = "send Authorization: Bearer with one of web.tokens" if bearer is None else "this token is not known"
            raise HTTPException(401, why, headers={"WWW-Authenticate": 'Bearer realm="finops-ai"'})
        if answering and not caller.may_answer:
            raise HTTPException(403, f"the token {caller.name!r} is read_only")
        return caller

    return let
