"""Budgets: how much a scope may cost in a month, and who answers for it."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from finops_ai.allocation.rules import ATTRIBUTES, PLAIN_COLUMNS

KEYS = frozenset(PLAIN_COLUMNS) | {f"x_{attribute}" for attribute in ATTRIBUTES} | {"source"}


def _known(where: dict[str, str]) -> dict[str, str]:
    for key in sorted(where.keys() - KEYS):
        if not re.fullmatch(r"tag:.+", key):
            message = f"{key!r} is no column: known are {', '.join(sorted(KEYS))} and tag:NAME"
            raise PydanticCustomError("wrong", "{text}", {"text": message})
    return where


class Budget(BaseModel):
    """`where` names whose cost by column, with globs; without it all cost in `currency` counts.

    `kind` hard: a limit; soft: a plan. It counts as projected to be exceeded from `probability` on, by the forecast.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    where: Annotated[dict[str, str], AfterValidator(_known)] = {}
    amount: Annotated[Decimal, Field(gt=0, max_digits=38, decimal_places=18)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    kind: Literal["soft", "hard"] = "soft"
    owner: str = ""
    probability: Annotated[float, Field(ge=0.5, le=0.975)] = 0.75


def of_own_names(budgets: tuple[Budget, ...]) -> tuple[Budget, ...]:
    """The budgets; raises where two have one name: their episodes could not be told apart."""
    seen: set[str] = set()
    for one in budgets:
        if one.name in seen:
            raise PydanticCustomError("wrong", "{text}", {"text": f"two budgets are named {one.name!r}"})
        seen.add(one.name)
    return budgets


Budgets = Annotated[tuple[Budget, ...], AfterValidator(of_own_names)]
