"""Files and a mapping in, the cube of a delivery out: exact, in bounded memory, proved against the raw lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from finops_ai.domain import focus
from finops_ai.domain.delivery import ControlTotal
from finops_ai.domain.errors import Leak, Malformed, Problem, Unavailable
from finops_ai.domain.money import plain, total
from finops_ai.sources import lines
from finops_ai.sources.base import Keep, Scan
from finops_ai.sources.mapping import COST, Cell, LineMapping
from finops_ai.sources.rejects import locate
from finops_ai.sources.shapes import shapes
from finops_ai.sources.staging import MAX_PROBLEMS, Engine, Staged, engine, first_line, stage, unreadable
from finops_ai.sources.steps import Here, OnSpark, Steps

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from finops_ai.world.spark import Spark, Work


def scan(
    parts: Iterable[tuple[str, Path]],
    mapping: LineMapping,
    keep: Keep,
    *,
    period: date | None = None,
    max_rejected_rows: int = 0,
    spark: Spark | None = None,
) -> Scan:
    """Read `parts` (name for people, local file) through `mapping`, on `spark` where given.

    `period` takes only the lines of the billing period that begins on it. Up to `max_rejected_rows` lines that cannot
    be booked are left out and counted; more, or any damage to a file, raises Malformed. Raises Leak when the facts
    do not add up to the raw lines, Unavailable when the machine has no room.
    """
    with engine() as duck:
        staged = stage(parts, mapping, duck)
        mapping = replace(mapping, by_hour=keep.hours)
        with blame(staged, duck), spark.work() if spark else nullcontext() as work:
            return _Delivery(staged, mapping, keep, period, duck, work).scan(max_rejected_rows)


def months(name: str, path: Path, mapping: LineMapping) -> list[date]:
    """First days of the billing periods that one file tells of.

    Raises Malformed when it cannot be read, or when no line names its period.
    """
    with engine() as duck:
        (part,) = stage([(name, path)], mapping, duck)
        column = next(name for name in mapping.days if name in part.cells)
        cells = {name: part.cells.get(name, Cell(name, "NULL", "VARCHAR")) for name in mapping.days}
        days = ", ".join(
            f"CAST({cell.as_day(us_dates=mapping.us_dates)} AS DATE) AS {name}" for name, cell in cells.items()
        )
        query = (
            f"SELECT DISTINCT CAST(date_trunc('month', day) AS DATE) FROM (SELECT {mapping.period} AS day "
            f"FROM (SELECT {days} FROM read_parquet(?))) WHERE NOT {lines.bad_day('day')} ORDER BY 1"
        )
        with blame([part], duck):
            periods = [day for (day,) in duck.con.execute(query, [str(part.file)]).fetchall()]
    if not periods:
        message = "no line names its billing period as an ISO 8601 date between 2000 and 2099"
        raise Malformed([Problem(file=name, column=mapping.spelling(column), message=message)])
    return periods


class _Delivery:
    """One scan: its lines, here and where the steps run, and what is made of them."""

    def __init__(
        self,
        staged: Sequence[Staged],
        mapping: LineMapping,
        keep: Keep,
        period: date | None,
        duck: Engine,
        work: Work | None,
    ) -> None:
        self._staged = staged
        self._mapping = mapping
        self._con = duck.con
        found = shapes(staged, mapping, keep, duck)
        self._chain = lines.chain(found, mapping, period)
        self._here = Here(duck.con)
        self._steps: Steps = OnSpark(work, found, duck.con) if work else self._here

    def scan(self, max_rejected_rows: int) -> Scan:
        for name in ("typed", "lines"):
            self._steps.view(name, self._chain[name])
        self._steps.table("grouped", self._chain["grouped"])
        self._steps.view("groups", self._chain["groups"])
        problems, count = self._rejects(max_rejected_rows)
        for name in ("raw", "charged"):
            self._steps.view(name, self._chain[name])
        self._steps.home("charge", self._chain["charge"])
        self._steps.home("collided", lines.collided(self._mapping))
        control, outside = self._control(with_rejects=count > 0)
        dimensions, facts = cube(self._con)
        scan = Scan(
            dimensions=dimensions,
            facts=facts,
            control=control,
            rows_rejected=count,
            problems=(*problems, *outside, *self._warnings()),
            hours=hours(self._con) if self._mapping.by_hour else None,
        )
        self._settle(scan)
        return scan

    def _rejects(self, allowed: int) -> tuple[list[Problem], int]:
        rejected = lines.rejected(self._mapping)
        ((total, count),) = self._steps.rows(
            f"SELECT coalesce(sum(line_items), 0), coalesce(sum(line_items) FILTER (WHERE {rejected}), 0) FROM groups"
        )
        if not count:
            return [], 0
        if self._steps is not self._here:  # where they stand is looked up on this machine
            for name in ("typed", "lines"):
                self._here.view(name, self._chain[name])
        problems = locate(self._con, self._staged, self._mapping)
        if not problems:
            message = f"holds {count:,} lines that Spark cannot read and this program can: ingest with --engine duckdb"
            raise Malformed([Problem(file=self._staged[0].whole.name, message=message)], rows=int(total))
        if count > allowed:
            raise Malformed(problems, rows=int(total), rejected=int(count))
        return problems, int(count)

    def _control(self, *, with_rejects: bool) -> tuple[ControlTotal, list[Problem]]:
        """Rows and billed cost per currency and account straight from the lines, and what is told of those outside."""
        where = f"WHERE outside OR NOT ({lines.rejected(self._mapping)})" if with_rejects else ""
        found = self._steps.rows(
            f"SELECT outside, {self._mapping.currency}, coalesce({self._mapping.account}, ''), count(*), "
            f"sum({self._mapping.billed}) FROM lines {where} GROUP BY ALL ORDER BY ALL"
        )
        inside = [row[1:] for row in found if not row[0]]
        control = ControlTotal(
            rows=sum(rows for _, _, rows, _ in inside),
            billed_cost={
                code: total(Decimal(billed) for currency, _, _, billed in inside if str(currency) == code)
                for code in dict.fromkeys(str(currency) for currency, *_ in inside)
            },
            by_account={(str(currency), account): Decimal(billed) for currency, account, _, billed in inside},
        )
        outside = [row[1:] for row in found if row[0]]
        told = [
            self._warning(
                self._mapping.outside_told,
                code,
                sum(rows for currency, _, rows, _ in outside if currency == code),
                total(Decimal(billed or 0) for currency, _, _, billed in outside if currency == code),
            )
            for code in dict.fromkeys(currency for currency, *_ in outside)
        ]
        return control, told

    def _warnings(self) -> list[Problem]:
        """What the mapping and the labels have to say, most lines first."""
        said = self._here.rows(
            "SELECT problem, billing_currency, sum(line_items), sum(billed_cost) FROM charge WHERE problem <> '' "
            "GROUP BY ALL UNION ALL "
            "SELECT 'keys ' || collision || ' and differ: the first wins', currency, line_items, billed FROM collided "
            f"ORDER BY 3 DESC, 1, 2 LIMIT {MAX_PROBLEMS}"
        )
        return [self._warning(*row) for row in said]

    def _warning(self, what: str, currency: str | None, rows: int, billed: Decimal | None) -> Problem:
        file = self._staged[0].whole.name if len(self._staged) == 1 else f"{len(self._staged)} files"
        lines_ = "1 line" if rows == 1 else f"{rows:,} lines"
        message = f"{what}: {lines_}, {plain(billed or Decimal(0))} {currency or ''} billed"
        return Problem(file=file, message=message, severity="warning")

    def _settle(self, scan: Scan) -> None:
        """Sum in = sum out, to the last digit, for every currency."""
        ((rows,),) = self._here.rows("SELECT coalesce(sum(line_items), 0) FROM charge")
        if rows != scan.control.rows:
            raise Leak(f"{scan.control.rows} lines were read and {rows} were booked")
        billed = scan.billed()
        if nonzero(billed) != nonzero(scan.control.billed_cost):
            raise Leak(f"the lines come to {dict(scan.control.billed_cost)} and the charges to {dict(billed)}")


def cube(con: DuckDBPyConnection) -> tuple[pa.Table, pa.Table]:
    """Dimensions and facts (see Scan) of the table `charge`: focus.DIMENSIONS as text, `day`, focus.MEASURES."""
    names = ", ".join(focus.DIMENSIONS)
    sums = ", ".join(f"CAST(sum({name}) AS {COST}) AS {name}" for name in focus.MEASURES)
    con.execute(
        "CREATE TEMP TABLE dimension AS SELECT CAST(row_number() OVER () - 1 AS INTEGER) AS dimension, * "
        f"FROM (SELECT DISTINCT {names} FROM charge ORDER BY ALL)"
    )
    dimensions = con.sql("SELECT * FROM dimension ORDER BY dimension").to_arrow_table()
    facts = con.sql(
        f"SELECT dimension, day, {sums} FROM charge JOIN dimension USING ({names}) "
        "GROUP BY dimension, day ORDER BY dimension, day"
    ).to_arrow_table()
    return dimensions, facts


def hours(con: DuckDBPyConnection) -> pa.Table:
    """What each hour cost (see Scan) by the table `charge`, which has an `hour` from 0 to 23, and that of `cube`."""
    names = ", ".join(focus.DIMENSIONS)
    days = ", ".join(
        f"[{', '.join(f'coalesce(sum(CAST({name} AS DOUBLE)) FILTER (WHERE hour = {hour}), 0)' for hour in range(24))}]"
        f" AS {name}"
        for name in focus.BY_HOUR
    )
    return con.sql(
        f"SELECT dimension, day, {days} FROM charge JOIN dimension USING ({names}) "
        "GROUP BY dimension, day ORDER BY dimension, day"
    ).to_arrow_table()


def nonzero(amounts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {currency: amount for currency, amount in amounts.items() if amount}


@contextmanager
def blame(staged: Sequence[Staged], duck: Engine) -> Iterator[None]:
    """Turn what DuckDB says of damaged data into Malformed, by reading each part alone to find which it is."""
    import duckdb

    try:
        yield
    except (duckdb.OutOfRangeException, OverflowError) as error:
        message = f"costs add up to too much: {first_line(error)}"
        raise Malformed([Problem(file=staged[0].whole.name, message=message)]) from error
    except (duckdb.Error, Unavailable) as error:
        if problems := [problem for part in staged if (problem := _damage(part, duck))]:
            raise Malformed(problems[:MAX_PROBLEMS]) from error
        raise


def _damage(part: Staged, duck: Engine) -> Problem | None:
    import duckdb

    try:
        duck.con.execute("SELECT bit_xor(hash(COLUMNS(*))) FROM read_parquet(?)", [str(part.file)]).fetchall()
    except duckdb.OutOfMemoryException:
        return None
    except duckdb.Error as error:
        return unreadable(part.whole, error)
    return None
