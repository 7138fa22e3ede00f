"""How patient the delivery of messages is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from finops_ai.config.values import Text, wrong

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SecondReceiver(Section):
    """A page that `sink` has not taken for `after_minutes`, or refuses, goes to the sinks `to` as well."""

    sink: Text
    to: Annotated[tuple[Text, ...], Field(min_length=1)]
    after_minutes: Annotated[float, Field(gt=0, le=1440)] = 15.0

    @model_validator(mode="after")
    def _is_another(self) -> Self:
        if self.sink in self.to:
            raise wrong(f"{self.sink!r} cannot be told in its own place")
        return self


class Delivery(Section):
    """A message that was not taken waits `first_wait_seconds`, then twice as long each time, up to the longest.

    A process that died holds a message back for `lease_seconds`. A receiver that names a wait is given that one.
    `second` says who is told the pages that a receiver does not take.
    """

    first_wait_seconds: Seconds = 30.0
    longest_wait_seconds: Seconds = 3600.0
    lease_seconds: Seconds = 120.0
    second: tuple[SecondReceiver, ...] = ()

    def named_sinks(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Every name of a sink with the path of its key."""
        for position, one in enumerate(self.second):
            yield ("second", position, "sink"), one.sink
            yield from ((("second", position, "to", number), name) for number, name in enumerate(one.to))
