"""Google Cloud's billing export read from its BigQuery table: each partition's rows of an invoice month, once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from finops_ai.domain.delivery import Delivery, Part, Refusal
from finops_ai.domain.errors import Problem, Unavailable
from finops_ai.domain.period import BillingPeriod
from finops_ai.sources.base import Keep, Scan
from finops_ai.sources.fetch import fingerprint
from finops_ai.sources.gcp_fields import AMOUNTS, PLAIN, REQUIRED
from finops_ai.sources.gcp_lines import LaidOut
from finops_ai.sources.mapping import LineMapping, fingerprint_keep
from finops_ai.world.world import Table, TableInfo

REPEATED = ("credits", "labels", "project.labels", "system_labels", "tags")
MONTH = re.compile(r"20\d\d(?:0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The rows of one invoice month in the partitions of a day, of a month that is over (YYYY-MM), or in none ('').

    `state` changes whenever rows were added: it tells the newest export time and the sum of the costs.
    """

    days: str
    month: str
    rows: int
    state: str

    @property
    def key(self) -> str:
        return f"{self.days or 'unpartitioned'}/{self.month}"

    @property
    def etag(self) -> str:
        return f"{self.rows} {self.state}"


@dataclass(frozen=True, kw_only=True)
class GcpTable:
    """The table is only appended to, so partitions that did not grow are not asked for again.

    Save once: when a month is over, its days are read together and kept so.
    """

    name: str
    table: Table = field(repr=False)
    mapping: LineMapping = field(repr=False)
    keep: Keep = field(repr=False)
    max_rejected_rows: int = 0
    _laid_out: LaidOut = field(default_factory=LaidOut, repr=False, compare=False)

    def deliveries(self, since: BillingPeriod | None) -> Iterator[Delivery | Refusal]:
        info = self.table.info()
        if missing := [name for name in REQUIRED if name not in info.fields]:
            problems = [Problem(file=self.table.name, column=name, message="column is missing") for name in missing]
            yield Refusal(source=self.name, billing_period=None, problems=tuple(problems))
            return
        slices = self._slices(info)
        nameless = [each for each in slices if not MONTH.fullmatch(each.month)]
        for each in nameless:
            message = f"{each.rows:,} rows name no invoice month (YYYYMM)"
            problem = Problem(file=self.table.name, column="invoice.month", value=each.month, message=message)
            yield Refusal(source=self.name, billing_period=None, problems=(problem,))
        named = sorted((each for each in slices if each not in nameless), key=lambda each: (each.month, each.key))
        for month, of_month in groupby(named, key=lambda each: each.month):
            period = BillingPeriod(int(month[:4]), int(month[4:]))
            if since is None or period >= since:
                yield self._delivery(period, list(of_month))

    def charges(self, delivery: Delivery) -> Scan:
        """Raises Unavailable also when the table grew since it was listed: the next run sees all of it."""
        from finops_ai.sources.scan import scan

        info = self.table.info()
        known = {self._uri(each): each for each in self._slices(info)}
        slices = [known.get(part.uri) for part in delivery.parts]
        for part, each in zip(delivery.parts, slices, strict=True):
            if each is None or each.etag != part.etag:
                raise Unavailable(f"{part.uri} changed since {delivery.billing_period} was listed")
        parts = (
            (each.key, self._laid_out.file(each.key, each.etag, self._fetched(each, info), self.table.name).path)
            for each in slices
            if each
        )
        return scan(parts, self.mapping, self.keep, max_rejected_rows=self.max_rejected_rows)

    def scanned_bytes(self) -> int:
        """What reading the whole table once would read of BigQuery, in bytes."""
        return self.table.scanned_bytes(f"SELECT {_columns(self.table.info())} FROM {self._from}")

    def projects(self) -> set[str]:
        """The projects that the table has charges of. Raises Unavailable."""
        return {
            str(row["id"])
            for row in self.table.rows(f"SELECT DISTINCT project.id AS id FROM {self._from}")
            if row["id"]
        }

    def _slices(self, info: TableInfo) -> list[Slice]:
        """Every slice of the table; asked for once per state of the table, where BigQuery tells that."""

        def ask() -> str:
            rows = self.table.rows(
                f"SELECT DATE({_pruned_by(info)[0]}) AS day, IFNULL(invoice.month, '') AS month, COUNT(*) AS n, "
                f"CONCAT(IFNULL(CAST(MAX({_newest(info)}) AS STRING), ''), ' ', "
                f"IFNULL(CAST(SUM(CAST(cost AS NUMERIC)) AS STRING), '')) AS state FROM {self._from} "
                f"WHERE {_always(info)} GROUP BY day, month"
            )
            return json.dumps([_told(row) for row in rows])

        text = self.table.text("slices", info.etag, ask) if info.etag else ask()
        return _by_month([Slice(**each) for each in json.loads(text)])

    def _fetched(self, each: Slice, info: TableInfo) -> Any:
        sql = (
            f"SELECT {_columns(info)} FROM {self._from} WHERE {_within(each, info)} AND invoice.month = '{each.month}'"
        )
        return self.table.parquet(each.key, each.etag, sql, each.rows)

    def _delivery(self, period: BillingPeriod, slices: Sequence[Slice]) -> Delivery:
        salt = f"gcp_billing {self.mapping.version} {fingerprint_keep(self.keep)}"
        return Delivery(
            source=self.name,
            billing_period=period,
            fingerprint=fingerprint(salt, str(period), [(each.key, each.rows, each.etag) for each in slices]),
            parts=tuple(Part(uri=self._uri(each), size_bytes=0, etag=each.etag) for each in slices),
        )

    def _uri(self, each: Slice) -> str:
        return f"{self.table.uri}/{each.key}"

    @property
    def _from(self) -> str:
        return f"`{self.table.name}`"


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"days": str(row["day"] or ""), "month": row["month"], "rows": row["n"], "state": row["state"]}


def _by_month(slices: Sequence[Slice]) -> list[Slice]:
    """Days of months before the newest one as one slice: years of history are a few queries, not thousands."""
    newest = max((each.days[:7] for each in slices), default="")
    merged: dict[tuple[str, str], list[Slice]] = {}
    for each in sorted(slices, key=lambda each: (each.days, each.month)):
        days = each.days[:7] if each.days[:7] < newest else each.days
        merged.setdefault((days, each.month), []).append(each)
    return [
        Slice(
            days=days,
            month=month,
            rows=sum(each.rows for each in found),
            state=hashlib.sha256(" ".join(each.state for each in found).encode()).hexdigest()[:16],
        )
        for (days, month), found in merged.items()
    ]


def _columns(info: TableInfo) -> str:
    """The columns that are read, those alone that this table has: BigQuery's price goes by column."""
    wanted = (*PLAIN, *AMOUNTS, "invoice.month", *REPEATED)
    return ", ".join(f"{name} AS {name.replace('.', '_')}" for name in wanted if name in info.fields)


def _pruned_by(info: TableInfo) -> tuple[str, str]:
    return info.partitioned_by or ("export_time" if "export_time" in info.fields else "usage_start_time", "TIMESTAMP")


def _newest(info: TableInfo) -> str:
    return "export_time" if "export_time" in info.fields else "usage_start_time"


def _always(info: TableInfo) -> str:
    """A condition that all rows meet, for tables that demand one on the partition."""
    column, kind = _pruned_by(info)
    return f"({column} >= {kind} '1970-01-01' OR {column} IS NULL)"


def _within(each: Slice, info: TableInfo) -> str:
    column, kind = _pruned_by(info)
    if not each.days:
        return f"{column} IS NULL"
    is_month = len(each.days) == len("YYYY-MM")
    start = BillingPeriod.parse(each.days).start if is_month else date.fromisoformat(each.days)
    end = BillingPeriod.of(start).end if is_month else start + timedelta(days=1)
    return f"{column} >= {kind} '{start}' AND {column} < {kind} '{end}'"
