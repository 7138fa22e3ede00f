"""Pages that a receiver does not take go to a second one; when it is back, one message tells it what waited."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from finops_ai.domain.errors import Problem
from finops_ai.domain.message import Message
from finops_ai.domain.text import clock
from finops_ai.jobs.run import Turn
from finops_ai.ledger import second_receivers as waiting
from finops_ai.ledger.second_receivers import OUTAGE, Health, Page
from finops_ai.reporting.outage import OVER, in_place_of, items_of, outage_body

REFUSED_FOR = timedelta(days=1)
"""A page that was refused longer ago than this is no news for anybody else."""

AWAY = timedelta(minutes=15)
FLOOD = 10
"""A receiver without a second one, away for so long, is told of so many episodes in one message when it is back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """What `sink` has not taken for `after` goes to the sinks `to` as well."""

    sink: str
    after: timedelta
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detours:
    """Instants are told by the clock of `zone`."""

    seconds: tuple[Second, ...] = ()
    zone: str = "UTC"


NO_DETOURS = Detours()


def press(turn: Turn, detours: Detours) -> None:
    """Nobody is told in a receiver's place before that was asked once more."""
    for second in detours.seconds:
        waiting.press(turn.engine, second.sink, turn.now() - second.after)


def detour(turn: Turn, detours: Detours, failed: Collection[str], sinks: Collection[str]) -> tuple[list[Problem], int]:
    """Tell the second receivers what is due to them, and let one message stand for what waits for those away.

    `failed` are the receivers that could not be told something in this run, `sinks` all that are known. What was
    copied, as warnings, and how many pages that were.
    """
    problems, count = [], 0
    for second in detours.seconds:
        for to in second.to:
            copies = _copy(turn, second, to, second.sink in failed, detours.zone)
            if copies:
                count += copies
                text = f"{copies} page{'' if copies == 1 else 's'} that it has not taken went to {to}"
                problems.append(Problem(file=second.sink, message=text, severity="warning"))
    by_sink = {one.sink: one for one in sorted(detours.seconds, key=lambda one: one.after, reverse=True)}
    for sink in sorted(sinks):
        _gather(turn, sink, by_sink.get(sink), detours.zone)
        _close(turn, sink, by_sink.get(sink), detours.zone)
    return problems, count


def _copy(turn: Turn, second: Second, to: str, failed: bool, zone: str) -> int:
    """What waits too long, was refused, or ends what `to` was told; how many pages."""
    now, count = turn.now(), 0
    with turn.engine.begin() as connection:
        health = waiting.health(connection, second.sink)
        told = waiting.copied(connection, second.sink, to)
        unended = [(key, id) for key, (id, kind) in told.items() if not kind.endswith("_resolved")]
        pages = {page.id: page for page in waiting.later(connection, second.sink, unended)}
        pages |= {page.id: page for page in waiting.untaken(connection, second.sink, now - REFUSED_FOR)}
        for id, page in sorted(pages.items()):
            message = page.message
            last, kind = told.get(message.key, (0, "episode_resolved"))
            if id <= last:
                continue
            knows = not kind.endswith("_resolved")
            is_news = not (message.is_end or message.is_taken)  # to who knows nothing of the episode
            due = _is_due(page, second, health, now, failed) if is_news else knows
            if not due or waiting.has(connection, page, to):
                continue
            body = message.body if message.is_end else in_place_of(message.body, _why(page, health, zone))
            if waiting.copy(connection, page, to, body):
                told[message.key] = (id, message.kind)
                count += 1
    return count


def _is_due(page: Page, second: Second, health: Health, now: datetime, failed: bool) -> bool:
    """Refused, or late by now at a receiver that takes nothing in this very run or asked to be left alone."""
    if page.state == "rejected":
        return True
    asked = health.paused_until is not None and health.paused_until > now
    if page.state not in ("queued", "claimed") or not (failed or asked):
        return False
    since = now - second.after
    late = page.attempts > 0 and page.tried_at is not None and page.tried_at <= since
    return late or (health.failing_since is not None and health.failing_since <= since)


def _why(page: Page, health: Health, zone: str) -> str:
    sink = page.message.sink
    if page.state == "rejected":
        return f"{sink} refused this page, so that it came here"
    since = min(filter(None, (health.failing_since, page.tried_at)), default=page.as_of)
    return f"{sink} takes no page since {clock(since, zone)}, so that this one came here"


def _gather(turn: Turn, sink: str, second: Second | None, zone: str) -> None:
    """Let one message stand for what waits for a receiver that is away: what of it is open, and what is over."""
    now = turn.now()
    with turn.engine.begin() as connection:
        health = waiting.health(connection, sink)
        if health.failing_since is None or health.failing_since > now - (second.after if second else AWAY):
            return
        before = waiting.stand_in(connection, sink)
        pages = waiting.untold(connection, sink)
        few = second is None and before is None and len({page.message.key for page in pages}) < FLOOD
        if not pages or few or (before is not None and before.state == "claimed"):
            return
        items = _by_page(before.message.body["items"] if before else ())
        for page in pages:
            items[page.message.key] = items_of(page.message, page.message.key)
        key = before.message.key if before else f"{OUTAGE}{sink}/{health.failing_since.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
        said = _said(key, items, sink=sink, since=health.failing_since, second=second, zone=zone)
        waiting.stand_for(connection, said, pages[-1].as_of, pages, before)


def _close(turn: Turn, sink: str, second: Second | None, zone: str) -> None:
    """End what stood for many once all that was open in it is over."""
    with turn.engine.begin() as connection:
        for page in waiting.outages_told(connection, sink):
            items = _by_page(page.message.body["items"])
            left = {key for key, told in items.items() if any(item["reason"] != OVER for item in told)}
            if left - waiting.ended(connection, sink, left, page.id):
                continue
            over = {key: [{**item, "reason": OVER} for item in told] for key, told in items.items()}
            since = datetime.fromisoformat(page.message.body["since"])
            said = _said(page.message.key, over, sink=sink, since=since, second=second, zone=zone)
            waiting.stand_for(connection, said, page.as_of, (), None)


def _by_page(items: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """By the key of the page that waited: its episodes."""
    found: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        found.setdefault(str(item["waited"]), []).append(dict(item))
    return found


def _said(
    key: str,
    items: Mapping[str, list[dict[str, Any]]],
    *,
    sink: str,
    since: datetime,
    second: Second | None,
    zone: str,
) -> Message:
    told = [item for each in items.values() for item in each]
    body = outage_body(told, sink=sink, since=since, told=second.to if second else (), zone=zone)
    is_open = any(item["reason"] != OVER for item in told)
    return Message(key=key, kind="storm_opened" if is_open else "storm_resolved", sink=sink, body=body)
