"""A FOCUS file, whole or not at all: CSV with the exact texts, packed CSV, or Parquet with decimals and times."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finops_ai.app.focus_rows import COLUMNS
from finops_ai.domain.errors import UsageError
from finops_ai.domain.focus import AMOUNTS, INSTANTS
from finops_ai.world.scratch import scratch

if TYPE_CHECKING:
    import pyarrow as pa

Write = Callable[["pa.Table"], object]


@contextmanager
def writing(file: Path) -> Iterator[Write]:
    """What writes tables of COLUMNS, all text. `file` appears when the block ends well, in its place at once.

    CSV is for programs: a value that a spreadsheet would run as a formula stands as it is. The same tables give the
    same bytes. Raises UsageError for an ending that is none of .csv, .csv.gz and .parquet.
    """
    if not file.name.endswith((".csv", ".csv.gz", ".parquet")):
        raise UsageError(f"{file.name}: end the name with .csv, .csv.gz or .parquet")
    with scratch("export", within=file.parent) as folder:
        new = folder / file.name
        with ExitStack() as stack:
            yield (_parquet if new.suffix == ".parquet" else _csv)(new, stack)
        new.replace(file)


def _csv(file: Path, stack: ExitStack) -> Write:
    raw: Any = stack.enter_context(file.open("wb"))
    if file.suffix == ".gz":
        # No name and no time in the header: the same ledger gives the same bytes.
        raw = stack.enter_context(gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0))
    writer = csv.writer(stack.enter_context(io.TextIOWrapper(raw, encoding="utf-8", newline="")), lineterminator="\n")
    writer.writerow(COLUMNS)
    return lambda table: writer.writerows(zip(*(column.to_pylist() for column in table.itercolumns()), strict=True))


def _parquet(file: Path, stack: ExitStack) -> Write:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = dict.fromkeys(COLUMNS, pa.string())
    types |= dict.fromkeys(AMOUNTS, pa.decimal128(38, 18)) | dict.fromkeys(INSTANTS, pa.timestamp("us", "UTC"))
    schema = pa.schema(types)
    writer = stack.enter_context(pq.ParquetWriter(file, schema))
    return lambda table: writer.write_table(table.cast(schema))
