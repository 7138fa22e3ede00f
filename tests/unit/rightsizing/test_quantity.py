"""Kubernetes quantities: exact both ways, never rounded down."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.domain.quantity import format_cpu, format_memory, parse

MIB = Decimal(2**20)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("200m", "0.2"),
        ("1.5", "1.5"),
        ("512Mi", "536870912"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("1E", "1000000000000000000"),
        ("128974848", "128974848"),
        ("2G", "2000000000"),
        ("0.5Gi", "536870912"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+3k", "3000"),
        ("-1", "-1"),
        ("100n", "0.0000001"),
        ("1e-3", "0.001"),
    ],
)
def test_parse(text: str, value: str) -> None:
    assert parse(text) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "1Gb",
        "1K",
        "1mi",
        "m",
        ".",
        "1,5",
        "0x1",
        "NaN",
        "inf",
        "1e400",
        "1e3Mi",
        "--1",
        "١",
        "1" * 50,
        "1\n",
    ],
)
def test_parse_rejects(text: str) -> None:
    with pytest.raises(ValueError, match="not a Kubernetes quantity"):
        parse(text)


@pytest.mark.parametrize(
    ("cores", "like", "text"),
    [
        ("2.5", "100m", "2500m"),
        ("2", "100m", "2000m"),
        ("2.5", "0.25", "2.5"),
        ("2", "0.5", "2"),
        ("0.047", "1", "47m"),
        ("3", "1", "3"),
        ("0.0000001", "1", "1m"),
        ("0.0401", None, "41m"),
        ("0", None, "0"),
    ],
)
def test_cpu_style(cores: str, like: str | None, text: str) -> None:
    assert format_cpu(Decimal(cores), like) == text


@pytest.mark.parametrize(
    ("size", "like", "text"),
    [
        (1536 * MIB, "1Gi", "1536Mi"),
        (2048 * MIB, "1Gi", "2Gi"),
        (1536 * MIB, "100Mi", "1536Mi"),
        (100 * MIB + 1, None, "101Mi"),
        (Decimal(1_500_000_000), "2G", "1500M"),
        (Decimal(1_500_000_001), "1G", "1501M"),
        (Decimal(10), "1Mi", "1Mi"),
        (Decimal("10.5"), "268435456", "11"),
        (Decimal(2000), "1e9", "2000"),
    ],
)
def test_memory_style(size: Decimal, like: str | None, text: str) -> None:
    assert format_memory(size, like) == text


styles = st.sampled_from([None, "1", "100m", "0.5", "1Mi", "1Gi", "2Ti", "1G", "5M", "1k", "1Ki", "1e6", "12345"])


@given(st.decimals(min_value=Decimal("1e-9"), max_value=Decimal("1e4"), allow_nan=False), styles)
def test_cpu_is_rounded_up_by_less_than_a_millicore(cores: Decimal, like: str | None) -> None:
    written = parse(format_cpu(cores, like))
    assert written > 0
    assert cores <= written < cores + Decimal("0.001")


@given(st.decimals(min_value=Decimal(1), max_value=Decimal(2**50), places=3), styles)
def test_memory_is_rounded_up_by_less_than_a_finer_unit(size: Decimal, like: str | None) -> None:
    written = parse(format_memory(size, like))
    assert size <= written < size + max(Decimal(2**30), size / 100)


@given(st.integers(1, 10**12), st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi"]))
def test_a_quantity_written_in_its_own_style_is_itself(number: int, unit: str) -> None:
    text = f"{number}{unit}"
    again = format_cpu(parse(text), text) if unit == "m" else format_memory(parse(text), text)
    assert parse(again) == parse(text)
