"""Changes of cost that the configuration announces."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from finops_ai.config.values import currency


class KnownEvent(BaseModel):
    """A change of cost that is announced: `where` names whose by column, all of it by default; `end` is its last day.

    A level reached between `start` and `end` is the normal one afterwards. `ends_use` for what is switched off; a
    launch, or a commitment that expires, `adds_per_day` in `currency` (less than zero for a saving); a new price is so
    many `times` the old one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: date
    end: date
    note: Annotated[str, Field(min_length=1)]
    where: dict[str, str] = {}
    ends_use: bool = False
    adds_per_day: Annotated[Decimal, Field(max_digits=38, decimal_places=18)] | None = None
    currency: Annotated[str, AfterValidator(currency)] | None = None
    times: Annotated[Decimal, Field(gt=0, le=100)] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end < self.start:
            raise PydanticCustomError("wrong", "end lies before start")
        if (self.adds_per_day is None) != (self.currency is None):
            raise PydanticCustomError("wrong", "adds_per_day and currency are told together")
        if sum((self.ends_use, self.adds_per_day is not None, self.times is not None)) > 1:
            raise PydanticCustomError("wrong", "an event ends use, adds an amount or changes a price: tell one of them")
        return self
