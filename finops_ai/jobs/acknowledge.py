"""Somebody takes an episode: kept, and told in the same transaction to everyone who was paged for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Engine

from finops_ai.domain.episode import Acknowledgement, Episode, EpisodeState
from finops_ai.domain.errors import UsageError
from finops_ai.domain.message import Message
from finops_ai.domain.page_decision import Told
from finops_ai.domain.text import one_line
from finops_ai.ledger import acknowledgements, decisions, findings
from finops_ai.ledger.connect import transaction
from finops_ai.reporting.page import PageContext, page_body

ACKNOWLEDGED = "episode_acknowledged"


def acknowledge(engine: Engine, key: str, *, by: str, note: str, as_of: datetime) -> Episode:
    """Keep that `by` looks after the episode; acknowledged already, nothing changes.

    Raises UsageError when there is no such episode, or when it is resolved.
    """
    found = findings.episode(engine, key, as_of)
    if found.state is EpisodeState.RESOLVED:
        raise UsageError(f"episode {found.key} is resolved since {found.resolved_on}: nothing is left to acknowledge")
    if found.state is EpisodeState.ACKNOWLEDGED:
        return found
    taken = found.with_(state=EpisodeState.ACKNOWLEDGED)
    body = page_body(taken, context=PageContext(as_of=as_of, complete_through=None))
    who = f"Taken by {one_line(by, 80)}{f' ({one_line(note, 200)})' if note else ''}."
    body |= {"acknowledged_by": by, "note": note, "summary": f"{who} {body['summary']}"}
    standing = {one.team: one for one in decisions.decisions(engine, as_of, key=found.key)}
    paged = [one for one in standing.values() if one.told is Told.PAGED]
    messages = [
        Message(key=f"finops/{found.key}", kind=ACKNOWLEDGED, sink=sink, body=body | {"team": one.team})
        for one in paged
        for sink in one.sinks
    ]
    said = [replace(one, at=as_of, reason="acknowledged", state=EpisodeState.ACKNOWLEDGED, page=False) for one in paged]
    with transaction(engine) as connection:
        acknowledgements.keep(connection, Acknowledgement(episode_key=found.key, at=as_of, by=by, note=note))
        findings.record(connection, as_of=as_of, decisions=said, messages=messages)
    return taken
