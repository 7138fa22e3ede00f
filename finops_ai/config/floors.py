"""The smallest excess worth telling of in one scope, where it differs from the general floor."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ScopeFloor(BaseModel):
    """`where` names whose by column, with globs: {x_cost_center: "research-*"}; the entry with most keys wins.

    Below `amount` (per `currency`, or in any) no episode opens there, and none is graver than info.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    where: Annotated[dict[str, str], Field(min_length=1)]
    amount: Annotated[Decimal, Field(ge=0)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
