"""Days on which many people do not work, by rule, so that any year has them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NONE = 0


def holidays(days: NDArray[np.datetime64]) -> NDArray[np.intp]:
    """Number of the holiday of each day, 0 for none; shape of `days` (UTC days).

    Those of most bills' working weeks: the turn of the year, May Day, and the large ones of the United States, which
    move the load of services sold there.
    """
    month = days.astype("datetime64[M]")
    of_year = month.astype(np.intp) % 12 + 1
    date = (days - month.astype("datetime64[D]")).astype(np.intp) + 1
    weekday = (days.astype(np.intp) + 3) % 7
    found = np.full(len(days), NONE, dtype=np.intp)
    thanksgiving = (of_year == 11) & (weekday == 3) & (date >= 22) & (date <= 28)
    rules = (
        (of_year == 12) & (date >= 24),
        (of_year == 12) & (date == 25),
        (of_year == 1) & (date == 1),
        (of_year == 5) & (date == 1),
        (of_year == 5) & (weekday == 0) & (date >= 25),
        (of_year == 7) & (date == 4),
        (of_year == 9) & (weekday == 0) & (date <= 7),
        thanksgiving,
        np.r_[False, thanksgiving[:-1]] if len(days) else thanksgiving,
    )
    for number, rule in enumerate(rules, start=1):
        found[rule] = number
    return found
