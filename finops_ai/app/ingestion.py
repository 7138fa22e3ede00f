"""Ingestion put together: which sources are read, by which version of the rules, and what is forgotten after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from finops_ai.allocation.rules import Rules
from finops_ai.app import parts
from finops_ai.app.currencies import with_rates
from finops_ai.config import Config
from finops_ai.domain.errors import ConfigError, UsageError
from finops_ai.domain.outcome import Outcome
from finops_ai.jobs.ingest import forget, ingest
from finops_ai.jobs.run import Turn
from finops_ai.sources.base import Keep
from finops_ai.world.world import World


def ingestion(
    config: Config, world: World, rules: Rules, keep: Keep, names: Sequence[str]
) -> Callable[[Turn], Outcome]:
    """The work of one run over the sources in `names`, all of them by default.

    Raises ConfigError where none is configured, UsageError for a name that none has.
    """
    every = {one.name for one in (*config.sources, *config.usage)}
    if not every:
        raise ConfigError("no sources are configured: write a file with finops-ai init, or name one with --config")
    if unknown := sorted(set(names) - every):
        raise UsageError(f"no source named {unknown[0]!r}; configured: {', '.join(sorted(every))}")
    wanted = set(names) or every
    known = parts.kinds()
    sources = parts.sources_of(config, world, keep, wanted)
    usage = [known.usage[one.kind].make(one, world) for one in config.usage if one.name in wanted]
    version = parts.reading_version(rules, keep)
    keep_days = timedelta(days=config.ledger.keep_versions_days)

    def work(turn: Turn) -> Outcome:
        outcome = ingest(turn, sources, usage, rules, version, parts.uncounted_of(config))
        outcome = outcome if names else with_rates(turn, config.currencies, outcome)
        if not turn.dry_run:
            forget(turn, turn.now() - keep_days)
        return outcome

    return work
