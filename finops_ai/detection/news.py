"""What of an episode is new to tell: that it opened, became graver, or ended. The memory that lets it speak once."""

from __future__ import annotations

from finops_ai.domain.episode import Episode, EpisodeState, Severity

OPENED, UPDATED, RESOLVED = "episode_opened", "episode_updated", "episode_resolved"


def news(episode: Episode, before: Episode | None, tell_from: Severity) -> str | None:
    """The news since `before` (None: not known then) of an episode at least as grave as `tell_from`; None for none."""
    grave = episode.severity.rank >= tell_from.rank
    was_grave = before is not None and before.severity.rank >= tell_from.rank
    was_open = before is not None and before.state is not EpisodeState.RESOLVED
    if episode.state is EpisodeState.RESOLVED:
        # One that was over before it was found is read in the report; nobody is woken for it.
        return RESOLVED if was_grave and was_open else None
    if not grave:
        return None
    if before is None or not was_grave or not was_open:
        return OPENED
    return UPDATED if episode.severity.rank > before.severity.rank else None
