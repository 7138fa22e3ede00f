"""What recurs by other clocks than week and year: the regression's forecasts of 30 days, and detection as in `regimes`.

`error` and `naive` are mean errors of a day as shares of a series' mean cost, of the regression and of its last week
repeated, from twelve mornings that know half a year to one and a half; `ratio` is the latter over the former. No
forecast errs by less than the noise does, 0.05.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from finops_ai.domain.day_places import in_months, weekdays
from finops_ai.domain.series import FloatArray
from finops_ai.forecasting.baseline import Baseline
from finops_ai.forecasting.settings import ForecastSettings
from tests.benchmarks import regimes
from tests.benchmarks.regime_kinds import DATES, DAYS, Kind, Random, erring

SEED, EACH, HORIZON_DAYS = 30, 8, 30
START = DATES[0].date()
_T, _WEEKDAY = np.arange(DAYS), weekdays(START, DAYS)
_, _SINCE, _TO_END = in_months(START, DAYS)


def _noise(random: Random) -> FloatArray:
    return erring(random, 0.06)


def _on(days: NDArray[np.bool_], least: float = 2.5, most: float = 6.0) -> Kind:
    """Dearer by a factor from `least` to `most` on those `days`."""
    return lambda r: np.where(days, r.uniform(least, most), 1.0) * _noise(r)


def _every(days: int, long: int = 1) -> Kind:
    return lambda r: _on((_T + r.integers(days)) % days < long)(r)


def _only(days: int) -> Kind:
    return lambda r: np.where((_T + r.integers(days)) % days == 0, float(days), 0.0) * _noise(r)


def _working(*, from_end: bool) -> NDArray[np.bool_]:
    """The first, or the last, Monday to Friday of each month."""
    days, months = DATES.to_numpy().astype("datetime64[D]"), DATES.to_numpy().astype("datetime64[M]")
    first = np.busday_offset(months.astype("datetime64[D]"), 0, roll="forward")
    last = np.busday_offset((months + 1).astype("datetime64[D]"), -1, roll="forward")
    found: NDArray[np.bool_] = days == (last if from_end else first)
    return found


CLOCKS: dict[str, Kind] = {
    "every third day": _every(3),
    "every fifth day": _every(5),
    "every tenth day": _every(10),
    "every second week": _every(14),
    "every third week": _every(21),
    "every fourth week": _every(28),
    "every fourth week for two days": _every(28, 2),
    "nothing but every second day": _only(2),
    "nothing but every third day": _only(3),
    "nothing but every fifth day": _only(5),
    "nothing but every fourth week": _only(28),
    "second Tuesdays": _on((_WEEKDAY == 1) & (_SINCE // 7 == 1)),
    "third Saturdays": _on((_WEEKDAY == 5) & (_SINCE // 7 == 2)),
    "last Fridays": _on((_WEEKDAY == 4) & (_TO_END // 7 == 0)),
    "first working days": _on(_working(from_end=False)),
    "last working days": _on(_working(from_end=True)),
    "days 1, 4, 7 of a month": _on(_SINCE % 3 == 0, 1.5, 3),
    "days 1, 6, 11 of a month": _on(_SINCE % 5 == 0),
    "days 1, 11, 21 of a month": _on(_SINCE % 10 == 0),
    "more and more through a month": lambda r: (0.5 + _SINCE / 31 * r.uniform(0.5, 1.5)) * _noise(r),
    "least in the middle of a month": lambda r: (1 + np.abs(_SINCE - 14) / 30 * r.uniform(0.5, 1.5)) * _noise(r),
    "none": lambda r: _noise(r),
}
IDLE = tuple(kind for kind in CLOCKS if kind.startswith("nothing but"))
_QUICK = ("second Tuesdays", "nothing but every third day")
_TOLD = ("incidents", "precision", "recall", "false_per_series_year", "auc_pr")


def run(*, quick: bool = False) -> list[dict[str, Any]]:
    """Rows of all clocks and of each: errors and their ratio, and the judge's figures of detection."""
    clocks = {name: CLOCKS[name] for name in (_QUICK if quick else CLOCKS)}
    detected = {row["name"]: row for row in regimes.judged(clocks, IDLE, quick=quick)}
    errors = {name: _errors(number, clocks[name]) for number, name in enumerate(clocks)}
    errors = {"all": np.mean(list(errors.values()), axis=0), **errors}
    return [
        {
            "name": name,
            "error": float(ours),
            "naive": float(naive),
            **{key: detected[name][key] for key in _TOLD},
            "ratio": float(naive / ours),
        }
        for name, (ours, naive) in errors.items()
    ]


def _errors(number: int, clock: Kind) -> FloatArray:
    """Mean error of the regression and of last week repeated, (2,)."""
    series = np.stack([clock(np.random.default_rng([SEED, number, i])) for i in range(EACH)])
    found = []
    for until in [known + more for known in (180, 365, 540) for more in (0, 15, 30, 45)]:
        known, true = series[:, :until], series[:, until : until + HORIZON_DAYS]
        told = Baseline(ForecastSettings()).forecast(known, START, HORIZON_DAYS, [str(i) for i in range(EACH)])
        again = np.tile(known[:, -7:], (1, 5))[:, :HORIZON_DAYS]
        usual = known.mean(axis=1, keepdims=True)
        found.append([np.mean(np.abs(one - true) / usual) for one in (told, again)])
    mean: FloatArray = np.mean(found, axis=0)
    return mean
