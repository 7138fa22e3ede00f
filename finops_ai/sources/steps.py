"""Where the steps of a scan run: in DuckDB on this machine, or on a cluster from which only small answers come home."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from finops_ai.domain.errors import ConfigError
from finops_ai.sources.shapes import Shape
from finops_ai.sources.staging import Staged

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from finops_ai.world.spark import Work


class Steps(Protocol):
    """SELECTs of DuckDB's SQL, each named for those that read it."""

    def view(self, name: str, sql: str) -> None:
        """Work out when and as often as it is read."""
        ...

    def table(self, name: str, sql: str) -> None:
        """Work out once."""
        ...

    def home(self, name: str, sql: str) -> None:
        """Work out, into a table of the DuckDB connection of this machine."""
        ...

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """A small answer."""
        ...


class Here:
    """DuckDB, and nothing else."""

    def __init__(self, con: DuckDBPyConnection) -> None:
        self._con = con

    def view(self, name: str, sql: str) -> None:
        self._con.execute(f"CREATE TEMP VIEW {name} AS {sql}")

    def table(self, name: str, sql: str) -> None:
        self._con.execute(f"CREATE TEMP TABLE {name} AS {sql}")

    home = table

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._con.execute(sql).fetchall()


def seen(part: Staged, *, is_local: bool) -> str:
    """The file of a part as Spark is told of it; a cluster must see it at the same path as this machine.

    Raises ConfigError for text, which is laid out on this machine, when that is not where Spark is.
    """
    if is_local:
        return str(part.file)
    if part.whole.text is not None:
        message = f"{part.whole.name} is text, laid out where a cluster does not see it"
        raise ConfigError(f"{message}: ingest with --engine duckdb, or have Parquet exported")
    return re.sub(r"([][{}*?\\])", r"\\\1", os.path.realpath(part.file))


class OnSpark:
    """Spark reads the parts where they lie, in its own words."""

    def __init__(self, work: Work, shapes: Sequence[Shape], con: DuckDBPyConnection) -> None:
        from finops_ai.sources.rendering import Renderer

        tables = [f"part_{number}" for number in range(len(shapes))]
        for name, shape in zip(tables, shapes, strict=True):
            work.parquet(name, [seen(part, is_local=work.is_local) for part in shape.parts])
        self._work = work
        self._con = con
        self._renderer = Renderer(dialect="spark", tables=tables)

    def view(self, name: str, sql: str) -> None:
        self._work.view(name, self._renderer.step(name, sql))

    def table(self, name: str, sql: str) -> None:
        self._work.view(name, self._renderer.step(name, sql), kept=True)

    def home(self, name: str, sql: str) -> None:
        arrow = self._work.table(self._renderer.step(name, sql))
        self._con.register(f"{name}_of_spark", arrow)
        self._con.execute(f"CREATE TEMP TABLE {name} AS FROM {name}_of_spark")
        self._con.unregister(f"{name}_of_spark")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._work.rows(self._renderer.step("", sql))
