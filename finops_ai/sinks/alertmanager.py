"""Prometheus Alertmanager, API v2: alerts that are told again while they hold, and end with their episode."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from finops_ai.domain.message import Delivered, Message, Receipt
from finops_ai.domain.text import one_line
from finops_ai.sinks.figures import figures, lines, unlisted
from finops_ai.sinks.pages import Act, PerMinute, act_of, is_storm, severity_of, short_key, web_links, wrong_kind
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World

LABEL_CHARS = 256
ANNOTATION_CHARS = 2048
LINES_SHOWN = 10
ALERTS_AT_ONCE = 200

LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]


class Settings(BaseModel):
    """`url` is the Alertmanager's address with its route prefix, if it has one; `labels` are added to every alert.

    An alert that is not told again ends by itself after `expires_after_hours`: every delivery tells those that hold,
    so that it matters only when this program has gone. `authorization` is a header's whole value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["alertmanager"]
    name: str
    url: str
    labels: dict[LabelName, Annotated[str, Field(min_length=1)]] = {}
    authorization: SecretRef | None = None
    expires_after_hours: float = Field(default=24.0, ge=0.1, le=24 * 30)
    timeout_seconds: float = Field(default=20.0, gt=0, le=120)
    per_minute: PerMinute = None


class Alertmanager:
    """An alert is known by its labels. When one of them changes, such as the severity, the earlier alert ends."""

    keyed = True

    def __init__(self, settings: Settings, world: World) -> None:
        self.name = settings.name
        self.per_minute = settings.per_minute
        self._settings = settings
        self._world = world

    def send(self, message: Message, before: Delivered | None = None) -> Receipt:
        now = self._world.clock.now()
        told = [self._alert(message, now)]
        if before is not None and act_of(before.message) not in (None, Act.RESOLVE):
            earlier = self._alert(before.message, now)
            if earlier["labels"] != told[0]["labels"]:
                told.append({**earlier, "endsAt": now.isoformat()})
        self._post(told)
        return Receipt(key=message.key, sent_at=now, remote_id=told[0]["labels"]["finops_key"])

    def remind(self, standing: Mapping[str, Delivered]) -> None:
        """Alertmanager keeps alerts in memory and until `endsAt`: what holds is told at every delivery."""
        now = self._world.clock.now()
        pages = [one.message for one in standing.values()]
        hold = [self._alert(page, now) for page in pages if act_of(page) not in (None, Act.RESOLVE)]
        for start in range(0, len(hold), ALERTS_AT_ONCE):
            self._post(hold[start : start + ALERTS_AT_ONCE])

    def _post(self, alerts: Sequence[Mapping[str, Any]]) -> None:
        headers = {}
        if self._settings.authorization is not None:
            headers["Authorization"] = self._world.secrets.get(self._settings.authorization).get_secret_value()
        self._world.http.request(
            "POST",
            f"{self._settings.url.rstrip('/')}/api/v2/alerts",
            headers=headers,
            json=alerts,
            idempotent=True,
            timeout_seconds=self._settings.timeout_seconds,
        )

    def _alert(self, message: Message, now: datetime) -> dict[str, Any]:
        act = act_of(message)
        if act is None:
            raise wrong_kind("Alertmanager", "episodes and storms", message)
        began = min(_began(message.body, now), now)
        ends = now if act is Act.RESOLVE else now + timedelta(hours=self._settings.expires_after_hours)
        alert = {
            "labels": labels(message, self._settings.labels),
            "annotations": described(message),
            "startsAt": began.isoformat(),
            "endsAt": ends.isoformat(),
        }
        links = web_links(message.body.get("links"))
        return {**alert, "generatorURL": links[0][1]} if links else alert


def labels(message: Message, more: Mapping[str, str]) -> dict[str, str]:
    """What the alert is known by: the same for the life of an episode, but for its severity and its owner."""
    body = message.body
    scope = {_label_name(key): value for key, value in (body.get("scope") or {}).items()}
    own = {
        "alertname": "CostStorm" if is_storm(message) else "CostEpisode",
        "severity": severity_of(body),
        "finops_key": short_key(message.key, LABEL_CHARS, plain=True),
        "kind": str(body.get("kind") or ""),
        "team": str(body.get("team") or ""),
    }
    told = {**scope, **more, **own}
    shown = {name: one_line(value, LABEL_CHARS) for name, value in told.items()}
    return {name: value for name, value in sorted(shown.items()) if value}


def described(message: Message) -> dict[str, str]:
    body = message.body
    told = {
        "summary": str(body["summary"]),
        "title": str(body["title"]),
        **{name.lower().replace(" ", "_"): value for name, value in figures(body)},
        **{f"answer_{_label_name(verdict)}": href for verdict, href in web_links(body.get("answers"))},
        "steps": " ".join(f"{number}. {step}" for number, step in enumerate(body.get("steps") or (), 1)),
        "next": str(body.get("next") or ""),
    }
    shown = {name: one_line(value, ANNOTATION_CHARS) for name, value in told.items()}
    shown["description"] = _description(lines(body), unlisted(body, LINES_SHOWN))
    return {name: value for name, value in shown.items() if value}


def _description(told: Sequence[tuple[str, str]], unlisted: int) -> str:
    """One line for each cause or item, the dearest first, as they come."""
    shown = [f"{one_line(figure)}: {one_line(what, LABEL_CHARS)}" for figure, what in told[:LINES_SHOWN]]
    more = [f"and {unlisted} more"] if unlisted else []
    return "\n".join(shown + more)


def _began(body: Mapping[str, Any], now: datetime) -> datetime:
    day = body.get("opened_on")
    return datetime.fromisoformat(day).replace(tzinfo=UTC) if day else now


def _label_name(key: str) -> str:
    """`x_cost_center` is the label cost_center; what a label's name cannot hold becomes an underscore."""
    name = re.sub(r"[^a-zA-Z0-9_]", "_", key.removeprefix("x_"))
    return name if name[:1].isalpha() or name.startswith("_") else f"_{name}"


def make(settings: Settings, world: World) -> Alertmanager:
    return Alertmanager(settings, world)
