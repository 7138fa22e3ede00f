"""The settings of forecasting, with their defaults and what they mean."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSettings:
    """Defaults suit daily cloud cost; a unit of cost is one unit of the series' currency."""

    history_days: int = 730
    """Older days are not read."""
    small_cost: float = 0.1
    """Daily cost below which differences count absolutely and above which they count relatively."""
    level_gain: float = 0.12
    """Share of a day's surprise that moves the level (about eight days of memory)."""
    weekday_gain: float = 0.1
    """Share of a day's surprise that moves its weekday's effect (about ten weeks of memory)."""
    clip: float = 2.0
    """Surprises count at most this many usual errors, so that a spike does not move the level."""
    accept_days: int = 10
    """After this many days in a row beyond the clip, on one side, a new level is accepted."""
    trend_days: int = 56
    """The trend is the change of the level over this many days ..."""
    trend_share: float = 0.5
    """... of which this share is believed, the rest being growth that lasts, ..."""
    trend_damping: float = 0.8
    """... and what is beyond that growth fades by this factor a day."""
    month_noise: float = 1.5
    """A day-of-month effect counts only as far as it exceeds this many usual errors."""
    cold_days: int = 28
    """Series with fewer days are forecast by their last week."""
    backtest_days: int = 182
    """Rolling origins lie within this many last days ..."""
    origin_step: int = 13
    """... this many days apart: no multiple of seven, so that every horizon meets every weekday."""
    challenge_margin: float = 0.1
    """A dearer forecaster must have a backtest error smaller by this share; ties go to the cheaper."""
    prophet_series: int = 20
    """Prophet challenges on so many series per currency, the most expensive ones; 0 switches it off."""
    prophet_min_days: int = 120
    """Prophet needs at least this many days."""
    prophet_windows: int = 3
    """Prophet is judged on this many backtest windows, the champion so far on the same."""
    ceiling: float = 5.0
    """No forecast exceeds this multiple of the largest cost of the last 90 days."""
    shrinkage: int = 30
    """A series' own error counts as much as its scope class's when it has this many backtest residuals."""
    reconciled: bool = True
    """Make forecasts of scopes within scopes add up before bands are drawn."""
    boosted: bool = True
    """Learn one boosted quantile model over all series; without it the regression and the naive ones remain."""
    boosted_rounds: int = 120
    """Trees of each booster ..."""
    boosted_rate: float = 0.1
    """... how much of the remaining error each corrects ..."""
    boosted_leaves: int = 31
    """... and how fine a distinction it may make."""
    boosted_step: int = 6
    """Examples are taken from origins so many days apart, at least ..."""
    boosted_origins: int = 60
    """... and from so many origins at most."""
    boosted_series: int = 200
    """Series asked at each origin, at most; spread over all."""
