"""From Arrow to one partition of the cube: dimension dictionary, COPY, unique key, and sums that must agree."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from finops_ai.domain import focus
from finops_ai.domain.errors import Leak
from finops_ai.ledger import bulk
from finops_ai.ledger.connect import psycopg_connection
from finops_ai.ledger.keys import CORRECTION, FLAT_RATES
from finops_ai.ledger.tables import COSTS, JSON_DIMENSIONS

if TYPE_CHECKING:
    import pyarrow as pa

Sums = Mapping[str, Mapping[str, Decimal]]
"""Currency to cost column to sum."""

UNKNOWN_DIGESTS = """
SELECT min(position) FROM staged s WHERE NOT EXISTS (SELECT FROM dimension d WHERE d.digest = s.digest) GROUP BY digest
"""
IDS_OF_DIGESTS = "SELECT array_agg(position), array_agg(id) FROM staged JOIN dimension USING (digest)"


def sums(dimensions: pa.Table, facts: pa.Table) -> Sums:
    """What the facts in memory come to."""
    import pyarrow as pa

    numbered = pa.table({"dimension": dimensions["dimension"], "currency": dimensions["billing_currency"]})
    currencies = numbered.sort_by("dimension")["currency"].combine_chunks().dictionary_encode()
    costs = facts.select(COSTS).append_column("currency", currencies.take(facts["dimension"]))
    totals = costs.group_by("currency").aggregate([(name, "sum") for name in COSTS])
    return {row["currency"]: {name: row[f"{name}_sum"] for name in COSTS} for row in totals.to_pylist()}


def last_usage_day(dimensions: pa.Table, facts: pa.Table) -> date | None:
    """The latest day on which something was used: fees and credits are dated ahead and say nothing of completeness."""
    import pyarrow as pa
    import pyarrow.compute as pc

    flat_rate = pc.is_in(dimensions["charge_frequency"], pa.array(FLAT_RATES))
    correction = pc.equal(dimensions["charge_class"], CORRECTION)
    usage = pc.and_not(pc.equal(dimensions["charge_category"], "Usage"), pc.or_(flat_rate, correction))
    numbers = dimensions["dimension"].to_numpy()
    # Dimension numbers are dense, so that one look into an array tells what a fact is.
    is_usage = np.zeros(int(numbers.max(initial=-1)) + 1, dtype=bool)
    is_usage[numbers] = usage.to_numpy(zero_copy_only=False)
    days = facts["day"].to_numpy()[is_usage[facts["dimension"].to_numpy()]]
    latest = days.max().astype("datetime64[D]").item() if len(days) else None
    return latest if isinstance(latest, date) else None


def settle(measured: Sums, said: Sums, by: str, columns: Sequence[str] = COSTS) -> None:
    """Raises Leak unless `said`, by another path, equals the measured sums; a currency not named has sums of 0."""
    for currency in sorted({*said, *measured}):
        for name in columns:
            ours, theirs = (each.get(currency, {}).get(name, Decimal(0)) for each in (measured, said))
            if ours != theirs:
                raise Leak(f"{name} in {currency}: the charges come to {ours}, {by} to {theirs}")


def load_partition(
    connection: sa.Connection, version: int, ids: NDArray[np.int64], dimensions: pa.Table, facts: pa.Table
) -> Sums:
    """Fill the table `charge_<version>`, ready to be attached; what its rows come to in PostgreSQL."""
    rows = _by_id(facts, ids)
    table = f"charge_{version:d}"
    connection.execute(sa.text("SET LOCAL maintenance_work_mem = '256MB'"))
    # The check spares ATTACH PARTITION a scan; the default spares the wire a column.
    connection.execute(
        sa.text(
            f"CREATE TABLE {table} (LIKE charge INCLUDING CONSTRAINTS,"
            f" CONSTRAINT {table}_version CHECK (delivery_id = {version:d}));"
            f" ALTER TABLE {table} ALTER delivery_id SET DEFAULT {version:d}"
        )
    )
    copied = bulk.copy_arrow(psycopg_connection(connection), table, rows)
    if copied != rows.num_rows:
        raise Leak(f"{rows.num_rows} rows were sent to PostgreSQL, {copied} arrived")
    connection.execute(sa.text(f"CREATE UNIQUE INDEX ON {table} (dimension_id, day)"))
    return _sums_in_postgres(connection, table, sorted(set(dimensions["billing_currency"].to_pylist())))


def _sums_in_postgres(connection: sa.Connection, table: str, currencies: Sequence[str]) -> Sums:
    """By currency; one alone needs no look into the dictionary."""
    costs = ", ".join(f"sum({name}) AS {name}" for name in COSTS)
    if len(currencies) == 1:
        alone = connection.execute(sa.text(f"SELECT {costs} FROM {table} HAVING count(*) > 0"))  # noqa: S608
        row = alone.mappings().first()
        return {currencies[0]: {name: row[name] for name in COSTS}} if row else {}
    by_currency = f"SELECT billing_currency, {costs} FROM {table} JOIN dimension ON dimension_id = id GROUP BY 1"  # noqa: S608
    rows = connection.execute(sa.text(by_currency))
    return {row["billing_currency"]: {name: row[name] for name in COSTS} for row in rows.mappings()}


def dimension_ids(connection: sa.Connection, source: str, dimensions: pa.Table) -> NDArray[np.int64]:
    """The ledger's id of each dimension number; tuples never seen before are added to the dictionary.

    The caller holds the lock of the source, and the source is part of the tuple: nobody else adds the same.
    """
    import pyarrow as pa

    driver = psycopg_connection(connection)
    tuples = _tuples(source, dimensions)
    digests = _digests(tuples)
    connection.execute(sa.text("CREATE TEMPORARY TABLE staged (position integer, digest bytea) ON COMMIT DROP"))
    bulk.copy_arrow(driver, "staged", pa.table({"position": np.arange(len(digests)), "digest": digests}))
    unknown = connection.scalars(sa.text(UNKNOWN_DIGESTS)).all()
    if unknown:
        bulk.copy_arrow(driver, "dimension", tuples.append_column("digest", digests).take(pa.array(unknown)))
    ids = np.zeros(len(digests), dtype=np.int64)
    if len(digests):
        [(positions, found)] = bulk.read_arrays(driver, IDS_OF_DIGESTS, {})
        ids[dimensions["dimension"].to_numpy()[positions]] = found
    return ids


def _tuples(source: str, dimensions: pa.Table) -> pa.Table:
    """The rows of the dictionary: no nulls, and an object where JSON is wanted."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns: dict[str, Any] = {"source": pa.repeat(source, dimensions.num_rows)}
    for name in (*focus.DIMENSIONS, *focus.ALLOCATED):
        column = dimensions[name].cast(pa.string()).fill_null("").combine_chunks()
        columns[name] = pc.if_else(pc.equal(column, ""), "{}", column) if name in JSON_DIMENSIONS else column
    return pa.table(columns)


def _digests(tuples: pa.Table) -> pa.Array:
    """SHA-256 over length and value of each column, so that no two tuples meet; spelled as PostgreSQL reads bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    spelled = []
    for column in tuples.itercolumns():
        spelled += [pc.binary_length(column).cast(pa.string()), column]
    joined = pc.binary_join_element_wise(*spelled, ":").to_pylist()
    return pa.array(["\\x" + hashlib.sha256(each.encode()).hexdigest() for each in joined], pa.string())


def _by_id(facts: pa.Table, ids: NDArray[np.int64]) -> pa.Table:
    """Facts with the ledger's ids for numbers; where two numbers are one tuple, their rows are added up."""
    import pyarrow as pa

    measures = list(focus.MEASURES)
    keyed = pa.table({"dimension_id": ids[facts["dimension"].to_numpy()], **{n: facts[n] for n in ("day", *measures)}})
    if len(np.unique(ids)) == len(ids):
        return keyed
    added = keyed.group_by(["dimension_id", "day"]).aggregate([(name, "sum") for name in measures])
    return added.rename_columns(["dimension_id", "day", *measures])
