"""Rows of a gateway's spend log as charges: each request once, its tokens in disjoint buckets, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.money import plain
from finops_ai.sources.lines import END_DAY, FIRST_DAY
from finops_ai.sources.mapping import COST, Cell, text_literal
from finops_ai.sources.parts import unpack

if TYPE_CHECKING:
    from finops_ai.sources.staging import Engine

KEYS = (
    "request_id",
    "startTime",
    "spend",
    "model",
    "model_group",
    "custom_llm_provider",
    "api_key",
    "user",
    "end_user",
    "team_id",
    "organization_id",
    "call_type",
    "cache_hit",
    "status",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "request_tags",
    "metadata",
)
"""What is read of a row; what was asked and answered is not."""

OBJECT_BYTES = 32 << 20
ROW = Path(__file__).with_name("gateway_row.sql")
LINES = Path(__file__).with_name("gateway_lines.sql")
NO_DAY = f"NOT coalesce(day >= {FIRST_DAY} AND day < {END_DAY}, FALSE)"
NO_TIME = "is not an ISO 8601 time between 2000 and 2099"
CHECKS = (
    ("request_id", "request_id IS NULL OR request_id = ''", "is empty: a request is known by it"),
    ("startTime", NO_DAY, NO_TIME),
    ("spend", "said_spend IS NOT NULL AND spend IS NULL", "is not a plain number that a bill can hold"),
    *(
        (name, f"said_{name} IS NOT NULL AND NOT coalesce({count} >= 0, FALSE)", "is not a count of 0 or more")
        for name, count in (("prompt_tokens", "prompted"), ("completion_tokens", "completed"))
    ),
)
"""Key, SQL of what is wrong there, and what to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What a period's rows come to: `lines` is a Parquet file for the mapping, `spend` is summed a second way."""

    lines: Path
    requests: int
    spend: Decimal
    problems: tuple[Problem, ...]


def stage(parts: Iterable[tuple[str, Path]], duck: Engine, *, by_hour: bool = False) -> None:
    """Fill the table `entry` with the rows of every part. Raises Malformed with the problems of all parts.

    `day` is when a request began: the UTC day, or with `by_hour` the hour.
    """
    from finops_ai.sources.staging import MAX_PROBLEMS

    begun = Cell("startTime", "said_start", "VARCHAR")
    day = begun.as_hour() if by_hour else begun.as_day()
    spend = Cell("spend", "said_spend", "VARCHAR").as_cost()
    rows = f"SELECT *, {day} AS day, {spend} AS spend FROM ({ROW.read_text(encoding='utf-8')})"
    problems: list[Problem] = []
    target = "CREATE TEMP TABLE entry AS"
    for number, (name, path) in enumerate(parts):
        try:
            with _raw(path, name, number, duck):
                duck.con.execute(f"{target} {rows}")
            target = "INSERT INTO entry"
            problems.extend(_wrong(name, number, duck))
        except Malformed as error:
            problems.extend(error.problems)
    if problems:
        raise Malformed(problems[:MAX_PROBLEMS], rejected=len(problems))


def months(name: str, path: Path, duck: Engine) -> list[date]:
    """First days of the months in which a part's requests began; [] where it holds none.

    Raises Malformed when it cannot be read, or when a request does not say when it began: it may be of any month.
    """
    from finops_ai.sources.staging import MAX_PROBLEMS

    said = "coalesce(row ->> 'startTime', row ->> 'start_time')"
    day = Cell("startTime", "said", "VARCHAR").as_day()
    with _raw(path, name, 0, duck):
        duck.con.execute(
            f"CREATE OR REPLACE TEMP TABLE begun AS SELECT line, said, {day} AS day FROM (SELECT line, {said} AS said "
            "FROM raw)"
        )
    lost = duck.con.execute(
        f"SELECT line, said FROM begun WHERE {NO_DAY} ORDER BY line LIMIT {MAX_PROBLEMS}"
    ).fetchall()
    if lost:
        raise Malformed(
            [Problem(file=name, line=line, column="startTime", value=value, message=NO_TIME) for line, value in lost]
        )
    rows = duck.con.execute("SELECT DISTINCT CAST(date_trunc('month', day) AS DATE) FROM begun ORDER BY 1").fetchall()
    return [month for (month,) in rows]


def log(duck: Engine, period: date, currency: str, name: str) -> Log:
    """The requests that began in the month of `period`, as lines. A request told twice counts as last told."""
    con = duck.con
    within = f"date_trunc('month', day) = DATE '{period}'"
    con.execute(
        f"CREATE TEMP TABLE request AS SELECT * FROM entry WHERE {within} "
        "QUALIFY row_number() OVER (PARTITION BY request_id ORDER BY part DESC, line DESC) = 1"
    )
    file = duck.scratch / "lines.parquet"
    sql = LINES.read_text(encoding="utf-8")
    con.execute(f"CREATE TEMP VIEW charged AS SELECT *, {text_literal(currency)} AS billing_currency FROM request")
    con.execute(f"COPY ({sql}) TO {text_literal(str(file))} (FORMAT parquet)")
    (requests,) = con.execute("SELECT count(*) FROM request").fetchall()[0]
    (spend,) = con.execute(
        f"SELECT CAST(coalesce(sum(spend), 0) AS {COST}) FROM (SELECT request_id, "
        f"arg_max(coalesce(spend, 0), (part, line)) AS spend FROM entry WHERE {within} GROUP BY request_id)"
    ).fetchall()[0]
    return Log(lines=file, requests=requests, spend=spend, problems=tuple(_told(duck, within, name)))


@contextmanager
def _raw(path: Path, name: str, number: int, duck: Engine) -> Iterator[None]:
    """A view `raw` of a part's rows as JSON, in their order; what DuckDB says of damage becomes Malformed."""
    import duckdb

    from finops_ai.sources.staging import first_line

    with path.open("rb") as file:
        magic = file.read(4)
    if not magic:
        raise Malformed([Problem(file=name, message="is empty (0 bytes): was the upload cut short?")])
    text = duck.scratch / f"{number:06d}.json"
    try:
        if magic == b"PAR1":
            text.symlink_to(path.resolve())  # DuckDB reads * and [ in a name as a pattern
            rows = f"(SELECT to_json(t) AS json FROM read_parquet({text_literal(str(text))}) t)"
        else:
            unpack(path, name, text)
            kind = "array" if _begins(text) == "[" else "newline_delimited"
            rows = (
                f"read_json_objects({text_literal(str(text))}, format = '{kind}', "
                f"maximum_object_size = {OBJECT_BYTES}, compression = 'uncompressed')"
            )
        duck.con.execute("SET preserve_insertion_order = true")
        duck.con.execute(
            "CREATE OR REPLACE TEMP VIEW raw AS "
            f"SELECT json AS row, row_number() OVER () AS line, {number} AS part FROM {rows}"
        )
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException, duckdb.BinderException, duckdb.ParserException):
        raise  # no room, or a fault of our own
    except duckdb.Error as error:
        line = re.search(r"in (?:line|record/value) (\d+)", str(error))
        message = f"is not whole: {first_line(error).replace(str(text), name)}"
        raise Malformed([Problem(file=name, line=int(line[1]) if line else None, message=message)]) from error
    finally:
        text.unlink(missing_ok=True)


def _begins(text: Path) -> str:
    with text.open(encoding="utf-8") as file:
        return file.read(1024).lstrip()[:1]


def _wrong(name: str, number: int, duck: Engine) -> list[Problem]:
    """Values that cannot be booked; `line` counts rows from 1."""
    from finops_ai.sources.staging import MAX_PROBLEMS

    said = {"request_id": "request_id", "startTime": "said_start"}
    cases = ", ".join(
        f"CASE WHEN {wrong} THEN {{'key': {text_literal(key)}, 'value': {said.get(key, 'said_' + key)}, "
        f"'why': {text_literal(why)}}} END"
        for key, wrong, why in CHECKS
    )
    found = duck.con.execute(
        f"SELECT line, bad.key, bad.value, bad.why FROM (SELECT line, unnest([{cases}]) AS bad FROM entry "
        f"WHERE part = {number}) WHERE bad IS NOT NULL ORDER BY line LIMIT {MAX_PROBLEMS}"
    ).fetchall()
    return [
        Problem(file=name, line=line, column=key, value=value if value is None else value[:200], message=why)
        for line, key, value, why in found
    ]


def _told(duck: Engine, within: str, name: str) -> Sequence[Problem]:
    """What people should know of rows told twice and of spend that nobody knows."""
    again, differing, apart = duck.con.execute(
        "SELECT coalesce(sum(told - 1), 0), count(*) FILTER (WHERE versions > 1), coalesce(sum(most - least), 0) "
        "FROM (SELECT count(*) AS told, count(DISTINCT (said_spend, said_prompt_tokens, said_completion_tokens, "
        "said_start, model)) AS versions, max(coalesce(spend, 0)) AS most, min(coalesce(spend, 0)) AS least "
        f"FROM entry WHERE {within} GROUP BY request_id)"
    ).fetchall()[0]
    (unknown,) = duck.con.execute("SELECT count(*) FROM request WHERE spend IS NULL").fetchall()[0]
    messages = []
    if again:
        messages.append(f"{again:,} rows repeat a request and count once")
    if differing:
        messages.append(
            f"{differing:,} requests are told in versions that differ: the last counts, {plain(apart)} apart"
        )
    if unknown:
        messages.append(f"{unknown:,} requests have no spend: what they cost is unknown, not 0")
    return [Problem(file=name, message=message, severity="warning") for message in messages]
