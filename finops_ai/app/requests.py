"""Signed requests that were taken: one that comes again is told from a new one, whichever server it reaches."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine


def first_time(engine: Engine, signature: str, now: datetime) -> bool:
    """False when a request with this signature was taken before."""
    from finops_ai.ledger import requests

    return requests.take(engine, signature, now)
