"""Tables of BigQuery: small answers as rows, large ones as Parquet in the cache, no query dearer than allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from finops_ai.domain.errors import Unavailable
from finops_ai.world.cache import Cache
from finops_ai.world.google import READ_SECONDS, RETRY_SECONDS, client_arguments, google_errors
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import TableInfo

if TYPE_CHECKING:
    from google.api_core.retry import Retry
    from google.cloud.bigquery import Client, QueryJob, SchemaField

PAGE_ROWS = 20_000
"""Rows fetched and written at once: what a query needs of memory does not grow with its answer."""

_REMEDIES = {
    401: "not signed in: set GOOGLE_APPLICATION_CREDENTIALS or run where a service account is attached",
    403: "access denied: the identity needs BigQuery Data Viewer on the dataset and BigQuery Job User on the project",
    404: "no such table: check `table`; Google creates it some hours after the export was switched on",
}


class BigQueryTable:
    """One table, asked by queries that `project` runs and pays; each may scan `largest_scan_bytes`."""

    def __init__(
        self,
        name: str,
        cache: Cache,
        secrets: Secrets,
        *,
        project: str | None = None,
        endpoint_url: str | None = None,
        largest_scan_bytes: int | None = None,
    ) -> None:
        self.name = name
        self.uri = f"bigquery://{name}"
        self._cache = cache
        self._secrets = secrets
        self._project = project or name.split(".")[0]
        self._endpoint_url = endpoint_url
        self._largest_scan_bytes = largest_scan_bytes
        self._client: Client | None = None

    def info(self) -> TableInfo:
        """Raises Unavailable, also when there is no such table."""
        with self._told():
            table = self._connected().get_table(self.name, retry=_retry(), timeout=READ_SECONDS)
        partitioned_by = None
        fields = dict(_fields(table.schema))
        if table.time_partitioning:
            column = table.time_partitioning.field or "_PARTITIONTIME"
            partitioned_by = (column, fields.get(column, "TIMESTAMP"))
        steady = table.table_type == "TABLE" and not table.streaming_buffer and table.modified
        etag = f"{table.etag} {table.modified.isoformat()} {table.num_rows}" if steady else None
        return TableInfo(fields=fields, partitioned_by=partitioned_by, etag=etag)

    def scanned_bytes(self, sql: str) -> int:
        """What a query would read, told by BigQuery without running it. Raises Unavailable."""
        from google.cloud.bigquery import QueryJobConfig

        with self._told():
            config = QueryJobConfig(dry_run=True, use_query_cache=False)
            job = self._connected().query(sql, job_config=config, retry=_retry(), timeout=READ_SECONDS)
            return int(job.total_bytes_processed or 0)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a small answer. Raises Unavailable, also for a query dearer than allowed."""
        with self._told():
            return [dict(row) for row in self._run(sql).result(page_size=PAGE_ROWS)]

    def parquet(self, key: str, etag: str, sql: str, rows: int) -> Path:
        """The answer of `sql` as a file of the cache, asked for once per (`key`, `etag`).

        Raises as `rows` does, and Unavailable when the answer has not `rows` rows: the table changed since.
        """

        def write(file: BinaryIO) -> None:
            with self._told():
                written = _write(self._run(sql), file)
            if written != rows:
                raise Unavailable(f"{self.name}: {key} has {written} rows now, not {rows}: the next run sees them all")

        return self._cache.made(f"{self.uri}/{key}", etag, write)

    def text(self, key: str, etag: str, make: Callable[[], str]) -> str:
        """What `make` returns, kept in the cache and made once per (`key`, `etag`)."""
        path = self._cache.made(f"{self.uri}/{key}", etag, lambda file: file.write(make().encode()))
        return path.read_text(encoding="utf-8")

    def _run(self, sql: str) -> QueryJob:
        from google.cloud.bigquery import QueryJobConfig

        config = QueryJobConfig(maximum_bytes_billed=self._largest_scan_bytes)
        return self._connected().query(sql, job_config=config, retry=_retry(), timeout=READ_SECONDS)

    def _connected(self) -> Client:
        """Google's client; made when first needed, because it is slow to import."""
        if self._client is None:
            from google.cloud.bigquery import Client

            arguments = client_arguments(self._endpoint_url, "BIGQUERY_EMULATOR_HOST")
            self._client = Client(**{**arguments, "project": self._project})
        return self._client

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            with google_errors(self.name, _REMEDIES, self._secrets):
                yield
        except Unavailable as error:
            if "bytes billed" not in str(error):
                raise
            raise Unavailable(f"{error}; raise max_scan_gib to allow it") from None


def _retry() -> Retry:
    from google.cloud.bigquery import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(RETRY_SECONDS)


def _fields(schema: Iterable[SchemaField], prefix: str = "") -> Iterator[tuple[str, str]]:
    for field in schema:
        yield prefix + field.name, field.field_type
        if field.mode != "REPEATED":
            yield from _fields(field.fields, f"{prefix}{field.name}.")


def _write(job: QueryJob, file: BinaryIO) -> int:
    """Write the job's answer as Parquet page by page; the number of rows."""
    from pyarrow import parquet

    answer = job.result(page_size=PAGE_ROWS)
    writer, written = None, 0
    try:
        for batch in answer.to_arrow_iterable():
            writer = writer or parquet.ParquetWriter(file, batch.schema)
            writer.write_batch(batch)
            written += batch.num_rows
    finally:
        if writer:
            writer.close()
    return written
