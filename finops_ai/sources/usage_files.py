"""Hourly container usage from CSV files: one line for each pod and hour, units in the column names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.usage import ContainerUsage, Workload
from finops_ai.sources.fetch import fingerprint
from finops_ai.sources.mapping import missing_column, text_literal
from finops_ai.sources.parts import line_numbers, verify
from finops_ai.world.world import ObjectInfo, ObjectStore, World

if TYPE_CHECKING:
    from finops_ai.sources.staging import Engine

VERSION = 1
SUFFIXES = (".csv", ".csv.gz", ".csv.zip")
BATCH_CONTAINERS = 64

NAMES = ("cluster", "namespace", "kind", "workload", "container", "pod")
AMOUNTS = {
    "cpu_request_m": 1e-3,
    "cpu_limit_m": 1e-3,
    "mem_request_mib": 2.0**20,
    "mem_limit_mib": 2.0**20,
    "cpu_avg_m": 1e-3,
    "cpu_max_m": 1e-3,
    "mem_avg_mib": 2.0**20,
    "mem_max_mib": 2.0**20,
    "cpu_throttled_ratio": 1.0,
}
"""Columns that may be empty (unknown or unset) and what makes cores and bytes of them."""

COUNTS = ("restarts", "oom_kills")
REQUESTS = ("cpu_request_m", "cpu_limit_m", "mem_request_mib", "mem_limit_mib")
SAMPLES = ("cpu_avg_m", "cpu_max_m", "mem_avg_mib", "mem_max_mib", "cpu_throttled_ratio")
COLUMNS = ("timestamp", *NAMES, *AMOUNTS, *COUNTS)
HOUR = (
    "CASE WHEN regexp_matches(timestamp, '^\\d{4}-\\d{2}-\\d{2}[T ]') "
    "THEN CAST(TRY_CAST(timestamp AS TIMESTAMPTZ) AS TIMESTAMP) END"
)
NOT_AN_AMOUNT = "is not a plain number of 0 or more"


class Settings(BaseModel):
    """`uri` is a file or a folder of parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["usage_files"] = "usage_files"
    name: str
    uri: str
    endpoint_url: str | None = None
    region: str | None = None


def make(settings: Settings, world: World) -> UsageFiles:
    store = world.objects.store(settings.uri, endpoint_url=settings.endpoint_url, region=settings.region)
    return UsageFiles(name=settings.name, store=store)


@dataclass(frozen=True, kw_only=True)
class UsageFiles:
    """Files of one place; the hours they tell are all the hours known."""

    name: str
    store: ObjectStore = field(repr=False)

    def fingerprint(self) -> str:
        told = [(info.key, info.size_bytes, info.etag) for info in self._infos()]
        return fingerprint(f"usage_files {VERSION}", "", told)

    def usage(self) -> Iterator[ContainerUsage]:
        from finops_ai.sources.staging import MAX_PROBLEMS, engine

        infos = self._infos()
        if not infos:
            raise Malformed([Problem(file=self.store.root, message=f"holds no usage files ({', '.join(SUFFIXES)})")])
        with engine() as duck:
            problems: list[Problem] = []
            parts = []
            for number, info in enumerate(infos):
                try:
                    parts.append(_stage(self.store.fetch(info), info.key, number, duck))
                except Malformed as error:
                    problems.extend(error.problems)
            if problems:
                raise Malformed(problems[:MAX_PROBLEMS], rejected=len(problems))
            yield from _containers(parts, duck)

    def _infos(self) -> list[ObjectInfo]:
        return [info for info in self.store.list() if info.key.lower().endswith(SUFFIXES)]


def _stage(path: Path, name: str, number: int, duck: Engine) -> Path:
    """One part as Parquet of texts, every value of it checked. Raises Malformed."""
    import duckdb

    from finops_ai.sources.staging import MAX_PROBLEMS, text_columns, text_to_parquet, unreadable

    whole = verify(path, name, duck.scratch)
    if whole.is_parquet:
        raise Malformed([Problem(file=name, message="is Parquet: usage files are CSV")])
    missing = [column for column in COLUMNS if column not in whole.header]
    if missing:
        raise Malformed([missing_column(column, whole.header, name) for column in missing])
    file = duck.scratch / f"{number:06d}.parquet"
    try:
        columns = text_columns(whole)
        text_to_parquet(whole, file, {column: columns[column] for column in COLUMNS}, ("",), duck)
    except duckdb.Error as error:
        raise Malformed([unreadable(whole, error)]) from error
    checks = ", ".join(
        f"CASE WHEN {wrong} THEN {{'name': {text_literal(name)}, 'value': {name}, 'why': {text_literal(why)}}} END"
        for name, wrong, why in _checks()
    )
    found = duck.con.execute(
        f"SELECT row, bad.name, bad.value, bad.why FROM (SELECT file_row_number AS row, unnest([{checks}]) AS bad "
        f"FROM read_parquet(?, file_row_number = true)) WHERE bad IS NOT NULL ORDER BY row LIMIT {MAX_PROBLEMS}",
        [str(file)],
    ).fetchall()
    at = line_numbers(whole, {row for row, *_ in found})
    if found:
        raise Malformed(
            [
                Problem(file=name, line=at.get(row), column=column, value=value, message=why)
                for row, column, value, why in found
            ]
        )
    return file


def _checks() -> Iterator[tuple[str, str, str]]:
    """Column, SQL predicate of what is wrong there, and what to say."""
    yield "timestamp", f"{HOUR} IS NULL", "is not an ISO 8601 time"
    for name in NAMES:
        yield name, f"{name} IS NULL", "is empty"
    for name in (*AMOUNTS, *COUNTS):
        number = f"TRY_CAST({name} AS DOUBLE)"
        yield name, f"{name} IS NOT NULL AND NOT coalesce({number} >= 0 AND {number} < 1e15, FALSE)", NOT_AN_AMOUNT


def _containers(parts: Sequence[Path], duck: Engine) -> Iterator[ContainerUsage]:
    """Samples by workload and container, in order of hour and pod."""
    from finops_ai.sources.staging import MAX_PROBLEMS

    amounts = [f"CAST({name} AS DOUBLE) * {factor!r} AS {name}" for name, factor in AMOUNTS.items()]
    counts = [f"CAST(coalesce(CAST({name} AS DOUBLE), 0) AS BIGINT) AS {name}" for name in COUNTS]
    files = ", ".join(text_literal(str(part)) for part in parts)
    duck.con.execute(
        f"CREATE TEMP TABLE sample AS SELECT {', '.join(NAMES)}, {HOUR} AS hour, {', '.join(amounts + counts)} "
        f"FROM read_parquet([{files}])"
    )
    names = ", ".join(NAMES)
    twice = duck.con.execute(
        f"SELECT {names}, hour FROM sample GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT {MAX_PROBLEMS}"
    ).fetchall()
    if twice:
        raise Malformed(
            [
                Problem(file="usage", column="pod", value="/".join(row[:-1]), message=f"{row[-1]} is told twice")
                for row in twice
            ]
        )
    lists = [f"list({name} ORDER BY hour, pod) AS {name}" for name in ("hour", "pod", *SAMPLES)]
    last = [f"last({name} ORDER BY hour, pod) AS {name}" for name in REQUESTS]
    sums = [f"CAST(sum({name}) AS BIGINT) AS {name}" for name in COUNTS]
    reader = duck.con.sql(
        f"SELECT {', '.join(NAMES[:-1])}, {', '.join([*lists, *last, *sums])} FROM sample GROUP BY ALL ORDER BY ALL"
    ).to_arrow_reader(BATCH_CONTAINERS)
    for batch in reader:
        for row in range(batch.num_rows):
            yield _container({name: batch.column(name)[row] for name in batch.schema.names})


def _container(row: Mapping[str, Any]) -> ContainerUsage:
    """One row of Arrow scalars as a noun; an empty sample is NaN, an empty request or limit is unset."""
    samples = {name: row[name].values.to_numpy(zero_copy_only=False) for name in SAMPLES}
    requests = {name: row[name].as_py() for name in REQUESTS}
    return ContainerUsage(
        workload=Workload(
            cluster=row["cluster"].as_py(),
            namespace=row["namespace"].as_py(),
            kind=row["kind"].as_py(),
            name=row["workload"].as_py(),
        ),
        container=row["container"].as_py(),
        hours=tuple(hour.replace(tzinfo=UTC) for hour in row["hour"].as_py()),
        pods=tuple(row["pod"].as_py()),
        cpu_cores_avg=samples["cpu_avg_m"],
        cpu_cores_max=samples["cpu_max_m"],
        memory_bytes_avg=samples["mem_avg_mib"],
        memory_bytes_max=samples["mem_max_mib"],
        throttled_ratio=samples["cpu_throttled_ratio"],
        restarts=row["restarts"].as_py(),
        oom_kills=row["oom_kills"].as_py(),
        cpu_request_cores=requests["cpu_request_m"],
        cpu_limit_cores=requests["cpu_limit_m"],
        memory_request_bytes=requests["mem_request_mib"],
        memory_limit_bytes=requests["mem_limit_mib"],
    )
