"""Much at once: Arrow tables and rows into PostgreSQL by COPY, numbers out of it as numpy arrays."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

if TYPE_CHECKING:
    import pyarrow as pa

Connection = psycopg.Connection[Any]

BATCH_ROWS = 65_536
BATCHES_AHEAD = 2
ELEMENTS = {
    psycopg.postgres.types[name].oid: np.dtype(kind)
    for name, kind in (("int4", ">i4"), ("int8", ">i8"), ("float8", ">f8"), ("date", ">i4"))
}


def copy_arrow(connection: Connection, table: str, data: pa.Table) -> int:
    """COPY every row of `data` into the columns of `table` that bear its names; the number of rows the server took.

    A thread encodes the next batches while the server reads this one. Nulls arrive as null, '' as ''.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, data.column_names))
    )
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for chunk in _encoded(data):
                copy.write(chunk)
        return cursor.rowcount


def _encoded(data: pa.Table) -> Iterator[memoryview]:
    batches = data.to_batches(max_chunksize=BATCH_ROWS)
    ahead: deque[Future[memoryview]] = deque()
    with ThreadPoolExecutor(1) as encoder:
        for batch in batches:
            ahead.append(encoder.submit(_csv, batch))
            if len(ahead) > BATCHES_AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _csv(batch: pa.RecordBatch) -> memoryview:
    from pyarrow import csv

    encoded = io.BytesIO()
    csv.write_csv(batch, encoded, csv.WriteOptions(include_header=False))
    return encoded.getbuffer()


def copy_rows(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """COPY plain Python values; jsonb values must be wrapped in psycopg's Jsonb."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def upsert(
    connection: Connection, table: str, key: Sequence[str], columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """COPY `rows` beside `table`, then insert them; a row of that `key` is overwritten unless its `as_of` is later."""
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    changes = [sql.SQL("{0} = excluded.{0}").format(sql.Identifier(column)) for column in columns if column not in key]
    staged = f"staged_{table}"
    target, beside = sql.Identifier(table), sql.Identifier(staged)
    connection.execute(sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {})").format(beside, target))
    copy_rows(connection, staged, columns, rows)
    connection.execute(
        sql.SQL(
            "INSERT INTO {target} ({names}) SELECT {names} FROM {beside}"
            " ON CONFLICT ({key}) DO UPDATE SET {changes} WHERE {target}.as_of <= excluded.as_of"
        ).format(
            target=target,
            names=names,
            beside=beside,
            key=sql.SQL(", ").join(map(sql.Identifier, key)),
            changes=sql.SQL(", ").join(changes),
        )
    )
    connection.execute(sql.SQL("DROP TABLE {}").format(beside))


def read_arrays(connection: Connection, query: str, parameters: Mapping[str, object]) -> list[tuple[NDArray[Any], ...]]:
    """Rows of a query whose columns are all array_agg() of bigint, integer, date or double precision, without nulls.

    Dates come as days since 2000-01-01. A few long arrays cost a sixth of as many rows: psycopg hands out rows, and
    COPY's too, one Python object at a time.
    """
    with connection.cursor(binary=True) as cursor:
        for name in ("int4", "int8", "float8", "date"):
            cursor.adapters.register_loader(psycopg.postgres.types[name].array_oid, _ArrayLoader)
        return cursor.execute(sql.SQL(query), parameters).fetchall()


class _ArrayLoader(psycopg.adapt.Loader):
    """PostgreSQL's binary array: five integers (the third is the element's type), then length and value of each."""

    format = psycopg.pq.Format.BINARY
    header_bytes = 20

    def load(self, data: psycopg.abc.Buffer) -> NDArray[Any]:
        header = np.frombuffer(data, dtype=">i4", count=3)
        kind = ELEMENTS[int(header[2])]
        elements = np.frombuffer(data, dtype=[("bytes", ">i4"), ("value", kind)], offset=self.header_bytes)
        return elements["value"].astype(kind.newbyteorder("="))
