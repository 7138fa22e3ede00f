"""Slack: one message for an episode, edited in place as it grows and ends, with what changed in its thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from finops_ai.domain.errors import ConfigError, Rejected, Unavailable
from finops_ai.domain.message import Delivered, Message, Receipt
from finops_ai.sinks import slack_answers
from finops_ai.sinks.base import Answer
from finops_ai.sinks.pages import Act, PerMinute, act_of, severity_of
from finops_ai.sinks.slack_blocks import TEXT_CHARS, blocks, escape, fallback, thread_text
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World

TEMPORARY = frozenset({"fatal_error", "internal_error", "service_unavailable", "request_timeout", "ratelimited"})
DOUBTFUL = frozenset({"fatal_error", "internal_error", "request_timeout"})
GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found"})
"""Answers to an edit after which the message is told anew."""

REMEDIES: Mapping[str, str] = {
    "not_in_channel": "invite the app to the channel",
    "channel_not_found": "set the channel's ID (C…), and invite the app where it is private",
    "is_archived": "name a channel that is in use",
    "invalid_auth": "check the token: it begins with xoxb-",
    "not_authed": "check the token: it begins with xoxb-",
    "token_revoked": "install the app again and set its new token",
    "account_inactive": "install the app again and set its new token",
    "missing_scope": "give the app the scope chat:write",
    "invalid_blocks": "report this message: it should keep to the limits",
}


class Settings(BaseModel):
    """`token` (xoxb-…, scope chat:write) and `channel` (its ID), or the address of an incoming `webhook`.

    Only with a token are messages edited in place and followed up in their thread. With the `signing_secret` of the
    app, buttons answer inside Slack; without it they are links, where the web address of this program is configured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["slack"]
    name: str
    token: SecretRef | None = None
    channel: str | None = Field(default=None, min_length=1)
    webhook: SecretRef | None = None
    signing_secret: SecretRef | None = None
    url: str = "https://slack.com/api"
    timeout_seconds: float = Field(default=20.0, gt=0, le=120)
    per_minute: PerMinute = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        by_token = self.token is not None and self.channel is not None
        if by_token == (self.webhook is not None) or (self.webhook and (self.token or self.channel)):
            raise PydanticCustomError("wrong", "name token and channel, or webhook alone")
        return self


class Slack:
    """Slack takes no key: a message whose answer was lost may stand there twice. An edit can be repeated."""

    keyed = False

    def __init__(self, settings: Settings, world: World) -> None:
        self.name = settings.name
        self.per_minute = settings.per_minute
        self._settings = settings
        self._world = world

    def send(self, message: Message, before: Delivered | None = None) -> Receipt:
        interactive = self._settings.signing_secret is not None and self._settings.webhook is None
        told = {"text": fallback(message), "blocks": blocks(message, interactive=interactive)}
        if self._settings.webhook is not None:
            return self._receipt(message, self._post_to_webhook(told), certain=False)
        channel, _, stamp = before.receipt.remote_id.partition("/") if before else ("", "", "")
        if before is None or not stamp or not self._edited(channel, stamp, told):
            return self._receipt(message, self._post({"channel": self._settings.channel, **told}), certain=False)
        follow_up = _turned(message, before.message)
        if follow_up:
            self._post({"channel": channel, "thread_ts": stamp, "text": thread_text(message)})
        return self._receipt(message, f"{channel}/{stamp}", certain=not follow_up)

    def answers(self, headers: Mapping[str, str], content: bytes) -> tuple[Answer, ...]:
        """See `Answerable`."""
        if self._settings.signing_secret is None:
            raise ConfigError(f"{self.name}: set signing_secret: without it nobody knows who answers")
        secret = self._world.secrets.get(self._settings.signing_secret).get_secret_value()
        return slack_answers.answers(headers, content, secret, self._world.clock.now())

    def reply(self, answer: Answer, text: str) -> None:
        """See `Answerable`; only to addresses of Slack's own."""
        address, api = urlsplit(answer.reply_to), urlsplit(self._settings.url)
        theirs = address.scheme == "https" and (address.hostname or "").endswith(".slack.com")
        if not theirs and (address.scheme, address.netloc) != (api.scheme, api.netloc):
            raise Rejected(f"{self.name}: {address.hostname!r} is no address of Slack's: nothing was said there")
        told = {"response_type": "ephemeral", "replace_original": False, "text": escape(text, TEXT_CHARS)}
        self._world.http.request("POST", answer.reply_to, json=told, idempotent=False, timeout_seconds=10)

    def _receipt(self, message: Message, remote_id: str, *, certain: bool) -> Receipt:
        return Receipt(key=message.key, sent_at=self._world.clock.now(), remote_id=remote_id, certain=certain)

    def _post_to_webhook(self, told: Mapping[str, Any]) -> str:
        assert self._settings.webhook is not None  # noqa: S101 - the settings saw to it
        address = self._world.secrets.get(self._settings.webhook).get_secret_value()
        self._world.http.request(
            "POST", address, json=told, idempotent=False, timeout_seconds=self._settings.timeout_seconds
        )
        return "told by webhook"

    def _post(self, told: Mapping[str, Any]) -> str:
        """A new message; where it stands."""
        answer = self._call(
            "chat.postMessage", {"unfurl_links": False, "unfurl_media": False, **told}, idempotent=False
        )
        return f"{answer.get('channel')}/{answer.get('ts')}"

    def _edited(self, channel: str, stamp: str, told: Mapping[str, Any]) -> bool:
        """False when the message cannot be edited any more."""
        answer = self._call("chat.update", {"channel": channel, "ts": stamp, **told}, idempotent=True, accept=GONE)
        return bool(answer["ok"])

    def _call(
        self, method: str, told: Mapping[str, Any], *, idempotent: bool, accept: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        assert self._settings.token is not None  # noqa: S101 - the settings saw to it
        token = self._world.secrets.get(self._settings.token).get_secret_value()
        answer: Any = self._world.http.request(
            "POST",
            f"{self._settings.url.rstrip('/')}/{method}",
            headers={"Authorization": f"Bearer {token}"},
            json={"parse": "none", "link_names": False, **told},
            idempotent=idempotent,
            timeout_seconds=self._settings.timeout_seconds,
        ).json()
        if not isinstance(answer, dict):
            raise Unavailable(f"{method}: the answer is not Slack's", unsure=True)
        error = str(answer.get("error") or "")
        if answer.get("ok") is True or error in accept:
            return {**answer, "ok": answer.get("ok") is True}
        if error in TEMPORARY or not error:
            raise Unavailable(f"{method}: {error or 'no error named'}", unsure=error in DOUBTFUL or not error)
        remedy = f": {REMEDIES[error]}" if error in REMEDIES else ""
        needed = f" (needed: {answer['needed']})" if answer.get("needed") else ""
        raise Rejected(f"{method}: {error}{remedy}{needed}")


def _turned(message: Message, before: Message) -> bool:
    """Whether something happened that is worth a line in the thread: another state, or another severity."""
    now, was = (_state(one) for one in (message, before))
    graver = severity_of(message.body) != severity_of(before.body) and now is not Act.RESOLVE
    return now is not None and (now is not was or graver)


def _state(message: Message) -> Act | None:
    act = act_of(message)
    return Act.OPEN if act is Act.UPDATE else act


def make(settings: Settings, world: World) -> Slack:
    return Slack(settings, world)
