"""What an answer of the ledger leaves out or why there is none, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from finops_ai.domain.errors import UsageError
from finops_ai.domain.focus import canonical_tag
from finops_ai.sources.base import Keep

if TYPE_CHECKING:
    from sqlalchemy import Engine

TAG = "tag:"


def must_be_kept(key: str, keep: Keep) -> None:
    """Raises UsageError where `key` asks for a tag that the cube does not hold."""
    tag = canonical_tag(key.removeprefix(TAG))
    if key.startswith(TAG) and "*" not in keep.tags and tag not in keep.tags:
        kept = ", ".join(sorted(keep.tags))
        raise UsageError(f"tag {tag!r} is not kept in the ledger (kept: {kept}): add it to ledger.tags, then ingest")


def left_out(engine: Engine, as_of: datetime, named: Sequence[str]) -> str | None:
    """What to tell of sources that `costs` leaves out; None where there are none but those `named`."""
    from finops_ai.ledger.charges import uncounted

    silent = [source for source in uncounted(engine, as_of) if source not in named]
    if not silent:
        return None
    return f"without {', '.join(silent)}: attributes cost that other sources bill (see it with --where source=NAME)"


def why_nothing(engine: Engine, as_of: datetime, now: datetime) -> str:
    """Why `costs` had no rows, and what to do."""
    from finops_ai.ledger.charges import known_all, uncounted

    known = known_all(engine, as_of)
    if known and not any(one.counted for one in known):
        names = ", ".join(uncounted(engine, as_of))
        return f"no source that counts: {names} only attribute what others bill; ask with --where source=NAME"
    if known:
        first, last = known[0].billing_period, max(one.billing_period for one in known)
        return f"no charges on these days; the ledger holds {min(first, last)} to {last}"
    later = known_all(engine, now)
    if later:
        when = min(one.known_at for one in later)
        return (
            f"nothing was known at {as_of:%Y-%m-%d %H:%M:%S}Z: "
            f"the first delivery was loaded {when:%Y-%m-%d %H:%M}Z; "
            "history is loaded as known earlier by giving --as-of to ingest"
        )
    return "the ledger is empty: run finops-ai ingest"
