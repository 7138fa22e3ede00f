"""Prophet as a challenger: strong on long steady growth and yearly seasons, slow, so asked for few series only.

Prophet: S. J. Taylor, B. Letham, "Forecasting at scale", The American Statistician 72 (2018).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from datetime import date

import numpy as np

from finops_ai.domain.series import FloatArray

_SEED = 20180101
_YEARLY_DAYS = 540
_COMPONENTS = ("trend", "weekly", "yearly")


class NoFit(Exception):
    """Prophet could not fit a series; the caller keeps the champion it has."""


class ProphetForecaster:
    """One fit per series, without sampled bands; the same input gives the same output."""

    name = "prophet"
    version = "1"

    def forecast(self, history: FloatArray, start: date, horizon_days: int, keys: Sequence[str]) -> FloatArray:
        """Raises NoFit when a series has fewer than two known days or the optimiser gives no finite answer."""
        ahead = [components(row, start, horizon_days)["median"] for row in history]
        return np.stack(ahead) if ahead else np.zeros((0, horizon_days))


def components(history: FloatArray, start: date, horizon_days: int) -> dict[str, FloatArray]:
    """Fit one series (days,) and project it: "median" and the parts that add up to it, each (horizon_days,)."""
    for name in ("prophet", "cmdstanpy"):  # a library that imports or fits has nothing to say to our users
        logger = logging.getLogger(name)
        logger.disabled = True
        logger.setLevel(logging.CRITICAL)
    import pandas as pd
    from prophet import Prophet

    known = np.isfinite(history)
    if known.sum() < 2:
        raise NoFit("fewer than two known days")
    size = float(np.abs(history[known]).max()) or 1.0
    days = np.datetime64(start, "D") + np.arange(len(history) + horizon_days)
    frame = pd.DataFrame({"ds": days[: len(history)][known].astype("datetime64[ns]"), "y": history[known] / size})
    yearly = len(frame) >= _YEARLY_DAYS  # Prophet waits for two years; the backtest decides whether less will do
    model = Prophet(uncertainty_samples=0, daily_seasonality=False, yearly_seasonality=yearly)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of pandas, about how Prophet calls it
        try:
            model.fit(frame, seed=_SEED)
            ahead = model.predict(pd.DataFrame({"ds": days[len(history) :].astype("datetime64[ns]")}))
        except (RuntimeError, ValueError) as cause:
            raise NoFit(str(cause)) from cause
    parts = {"median": ahead["yhat"]} | {name: ahead[name] for name in _COMPONENTS if name in ahead}
    result = {name: np.asarray(part, dtype=np.float64) * size for name, part in parts.items()}
    if not all(np.isfinite(part).all() for part in result.values()):
        raise NoFit("the fit is not finite")
    return result
