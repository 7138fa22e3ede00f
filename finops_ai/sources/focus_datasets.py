"""What the files of a FOCUS delivery hold: charges or a dataset beside them, and what that says of billing periods."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from pathlib import Path
from typing import Literal

from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.period import BillingPeriod
from finops_ai.sources.mapping import plain, quoted, text_literal
from finops_ai.sources.parts import glance, verify
from finops_ai.world.world import ObjectInfo

CHARGES, PERIODS = "CostAndUsage", "BillingPeriod"

TOLD_BY = {
    "EffectiveCost": CHARGES,
    "BillingPeriodStatus": PERIODS,
    "InvoiceDetailId": "InvoiceDetail",
    "ContractCommitmentId": "ContractCommitment",
}
"""Datasets of FOCUS 1.4 by a column that they must have; the first one found decides."""

Handling = Literal["append", "overwrite"]


def dataset(path: Path, name: str) -> str:
    """The FOCUS dataset that a file belongs to; charges where nothing tells otherwise. Raises Malformed."""
    columns = {plain(column) for column in glance(path, name)[0]}
    return next((found for column, found in TOLD_BY.items() if plain(column) in columns), CHARGES)


def open_periods(path: Path, name: str) -> dict[BillingPeriod, bool]:
    """Of each billing period in a BillingPeriod file, whether some issuer calls it open. Raises Malformed."""
    from finops_ai.sources.staging import engine

    with engine() as duck:
        whole = verify(path, name, duck.scratch)
        of = f"read_parquet({text_literal(str(whole.path))})"
        if whole.text is not None:
            of = f"read_csv({text_literal(str(whole.text))}, all_varchar = true, header = true)"
        known = {plain(column): column for column, *_ in duck.con.execute(f"DESCRIBE FROM {of}").fetchall()}
        missing = [column for column in ("BillingPeriodStart", "BillingPeriodStatus") if plain(column) not in known]
        if missing:
            raise Malformed([Problem(file=name, line=1, column=missing[0], message="column is missing")])
        start, status = (quoted(known[plain(column)]) for column in ("BillingPeriodStart", "BillingPeriodStatus"))
        rows = duck.con.execute(
            f"SELECT CAST(TRY_CAST({start} AS TIMESTAMP) AS DATE), lower(trim(CAST({status} AS VARCHAR))) FROM {of}"
        ).fetchall()
    found: dict[BillingPeriod, bool] = {}
    for day, said in rows:
        if day is None or said not in ("open", "closed"):
            message = "a row names no billing period, or a status that is neither Open nor Closed"
            raise Malformed([Problem(file=name, column="BillingPeriodStatus", value=str(said), message=message)])
        period = BillingPeriod.of(day)
        found[period] = found.get(period, False) or said == "open"
    return found


def current(parts: Collection[ObjectInfo], handling: Handling) -> Sequence[ObjectInfo]:
    """The files of one billing period that count.

    All of them where each delivery adds (`append`). Where each replaces the one before it (`overwrite`), the files of
    the folder that was written last, or that last file where they lie side by side; of equal times the later name.
    """
    if handling == "append":
        return list(parts)
    by_folder = groupby(sorted(parts, key=lambda info: info.key), key=lambda info: info.key.rpartition("/")[0])
    deliveries: list[list[ObjectInfo]] = []
    for folder, infos in by_folder:
        deliveries += [[info] for info in infos] if not folder else [list(infos)]
    return max(deliveries, key=lambda each: (max(str(info.modified_at or "") for info in each), each[-1].key))
