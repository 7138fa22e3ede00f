"""Where days stand in their month, held against the standard library's calendar."""

from __future__ import annotations

import calendar
from datetime import date, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.domain.day_places import in_months, month_slots, same_before, weekday_numbers, weekdays, working_days

starts = st.dates(min_value=date(1990, 1, 1), max_value=date(2060, 1, 1))


def of_month(day: date) -> list[date]:
    return [day.replace(day=one) for one in range(1, calendar.monthrange(day.year, day.month)[1] + 1)]


@given(start=starts, days=st.integers(0, 100))
def test_places_are_those_of_the_calendar(start: date, days: int) -> None:
    known = [start + timedelta(days=k) for k in range(days)]
    month, before, after = in_months(start, days)
    number, from_end = weekday_numbers(start, days)
    working, left = working_days(start, days)
    assert weekdays(start, days).tolist() == [day.weekday() for day in known]
    assert month.tolist() == [(day.year - 1970) * 12 + day.month - 1 for day in known]
    for k, day in enumerate(known):
        whole = of_month(day)
        assert (before[k], after[k]) == (day.day - 1, len(whole) - day.day)
        alike = [one for one in whole if one.weekday() == day.weekday()]
        assert divmod(number[k], 7) == (alike.index(day), day.weekday())
        assert divmod(from_end[k], 7) == (alike[::-1].index(day), day.weekday())
        works = [one for one in whole if one.weekday() < 5]
        if day in works:
            assert (working[k], left[k]) == (works.index(day), works[::-1].index(day) + 1)
        else:
            assert working[k] < 0
            assert left[k] < 0


@given(start=starts, days=st.integers(0, 100))
def test_the_last_three_days_of_a_month_have_slots_of_their_own(start: date, days: int) -> None:
    for k, slot in enumerate(month_slots(start, days).tolist()):
        day = start + timedelta(days=k)
        left = len(of_month(day)) - day.day
        assert slot == (28 + left if left <= 2 else day.day - 1)


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 50))
def test_the_last_day_of_the_same_place(place: list[int], apart: int) -> None:
    days = np.repeat(place, apart) if apart < 3 else np.array(place, dtype=np.intp)
    for k, found in enumerate(same_before(days).tolist()):
        earlier = [j for j in range(max(k - 35, 0), k) if days[j] == days[k]]
        assert found == (earlier[-1] if earlier else -1)
