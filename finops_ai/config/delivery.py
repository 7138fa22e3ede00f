"""How patient the delivery of messages is."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Delivery(BaseModel):
    """A message that was not taken waits `first_wait_seconds`, then twice as long each time, up to the longest.

    A process that died holds a message back for `lease_seconds`. A receiver that names a wait is given that one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    first_wait_seconds: Seconds = 30.0
    longest_wait_seconds: Seconds = 3600.0
    lease_seconds: Seconds = 120.0
