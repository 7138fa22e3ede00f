"""Bill in: every new delivery of every source is scanned, allocated, settled and swapped into the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from finops_ai.allocation.apply import allocate
from finops_ai.allocation.rules import Rules
from finops_ai.domain.delivery import Delivery, Refusal
from finops_ai.domain.errors import Leak, Malformed, Problem, Rejected, Unavailable
from finops_ai.domain.money import plain
from finops_ai.domain.outcome import Outcome
from finops_ai.jobs.run import Turn, problems_of
from finops_ai.ledger import charges, drifts, usage
from finops_ai.ledger.charges import KnownDelivery
from finops_ai.ledger.pruning import prune, thin_hours
from finops_ai.sources.base import ChargeSource, Scan, UsageSource

KEEP_EACH_READING = timedelta(days=7)
"""After this, of the readings of a day only the last that was known at the end of each day is kept."""

KEEP_EACH_HOUR = timedelta(days=1)
"""After this, the same of what hours cost: each version of a bill tells all its hours anew."""


def ingest(
    turn: Turn,
    sources: Sequence[ChargeSource],
    usage_sources: Sequence[UsageSource],
    rules: Rules,
    rules_version: str,
    uncounted: frozenset[str] = frozenset(),
) -> Outcome:
    """Load what is new; a delivery that cannot be trusted is refused whole and its period's last version answers on.

    A delivery is loaded again when its fingerprint or `rules_version` changed, or whether it counts: `uncounted` names
    the sources that only attribute what others bill. Sources do not wait for each other: one that cannot be reached is
    told as a problem and the others go on.
    """
    results: list[Mapping[str, Any]] = []
    problems: list[Problem] = []
    counts = dict.fromkeys(("loaded", "unchanged", "refused", "unavailable"), 0)
    for source in sources:
        try:
            for result, found in _source(turn, source, rules, rules_version, source.name not in uncounted):
                results.append(result)
                problems.extend(found)
                counts[str(result["status"])] += 1
        except Unavailable as error:
            counts["unavailable"] += 1
            problems.extend(problems_of(error, source.name))
    for usage_source in usage_sources:
        try:
            results.append(_usage(turn, usage_source))
            counts[str(results[-1]["status"])] += 1
        except (Malformed, Rejected, Unavailable) as error:
            found = problems_of(error, usage_source.name)
            problems.extend(found)
            counts["unavailable" if isinstance(error, Unavailable) else "refused"] += 1
            results.append(_shown(usage_source.name, None, "", "refused", problems=found))
    return Outcome(job="ingest", as_of=turn.as_of, counts=counts, results=tuple(results), problems=tuple(problems))


def forget(turn: Turn, before: datetime) -> None:
    """Drop versions that were superseded before that instant: nobody can ask for them any more."""
    prune(turn.engine, before)
    thin_hours(turn.engine, turn.now() - KEEP_EACH_HOUR)
    drifts.prune(turn.engine, before)
    usage.prune(turn.engine, before)
    usage.thin(turn.engine, turn.now() - KEEP_EACH_READING)


def _source(
    turn: Turn, source: ChargeSource, rules: Rules, rules_version: str, counted: bool
) -> Iterator[tuple[Mapping[str, Any], tuple[Problem, ...]]]:
    for delivery in source.deliveries(None):
        if isinstance(delivery, Refusal):
            yield _refused(turn, delivery.source, delivery, "", rules_version, Malformed(delivery.problems))
            continue
        known = charges.known(turn.engine, source.name, delivery.billing_period, turn.as_of)
        read_as = (delivery.fingerprint, rules_version, counted)
        if known and (known.fingerprint, known.rules_version, known.counted) == read_as:
            yield _known(known, "unchanged"), ()
            continue
        turn.progress(f"{source.name} {delivery.billing_period}: reading {len(delivery.parts)} file(s)")
        try:
            scan = source.charges(delivery)
        except Malformed as error:
            yield _refused(turn, source.name, delivery, delivery.fingerprint, rules_version, error)
            continue
        errors = tuple(problem for problem in scan.problems if problem.severity == "error")
        yield _load(turn, delivery, scan, rules, rules_version, counted), errors


def _load(
    turn: Turn, delivery: Delivery, scan: Scan, rules: Rules, rules_version: str, counted: bool
) -> Mapping[str, Any]:
    _settled(delivery, scan)
    if turn.dry_run:
        return _shown(
            delivery.source,
            delivery,
            delivery.fingerprint,
            "loaded",
            rows=scan.control.rows,
            rejected=scan.rows_rejected,
            billed=scan.billed(),
            problems=scan.problems,
        )
    known = charges.load(
        turn.engine,
        source=delivery.source,
        billing_period=delivery.billing_period,
        fingerprint=delivery.fingerprint,
        rules_version=rules_version,
        known_at=turn.as_of,
        loaded_at=turn.now(),
        dimensions=allocate(scan.dimensions, rules),
        facts=scan.facts,
        by_hour=scan.hours,
        control=scan.control,
        rows_rejected=scan.rows_rejected,
        problems=scan.problems,
        counted=counted,
    )
    return _known(known, "loaded", scan.problems)


def _settled(delivery: Delivery, scan: Scan) -> None:
    if dict(scan.billed()) != dict(scan.control.billed_cost):
        raise Leak(
            f"{delivery.source} {delivery.billing_period}: mapped {dict(scan.billed())}, "
            f"files hold {dict(scan.control.billed_cost)}"
        )


def _refused(
    turn: Turn, source: str, delivery: Delivery | Refusal, fingerprint: str, rules_version: str, error: Malformed
) -> tuple[Mapping[str, Any], tuple[Problem, ...]]:
    if not turn.dry_run:
        charges.refuse(
            turn.engine,
            source=source,
            billing_period=delivery.billing_period,
            fingerprint=fingerprint,
            rules_version=rules_version,
            known_at=turn.as_of,
            loaded_at=turn.now(),
            rows=error.rows,
            rows_rejected=error.rejected,
            problems=error.problems,
        )
    shown = _shown(
        source,
        delivery,
        fingerprint,
        "refused",
        rows=error.rows,
        rejected=error.rejected,
        problems=error.problems,
    )
    return shown, error.problems


def _usage(turn: Turn, source: UsageSource) -> Mapping[str, Any]:
    """Read what is new of a source, reading by reading: what came before one that fails is kept."""
    known = usage.known_usage(turn.engine, source.name, turn.as_of)
    rows, fingerprint, problems, status = 0, "", list[Problem](), "unchanged"
    for reading in source.readings(turn.as_of):
        fingerprint = reading.fingerprint
        if known.get(reading.day) == fingerprint:
            continue
        turn.progress(f"{source.name}: reading usage{f' of {reading.day}' if reading.day else ''}")
        scan = source.usage(reading)
        if not turn.dry_run:
            usage.replace(turn.engine, source.name, fingerprint, scan.usages, turn.as_of, reading.day)
        status, rows = "loaded", rows + sum(len(one.hours) for one in scan.usages)
        problems.extend(scan.problems)
    return _shown(source.name, None, fingerprint, status, rows=rows, problems=problems)


def _known(known: KnownDelivery, status: str, problems: Sequence[Problem] = ()) -> Mapping[str, Any]:
    return {
        "source": known.source,
        "billing_period": str(known.billing_period),
        "fingerprint": known.fingerprint,
        "status": status,
        "rows": known.rows,
        "rows_rejected": known.rows_rejected,
        "billed_cost": _amounts(known.billed_cost),
        "effective_cost": _amounts(known.effective_cost),
        "problems": [told(problem) for problem in problems],
    }


def _shown(
    source: str,
    delivery: Delivery | Refusal | None,
    fingerprint: str,
    status: str,
    *,
    rows: int = 0,
    rejected: int = 0,
    billed: Mapping[str, Decimal] | None = None,
    problems: Sequence[Problem] = (),
) -> Mapping[str, Any]:
    period = delivery.billing_period if delivery else None
    return {
        "source": source,
        "billing_period": str(period) if period else None,
        "fingerprint": fingerprint,
        "status": status,
        "rows": rows,
        "rows_rejected": rejected,
        "billed_cost": _amounts(billed or {}),
        "effective_cost": {},
        "problems": [told(problem) for problem in problems],
    }


def _amounts(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {currency: plain(amount) for currency, amount in sorted(amounts.items())}


def told(problem: Problem) -> dict[str, Any]:
    """A problem as the public surface tells it."""
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "value": problem.value,
        "message": problem.message,
        "severity": problem.severity,
    }
