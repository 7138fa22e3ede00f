"""Parts of a delivery laid out for DuckDB: every one verified, text turned into Parquet, columns found."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finops_ai.domain.errors import Malformed, Problem, Unavailable
from finops_ai.sources.base import Keep
from finops_ai.sources.mapping import (
    Cell,
    Labels,
    LineMapping,
    find_columns,
    find_labels,
    kept_keys,
    quoted,
    text_literal,
)
from finops_ai.sources.parts import Whole, verify

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_LIMIT = "640MB"
THREADS = min(os.cpu_count() or 1, 8)
JSON_MAP = "MAP(VARCHAR, VARCHAR)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A DuckDB connection of its own, bounded in memory, and the folder it may spill to."""

    con: DuckDBPyConnection
    scratch: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A part as a Parquet file with the types it brought. `rows` counts its lines."""

    whole: Whole
    file: Path
    columns: Mapping[str, str]
    cells: Mapping[str, Cell]
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Parts with the same columns: where each column of the mapping stands, and SQL for the labels that are kept.

    `tags` and `cost_categories` map a canonical key to (raw key, SQL) in the order in which the first value wins;
    `json` are label columns that hold JSON text.
    """

    parts: Sequence[Staged]
    cells: Mapping[str, Cell]
    tags: Mapping[str, Sequence[tuple[str, str]]]
    cost_categories: Mapping[str, Sequence[tuple[str, str]]]
    json: Sequence[str]

    @property
    def source(self) -> str:
        """SQL that reads all parts, with the name of the file and the row in it."""
        files = ", ".join(text_literal(str(part.file)) for part in self.parts)
        return f"read_parquet([{files}], hive_partitioning = false, filename = true, file_row_number = true)"


@contextmanager
def engine() -> Iterator[Engine]:
    """DuckDB in UTC; what it says about running out of room becomes Unavailable."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="finops-scan-", ignore_cleanup_errors=True) as folder:
        options = {"memory_limit": MEMORY_LIMIT, "threads": THREADS, "temp_directory": folder,
                   "autoinstall_known_extensions": False, "preserve_insertion_order": False}
        con = duckdb.connect(config=options)
        try:
            con.execute("SET TimeZone = 'UTC'")
            yield Engine(con=con, scratch=Path(folder))
        except duckdb.OutOfMemoryException as error:
            raise Unavailable(f"the scan found no room in memory or in {folder}: {first_line(error)}") from error
        finally:
            con.close()


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
        raise Malformed(problems)
    return staged


def shapes(staged: Sequence[Staged], mapping: LineMapping, keep: Keep, engine: Engine) -> list[Shape]:
    """Parts by the columns they have, with the labels that `keep` asks for found under every spelling."""
    alike: dict[tuple[tuple[str, str], ...], list[Staged]] = {}
    for part in staged:
        if part.rows:
            alike.setdefault(tuple(part.columns.items()), []).append(part)
    found = []
    for parts in alike.values():
        tags, tags_json = _labels(parts, mapping.tags, mapping.nulls, keep.tags, engine)
        categories, categories_json = _labels(
            parts, mapping.cost_categories, mapping.nulls, keep.cost_categories, engine
        )
        json = [column for column in (tags_json, categories_json) if column]
        found.append(Shape(parts=parts, cells=parts[0].cells, tags=tags, cost_categories=categories, json=json))
    return found


def first_line(error: Exception) -> str:
    """What DuckDB says, without its advice and without kilobytes of the offending line."""
    return re.sub(r"\s+", " ", str(error).split("\n", 1)[0])[:200]


def _stage(whole: Whole, mapping: LineMapping, engine: Engine, number: int) -> Staged:
    import duckdb

    file = engine.scratch / f"{number:06d}.parquet"
    try:
        if whole.text is None:
            file.symlink_to(whole.path.resolve())  # DuckDB reads * and [ in a name as a pattern
            columns = _columns(file, engine)
            cells, problems = find_columns(mapping, columns, whole.name)
        else:
            cells, problems = find_columns(mapping, dict.fromkeys(whole.header, "VARCHAR"), whole.name)
            if not problems:
                _text_to_parquet(whole, file, _wanted(whole.header, mapping), mapping, engine)
                columns = _columns(file, engine)
            whole.text.unlink()
        if problems:
            raise Malformed(problems)
        count = engine.con.execute("SELECT count(*) FROM read_parquet(?)", [str(file)]).fetchall()[0][0]
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise Malformed([unreadable(whole, error)]) from error
    return Staged(whole=whole, file=file, columns=columns, cells=cells, rows=count)


def unreadable(whole: Whole, error: Exception) -> Problem:
    """DuckDB's complaint about one part, with the line where it names one."""
    line = re.search(r"CSV Error on Line: (\d+)", str(error))
    reasons = re.findall(r"^(?:Expected Number of Columns.*|.*quote found.*|Maximum line size.*)$", str(error), re.M)
    what = "has a row that is not CSV" if line else "is damaged or not whole"
    return Problem(
        file=whole.name,
        line=int(line[1]) if line else None,
        message=f"{what}: {reasons[0][:200] if reasons else first_line(error)}",
    )


def _columns(file: Path, engine: Engine) -> dict[str, str]:
    described = engine.con.execute(
        "DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", [str(file)]
    ).fetchall()
    return {name: type_ for name, type_, *_ in described}


def _wanted(header: Sequence[str], mapping: LineMapping) -> list[str]:
    """Columns of a text file worth keeping: those of the mapping and all labels."""
    cells, _ = find_columns(mapping, dict.fromkeys(header, "VARCHAR"), "")
    names = {cell.sql for cell in cells.values()}
    for labels in (mapping.tags, mapping.cost_categories):
        whole, of_keys = find_labels(labels, dict.fromkeys(header, "VARCHAR"))
        names |= {quoted(name) for name in (*of_keys.values(), *([whole] if whole else ()))}
    return [quoted(name) for name in header if quoted(name) in names]


def _text_to_parquet(
    whole: Whole, file: Path, wanted: Sequence[str], mapping: LineMapping, engine: Engine
) -> None:
    """Read every field as text: nothing is guessed. Rows keep their order, so that a line can be told later."""
    columns = ", ".join(f"{text_literal(name)}: 'VARCHAR'" for name in whole.header)
    nulls = ", ".join(text_literal(word) for word in mapping.nulls)
    query = (
        f"SELECT {', '.join(wanted)} FROM read_csv({text_literal(str(whole.text))}, auto_detect = false, "
        f"header = true, delim = ',', quote = '\"', escape = '\"', columns = {{{columns}}}, nullstr = [{nulls}])"
    )
    engine.con.execute("SET preserve_insertion_order = true")
    engine.con.execute(f"COPY ({query}) TO {text_literal(str(file))} (FORMAT parquet, COMPRESSION lz4_raw)")
    engine.con.execute("SET preserve_insertion_order = false")


def _labels(
    parts: Sequence[Staged], labels: Labels, nulls: Sequence[str], keep: frozenset[str], engine: Engine
) -> tuple[dict[str, list[tuple[str, str]]], str | None]:
    """Kept labels as (raw key, SQL) by canonical key, and the column if it holds JSON text."""
    if not keep:
        return {}, None
    columns = parts[0].columns
    whole, of_keys = find_labels(labels, columns)
    if of_keys:
        kept = kept_keys(list(of_keys), keep)
        return {key: [(raw, quoted(of_keys[raw])) for raw in raws] for key, raws in kept.items()}, None
    if whole is None:
        return {}, None
    type_ = columns[whole]
    if type_.startswith("MAP(VARCHAR,"):
        kept = kept_keys(_map_keys(parts, whole), keep)
        return {key: [(raw, f"CAST({quoted(whole)}[{text_literal(raw)}] AS VARCHAR)") for raw in raws]
                for key, raws in kept.items()}, None
    if type_ != "VARCHAR":
        return {}, None
    as_map = json_map(whole, nulls)
    files = ", ".join(text_literal(str(part.file)) for part in parts)
    raw_keys = engine.con.execute(
        f"SELECT DISTINCT unnest(map_keys(m)) FROM (SELECT DISTINCT {as_map} AS m FROM read_parquet([{files}]))"
    ).fetchall()
    kept = kept_keys([raw for (raw,) in raw_keys], keep)
    return {key: [(raw, f"{as_map}[{text_literal(raw)}]") for raw in raws] for key, raws in kept.items()}, whole


def json_map(column: str, nulls: Sequence[str]) -> str:
    """SQL for a JSON object as a map of texts; null where the text is none."""
    words = ", ".join(text_literal(word) for word in nulls)
    return f"CASE WHEN {quoted(column)} NOT IN ({words}) THEN TRY_CAST(TRY_CAST({quoted(column)} AS JSON) AS {JSON_MAP}) END"


def _map_keys(parts: Sequence[Staged], column: str) -> list[str]:
    """Every key in a map column. Only the keys are decoded, as a dictionary: a fiftieth of the time of the scan."""
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda part: _map_keys_of(part.file, column), parts)
        return sorted(set().union(*found))


def _map_keys_of(path: Path, column: str) -> set[str]:
    from pyarrow import parquet

    keys: set[str] = set()
    with parquet.ParquetFile(path) as file:
        leaves = [file.schema.column(number).path for number in range(len(file.schema))]
    leaf = next(path for path in leaves if path.startswith(column + ".") and path.endswith(".key"))
    with parquet.ParquetFile(path, read_dictionary=[leaf]) as file:
        for group in range(file.num_row_groups):
            for chunk in file.read_row_group(group, columns=[leaf], use_threads=False).column(0).chunks:
                keys.update(chunk.values.field(0).dictionary.to_pylist())
    return keys
