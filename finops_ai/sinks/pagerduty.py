"""PagerDuty Events API v2: pages that open, grow and close with their episode, and changes beside them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from finops_ai.domain.errors import Rejected
from finops_ai.domain.message import Delivered, Message, Receipt
from finops_ai.sinks.pagerduty_event import CHANGE, payload
from finops_ai.sinks.pages import PerMinute
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World

ENQUEUE = "/enqueue"


class Settings(BaseModel):
    """`routing_key` is the Integration Key of an Events API v2 integration on the service to be paged.

    Changes are sent to the endpoint beside `url`, /v2/change/enqueue.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["pagerduty"]
    name: str
    routing_key: SecretRef
    url: str = "https://events.pagerduty.com/v2/enqueue"
    timeout_seconds: float = Field(default=20.0, gt=0, le=120)
    per_minute: PerMinute = None


class PagerDuty:
    """The API merges events by dedup_key, so that a repeat is harmless; a change has no key."""

    keyed = True

    def __init__(self, settings: Settings, world: World) -> None:
        self.name = settings.name
        self.per_minute = settings.per_minute
        self._settings = settings
        self._world = world

    def send(self, message: Message, before: Delivered | None = None) -> Receipt:
        is_change = message.kind == CHANGE
        event = payload(message, self._world.secrets.get(self._settings.routing_key).get_secret_value())
        answer = self._world.http.request(
            "POST",
            self._change_url() if is_change else self._settings.url,
            json=event,
            idempotent=not is_change,
            timeout_seconds=self._settings.timeout_seconds,
        )
        remote = event.get("dedup_key") or f"change accepted ({answer.status})"
        return Receipt(key=message.key, sent_at=self._world.clock.now(), remote_id=remote, certain=not is_change)

    def _change_url(self) -> str:
        url = self._settings.url.rstrip("/")
        if not url.endswith(ENQUEUE):
            raise Rejected(f"{self.name}: where changes go is not known: let url end in {ENQUEUE}")
        return f"{url.removesuffix(ENQUEUE)}/change{ENQUEUE}"


def make(settings: Settings, world: World) -> PagerDuty:
    return PagerDuty(settings, world)
