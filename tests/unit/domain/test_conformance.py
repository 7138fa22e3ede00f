"""Units and issuers as FOCUS writes them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.domain.conformance import focus_unit, issuer_name

SIZE = "[KMGTPE]?i?[bB]"
TIME = "Year|Month|Day|Hour|Minute|Second"
COUNT = r"[A-Za-z][A-Za-z0-9]*(?: [A-Za-z][A-Za-z0-9]*)*"
FORMAT = re.compile(
    rf"(?:[0-9]+ )?(?:{SIZE}|{COUNT})(?:-(?:{TIME})s)?|(?:{SIZE}|{COUNT})/(?:{TIME})"
    rf"|(?:{SIZE}|{COUNT})/[0-9]+ (?:{TIME})s"
)
"""The unit format of the specification: units, units kept for a time, rates, and a whole number of units."""


@pytest.mark.parametrize(
    ("told", "unit"),
    [
        ("Hrs", "Hours"),
        ("hour", "Hours"),
        ("1 Hour", "Hours"),
        ("100 Hours", "100 Hours"),
        ("1K tokens", "1000 Tokens"),
        ("1M", "1000000 Units"),
        ("1K", "1000 Units"),
        ("10,000", "10000 Units"),
        ("GB-Mo", "GB-Months"),
        ("1 GB/Month", "GB-Months"),
        ("GB/Hour", "GB/Hour"),
        ("Gigabyte Per Hour", "GB/Hour"),
        ("gibibyte month", "GiB-Months"),
        ("tebibyte", "TiB"),
        ("LCU-Hrs", "LCU-Hours"),
        ("Lambda-GB-Second", "Lambda GB-Seconds"),
        ("GBSeconds", "GB-Seconds"),
        ("vCPU-Hours", "vCPU-Hours"),
        ("API Requests", "API Requests"),
        ("count", "Count"),
        ("1/Month", "Units/Month"),
        ("Units/3 Months", "Units/3 Months"),
        ("B", "B"),
        ("Gb", "Gb"),
        ("USD", "USD"),
        ("", ""),
    ],
)
def test_units_of_the_providers(told: str, unit: str) -> None:
    assert focus_unit(told) == unit
    assert not unit or FORMAT.fullmatch(unit)


NOUNS = st.sampled_from(
    ["Hrs", "GB", "GiB", "tokens", "Requests", "gibibyte", "mo", "vCPU", "IOPS", "day", "1K", "LCU"]
)


@given(parts=st.lists(NOUNS, min_size=1, max_size=3), between=st.sampled_from(["-", " ", "/", " per "]))
def test_a_unit_in_the_format_stays(parts: list[str], between: str) -> None:
    once = focus_unit(between.join(parts))
    assert focus_unit(once) == once


@given(st.text(max_size=20))
def test_any_text_is_a_unit_of_some_kind(told: str) -> None:
    assert isinstance(focus_unit(told), str)


@pytest.mark.parametrize(
    ("issuer", "provider", "name"),
    [
        ("Amazon Web Services, Inc.", "AWS", "AWS"),
        ("Amazon Web Services EMEA SARL", "AWS", "AWS"),
        ("AWS India Private Limited", "AWS", "AWS"),
        ("Google LLC", "Google Cloud", "Google Cloud"),
        ("Google Cloud EMEA Limited", "Google Cloud", "Google Cloud"),
        ("Microsoft Ireland Operations Ltd.", "Microsoft", "Microsoft"),
        ("AWS", "Databricks", "AWS"),
        ("Reseller GmbH", "AWS", "Reseller GmbH"),
        ("Inc.", "AWS", "Inc."),
    ],
)
def test_own_legal_entities_are_the_provider_and_others_are_not(issuer: str, provider: str, name: str) -> None:
    assert issuer_name(issuer, provider) == name
