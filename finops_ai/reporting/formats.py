"""Amounts, percentages and days as people read them; the sign is never lost."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from finops_ai.domain.money import EXACT
from finops_ai.domain.period import BillingPeriod

SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "KRW": "₩"}
MINOR_DIGITS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "HUF": 0, "BHD": 3, "KWD": 3, "OMR": 3, "TND": 3}
"""Decimal places of a currency where they are not 2 (ISO 4217; HUF as it is used)."""

WHOLE_FROM = Decimal(100)
"""Known currencies are shown without cents from here on."""

DASH = "\N{EN DASH}"


def money(amount: Decimal, currency: str, *, digits: int | None = None, sign: bool = False) -> str:
    """$1,840; -$12.30; ¥1,200; 1,234.50 XYZ. `sign` writes + as well; `digits` overrules the usual places.

    An amount too small for its places keeps its sign and gets more of them, down to "<$0.01".
    """
    usual = MINOR_DIGITS.get(currency, 2)
    if digits is None:
        digits = 0 if currency in SYMBOLS and amount.copy_abs() >= WHOLE_FROM else usual
    rounded = _round(amount.copy_abs(), digits)
    if amount and not rounded and digits < usual:
        digits, rounded = usual, _round(amount.copy_abs(), usual)
    below = "<" if amount and not rounded else ""
    return _signed(amount, sign) + below + _with_unit(f"{rounded or _least(amount, digits):,.{digits}f}", currency)


def compact(amount: Decimal, currency: str, *, sign: bool = False) -> str:
    """$33k, $1.2M: two or three significant digits, for sentences and axes."""
    size = amount.copy_abs()
    if not size:
        return _with_unit("0", currency)
    for unit, name in ((Decimal(10**9), "B"), (Decimal(10**6), "M"), (Decimal(1000), "k")):
        if _round(size / unit, 3) >= 1:
            places = 1 if size < 10 * unit else 0
            text = f"{_round(size / unit, places):,.{places}f}".removesuffix(".0")
            return _signed(amount, sign) + _with_unit(text + name, currency)
    return money(amount, currency, sign=sign)


def places_for(amounts: Iterable[Decimal], currency: str) -> int:
    """Decimal places for a column: one for all its cells, so that digits stand under digits."""
    usual = MINOR_DIGITS.get(currency, 2)
    largest = max((amount.copy_abs() for amount in amounts), default=Decimal(0))
    return 0 if currency in SYMBOLS and largest >= 10 * WHOLE_FROM else usual


def percent(ratio: float | None, *, sign: bool = False) -> str:
    """12.3%; a dash for None. From +1,000% on a factor says more: 12x."""
    if ratio is None:
        return DASH
    if ratio >= 10 and sign:
        return f"{ratio + 1:,.0f}x"
    text = f"{abs(ratio):.1%}"
    return _signed(Decimal(0) if text == "0.0%" else Decimal(1 if ratio > 0 else -1), sign) + text


def change(now: Decimal, ratio: float | None) -> str:
    """Percentage of a change; in words where the base is 0."""
    if ratio is None:
        return "new spend" if now else DASH
    return percent(ratio, sign=True)


def day(value: date) -> str:
    """Mon 25 May."""
    return f"{WEEKDAYS[value.weekday()]} {value.day} {MONTHS[value.month - 1]}"


def month(period: BillingPeriod) -> str:
    """May 2026."""
    return f"{MONTHS[period.month - 1]} {period.year}"


def day_year(value: date) -> str:
    """25 May 2026."""
    return f"{value.day} {MONTHS[value.month - 1]} {value.year}"


# strftime's %a and %b follow the machine's locale; the same report must read the same everywhere.
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _round(size: Decimal, digits: int) -> Decimal:
    return size.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP, context=EXACT)


def _least(amount: Decimal, digits: int) -> Decimal:
    return Decimal(1).scaleb(-digits) if amount else Decimal(0)


def _signed(amount: Decimal, sign: bool) -> str:
    return "-" if amount < 0 else "+" if sign and amount > 0 else ""


def _with_unit(number: str, currency: str) -> str:
    return SYMBOLS[currency] + number if currency in SYMBOLS else f"{number} {currency}"
