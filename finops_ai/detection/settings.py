"""The settings of detection, with their defaults and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectSettings:
    """Amounts are in the currency of the series they are applied to."""

    judge_days: int = 35
    """The last complete days that are judged (again): restatements of a closed month arrive within them."""
    false_per_series_year: float = 0.5
    """Accepted false openings per series and year; this over 365.25 is the threshold on a day's p-value."""
    false_discovery: float = 0.1
    """Accepted share of false openings among those of one day over all scopes (Benjamini-Hochberg)."""
    day_share: float = 0.7
    """Share of the threshold for a day's own surprise; the rest is for the drift of the last days."""
    normal_p: float = 0.05
    """A day with a larger p-value is normal."""
    onset_p: float = 0.01
    """Days right before the opening with at most this p-value belong to the episode."""
    normal_days: int = 3
    """An episode is resolved after so many normal complete days in a row."""
    reopen_days: int = 7
    """Strange again within so many days after the last strange day: the same episode."""
    join_days: int = 3
    """Episodes of several scopes at most so many days apart may have one cause."""
    nested_share: float = 0.6
    """A narrower scope explains a wider one's episode if it carries this share of its excess."""
    floor: float = 10.0
    """Episodes with a smaller excess are not opened ..."""
    floors: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """... unless their currency has a floor of its own."""
    least_error: float = 0.03
    """Smallest usual error, relative: calmer series are judged as if they were this noisy."""
    min_days: int = 21
    """Series with fewer days before the judged ones are not judged."""
    drop_z: float = 6.0
    """A fall by so many usual errors ..."""
    drop_share: float = 0.5
    """... that takes away at least this share of the expected cost is a drop: told, never paged."""
    second_opinions: int = 200
    """PyOD is asked about so many series, the most dollars at stake first; 0 switches it off."""
    opinion_weight: float = 3.0
    """PyOD's view loosens or tightens the threshold by at most this factor."""
    warning: float = 100.0
    error: float = 1_000.0
    critical: float = 10_000.0
    """Severity from the excess projected to month end times the confidence; below `warning` it is info."""

    @property
    def threshold(self) -> float:
        """A series that behaves as ever opens `false_per_series_year` episodes with p-values at most this large."""
        return self.false_per_series_year / DAYS_PER_YEAR

    def floor_of(self, currency: str) -> float:
        return self.floors.get(currency, self.floor)
