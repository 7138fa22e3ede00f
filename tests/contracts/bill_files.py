"""Golden bills taken apart into rows and put together again, and what must be known of a format to spoil it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from finops_ai.world.objects import local_path

Row = dict[str, Any]
Holder = list[Row] | dict[str, Row]
"""What rows stand in: a list, or an object that has them by name."""

NAMED_BY_MANIFESTS = ("reportKeys", "dataFiles", "blobs")


@dataclass(frozen=True, kw_only=True)
class Format:
    """How one kind of source is spoiled.

    `cost`: where an amount stands in a row, under the names it has in the layouts of this kind; `per_unit` of them are
    one of the currency. `required`: what no row can do without, under its names in all layouts; it is told of by the
    first. `tag` puts a tag on a row; where customers have no tags, it says why, and `text` is the free text that they
    have instead: its key in a row and the dimension that it becomes. `holders`: where rows stand in a JSON document.
    """

    cost: Sequence[str]
    required: Sequence[str]
    tag: Callable[[Row, str, str], None] | str
    text: tuple[str, str] | None = None
    per_unit: int = 1
    holders: Callable[[Any], Iterable[Holder]] | None = None

    def amount(self, row: Row) -> Decimal | None:
        """What a row costs, None where it tells no cost."""
        holder, name = self._place(row)
        told = holder.get(name)
        return None if told is None else Decimal(str(told).replace(",", ".")) / self.per_unit

    def charge(self, row: Row, amount: str) -> None:
        """Write another amount in the way of the one that stands there."""
        holder, name = self._place(row)
        was = holder[name]
        if isinstance(was, str):
            holder[name] = amount.replace(".", ",") if "," in was else amount
        else:
            holder[name] = float(amount)

    def _place(self, row: Row) -> tuple[Row, str]:
        name = next((name for name in self.cost if name.split(">")[0] in row), self.cost[0])
        *above, last = name.split(">")
        for key in above:
            row = row.get(key) or {}
        return row, last


def _aws_tag(row: Row, key: str, value: str) -> None:
    if "resource_tags" in row:
        row["resource_tags"] = [*(row["resource_tags"] or ()), (f"user_{key}", value)]
    else:
        row[f"resourceTags/user:{key}"] = value


def _json_tag(row: Row, key: str, value: str) -> None:
    """FOCUS and Azure: an object of texts, as text."""
    column = next(name for name in ("Tags", "tags", "Tags (Tags)") if name in row)
    told = json.loads(row[column]) if row[column].startswith("{") else {}
    row[column] = json.dumps({**told, key: value})


def _gcp_tag(row: Row, key: str, value: str) -> None:
    labels = row["labels"]
    told = [*(json.loads(labels) if isinstance(labels, str) else labels), {"key": key, "value": value}]
    row["labels"] = json.dumps(told) if isinstance(labels, str) else told


def _opencost_tag(row: Row, key: str, value: str) -> None:
    row["properties"].setdefault("labels", {})[key] = value


def _litellm_tag(row: Row, key: str, value: str) -> None:
    row["request_tags"] = [*row["request_tags"], f"{key}:{value}"]


def _buckets(document: Any) -> Iterable[Holder]:
    return (bucket["results"] for bucket in document["data"])


NO_TAGS = "the provider's reports know its own dimensions only: customers cannot tag what they ask for"

FORMATS: Mapping[str, Format] = {
    "anthropic_usage": Format(
        cost=("amount",),
        per_unit=100,
        required=("amount",),
        tag=NO_TAGS,
        text=("workspace_id", "sub_account_id"),
        holders=_buckets,
    ),
    "aws_cur": Format(
        cost=("lineItem/UnblendedCost", "line_item_unblended_cost"),
        required=("lineItem/UnblendedCost", "line_item_unblended_cost"),
        tag=_aws_tag,
    ),
    "azure_export": Format(
        cost=("Cost", "costInBillingCurrency", "PreTaxCost (PreTaxCost)"),
        required=("Cost", "costInBillingCurrency", "PreTaxCost (PreTaxCost)"),
        tag=_json_tag,
    ),
    "focus_files": Format(cost=("BilledCost",), required=("BilledCost",), tag=_json_tag),
    "gcp_billing": Format(cost=("cost",), required=("cost",), tag=_gcp_tag),
    "litellm": Format(cost=("spend",), required=("startTime",), tag=_litellm_tag),
    "openai_usage": Format(
        cost=("amount>value",),
        required=("amount",),
        tag=NO_TAGS,
        text=("project_id", "sub_account_id"),
        holders=_buckets,
    ),
    "opencost": Format(
        cost=("totalCost",),
        required=("window", "start", "end"),
        tag=_opencost_tag,
        holders=lambda document: (one for one in document["data"] if one),
    ),
}


class PartFile:
    """One file of a bill: its rows can be changed, and are written again as they were written."""

    def __init__(self, path: Path, form: Format) -> None:
        self.path = path
        content = path.read_bytes()
        self._packed = content.startswith(b"\x1f\x8b")
        content = gzip.decompress(content) if self._packed else content
        self._document: Any = None
        self._schema: pa.Schema | None = None
        self._instead: bytes | None = None
        self.header: list[str] = []
        self._delimiter = ","
        if content.startswith(b"PAR1"):
            table = parquet.read_table(path, partitioning=None)
            self._schema, self._rows = table.schema, table.to_pylist()
        elif form.holders:
            self._document = json.loads(content)
            self.holders = list(form.holders(self._document))
        elif content.startswith(b"{"):
            self._rows = [json.loads(line) for line in content.splitlines()]
        else:
            self._bom = content.startswith(b"\xef\xbb\xbf")
            text = content.decode("utf-8-sig")
            self._delimiter = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
            reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=self._delimiter)
            self._rows = list(reader)
            self.header = list(reader.fieldnames or ())
        if self._document is None:
            self.holders = [self._rows]

    @property
    def rows(self) -> list[Row]:
        return [row for one in self.holders for row in (one.values() if isinstance(one, dict) else one)]

    @property
    def is_lines(self) -> bool:
        """Plain text of lines, of which nothing tells that more should follow."""
        return self.is_text and self._document is None

    @property
    def is_text(self) -> bool:
        return not self._packed and self._schema is None

    def turn(self) -> None:
        """The rows in the opposite order."""
        for one in self.holders:
            if isinstance(one, dict):
                for name in reversed(list(one)):
                    one[name] = one.pop(name)
            else:
                one.reverse()

    def clear(self) -> None:
        for one in self.holders:
            one.clear()

    def add(self, name: str, value: str) -> None:
        """A column that every row has."""
        self.header += [name] if self.header else []
        for row in self.rows:
            row[name] = value

    def drop(self, names: Sequence[str]) -> str:
        """Leave out the columns of these names; returns the first that was there."""
        found = [name for name in names if any(name in row for row in self.rows)]
        self.header = [name for name in self.header if name not in found]
        for row in self.rows:
            for name in found:
                row.pop(name, None)
        if self._schema is not None:
            self._schema = pa.schema([field for field in self._schema if field.name not in found])
        return found[0]

    def become(self, content: bytes) -> None:
        """Hold this, whatever the rows are."""
        self._instead = content

    def content(self) -> bytes:
        if self._instead is not None:
            return self._instead
        content = self.plain()
        return gzip.compress(content, mtime=0) if self._packed else content

    def plain(self) -> bytes:
        """What is written, before it is packed."""
        if self._schema is not None:
            new = dict.fromkeys(name for row in self.rows for name in row if name not in self._schema.names)
            schema = pa.schema([*self._schema, *(pa.field(name, pa.string()) for name in new)])
            sink = io.BytesIO()
            parquet.write_table(pa.Table.from_pylist(self.rows, schema), sink)
            return sink.getvalue()
        if self._document is not None:
            return json.dumps(self._document).encode()
        if not self.header:
            return "".join(json.dumps(row) + "\n" for row in self.rows).encode()
        text = io.StringIO(newline="")
        names = dict.fromkeys([*self.header, *(name for row in self.rows for name in row)])
        writer = csv.DictWriter(text, list(names), restval="", delimiter=self._delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue().encode("utf-8-sig" if self._bom else "utf-8")


class Bill:
    """A copy of a golden bill to be spoiled: the parts that count in it, and manifests that tell of them truly."""

    def __init__(self, folder: Path, uris: Iterable[str], target: Path, form: Format) -> None:
        self.root = target
        shutil.copytree(folder, target)
        paths = sorted({local_path(uri) if "://" in uri else folder / uri for uri in uris})
        self.parts = [PartFile(target / path.relative_to(folder), form) for path in paths]
        self._beside: dict[Path, list[PartFile]] = {}
        self._form = form

    def save(self) -> Path:
        """Write everything; returns where the bill lies."""
        for part in self.parts:
            part.path.write_bytes(part.content())
        for manifest in self.root.rglob("*anifest.json"):
            self._tell(manifest)
        return self.root

    def rotate(self) -> None:
        """Each part takes the place of the next one in its folder."""
        for folder in {part.path.parent for part in self.parts}:
            beside = [part for part in self.parts if part.path.parent == folder]
            for part, path in zip(beside, [part.path for part in [*beside[1:], beside[0]]], strict=True):
                part.path = path

    def copy(self, part: PartFile, name: str) -> PartFile:
        """Another part that holds what this one does; manifests name it, too."""
        path = part.path.with_name(name + "".join(part.path.suffixes))
        shutil.copy(part.path, path)
        made = PartFile(path, self._form)
        self.parts.append(made)
        self._beside.setdefault(part.path, []).append(made)
        return made

    def _tell(self, manifest: Path) -> None:
        told = json.loads(manifest.read_text())
        for key in (key for key in NAMED_BY_MANIFESTS if key in told):
            told[key] = [entry for old in told[key] for entry in self._entries(old)]
        if "blobs" in told:
            told["blobCount"] = len(told["blobs"])
            told["dataRowCount"] = sum(blob["dataRowCount"] for blob in told["blobs"])
        manifest.write_text(json.dumps(told))

    def _entries(self, old: Any) -> Iterator[Any]:
        """What a manifest says of a part, and of the parts that were put beside it."""
        folder, _, name = (old if isinstance(old, str) else old["blobName"]).rpartition("/")
        end = [*folder.split("/")[-2:], name]
        part = next((part for part in self.parts if list(part.path.parts[-3:]) == end), None)
        for each in [part, *self._beside.get(part.path, ())] if part else []:
            size, rows = each.path.stat().st_size, len(each.rows)
            blob = f"{folder}/{each.path.name}"
            yield blob if isinstance(old, str) else {"blobName": blob, "byteCount": size, "dataRowCount": rows}
        if not part:
            yield old
