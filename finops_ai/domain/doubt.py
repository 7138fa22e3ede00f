"""A reason to doubt the bill: which data, since when, and what is missing by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from finops_ai.domain.episode import Cause
from finops_ai.domain.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """`kind` is one of DATA_KINDS, `anchor` what it is about (a source, a period of it, a key of tags), as its name.

    `expected` and `observed` are what was there on such days and what is; `settled` says that it is so old that it is
    taken as how things are.
    """

    kind: str
    anchor: str
    first: date
    last: date
    expected: Money
    observed: Money
    words: str
    where: Mapping[str, str] = field(default_factory=dict)
    causes: tuple[Cause, ...] = ()
    settled: bool = False
