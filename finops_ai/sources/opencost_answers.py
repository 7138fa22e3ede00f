"""Answers of the allocation API of OpenCost and Kubecost: read strictly, amounts as they are written, each once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import count
from pathlib import Path
from typing import Any

from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.money import total
from finops_ai.sources.base import Keep
from finops_ai.sources.opencost_labels import SHOWN, mapping_of, tags_of, text_of
from finops_ai.sources.parts import unpack

COSTS = (
    "cpuCost",
    "cpuCostAdjustment",
    "ramCost",
    "ramCostAdjustment",
    "gpuCost",
    "gpuCostAdjustment",
    "pvCost",
    "pvCostAdjustment",
    "networkCost",
    "networkCostAdjustment",
    "loadBalancerCost",
    "loadBalancerCostAdjustment",
    "sharedCost",
    "externalCost",
)
"""What totalCost adds up. Idle shares and cross-zone traffic are told once more, but within these."""

TEXTS = ("cluster", "namespace", "note", "billing_currency", "window_start", "tags")
NUMBERS = (*COSTS, "totalCost", "gpuHours")
READ = frozenset({*NUMBERS, "name", "properties", "window", "start", "end"})

LONGEST_WINDOW = timedelta(hours=25)
"""A day; one with a change of clocks where the server counts days by a local time zone."""

SPECIAL = re.compile(r"__[a-z]+__")
"""What is no pod's is named in place of a namespace: __idle__, __unallocated__, __unmounted__."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What one workload cost in one window, as it was told: numbers are texts, unknown ends of the window None."""

    name: str
    told: Mapping[str, Any]
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Turns answers into tables for the scan, one row for each allocation, every value as text.

    It remembers what it read: an allocation of one window counts once, however often it is told.
    """

    scratch: Path
    keep: Keep
    currency: str
    cluster: str | None
    problems: list[Problem] = field(default_factory=list)
    _known: dict[bytes, tuple[bytes, str]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    def table(self, file: str, path: Path) -> Path:
        """The answer in `path` as a Parquet file. Raises Malformed."""
        import pyarrow as pa
        from pyarrow import parquet

        told = list(allocations(answer(path, file, self.scratch), file))
        rows = [self._row(one) for one in told if self._is_new(one, file)]
        if again := len(told) - len(rows):
            message = f"tells {again:,} allocations that another answer told alike: counted once"
            self.problems.append(Problem(file=file, message=message, severity="warning"))
        target = self.scratch / f"{next(self._numbers):06d}.parquet"
        schema = pa.schema([(column, pa.string()) for column in (*TEXTS, *NUMBERS)])
        parquet.write_table(pa.Table.from_pylist(rows, schema), target)
        return target

    def _is_new(self, one: Allocation, file: str) -> bool:
        """Raises Malformed when the same allocation of the same window was told otherwise before."""
        identity = [one.name, _properties(one).get("cluster"), str(one.start), str(one.end)]
        key = hashlib.sha256(json.dumps(identity).encode()).digest()
        before = len(self._known)
        said = hashlib.sha256(json.dumps(one.told, sort_keys=True).encode()).digest()
        known = self._known.setdefault(key, (said, file))
        if known[0] != said:
            message = f"is told otherwise in {known[1]} for the window from {one.start}: keep the newer answer only"
            raise Malformed([Problem(file=file, column="name", value=one.name[:SHOWN], message=message)])
        return len(self._known) > before

    def _row(self, one: Allocation) -> dict[str, str | None]:
        properties = _properties(one)
        namespace = text_of(properties.get("namespace")) or _special(one.name)
        cluster = text_of(properties.get("cluster")) or self.cluster or ""
        tags, notes = tags_of(properties, {"cluster": cluster, "namespace": namespace}, self.keep)
        whole = one.told.get("totalCost")
        if whole is None and (whole := _added_up(one.told)) is not None:
            notes.append("total cost is missing and added up from its parts")
        if one.start and one.end and (one.end - timedelta(microseconds=1)).date() != one.start.date():
            notes.append("the window runs past midnight UTC and is booked on the day on which it begins")
        return {
            "cluster": cluster,
            "namespace": namespace,
            "note": "; ".join(notes),
            "billing_currency": self.currency,
            "window_start": one.start.isoformat() if one.start else _start(one.told),
            "tags": json.dumps(tags, ensure_ascii=False),
            **{name: _number(one.told.get(name)) for name in NUMBERS},
            "totalCost": _number(whole),
        }


def answer(path: Path, file: str, scratch: Path) -> Any:
    """The JSON in a file, plain or packed; numbers as texts. Raises Malformed when it is not whole."""
    text = scratch / "answer.json"
    unpack(path, file, text)
    try:
        return parsed(text.read_text(encoding="utf-8"), file)
    finally:
        text.unlink()


def parsed(text: str, file: str) -> Any:
    """JSON with numbers as texts, allocations cut down to what is read. Raises Malformed."""
    try:
        return json.loads(text, parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        problem = Problem(file=file, line=error.lineno, message=f"is not whole JSON: {error.msg}; record it again")
    except (ValueError, RecursionError) as error:
        problem = Problem(file=file, message=f"is no answer of the allocation API: {error}")
    raise Malformed([problem])


def allocations(told: Any, file: str) -> Iterator[Allocation]:
    """Every allocation of an answer, or of a list of answers (pages). Raises Malformed for anything else."""
    for page in told if isinstance(told, list) else [told]:
        if isinstance(page, dict) and page.get("code") not in (None, "200"):
            message = f"is an error and no data: {text_of(page.get('message') or page.get('data'))[:SHOWN]}"
            raise Malformed([Problem(file=file, column="code", value=text_of(page["code"])[:SHOWN], message=message)])
        if not isinstance(page, dict) or not isinstance(page.get("data", 0), list | None):
            message = "is no answer of the allocation API: it has no list `data` of allocation sets"
            raise Malformed([Problem(file=file, column="data", message=message)])
        for one_set in page["data"] or []:
            if not isinstance(one_set, dict | None):
                message = "is no set of allocations by name; ask the allocation API without a summary"
                raise Malformed([Problem(file=file, column="data", value=str(one_set)[:SHOWN], message=message)])
            for name, one in (one_set or {}).items():
                if one is not None:
                    yield _allocation(name, one, file)


def months(told: Any, file: str) -> set[date]:
    """First days of the months that an answer tells of. Raises Malformed when none can be told."""
    every = list(allocations(told, file))
    found = {one.start.date().replace(day=1) for one in every if one.start}
    if every and not found:
        message = "is no time in any allocation: which day is told of is unknown"
        raise Malformed([Problem(file=file, column="window", value=_start(every[0].told), message=message)])
    return found


def _allocation(name: str, told: Any, file: str) -> Allocation:
    if not isinstance(told, dict) or not READ & told.keys():
        message = f"{name[:SHOWN]!r} is no allocation: it has neither window nor costs"
        raise Malformed([Problem(file=file, column="data", message=message)])
    window = mapping_of(told.get("window"))
    start = _instant(window.get("start")) or _instant(told.get("start"))
    end = _instant(window.get("end")) or _instant(told.get("end"))
    if start and end and end - start > LONGEST_WINDOW:
        message = "is longer than a day, so that its days cannot be told apart: ask with step=1d"
        raise Malformed([Problem(file=file, column="window", value=f"{start} to {end}", message=message)])
    return Allocation(name=name, told=told, start=start, end=end)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of which nothing is told twice; of an allocation, only what is read."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)[:SHOWN]!r} stands in it twice")
    if isinstance(found.get("properties"), dict):
        return {name: value for name, value in found.items() if name in READ}
    return found


def _properties(one: Allocation) -> Mapping[str, Any]:
    return mapping_of(one.told.get("properties"))


def _start(told: Mapping[str, Any]) -> str:
    return text_of(mapping_of(told.get("window")).get("start")) or text_of(told.get("start"))


def _instant(value: Any) -> datetime | None:
    """A time in UTC; None for the text "null", and for anything else that is none."""
    try:
        found = datetime.fromisoformat(value)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _added_up(told: Mapping[str, Any]) -> str | None:
    """The sum of the parts; None where one is unknown (null) or none is told."""
    parts = [told[name] for name in COSTS if name in told]
    try:
        return str(total(Decimal(part) for part in parts)) if parts else None
    except (TypeError, InvalidOperation):
        return None


def _special(name: str) -> str:
    """The last part of a name where it names what is no pod's."""
    last = name.rsplit("/", 1)[-1]
    return last if SPECIAL.fullmatch(last) else ""


def _number(value: Any) -> str | None:
    return None if value is None else text_of(value)
