"""PagerDuty Events API v2: pages that open, grow and close with their episode."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from finops_ai.domain.message import Message, Receipt
from finops_ai.sinks.pagerduty_event import payload
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World


class Settings(BaseModel):
    """`routing_key` is the Integration Key of an Events API v2 integration on the service to be paged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["pagerduty"]
    name: str
    routing_key: SecretRef
    url: str = "https://events.pagerduty.com/v2/enqueue"
    timeout_seconds: float = Field(default=20.0, gt=0, le=120)


class PagerDuty:
    """The API merges events by dedup_key, so that a repeat is harmless."""

    keyed = True

    def __init__(self, settings: Settings, world: World) -> None:
        self.name = settings.name
        self._settings = settings
        self._world = world

    def send(self, message: Message) -> Receipt:
        event = payload(message, self._world.secrets.get(self._settings.routing_key).get_secret_value())
        self._world.http.request(
            "POST", self._settings.url, json=event, idempotent=True, timeout_seconds=self._settings.timeout_seconds
        )
        return Receipt(key=message.key, sent_at=self._world.clock.now(), remote_id=event["dedup_key"])


def make(settings: Settings, world: World) -> PagerDuty:
    return PagerDuty(settings, world)
