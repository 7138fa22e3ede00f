"""Parts with the same columns, and where the tags and cost categories that are kept stand in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from finops_ai.domain.errors import Malformed
from finops_ai.sources.base import Keep
from finops_ai.sources.mapping import Cell, Labels, LineMapping, find_labels, kept_keys, text_literal
from finops_ai.sources.staging import THREADS, Engine, Staged, unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Parts with the same columns: where each column of the mapping stands, and SQL for the labels that are kept.

    `tags` and `cost_categories` map a canonical key to (raw key, SQL) in the order in which the first value wins;
    `json` are label columns that hold JSON text; `all_tags` is SQL for every tag of a line as JSON text, null or '{}'
    where there is none.
    """

    parts: Sequence[Staged]
    cells: Mapping[str, Cell]
    tags: Mapping[str, Sequence[tuple[str, str]]]
    cost_categories: Mapping[str, Sequence[tuple[str, str]]]
    json: Sequence[Cell]
    all_tags: str

    @property
    def source(self) -> str:
        """SQL that reads all parts, with the name of the file and the row in it."""
        files = ", ".join(text_literal(str(part.file)) for part in self.parts)
        return f"read_parquet([{files}], hive_partitioning = false, filename = 'part_file', file_row_number = true)"


def shapes(staged: Sequence[Staged], mapping: LineMapping, keep: Keep, engine: Engine) -> list[Shape]:
    """Parts by the columns they have, with the labels that `keep` asks for found under every spelling."""
    alike: dict[tuple[Cell, ...], list[Staged]] = {}
    for part in staged:
        if part.rows:
            alike.setdefault((*part.columns.values(), *part.cells.values()), []).append(part)
    found = []
    for parts in alike.values():
        tags, tags_json = _labels(parts, mapping.tags, mapping.nulls, keep.tags, engine)
        more, more_json = _labels(parts, Labels(column=mapping.tags.also or ""), mapping.nulls, keep.tags, engine)
        categories, categories_json = _labels(
            parts, mapping.cost_categories, mapping.nulls, keep.cost_categories, engine
        )
        json = [column for column in (tags_json, more_json, categories_json) if column]
        found.append(
            Shape(
                parts=parts,
                cells=parts[0].cells,
                tags={key: [*tags.get(key, ()), *more.get(key, ())] for key in {**tags, **more}},
                cost_categories=categories,
                json=json,
                all_tags=_all_tags(parts[0], mapping),
            )
        )
    return found


def _all_tags(part: Staged, mapping: LineMapping) -> str:
    """SQL for the tags as they stand in the file, with the keys that it has."""
    whole, of_keys = find_labels(mapping.tags, part.columns)
    said = "NULL"
    if of_keys:
        said = ", ".join(f"{{'key': {text_literal(raw)}, 'value': {cell.sql}}}" for raw, cell in of_keys.items())
        said = f"to_json(map_from_entries(list_filter([{said}], lambda tag: tag.value <> '')))"
    elif whole is not None and whole.type.startswith("MAP("):
        said = f"to_json(map_from_entries(list_filter(map_entries({whole.sql}), lambda tag: tag.value IS NOT NULL)))"
    elif whole is not None:
        words = ", ".join(text_literal(word) for word in mapping.nulls)
        as_text = whole.sql if whole.type == "VARCHAR" else f"CAST(to_json({whole.sql}) AS VARCHAR)"
        said = f"CASE WHEN {as_text} NOT IN ({words}) THEN {as_text} END"
    return f"CAST({said} AS VARCHAR)"


def _labels(
    parts: Sequence[Staged], labels: Labels, nulls: Sequence[str], keep: frozenset[str], engine: Engine
) -> tuple[dict[str, list[tuple[str, str]]], Cell | None]:
    """Kept labels as (raw key, SQL) by canonical key, and the column if it holds JSON text."""
    whole, of_keys = find_labels(labels, parts[0].columns)
    json = None
    if not keep:
        sql = {}
    elif of_keys:
        sql = {raw: cell.sql for raw, cell in of_keys.items()}
    elif whole is not None and whole.type.startswith("MAP(VARCHAR,"):
        keys = _map_keys(parts, whole.name)
        sql = {raw: f"CAST({whole.sql}[{text_literal(raw)}] AS VARCHAR)" for raw in keys}
    elif whole is not None and whole.type.startswith(("VARCHAR", "JSON", "STRUCT")):
        if whole.type.startswith("STRUCT"):
            whole = Cell(whole.name, f"CAST(to_json({whole.sql}) AS VARCHAR)", "VARCHAR")
        elif labels.bare:
            said = f"CASE WHEN trim({whole.sql}, ' \"') <> '' THEN {whole.sql} END"
            members = f"CASE WHEN starts_with(ltrim({whole.sql}), '\"') THEN '{{' || {said} || '}}' ELSE {said} END"
            whole = Cell(whole.name, members, "VARCHAR")
        json, as_map = whole, json_map(whole, nulls)
        sql = {raw: f"{as_map}[{text_literal(raw)}]" for raw in _json_keys(parts, as_map, engine)}
    else:
        sql = {}
    kept = kept_keys(list(sql), keep)
    return {key: [(raw, sql[raw]) for raw in raws] for key, raws in kept.items()}, json


def json_map(column: Cell, nulls: Sequence[str]) -> str:
    """SQL for a JSON object as a map of texts; null where the text is none."""
    words = ", ".join(text_literal(word) for word in nulls)
    parsed = f"TRY_CAST(TRY_CAST({column.sql} AS JSON) AS MAP(VARCHAR, VARCHAR))"
    return f"CASE WHEN {column.sql} NOT IN ({words}) THEN {parsed} END"


def _json_keys(parts: Sequence[Staged], as_map: str, engine: Engine) -> list[str]:
    """Every key of the JSON objects, each distinct text parsed once."""
    files = ", ".join(text_literal(str(part.file)) for part in parts)
    found = engine.con.execute(
        f"SELECT DISTINCT unnest(map_keys(m)) FROM (SELECT DISTINCT {as_map} AS m FROM read_parquet([{files}]))"
    ).fetchall()
    return sorted(key for (key,) in found)


def _map_keys(parts: Sequence[Staged], column: str) -> list[str]:
    """Every key in a map column. Only the keys are decoded, as a dictionary: a fiftieth of the time of the scan."""
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda part: _map_keys_of(part, column), parts)
        return sorted(set().union(*found))


def _map_keys_of(part: Staged, column: str) -> set[str]:
    import pyarrow as pa

    try:
        return _dictionary(part.file, column)
    except (pa.ArrowException, OSError) as error:
        raise Malformed([unreadable(part.whole, error)]) from error


def _dictionary(path: Path, column: str) -> set[str]:
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
