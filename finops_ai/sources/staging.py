"""Parts of a delivery laid out for DuckDB: every one verified, text turned into Parquet, columns found."""

from __future__ import annotations

import atexit
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finops_ai.domain.errors import Malformed, Problem, Unavailable
from finops_ai.sources.decimals import with_points
from finops_ai.sources.line_ends import made_even
from finops_ai.sources.mapping import (
    Cell,
    LineMapping,
    find_columns,
    find_labels,
    plain_amounts,
    quoted,
    text_literal,
)
from finops_ai.sources.parts import Whole, verify
from finops_ai.world.scratch import Scratch

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_LIMIT = "640MB"
SMALL_BYTES = 4_000_000
MAX_PROBLEMS = 20
THREADS = min(os.cpu_count() or 1, 8)
_LOST = "CSV Parser state machine reached an invalid state"  # as DuckDB says it


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A DuckDB connection of its own, bounded in memory, and the folder for its parts."""

    con: DuckDBPyConnection
    scratch: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A part as a Parquet file: every column by its name in the part, and those of the mapping. `rows` counts lines."""

    whole: Whole
    file: Path
    columns: Mapping[str, Cell]
    cells: Mapping[str, Cell]
    rows: int


class _Instance:
    """A DuckDB bounded in memory, with a folder to spill to, in which those of its scans lie as well."""

    def __init__(self) -> None:
        import duckdb

        self.scratch = Scratch("scan")
        options: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY_LIMIT,
            "threads": THREADS,
            "temp_directory": str(self.scratch.path),
            "autoinstall_known_extensions": False,
        }
        self.con = duckdb.connect(config=options)


_idle: list[_Instance] = []
atexit.register(_idle.clear)


@contextmanager
def engine(*, kept: bool = True) -> Iterator[Engine]:
    """DuckDB in UTC; what it says about running out of room becomes Unavailable.

    Starting one takes as long as a small scan, so one that was `kept` serves the next scan with a connection of its
    own; nobody else has it meanwhile. Not kept: after a fault, after much data, whose memory it would hold on to, and
    where the caller says so because of settings that only a new one has not.
    """
    import duckdb

    instance = _idle_one() if kept else _Instance()
    with tempfile.TemporaryDirectory(dir=instance.scratch.path, ignore_cleanup_errors=True) as folder:
        con, is_sound = instance.con.cursor(), False
        try:
            con.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false; SET preserve_insertion_order = false")
            yield Engine(con=con, scratch=Path(folder))
            is_sound = True
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            raise Unavailable(f"the scan found no room in memory or in {folder}: {first_line(error)}") from error
        except Malformed:
            is_sound = True
            raise
        finally:
            con.close()
            if kept and is_sound and _bytes_in(folder) < SMALL_BYTES:
                _idle.append(instance)
            else:
                instance.con.close()


def _idle_one() -> _Instance:
    while True:
        try:
            instance = _idle.pop()
        except IndexError:
            return _Instance()
        if instance.scratch.path.is_dir():  # else whoever tidies the temporary folder took it while nothing was read
            return instance


def _bytes_in(folder: str) -> int:
    """Size of the parts that were laid out there, or are pointed to from there."""
    return sum(file.stat().st_size for file in Path(folder).iterdir() if file.exists())


def stage(parts: Iterable[tuple[str, Path]], mapping: LineMapping, engine: Engine) -> list[Staged]:
    """Verify every part and lay it out. Raises Malformed with the problems of all parts, not of the first."""
    staged: list[Staged] = []
    problems: list[Problem] = []
    for number, (name, path) in enumerate(parts):
        try:
            staged.append(_stage(verify(path, name, engine.scratch), mapping, engine, number))
        except Malformed as error:
            problems.extend(error.problems)
    if not problems and not sum(part.rows for part in staged):
        problems = [Problem(file=part.whole.name, message="holds a header and no rows") for part in staged]
    if problems:
        raise Malformed(problems[:MAX_PROBLEMS])
    return staged


def first_line(error: Exception) -> str:
    """What DuckDB says, without its advice and without kilobytes of the offending line."""
    return re.sub(r"\s+", " ", str(error).split("\n", 1)[0])[:200]


def _stage(whole: Whole, mapping: LineMapping, engine: Engine, number: int) -> Staged:
    import duckdb

    file = engine.scratch / f"{number:06d}.parquet"
    try:
        if whole.text is None:
            file.symlink_to(whole.path.resolve())  # DuckDB reads * and [ in a name as a pattern
            columns = _parquet_columns(file, engine)
        else:
            columns = text_columns(whole)
        columns = _meant(columns, mapping, whole)
        cells, problems = find_columns(mapping, columns, whole.name)
        if problems:
            raise Malformed(problems)
        if whole.text is not None:
            text_to_parquet(whole, file, _wanted(columns, cells, mapping), mapping.nulls, engine)
            cells = with_points(cells, mapping, file, engine.con, sure=whole.delimiter == ";")
        count = engine.con.execute("SELECT count(*) FROM read_parquet(?)", [str(file)]).fetchall()[0][0]
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise Malformed([unreadable(whole, error)]) from error
    return Staged(whole=whole, file=file, columns=columns, cells=plain_amounts(cells, mapping), rows=count)


def unreadable(whole: Whole, error: Exception) -> Problem:
    """DuckDB's complaint about one part, with the line where it names one."""
    line = re.search(r"CSV Error on Line: (\d+)", str(error))
    reasons = re.findall(r"^(?:Expected Number of Columns.*|.*quote found.*|Maximum line size.*)$", str(error), re.M)
    what = "has a row that is not CSV" if line else "is damaged or not whole"
    reason = reasons[0][:200] if reasons else first_line(error)
    if _LOST in reason:
        reason = "a quote or a line end is out of place, or the end is missing; deliver it again"
    return Problem(file=whole.name, line=int(line[1]) if line else None, message=f"{what}: {reason}")


def text_columns(whole: Whole) -> dict[str, Cell]:
    """Columns of a text part, called by their place: to SQL, names that differ in case alone are one."""
    return {name: Cell(name, f"c{place}", "VARCHAR") for place, name in enumerate(whole.header)}


def text_to_parquet(whole: Whole, file: Path, wanted: Mapping[str, Cell], nulls: Sequence[str], engine: Engine) -> None:
    """Columns of a text part as Parquet under the names of `wanted`, every field as text: nothing is guessed.

    Rows keep their order, so that their line can be told later. The unpacked text is removed.
    """
    import duckdb

    columns = ", ".join(f"'{cell.sql}': 'VARCHAR'" for cell in text_columns(whole).values())
    words = ", ".join(text_literal(word) for word in nulls)
    selected = ", ".join(f"{cell.sql} AS {name}" for name, cell in wanted.items())
    query = (
        f"SELECT {selected} FROM read_csv({text_literal(str(whole.text))}, "
        f"auto_detect = false, header = true, delim = '{whole.delimiter}', quote = '\"', escape = '\"', "
        f"columns = {{{columns}}}, "
        f"nullstr = [{words}])"
    )
    copied = f"COPY ({query}) TO {text_literal(str(file))} (FORMAT parquet, COMPRESSION lz4_raw)"
    engine.con.execute("SET preserve_insertion_order = true")
    try:
        engine.con.execute(copied)
    except duckdb.InvalidInputException as error:
        if _LOST not in str(error) or not whole.text or not made_even(whole.text, whole.delimiter):
            raise
        engine.con.execute(copied)
    engine.con.execute("SET preserve_insertion_order = false")
    if whole.text:
        whole.text.unlink()


def _parquet_columns(file: Path, engine: Engine) -> dict[str, Cell]:
    described = engine.con.execute("DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", [str(file)])
    return {name: Cell(name, quoted(name), type_) for name, type_, *_ in described.fetchall()}


def _wanted(columns: Mapping[str, Cell], cells: Mapping[str, Cell], mapping: LineMapping) -> dict[str, Cell]:
    """Columns of a text part worth keeping: those of the mapping and all labels."""
    places = {cell.sql for cell in cells.values()}
    for labels in (mapping.tags, mapping.cost_categories):
        whole, of_keys = find_labels(labels, columns)
        places |= {cell.sql for cell in (*of_keys.values(), *([whole] if whole else ()))}
    return {cell.sql: cell for cell in columns.values() if cell.sql in places}


def _meant(columns: Mapping[str, Cell], mapping: LineMapping, whole: Whole) -> dict[str, Cell]:
    """Columns by what their headers mean. Raises Malformed when two mean the same."""
    meant: dict[str, Cell] = {}
    for name, cell in columns.items():
        known = meant.setdefault(mapping.named(name), cell)
        if known is not cell:
            message = f"is the same column as {known.name!r}"
            raise Malformed([Problem(file=whole.name, line=1, column=name, message=message)])
    return meant
