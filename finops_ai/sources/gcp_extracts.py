"""Extracts of Google Cloud's billing export in a folder or bucket: files of one table's rows, each row counted once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from finops_ai.domain.delivery import Delivery, Part, Refusal
from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.period import BillingPeriod
from finops_ai.sources.base import Keep, Scan
from finops_ai.sources.fetch import fingerprint, read
from finops_ai.sources.gcp_lines import Flat, LaidOut, Month
from finops_ai.sources.mapping import LineMapping, fingerprint_keep
from finops_ai.world.world import ObjectInfo, ObjectStore

SUFFIX = re.compile(r"\.(jsonl|ndjson|json|csv|parquet)(\.gz|\.zip)?$", re.IGNORECASE)
TABLE = re.compile(r"gcp_billing_export_(?P<resource>resource_)?v1_(?P<account>[0-9A-Z]{6}(?:_[0-9A-Z]{6}){2})", re.I)
"""The name that Google gives a table, with the billing account in it."""

SHARD = re.compile(r"(?<=part-)\d{5}(-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?|\d{12}")
"""What tells the files of one extract apart, as BigQuery and Spark number them."""

NOTE_BYTES = 64 << 10


OVERLAP = """(identity, extract) IN (
    SELECT (identity, extract) FROM (
        SELECT identity, extract, row_number() OVER (PARTITION BY identity ORDER BY count(*) DESC, extract) AS place
        FROM typed GROUP BY identity, extract
    ) AS held WHERE place > 1)"""
"""For several extracts: lines of one append to the table are taken from the extract that holds most of them."""

OVERLAP_TOLD = "lines that another extract of the table holds too count once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What one extract holds of one invoice month."""

    info: ObjectInfo
    month: Month

    @property
    def table(self) -> tuple[str, bool] | None:
        """Billing account and whether it is the detailed table, where the name tells."""
        found = TABLE.search(self.info.uri)
        return (found["account"].upper(), bool(found["resource"])) if found else None


@dataclass(frozen=True, kw_only=True)
class GcpExtracts:
    """Files of a table's rows, in the formats that BigQuery and its users write."""

    name: str
    store: ObjectStore = field(repr=False)
    mapping: LineMapping = field(repr=False)
    keep: Keep = field(repr=False)
    max_rejected_rows: int = 0
    _listed: dict[str, ObjectInfo] = field(default_factory=dict, repr=False, compare=False)
    _told: dict[BillingPeriod, Problem] = field(default_factory=dict, repr=False, compare=False)
    _laid_out: LaidOut = field(default_factory=LaidOut, repr=False, compare=False)

    def deliveries(self, since: BillingPeriod | None) -> Iterator[Delivery | Refusal]:
        periods: dict[BillingPeriod, list[Held]] = {}
        problems: list[Problem] = []
        for info in self._list():
            try:
                for period, month in self._flat(info, self.store.fetch(info)).months.items():
                    periods.setdefault(period, []).append(Held(info=info, month=month))
            except Malformed as error:
                problems.extend(error.problems)
        if not periods and not problems:
            message = "holds no extract of a billing export: JSON lines, Parquet or CSV, packed or not"
            problems = [Problem(file=self.store.root, message=message)]
        if problems:  # an unreadable file belongs to an unknown month: any of them may be incomplete
            yield Refusal(source=self.name, billing_period=None, problems=tuple(problems))
            return
        yield from (
            self._delivery(period, periods[period]) for period in sorted(periods) if not since or period >= since
        )

    def charges(self, delivery: Delivery) -> Scan:
        if any(part.uri not in self._listed for part in delivery.parts):
            self._list()
        by_key = {info.key: info for info in self._listed.values()}
        scan = read(
            delivery,
            self.store,
            self._listed,
            self._overlapping if len({extract_of(part.uri) for part in delivery.parts}) > 1 else self.mapping,
            self.keep,
            period=delivery.billing_period.start,
            max_rejected_rows=self.max_rejected_rows,
            laid_out=lambda name, path: self._flat(by_key[name], path).path,
        )
        told = self._told.get(delivery.billing_period)
        return replace(scan, problems=(*scan.problems, told)) if told else scan

    def projects(self) -> set[str]:
        """The projects that the extracts have charges of. Raises Malformed and Unavailable."""
        return set().union(*(self._flat(info, self.store.fetch(info)).projects for info in self._list()))

    @property
    def _overlapping(self) -> LineMapping:
        return replace(self.mapping, reads=("extract", "identity"), outside=OVERLAP, outside_told=OVERLAP_TOLD)

    def _list(self) -> list[ObjectInfo]:
        listed = [info for info in self.store.list() if SUFFIX.search(info.key) and self._is_extract(info)]
        self._listed.update({info.uri: info for info in listed})
        return listed

    def _is_extract(self, info: ObjectInfo) -> bool:
        """BigQuery calls JSON lines .json, too; another file of that name is somebody's note, but for an empty one."""
        if not info.key.lower().endswith(".json") or not info.size_bytes:
            return True
        with self.store.fetch(info).open("rb") as file:
            start = file.read(NOTE_BYTES)
        return start.startswith(b"\x1f\x8b") or b"billing_account_id" in start

    def _flat(self, info: ObjectInfo, path: Path) -> Flat:
        return self._laid_out.file(info.key, info.etag, path, extract_of(info.uri))

    def _delivery(self, period: BillingPeriod, held: Sequence[Held]) -> Delivery:
        """`held` without extracts of the standard table where the detailed one tells the same money."""
        tables = {each.table for each in held}
        repeated = [each for each in held if each.table and not each.table[1] and (each.table[0], True) in tables]
        if repeated:
            message = f"is left out for {period}: the detailed export beside it holds the same charges"
            files = repeated[0].info.key if len(repeated) == 1 else f"{len(repeated)} extracts of the standard export"
            self._told[period] = Problem(file=files, message=message, severity="warning")
        kept = [each for each in held if each not in repeated]
        told = [(extract_of(each.info.key), each.month.rows, each.month.digest) for each in kept]
        times = [each.info.modified_at for each in kept if each.info.modified_at]
        salt = f"gcp_billing {self.mapping.version} {fingerprint_keep(self.keep)}"
        return Delivery(
            source=self.name,
            billing_period=period,
            fingerprint=fingerprint(salt, str(period), told),
            parts=tuple(Part(uri=each.info.uri, size_bytes=each.info.size_bytes, etag=each.info.etag) for each in kept),
            published_at=max(times, default=None),
        )


def extract_of(uri: str) -> str:
    """The extract that a file is part of: its address without the number of the shard."""
    return SHARD.sub("*", uri)
