"""Days off come back every year under the same number, wherever the calendar puts them."""

from __future__ import annotations

import numpy as np
import pytest

from finops_ai.domain.days_off import KINDS, NONE, days_off


@pytest.mark.parametrize(
    "same",
    [
        ("2024-12-25", "2025-12-25", "2031-12-25"),
        ("2024-03-29", "2025-04-18", "2026-04-03"),  # Good Friday
        ("2024-04-01", "2025-04-21", "2026-04-06"),  # Easter Monday
        ("2024-05-27", "2025-05-26", "2026-05-25"),  # Memorial Day
        ("2024-09-02", "2025-09-01", "2026-09-07"),  # Labor Day
        ("2024-11-28", "2025-11-27", "2026-11-26"),  # Thanksgiving
        ("2024-11-29", "2025-11-28", "2026-11-27"),  # and the day after
    ],
)
def test_a_day_off_has_one_number_in_all_years(same: tuple[str, ...]) -> None:
    found = days_off(np.array(same, dtype="datetime64[D]"))
    assert found[0] != NONE
    assert (found == found[0]).all()


def test_every_year_has_all_of_them_and_most_days_are_none() -> None:
    for year in range(2020, 2040):
        days = np.arange(f"{year}-01-01", f"{year + 1}-01-01", dtype="datetime64[D]")
        found = days_off(days)
        taken = set(found.tolist()) - {NONE}
        assert taken <= set(range(1, KINDS + 1))
        assert len(taken) >= KINDS - 2, "two may fall on one day"
        assert (found != NONE).sum() < 30


def test_days_before_1970_and_no_days_at_all_are_answered() -> None:
    assert days_off(np.array(["1969-12-25", "1965-03-02"], dtype="datetime64[D]")).tolist()[1] == NONE
    assert days_off(np.array([], dtype="datetime64[D]")).shape == (0,)
