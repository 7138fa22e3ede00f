"""A night over 100,000 series, trained anew: about half an hour, so that it runs only where it is named.

`ratio` is the seconds of Prophet, one fit for each of some series, scaled up, over ours. What a night of 1,000 and of
10,000 series takes stands in `forecast`.
"""

from __future__ import annotations

import resource

from finops_ai.forecasting.settings import ForecastSettings
from tests.benchmarks.forecast import PROPHET_SERIES, costs, prophet_seconds, row, trained_anew

SERIES, DAYS = 100_000, 730
_KIB_PER_GIB = 1024**2


def run(*, quick: bool = False) -> list[dict[str, object]]:
    """One row of {name, ours_s, yardstick_s, ratio, note}."""
    series, days, tried = (12, 120, 1) if quick else (SERIES, DAYS, PROPHET_SERIES)
    values = costs(series, days)
    fit = prophet_seconds(values[:tried]) * series / tried
    ours = trained_anew(values, ForecastSettings(prophet_series=tried))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_PER_GIB
    note = f"Prophet: one fit each, {tried} series, scaled; at most {peak:.1f} GiB"
    return [row(f"trained anew, {series:,} series x {days} days", ours, fit, note)]
