"""Spark, on this machine or a cluster of the user's: started when first asked, quiet, in UTC, bounded in memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from finops_ai.domain.errors import ConfigError, Unavailable
from finops_ai.world.scratch import Scratch

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

QUIET = """\
rootLogger.level = error
logger.apache.name = org.apache
logger.apache.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = spark: %m%n%ex{0}
"""

OPTIONS = {
    # What makes its answers those of DuckDB: errors instead of nulls, decimals that keep their scale, exact names.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.caseSensitive": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    # What keeps it to itself.
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.catalogImplementation": "in-memory",
}
ON_THIS_MACHINE = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "8",
}


class Spark:
    """A Spark application at `master`; `memory` is the heap of its driver."""

    def __init__(self, *, master: str = "local[2]", memory: str = "1g") -> None:
        self.master = master
        self.memory = memory
        self._session: SparkSession | None = None
        self._folder: Scratch | None = None

    @property
    def is_local(self) -> bool:
        return self.master == "local" or self.master.startswith("local[")

    @contextmanager
    def work(self) -> Iterator[Work]:
        """Views of their own; what they keep is let go afterwards. Raises ConfigError when Spark cannot start."""
        work = Work(self._started().newSession(), is_local=self.is_local)
        try:
            yield work
        finally:
            work.let_go()

    def close(self) -> None:
        """End the application. Its Java process ends with this program."""
        if self._session is not None:
            self._session.stop()
            self._session = None
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    def _started(self) -> SparkSession:
        if self._session is None:
            try:
                with _hushed():
                    from pyspark.errors import PySparkException
                    from pyspark.sql import SparkSession
            except ImportError:
                raise ConfigError("the engine spark needs PySpark: install finops-gitops-ledger[spark]") from None
            self._folder = Scratch("spark")
            quiet = self._folder.path / "log4j2.properties"
            quiet.write_text(QUIET, encoding="utf-8")
            java = f"-Dlog4j2.configurationFile={quiet.as_uri()} -Duser.timezone=UTC"
            options = OPTIONS | (ON_THIS_MACHINE if self.is_local else {})
            builder = SparkSession.builder.master(self.master).appName("finops-ai")
            for name, value in options.items():
                builder = builder.config(name, value)
            builder = builder.config("spark.local.dir", str(self._folder.path))
            builder = builder.config("spark.driver.memory", self.memory)
            try:
                with _hushed():
                    self._session = builder.config("spark.driver.extraJavaOptions", java).getOrCreate()
            except (PySparkException, OSError) as error:
                raise ConfigError(
                    f"Spark did not start at {self.master} (it needs Java 17 or later): {error}"
                ) from error
        return self._session


class Work:
    """Named tables and views of one piece of work; `is_local` when Spark sees the files of this machine.

    Raises OverflowError when a sum has no room, Unavailable for everything else that Spark gives up on.
    """

    def __init__(self, session: SparkSession, *, is_local: bool) -> None:
        self.is_local = is_local
        self._session = session
        self._kept: list[DataFrame] = []

    def parquet(self, name: str, files: Sequence[str]) -> None:
        """Files of the same columns under one name."""
        with _told():
            self._session.read.parquet(*files).createOrReplaceTempView(name)

    def view(self, name: str, sql: str, *, kept: bool = False) -> None:
        """An answer by name; `kept`, it is worked out once for all that read it."""
        with _told():
            frame = self._session.sql(sql)
            if kept:
                self._kept.append(frame.persist())
            frame.createOrReplaceTempView(name)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with _told():
            return [tuple(row) for row in self._session.sql(sql).collect()]

    def table(self, sql: str) -> pa.Table:
        with _told(), _hushed():
            return self._session.sql(sql).toArrow()

    def let_go(self) -> None:
        while self._kept:
            self._kept.pop().unpersist()


@contextmanager
def _hushed() -> Iterator[None]:
    """Without PySpark's warnings about pandas, which has no part in this."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


@contextmanager
def _told() -> Iterator[None]:
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]
    from pyspark.errors import ArithmeticException, PySparkException

    try:
        yield
    except ArithmeticException as error:
        raise OverflowError(_first_line(error)) from error
    except (PySparkException, Py4JError) as error:
        if "ARITHMETIC_OVERFLOW" in str(error) or "NUMERIC_VALUE_OUT_OF_RANGE" in str(error):
            raise OverflowError(_first_line(error)) from error
        raise Unavailable(f"Spark gave up: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:300]
