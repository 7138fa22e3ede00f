"""Dated currency rates: billed money beside its worth in the reporting currency, and what has no rate shown as such."""

from __future__ import annotations

import bisect
import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from finops_ai.domain.errors import Leak, Malformed, Problem
from finops_ai.domain.money import COST_SCALE, EXACT, QUANTUM, total
from finops_ai.domain.period import BillingPeriod

COLUMNS = ("period", "currency", "reporting_currency", "rate")
COSTS = ("billed_cost", "effective_cost")

CARRIED_DAYS = 7
"""A day without a rate of its own (a weekend, a holiday) takes the last one that is no older than this."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Rate:
    """`rate` units of `reporting_currency` for one of `currency`, in a month (YYYY-MM) or from a day on."""

    currency: str
    reporting_currency: str
    period: str
    rate: Decimal

    @property
    def key(self) -> tuple[str, str, str]:
        return self.currency, self.reporting_currency, self.period

    @property
    def month(self) -> BillingPeriod:
        return BillingPeriod.parse(self.period)


def parse(text: str, file: str) -> list[Rate]:
    """The rates of a CSV text with the columns period, currency, reporting_currency and rate.

    Raises Malformed with every line that is wrong, or told twice.
    """
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    header = [name.strip().lower() for name in next(lines, [])]
    if missing := [name for name in COLUMNS if header.count(name) != 1]:
        message = f"wants one column {missing[0]!r}; the header is {', '.join(COLUMNS)}"
        raise Malformed([Problem(file=file, line=1, column=missing[0], message=message)])
    rates: dict[tuple[str, str, str], Rate] = {}
    problems: list[Problem] = []
    for cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        values = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        if wrong := _wrong(values):
            column, message = wrong
            problems.append(
                Problem(file=file, line=lines.line_num, column=column, value=values.get(column), message=message)
            )
            continue
        told = Rate(
            currency=values["currency"].upper(),
            reporting_currency=values["reporting_currency"].upper(),
            period=values["period"],
            rate=Decimal(values["rate"]),
        )
        if told.key in rates:
            message = f"{told.currency} to {told.reporting_currency} is told twice for {told.period}"
            problems.append(Problem(file=file, line=lines.line_num, column="period", message=message))
        rates[told.key] = told
    if problems:
        raise Malformed(problems, rows=len(rates) + len(problems), rejected=len(problems))
    return sorted(rates.values())


def _wrong(values: Mapping[str, str]) -> tuple[str, str] | None:
    """Column and message of the first thing wrong with a line."""
    for column in ("currency", "reporting_currency"):
        if not re.fullmatch(r"[A-Za-z]{3}", values.get(column, "")):
            return column, "is not a currency: write three letters such as USD"
    if values["currency"].upper() == values["reporting_currency"].upper():
        return "reporting_currency", "is the currency itself, whose rate is 1"
    period = values.get("period", "")
    try:
        date.fromisoformat(period if re.fullmatch(r"\d{4}-\d{2}-\d{2}", period) else f"{period}-01")
    except ValueError:
        return "period", "is neither a month (YYYY-MM) nor a day (YYYY-MM-DD)"
    try:
        rate = Decimal(values.get("rate", ""))
    except InvalidOperation:
        return "rate", "is not a decimal number with a point"
    exponent = rate.as_tuple().exponent
    if not rate.is_finite() or rate <= 0 or rate >= 10**12 or not isinstance(exponent, int) or -exponent > COST_SCALE:
        return "rate", f"must be above 0, below 1e12 and have at most {COST_SCALE} decimals"
    return None


@dataclass(frozen=True)
class RateTable:
    """Rates by pair of currencies. A month's rate stands before those of its days."""

    rates: Sequence[Rate]
    _months: dict[tuple[str, str], dict[str, Decimal]] = field(init=False, default_factory=dict)
    _days: dict[tuple[str, str], list[tuple[date, Decimal]]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for one in sorted(self.rates):
            pair = (one.currency, one.reporting_currency)
            if len(one.period) == len("YYYY-MM"):
                self._months.setdefault(pair, {})[one.period] = one.rate
            else:
                self._days.setdefault(pair, []).append((date.fromisoformat(one.period), one.rate))

    def rate(self, currency: str, reporting: str, day: date) -> Decimal | None:
        """Units of `reporting` for one of `currency` on a day, or None where the table cannot tell.

        The inverse of the other direction, to 18 decimals, stands in where only that one is told.
        """
        if currency == reporting:
            return Decimal(1)
        direct = self._told((currency, reporting), day)
        if direct is not None:
            return direct
        inverse = self._told((reporting, currency), day)
        return None if inverse is None else EXACT.divide(Decimal(1), inverse).quantize(QUANTUM, context=EXACT)

    def _told(self, pair: tuple[str, str], day: date) -> Decimal | None:
        month = self._months.get(pair, {}).get(f"{day:%Y-%m}")
        if month is not None:
            return month
        days = self._days.get(pair, [])
        found = bisect.bisect_right(days, day, key=lambda told: told[0]) - 1
        if found < 0 or days[found][0] < day - timedelta(days=CARRIED_DAYS):
            return None
        return days[found][1]


def converted(
    rows: Iterable[Mapping[str, Any]], keys: Sequence[str], reporting: str, table: RateTable
) -> list[dict[str, Any]]:
    """Rows of `keys`, `day`, `currency` and COSTS grouped by keys and currency, with their worth in `reporting`.

    Each result keeps the billed currency and its costs and has `x_reporting_currency` and one `x_reporting_…` for each
    cost, to 18 decimals: None, in a row of its own, for the days without a rate. Raises Leak when costs got lost.
    """
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    sums: dict[tuple[str, str], Decimal] = {}
    for row in rows:
        currency = row["currency"]
        rate = table.rate(currency, reporting, row["day"])
        key = (*(row[name] for name in keys), currency, rate is None)
        group = groups.setdefault(
            key,
            {
                **{name: row[name] for name in keys},
                "currency": currency,
                **dict.fromkeys(COSTS, Decimal(0)),
                "x_reporting_currency": reporting,
                **{f"x_reporting_{name}": None if rate is None else Decimal(0) for name in COSTS},
            },
        )
        for name in COSTS:
            group[name] = EXACT.add(group[name], row[name])
            sums[currency, name] = EXACT.add(sums.get((currency, name), Decimal(0)), row[name])
            if rate is not None:
                worth = EXACT.multiply(row[name], rate)
                group[f"x_reporting_{name}"] = EXACT.add(group[f"x_reporting_{name}"], worth)
    result = [{name: _rounded(name, value) for name, value in groups[key].items()} for key in sorted(groups)]
    for (currency, name), amount in sums.items():
        if total(row[name] for row in result if row["currency"] == currency) != amount:
            raise Leak(f"{name} in {currency} is not {amount} after its conversion to {reporting}")
    return result


def _rounded(name: str, value: Any) -> Any:
    is_worth = name.startswith("x_reporting_") and isinstance(value, Decimal)
    return value.quantize(QUANTUM, context=EXACT) if is_worth else value


def unknown(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Currencies of converted rows that had days without a rate, in order."""
    yield from sorted({row["currency"] for row in rows if row["x_reporting_billed_cost"] is None})


def frozen(told: Iterable[Rate], kept: Iterable[Rate], before: date, file: str) -> list[Problem]:
    """Problems of rates that would change a month which ended before that day: what was reported stays as it was."""
    earlier = {one.key: one for one in kept}
    return [
        Problem(
            file=file,
            column="rate",
            value=str(one.rate),
            message=f"{one.currency} to {one.reporting_currency} of {one.period} was {known.rate} and its month is "
            "final: put the old rate back, and book the difference in the open month",
        )
        for one in told
        if (known := earlier.get(one.key)) and known.rate != one.rate and one.month.end <= before
    ]
