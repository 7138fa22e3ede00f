"""Usage and cost reports told in JSON pages of time buckets: read strictly, proved whole, each bucket once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, NoReturn

from finops_ai.domain.errors import Malformed, Problem
from finops_ai.domain.money import EXACT, QUANTUM
from finops_ai.domain.period import Days

STARTS, ENDS = ("start_time", "starting_at"), ("end_time", "ending_at")
"""A bucket's ends, as Unix seconds or as an RFC 3339 time; the end is not in it."""

PLAIN_NUMBER = re.compile(r"[+-]?\d{1,20}(?:\.\d+)?(?:[eE][+-]?\d{1,3})?")
LARGEST = Decimal(10) ** 20
SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value stands: the file or address, and the path of keys in it."""

    file: str
    key: str

    def inside(self, key: str) -> Place:
        return Place(file=self.file, key=f"{self.key}.{key}" if self.key else key)

    def wrong(self, message: str, value: object = None) -> NoReturn:
        shown = None if value is None else str(value)[:SHOWN]
        raise Malformed([Problem(file=self.file, column=self.key or None, value=shown, message=message)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What a report says of one stretch of one UTC day."""

    start: datetime
    end: datetime
    results: tuple[Mapping[str, Any], ...]
    place: Place

    @property
    def day(self) -> date:
        return self.start.date()

    def each(self) -> Iterable[tuple[Mapping[str, Any], Place]]:
        return ((result, self.place.inside(f"results[{n}]")) for n, result in enumerate(self.results))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer of a report. `following` is the cursor of the next page, None on the last."""

    report: str
    buckets: tuple[Bucket, ...]
    following: str | None
    place: Place


def parse(content: bytes, file: str, report_of: Callable[[Mapping[str, Any], str], str]) -> Page:
    """A page from its bytes. `report_of` names the report by a result and the file, '' when it cannot tell.

    Raises Malformed, naming file and key, for anything but a whole page of this shape.
    """
    place = Place(file=file, key="")
    document = _document(content, place)
    if not isinstance(document.get("has_more"), bool):
        place.inside("has_more").wrong(
            "is missing: this is no page of a usage or cost report", document.get("has_more")
        )
    data = document.get("data")
    if not isinstance(data, list):
        place.inside("data").wrong("is not a list of buckets")
    buckets = tuple(_bucket(raw, place.inside(f"data[{number}]")) for number, raw in enumerate(data))
    following = document.get("next_page")
    if document["has_more"] and not (isinstance(following, str) and following):
        place.inside("next_page").wrong("names no page although has_more is true", following)
    if document["has_more"] and not buckets:
        place.inside("data").wrong("is empty although has_more is true")
    told = {report_of(result, file) for bucket in buckets for result in bucket.results} or {report_of({}, file)}
    if len(told) > 1:
        place.inside("data").wrong(f"mixes results of {' and '.join(sorted(told))}")
    return Page(report=told.pop(), buckets=buckets, following=following if document["has_more"] else None, place=place)


def prove_whole(pages: Sequence[Page]) -> None:
    """Raises Malformed when a recorded page says that more follows and no page begins where it ends."""
    starts = {(page.report, page.buckets[0].start) for page in pages if page.buckets}
    empty = {page.report for page in pages if not page.buckets}
    problems = [
        Problem(
            file=page.place.file,
            column="next_page",
            value=page.following[:SHOWN],
            message=f"the page after this one, from {page.buckets[-1].end:%Y-%m-%d} on, was not recorded",
        )
        for page in pages
        if page.following is not None
        and page.report not in empty
        and not {(page.report, page.buckets[-1].end), ("", page.buckets[-1].end)} & starts
    ]
    if problems:
        raise Malformed(problems)


def once(pages: Sequence[Page]) -> tuple[dict[str, list[Bucket]], list[Problem]]:
    """Buckets by report, in order of time, each once: of one told twice the page that comes last wins.

    Raises Malformed when two buckets of a report overlap without being the same.
    """
    problems: list[Problem] = []
    reports: dict[str, dict[tuple[datetime, datetime], Bucket]] = {}
    for page in pages:
        if not page.report:
            continue  # without a result nobody can say of what; it says nothing either
        known = reports.setdefault(page.report, {})
        for bucket in page.buckets:
            before = known.get((bucket.start, bucket.end))
            if before is not None and before.results != bucket.results:
                message = f"restates {bucket.start:%Y-%m-%d %H:%M}Z told in {before.place.file}, and replaces it"
                problems.append(_warning(bucket.place, message))
            known[bucket.start, bucket.end] = bucket
    ordered = {report: [known[ends] for ends in sorted(known)] for report, known in reports.items()}
    for buckets in ordered.values():
        for earlier, later in pairwise(buckets):
            if later.start < earlier.end:
                message = f"overlaps {earlier.place.key} of {earlier.place.file}: usage would count twice"
                later.place.wrong(message, f"{later.start.isoformat()} to {later.end.isoformat()}")
    return ordered, problems


def gaps(buckets: Sequence[Bucket], days: Days, what: str) -> list[Problem]:
    """Days between the first and the last bucket within `days` that nothing is told of."""
    told = sorted({bucket.day for bucket in buckets if bucket.day in days})
    problems = []
    for before, after in pairwise(told):
        if (missing := (after - before).days - 1) > 0:
            first, last = before + timedelta(days=1), after - timedelta(days=1)
            span = f"{first}" if missing == 1 else f"{first} to {last}"
            problems.append(_warning(buckets[0].place, f"{what} tell nothing of {span}: cost there is unknown, not 0"))
    return problems


def text(result: Mapping[str, Any], key: str, place: Place) -> str:
    """A name; '' where it is null or absent. Raises Malformed for another kind of value."""
    value = result.get(key)
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        place.inside(key).wrong("is not text", value)
    return value


def number(value: object, place: Place) -> Decimal:
    """A number, or a number written as text, exact; at most 18 decimals are kept. Raises Malformed."""
    if isinstance(value, str) and PLAIN_NUMBER.fullmatch(value):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        place.wrong("is not a plain number", "null" if value is None else value)
    found = Decimal(value)
    if not found.is_finite() or abs(found) >= LARGEST:
        place.wrong("is no number that a bill can hold", value)
    return found.quantize(QUANTUM, context=EXACT)


def count(result: Mapping[str, Any], key: str, place: Place, *, required: bool = False) -> Decimal:
    """How much of something; 0 where an optional key is null or absent. Raises Malformed for less than 0."""
    value = result.get(key)
    if value is None and not required:
        return Decimal(0)
    found = number(value, place.inside(key))
    if found < 0:
        place.inside(key).wrong("is less than 0", value)
    return found


def _document(content: bytes, place: Place) -> dict[str, Any]:
    try:
        found = json.loads(
            content.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_unique
        )
    except UnicodeDecodeError:
        place.wrong("is not UTF-8")
    except (ValueError, RecursionError) as error:
        place.wrong(f"is not whole JSON: {str(error)[:SHOWN]}")
    if not isinstance(found, dict):
        place.wrong("is not a JSON object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(f"a key is told twice among {', '.join(key for key, _ in pairs)[:SHOWN]}")
    return found


def _bucket(raw: object, place: Place) -> Bucket:
    if not isinstance(raw, dict) or not isinstance(raw.get("results"), list):
        place.inside("results").wrong("is not a list")
    for result_number, result in enumerate(raw["results"]):
        if not isinstance(result, dict):
            place.inside(f"results[{result_number}]").wrong("is not an object", result)
    start, end = (_instant(raw, names, place) for names in (STARTS, ENDS))
    if not start < end or (end - timedelta(microseconds=1)).date() != start.date():
        place.wrong("is not within one UTC day: ask for buckets of a day or less", f"{start} to {end}")
    return Bucket(start=start, end=end, results=tuple(raw["results"]), place=place)


def _instant(raw: Mapping[str, Any], names: Sequence[str], place: Place) -> datetime:
    name = next((name for name in names if name in raw), names[0])
    value = raw.get(name)
    found = None
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            found = found.astimezone(UTC) if found.tzinfo else None
        elif isinstance(value, int | Decimal) and not isinstance(value, bool):
            found = datetime.fromtimestamp(int(value), UTC)
    except (ValueError, OverflowError, OSError):
        found = None
    if found is None or not 2000 <= found.year < 2100:
        place.inside(name).wrong("is not a time between 2000 and 2099", value)
    return found


def _warning(place: Place, message: str) -> Problem:
    return Problem(file=place.file, column=place.key or None, message=message, severity="warning")
