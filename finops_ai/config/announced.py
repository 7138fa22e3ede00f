"""Changes of cost that the configuration announces."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError


class KnownEvent(BaseModel):
    """A change of cost that is announced: `where` names whose by column, all of it by default; `end` is its last day.

    A level reached between `start` and `end` is the normal one afterwards. `ends_use` for what is switched off.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: date
    end: date
    note: Annotated[str, Field(min_length=1)]
    where: dict[str, str] = {}
    ends_use: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end < self.start:
            raise PydanticCustomError("wrong", "end lies before start")
        return self
