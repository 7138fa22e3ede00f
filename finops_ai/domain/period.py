"""Time as the bill sees it: billing months, half-open UTC days, and the instant of knowledge."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta


@dataclass(frozen=True, slots=True, order=True)
class BillingPeriod:
    """One calendar month of a bill; written YYYY-MM."""

    year: int
    month: int

    def __post_init__(self) -> None:
        date(self.year, self.month, 1)

    @classmethod
    def parse(cls, text: str) -> BillingPeriod:
        found = re.fullmatch(r"(\d{4})-(\d{2})(?:-\d{2}.*)?", text.strip())
        if not found:
            raise ValueError(f"not a billing period (YYYY-MM): {text!r}")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, day: date) -> BillingPeriod:
        return cls(day.year, day.month)

    @property
    def start(self) -> date:
        return date(self.year, self.month, 1)

    @property
    def end(self) -> date:
        """First day after the period."""
        return (self.start + timedelta(days=32)).replace(day=1)

    @property
    def days(self) -> Days:
        return Days(self.start, self.end)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"


@dataclass(frozen=True, slots=True)
class Days:
    """Half-open range of UTC days: `start` is in it, `end` is not."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"days end before they start: {self.start} to {self.end}")

    def __len__(self) -> int:
        return (self.end - self.start).days

    def __iter__(self) -> Iterator[date]:
        return (self.start + timedelta(days=i) for i in range(len(self)))

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    def __str__(self) -> str:
        return f"{self.start}/{self.end}"


def as_of_instant(text: str) -> datetime:
    """Instant of knowledge from the command line.

    A date means everything known by the end of that UTC day; a timestamp is taken as it stands
    (UTC when it names no offset). Raises ValueError for anything else.
    """
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return end_of_day(date.fromisoformat(text))
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def end_of_day(day: date) -> datetime:
    return datetime.combine(day, time.max, tzinfo=UTC)
