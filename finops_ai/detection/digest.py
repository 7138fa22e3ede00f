"""The digest of a team: once a day, what it was not paged for since the last one, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from finops_ai.detection.memory import Memory
from finops_ai.detection.speech import Speech
from finops_ai.detection.telling import AlertSettings
from finops_ai.domain.episode import Episode, EpisodeState, Severity
from finops_ai.domain.page_decision import PageDecision, Told

DIGEST = "digest/"
_ALOUD = (Told.PAGED, Told.STORM)
_QUIETLY = (Told.DIGEST, Told.HELD, Told.SILENCED)


def digests(
    memory: Memory, episodes: Mapping[str, Episode], now: datetime, settings: AlertSettings
) -> tuple[list[PageDecision], list[Speech]]:
    """Digests that are due by the clock of their time zone, and have something to say and somebody to say it to.

    `memory` holds what was decided up to and at `now`.
    """
    here = now.astimezone(ZoneInfo(settings.digest_zone))
    if here.time().replace(tzinfo=None) < settings.digest_at:
        return [], []
    key = f"{DIGEST}{here.date()}"
    decisions, speeches = [], []
    for team in sorted({one.team for one in memory.rows}):
        mine = [one for one in memory.rows if one.team == team]
        sent = [one for one in mine if one.key.startswith(DIGEST)]
        if any(one.key == key and one.at != now for one in sent):
            continue
        last = max((one.at for one in sent if one.at < now), default=None)
        told = {
            one.key: one
            for one in mine
            if one.told in _QUIETLY and one.sinks and one.at <= now and (last is None or one.at > last)
        }
        items = [
            (episodes[name], one)
            for name, one in told.items()
            if name in episodes and not _said_aloud(memory, team, name)
        ]
        if not items:
            continue
        items.sort(key=lambda item: (-item[0].severity.rank, -abs(item[0].projected.amount), item[0].key))
        sinks = tuple(dict.fromkeys(sink for _, one in items for sink in one.sinks))
        dearest = items[0][0]
        since = (last or min(one.at for _, one in items)).astimezone(ZoneInfo(settings.digest_zone)).date()
        decisions.append(
            PageDecision(
                team=team,
                key=key,
                at=now,
                told=Told.DIGEST,
                reason=f"{len(items)} episodes",
                severity=Severity.INFO,
                state=EpisodeState.OPEN,
                projected=dearest.projected,
                sinks=sinks,
            )
        )
        speeches.append(
            Speech(
                kind="digest",
                team=team,
                sinks=sinks,
                key=key,
                members=tuple(one for one, _ in items),
                reasons=tuple(decision.reason for _, decision in items),
                since=since,
            )
        )
    return decisions, speeches


def _said_aloud(memory: Memory, team: str, key: str) -> bool:
    standing = memory.standing(team, key)
    return standing is not None and standing.told in _ALOUD
