"""Who asks: callers of the API prove themselves by a bearer token, compared in constant time."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from fastapi import HTTPException, Request

from finops_ai.app import App
from finops_ai.config.web import Caller


@dataclass(frozen=True, slots=True)
class Callers:
    """The callers of the configuration; their tokens are read at every request, so that a new one is seen."""

    app: App

    def reader(self, request: Request) -> Caller:
        """Who may read. Raises HTTPException 401."""
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        secrets = self.app.world.secrets
        found = None
        for caller in self.app.config.web.callers:
            wanted = secrets.get(caller.token).get_secret_value()
            if hmac.compare_digest(wanted.encode(), given.strip().encode()) and kind.lower() == "bearer":
                found = found or caller
        if found is None:
            raise HTTPException(
                401,
                "send Authorization: Bearer with the token of a caller in web.callers",
                {"WWW-Authenticate": "Bearer"},
            )
        return found

    def writer(self, request: Request) -> Caller:
        """Who may change something. Raises HTTPException 401, or 403 for a caller that may only read."""
        caller = self.reader(request)
        if not caller.may_write:
            raise HTTPException(403, f"caller {caller.name!r} may only read: set may_write in web.callers")
        return caller
