"""A provider's usage and cost reports as deliveries of billing periods: asked for by HTTP, or recorded as files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from finops_ai.domain.delivery import Delivery, Part, Refusal
from finops_ai.domain.errors import Leak, Malformed, Problem, Rejected, Unavailable
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.sources import pages
from finops_ai.sources.base import Keep, Scan
from finops_ai.sources.fetch import fingerprint
from finops_ai.sources.mapping import LineMapping, fingerprint_keep
from finops_ai.sources.meters import Cost, Used, joined, table
from finops_ai.sources.pages import Bucket, Page
from finops_ai.world.scratch import scratch
from finops_ai.world.world import ObjectInfo, ObjectStore, World

MOST_PAGES = 1_000
LARGEST_FILE_BYTES = 64 << 20
COSTS = "costs"
"""The report that holds money; all others hold quantities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the reports say: every cost and every use, and what could not be understood."""

    costs: Sequence[Cost]
    uses: Sequence[Used]
    problems: Sequence[Problem]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """How one report is asked for: `query` may hold several values per key; `page` is the key of the cursor."""

    report: str
    url: str
    query: Mapping[str, str | int | Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What tells one provider from another. `amounts` walks raw cost results a second way, for the control total."""

    kind: str
    mapping: LineMapping
    report_of: Callable[[Mapping[str, Any], str], str]
    answers: Callable[[Mapping[str, Sequence[Bucket]]], Answers]
    amounts: Callable[[Mapping[str, Any]], tuple[str, Decimal]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Where reports are asked for. `headers` carry the key and are made anew for each run."""

    asks: Callable[[Days], Sequence[Ask]]
    headers: Callable[[], Mapping[str, str]]
    months: int


@dataclass(frozen=True, kw_only=True)
class Reports:
    """One configured organisation."""

    name: str
    provider: Provider
    keep: Keep = field(repr=False)
    world: World = field(repr=False)
    store: ObjectStore | None = field(default=None, repr=False)
    api: Api | None = field(default=None, repr=False)
    _read: dict[str, tuple[Page, ...]] = field(default_factory=dict, repr=False, compare=False)

    def deliveries(self, since: BillingPeriod | None) -> Iterator[Delivery | Refusal]:
        """One for each month that the recorded pages tell of, or for the last months of the API.

        A month of which nothing is told is none. What cannot be read is a refusal.
        """
        try:
            found = self._recorded() if self.store else self._asked(since)
            made = [self._delivery(period, told) for period, told in sorted(found.items())]
        except Malformed as error:
            yield Refusal(source=self.name, billing_period=None, problems=error.problems)
            return
        except Rejected as error:
            yield Refusal(
                source=self.name, billing_period=None, problems=(Problem(file=self.name, message=str(error)),)
            )
            return
        yield from (delivery for delivery in made if not since or delivery.billing_period >= since)

    def charges(self, delivery: Delivery) -> Scan:
        read = self._read.get(delivery.fingerprint)
        if read is None:
            found = self._recorded() if self.store else self._asked(delivery.billing_period)
            again = found.get(delivery.billing_period, ())
            if self._delivery(delivery.billing_period, again).fingerprint != delivery.fingerprint:
                raise Unavailable(f"{self.name}: {delivery.billing_period} changed since it was listed")
            read = tuple(again)
        return scan_pages(read, self.provider, self.keep, delivery.billing_period)

    def _recorded(self) -> dict[BillingPeriod, list[Page]]:
        """Pages in files, by the months that they tell of. Raises Malformed with the problems of all files."""
        store = self.store
        if store is None:
            return {}
        infos = sorted((info for info in store.list() if info.key.lower().endswith(".json")), key=_natural)
        found: list[Page] = []
        problems: list[Problem] = []
        for info in infos:
            try:
                found.append(_parsed(info, store, self.provider))
            except Malformed as error:
                problems.extend(error.problems)
        if not infos:
            problems = [Problem(file=store.root, message="holds no recorded pages (.json)")]
        if problems:
            raise Malformed(problems)
        pages.prove_whole(found)
        return _by_month(found)

    def _asked(self, since: BillingPeriod | None) -> dict[BillingPeriod, list[Page]]:
        """Pages of the API for the last months. Raises Malformed, Rejected or Unavailable."""
        api = self.api
        if api is None:
            return {}
        today = self.world.clock.now().astimezone(UTC).date()
        found: dict[BillingPeriod, list[Page]] = {}
        for period in _last_months(today, api.months):
            if since and period < since:
                continue
            days = Days(period.start, min(period.end, today + timedelta(days=1)))
            told = [page for ask in api.asks(days) for page in self._chain(ask, api.headers())]
            if any(bucket.results for page in told for bucket in page.buckets):
                found[period] = told
        return found

    def _chain(self, ask: Ask, headers: Mapping[str, str]) -> Iterator[Page]:
        """Every page of one report. A cursor that comes back would never end: raises Malformed."""
        cursors: set[str] = set()
        query = dict(ask.query)
        while True:
            url = f"{ask.url}?{urlencode(query, doseq=True)}"
            content = self.world.http.request("GET", url, idempotent=True, headers=headers).content
            page = pages.parse(content, ask.url, lambda _result, _file: ask.report)
            yield page
            if page.following is None:
                return
            if page.following in cursors or len(cursors) >= MOST_PAGES:
                page.place.inside("next_page").wrong("leads back to a page that was read: asking on would not end")
            cursors.add(page.following)
            query["page"] = page.following

    def _delivery(self, period: BillingPeriod, told: Sequence[Page]) -> Delivery:
        """The fingerprint is that of the results: how they were dealt out to pages does not matter."""
        buckets, _ = pages.once(told)
        kept = [
            (report, len(bucket.results), _digest(bucket))
            for report, of_report in buckets.items()
            for bucket in of_report
            if bucket.day in period.days
        ]
        salt = f"{self.provider.kind} {self.provider.mapping.version} {fingerprint_keep(self.keep)}"
        made = fingerprint(salt, str(period), kept)
        self._read[made] = tuple(told)
        parts = {page.place.file: Part(uri=page.place.file, size_bytes=0, etag=made) for page in told}
        return Delivery(source=self.name, billing_period=period, fingerprint=made, parts=tuple(parts.values()))


def scan_pages(told: Sequence[Page], provider: Provider, keep: Keep, period: BillingPeriod) -> Scan:
    """Pages of a month as a cube. Raises Malformed, and Leak when costs do not add up to the raw results."""
    from pyarrow import parquet

    from finops_ai.sources.scan import scan

    buckets, problems = pages.once(told)
    within = {name: [one for one in of_report if one.day in period.days] for name, of_report in buckets.items()}
    answers = provider.answers(within)
    lines = joined(answers.costs, answers.uses)
    with scratch("reports") as folder:
        file = folder / "lines.parquet"
        parquet.write_table(table(lines), file)
        name = told[0].place.file if len({page.place.file for page in told}) == 1 else f"{len(told)} pages"
        found = scan([(name, file)], provider.mapping, keep)
    _prove(found, within.get(COSTS, ()), provider)
    problems += [*pages.gaps(within.get(COSTS, ()), period.days, "costs"), *answers.problems]
    problems += _costless(answers, told)
    rows = sum(len(bucket.results) for of_report in within.values() for bucket in of_report)
    return replace(found, control=replace(found.control, rows=rows), problems=(*found.problems, *problems))


def _prove(found: Scan, costs: Sequence[Bucket], provider: Provider) -> None:
    """The second path: raw amounts, straight from the results."""
    sums: dict[str, Decimal] = {}
    for bucket in costs:
        for result in bucket.results:
            currency, amount = provider.amounts(result)
            sums[currency] = sums.get(currency, Decimal(0)) + amount
    said = {currency: amount for currency, amount in sums.items() if amount}
    if said != {currency: amount for currency, amount in found.control.billed_cost.items() if amount}:
        raise Leak(f"the cost results come to {said}, the lines to {dict(found.control.billed_cost)}")


def _costless(answers: Answers, told: Sequence[Page]) -> list[Problem]:
    """Days of use of which no cost is told: their cost on this bill is 0 for want of an answer."""
    missing = sorted({use.day for use in answers.uses if use.quantity} - {cost.day for cost in answers.costs})
    if not missing:
        return []
    days = f"{missing[0]}" if len(missing) == 1 else f"{len(missing)} days from {missing[0]} to {missing[-1]}"
    message = f"{days} have use and no cost: unit costs there are unknown until the cost report tells them"
    return [Problem(file=told[0].place.file, message=message, severity="warning")]


def _parsed(info: ObjectInfo, store: ObjectStore, provider: Provider) -> Page:
    if info.size_bytes > LARGEST_FILE_BYTES:
        raise Malformed([Problem(file=info.key, message=f"is larger than {LARGEST_FILE_BYTES:,} bytes: no page is")])
    return pages.parse(store.fetch(info).read_bytes(), info.key, provider.report_of)


def _by_month(found: Sequence[Page]) -> dict[BillingPeriod, list[Page]]:
    months: dict[BillingPeriod, list[Page]] = {}
    for page in found:
        for period in sorted({BillingPeriod.of(bucket.day) for bucket in page.buckets if bucket.results}):
            months.setdefault(period, []).append(page)
    return months


def _last_months(today: date, count: int) -> list[BillingPeriod]:
    periods = [BillingPeriod.of(today)]
    while len(periods) < count:
        periods.insert(0, BillingPeriod.of(periods[0].start - timedelta(days=1)))
    return periods


def _digest(bucket: Bucket) -> str:
    results = sorted(json.dumps(result, sort_keys=True, default=str) for result in bucket.results)
    told = json.dumps([bucket.start.isoformat(), bucket.end.isoformat(), results])
    return hashlib.sha256(told.encode()).hexdigest()


def _natural(info: ObjectInfo) -> tuple[tuple[int, str], ...]:
    """page2 before page10: the order in which one page replaces another."""
    return tuple((int(digits or -1), words) for digits, words in re.findall(r"(\d*)(\D*)", info.key))


def seconds(day: date) -> int:
    """A day's first second as Unix time."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
