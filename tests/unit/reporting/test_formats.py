"""Amounts as people read them: right unit, right places, and never a lost sign."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.reporting.formats import change, compact, day, money, percent


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        ("1840.2", "USD", "$1,840"),
        ("-1840.2", "USD", "-$1,840"),
        ("99.994", "USD", "$99.99"),
        ("0", "USD", "$0.00"),
        ("-0.004", "USD", "-<$0.01"),
        ("0.0000001", "EUR", "<€0.01"),
        ("12.345", "EUR", "€12.35"),
        ("1234.5", "JPY", "¥1,235"),
        ("12.4", "JPY", "¥12"),
        ("1234.5", "XYZ", "1,234.50 XYZ"),
        ("-1234.5", "XYZ", "-1,234.50 XYZ"),
        ("1.2345", "KWD", "1.235 KWD"),
        ("123456789012345678901234567890.5", "USD", "$123,456,789,012,345,678,901,234,567,891"),
    ],
)
def test_money(amount: str, currency: str, shown: str) -> None:
    assert money(Decimal(amount), currency) == shown


def test_money_with_sign_and_fixed_places() -> None:
    assert money(Decimal("1120"), "USD", sign=True) == "+$1,120"
    assert money(Decimal(0), "USD", sign=True) == "$0.00"
    assert money(Decimal("0.4"), "USD", digits=0) == "$0.40"
    assert money(Decimal("-0.4"), "USD", digits=0) == "-$0.40"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "$0"),
        ("800", "$800"),
        ("999.7", "$1k"),
        ("3400", "$3.4k"),
        ("33123", "$33k"),
        ("999950", "$1M"),
        ("-1250000", "-$1.3M"),
        ("2e9", "$2B"),
        ("12.5", "$12.50"),
    ],
)
def test_compact(amount: str, shown: str) -> None:
    assert compact(Decimal(amount), "USD") == shown


@given(st.decimals(-(10**20), 10**20, places=18), st.sampled_from(["USD", "JPY", "XYZ", "KWD"]), st.integers(0, 4))
def test_no_sign_and_no_amount_is_ever_lost(amount: Decimal, currency: str, digits: int) -> None:
    for shown in (money(amount, currency), money(amount, currency, digits=digits), compact(amount, currency)):
        assert shown.startswith("-") == (amount < 0)
        assert any(digit in shown for digit in "123456789") == bool(amount)


def test_percent_of_nothing_is_no_percentage() -> None:
    assert change(Decimal(5), None) == "new spend"
    assert change(Decimal(0), None) == "\N{EN DASH}"
    assert change(Decimal(5), 0.123) == "+12.3%"
    assert change(Decimal(5), -0.5) == "-50.0%"
    assert change(Decimal(5), 24.0) == "25x"
    assert percent(0.0001, sign=True) == "0.0%"
    assert percent(None) == "\N{EN DASH}"


def test_days_read_the_same_in_every_locale() -> None:
    assert day(date(2026, 5, 25)) == "Mon 25 May"
