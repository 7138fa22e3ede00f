"""The settings of detection, with their defaults and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType

from finops_ai.domain.scope import Scope

DAYS_PER_YEAR = 365.25
NO_SCOPE = Scope()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeFloor:
    """The floor of scopes that have all keys of `where`, with values that its globs match; in one currency or any."""

    where: Mapping[str, str]
    amount: float
    currency: str | None = None

    def fits(self, scope: Scope, currency: str) -> bool:
        mine = dict(scope.pairs)
        return self.currency in (None, currency) and all(
            key in mine and fnmatchcase(mine[key], glob) for key, glob in self.where.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectSettings:
    """Amounts are in the currency of the series they are applied to."""

    judge_days: int = 35
    """The last complete days that are judged (again): restatements of a closed month arrive within them."""
    false_per_series_year: float = 0.5
    """Accepted false openings per series and year; this over 365.25 is the threshold on a day's p-value."""
    false_discovery: float = 0.25
    """Accepted share of false openings among those of one day over all scopes (Benjamini-Hochberg)."""
    rise_part: float = 0.8
    drift_part: float = 0.1
    drop_part: float = 0.1
    """How the threshold is shared between a day's rise, the drift of the last days, and a day's fall."""
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
    floor: float = 5.0
    """Episodes with a smaller excess are not opened ..."""
    floors: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """... unless their currency has a floor of its own ..."""
    scope_floors: tuple[ScopeFloor, ...] = ()
    """... or their scope: of several that fit, the one that says most of whose it is."""
    new_days: int = 2
    """A scope that never cost anything is news once it was dear on so many complete days."""
    new_share: float = 0.02
    """An episode of which at most this share was expected is one of new spend."""
    history_days: int = 500
    """Older days are not read: a year, so that it can repeat, and what it takes to settle."""
    calibration_days: int = 220
    """What is usual is learned from so many last days ..."""
    unsure_days: int = 7
    """... without the newest, which may be part of an incident not yet judged."""
    accept_days: int = 7
    """A level that stayed so many days is the normal one from then on."""
    hold_days: int = 4
    """An episode of such a rise stays open for so many days more, with its excess over the level before ..."""
    held_p: float = 0.045
    """... which count as strange with this p-value: they continue an episode and open none."""
    former_days: int = 60
    """The level before it is remembered so long: going back to it is no news."""
    small_cost: float = 0.1
    """Daily cost below which differences count absolutely and above which they count relatively ..."""
    small_share: float = 0.1
    """... or this share of what a series usually costs, if that is more."""
    irregular: float = 0.08
    """Mean variance of "does it cost anything on this weekday" from which on a series runs now and then."""
    seldom: float = 0.3
    """So does one with a cost on a smaller share of its days."""
    job_days: int = 60
    """What such a job cost on any day of so many last ones, it may cost again."""
    recurrence: bool = True
    """Whether fees, month ends, fortnights and seasons that were seen before are excused."""
    resting_series: int = 4
    resting_share: float = 0.1
    """A fall to a weekend's cost is a day off if so many series, and this share of them, rest at once."""
    sure_spread: float = 0.1
    """A fall is judged once the share of the day's cost that is on the bill is known within this."""
    least_error: float = 0.015
    """Smallest usual error, relative: calmer series are judged as if they were this noisy."""
    min_days: int = 21
    """Series with fewer days before the judged ones are not judged."""
    drop_share: float = 0.2
    """A fall that takes away less than this share of the expected cost is no drop; drops are told, never paged."""
    second_opinions: int = 200
    """PyOD is asked about so many series, the most dollars at stake first; 0 switches it off."""
    opinion_weight: float = 2.5
    """PyOD's view loosens or tightens the threshold by at most this factor."""
    warning: float = 100.0
    error: float = 1_000.0
    critical: float = 10_000.0
    """Severity from the excess projected to month end times the confidence; below `warning` it is info."""

    @property
    def threshold(self) -> float:
        """A series that behaves as ever opens `false_per_series_year` episodes with p-values at most this large."""
        return self.false_per_series_year / DAYS_PER_YEAR

    def floor_of(self, currency: str, scope: Scope = NO_SCOPE) -> float:
        own = [one for one in self.scope_floors if one.fits(scope, currency)]
        if own:
            return max(own, key=lambda one: len(one.where)).amount
        return self.floors.get(currency, self.floor)
