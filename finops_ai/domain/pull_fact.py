"""What people did to a proposal on its forge: approvals, and commands with what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from finops_ai.domain.pull_command import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who let which figures pass, when and how: `evidence` names the figures exactly (see `domain.evidence`)."""

    key: str
    evidence: str
    by: str
    at: datetime
    how: str
    commit: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Obeyed:
    """A command that was carried out once: `comment` is its id on the forge, `number` counts within the comment."""

    forge: str
    comment: str
    number: int
    key: str
    order: Order
    by: str
    at: datetime
    allowed: bool
    until: date | None = None
