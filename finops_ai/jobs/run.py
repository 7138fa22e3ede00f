"""Runs one job: its lock, its record, its one broad except."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine

from finops_ai.domain.errors import FinopsError, Malformed, Problem, Unavailable
from finops_ai.domain.outcome import Outcome
from finops_ai.ledger import runs
from finops_ai.ledger.connect import exclusive

Progress = Callable[[str], None]

LONGEST_SHARED_RUN = timedelta(hours=1)
"""A run without a lock that is still open after this long has died."""


def silent(_: str) -> None:
    """Progress for callers who want none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What every job is handed: the ledger, the instant of knowledge, and how to tell progress.

    `dry_run` computes and shows everything and writes nothing.
    """

    engine: Engine
    as_of: datetime
    now: Callable[[], datetime]
    dry_run: bool = False
    progress: Progress = field(default=silent)


def run(job: str, turn: Turn, work: Callable[[Turn], Outcome], *, alone: bool = True) -> Outcome:
    """Run `work` once under the job's lock and keep a record of it. Not `alone`, it may run in several processes.

    Raises Unavailable when another process runs the same job, and whatever `work` raises, after recording it.
    """
    if turn.dry_run:
        return work(turn)
    with exclusive(turn.engine, f"job:{job}") if alone else nullcontext():
        died_before = turn.now() - (timedelta(0) if alone else LONGEST_SHARED_RUN)
        run_id = runs.start(turn.engine, job, turn.as_of, turn.now(), died_before=died_before)
        try:
            outcome = work(turn)
        except BaseException as error:
            state = "failed" if isinstance(error, Exception) else "interrupted"
            problem = Problem(file=job, message=str(error) if isinstance(error, FinopsError) else repr(error))
            runs.finish(turn.engine, run_id, state, turn.now(), {}, (problem,))
            raise
        state = "refused" if outcome.refused else "done"
        runs.finish(turn.engine, run_id, state, turn.now(), outcome.counts, outcome.problems)
        return outcome


def problems_of(error: FinopsError, where: str) -> tuple[Problem, ...]:
    """The problems an expected failure stands for."""
    if isinstance(error, Malformed):
        return error.problems
    kind = "unavailable: " if isinstance(error, Unavailable) else ""
    return (Problem(file=where, message=f"{kind}{error}"),)
