"""p-values of the last days of every series, on one scale for all, with what was expected and where the line was."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from finops_ai.detection.drift import DRIFT_DAYS
from finops_ai.detection.errors import ordinary
from finops_ai.detection.habit import NAME
from finops_ai.detection.panel import Panel
from finops_ai.detection.parts import NO_PARTS, Together
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.surprise import Surprise, surprise
from finops_ai.detection.tail import Tail
from finops_ai.domain.expectation import compress, expand
from finops_ai.domain.forecast import Score
from finops_ai.domain.series import CostSeries, FloatArray

DAY, DRIFT, DROP, STANDING = 0, 1, 2, 3
_HELD_ABOVE = 3.0  # usual errors
SCORERS = tuple(f"{name}@{NAME}" for name in ("day", "drift", "drop", "standing"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tails:
    """How rare surprises are that are usual errors so many: of days that rise, of days that fall, of each drift."""

    rise: Tail
    fall: Tail
    drift: tuple[Tail, ...]

    @classmethod
    def of(cls, found: Sequence[Surprise], settings: DetectSettings) -> Tails:
        """Learned from all series together, without their newest days; sums of others would be counted twice."""

        def learned(parts: Iterable[FloatArray]) -> Tail:
            kept = (part[~one.panel.wholes] for one, part in zip(found, parts, strict=True))
            return Tail.of([part[:, : max(part.shape[1] - settings.unsure_days, 0)] for part in kept])

        return cls(
            rise=learned(_usual_rise(one) / one.unit[:, None] for one in found),
            fall=learned(_usual_fall(one) / one.fall_unit[:, None] for one in found),
            drift=tuple(learned(one.drift[k] for one in found) for k in range(len(DRIFT_DAYS))),
        )

    def decays(self, one: Surprise, settings: DetectSettings) -> tuple[FloatArray, FloatArray]:
        """How slowly the rises and the falls of each series become rare, (series, 1) each, by days outside episodes."""
        end = max(one.rise.shape[1] - settings.unsure_days, 0)
        rise, fall = (
            ordinary((part / unit[:, None])[:, :end], settings)
            for part, unit in (
                (_usual_rise(one), one.unit),
                (np.where(_can_fall(one), one.fall, np.nan), one.fall_unit),
            )
        )
        return self.rise.own_decay(rise), self.fall.own_decay(fall)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdicts:
    """Judgement of the last days of a panel's series; arrays have shape (members, days), the last day is `end` - 1.

    `kind` is the channel that was most surprised: DAY, DRIFT, DROP or STANDING. `observed` is what is on the bill;
    `expected` and `upper` (the line that was to be crossed, from above for drops) are what would be there by now.
    `errors` is the surprise in usual errors, negative for drops. Where nothing can be judged `p_value` is 1.
    """

    surprise: Surprise
    tails: Tails
    kind: NDArray[np.intp]
    p_value: FloatArray
    errors: FloatArray
    observed: FloatArray
    expected: FloatArray
    upper: FloatArray

    @property
    def panel(self) -> Panel:
        return self.surprise.panel


def judge(panels: Sequence[Panel], settings: DetectSettings, tails: Tails | None = None) -> list[Verdicts]:
    """Verdicts of the last `judge_days` of each panel by `tails`, learned from all of them together where not given."""
    together = Together(panels[0].pairs if panels else NO_PARTS, settings.calibration_days)
    found = [surprise(panel, together, settings) for panel in panels]
    tails = tails or Tails.of(found, settings)
    return [_verdicts(one, tails, settings) for one in found]


def scores(
    verdicts: Sequence[Verdicts],
    series: Sequence[CostSeries],
    settings: DetectSettings,
    *,
    also: Collection[int] = (),
) -> list[Score]:
    """Scores in the order of `series` and days: of the series in which a day may matter, and of those in `also`.

    Members of the panels past the last of `series` are parts of these, and have none.
    """
    told: dict[int, list[Score]] = {}
    for one in verdicts:
        matters = (one.p_value <= settings.threshold * settings.opinion_weight).any(axis=1)
        asked = (matters | np.isin(one.panel.members, list(also))) & (np.array(one.panel.members) < len(series))
        for row in np.flatnonzero(asked).tolist():
            told[one.panel.members[row]] = _scores(one, row, series[one.panel.members[row]])
    return [score for i in sorted(told) for score in told[i]]


def _scores(one: Verdicts, row: int, series: CostSeries) -> list[Score]:
    days = one.p_value.shape[1]
    first = one.panel.end - timedelta(days=days)
    told = (one.surprise.judged | one.surprise.rested)[row, -days:]
    return [
        Score(
            scope=series.scope,
            currency=series.currency,
            day=first + timedelta(days=j),
            observed=float(one.observed[row, j]),
            expected=float(one.expected[row, j]),
            upper=float(one.upper[row, j]),
            z=float(one.errors[row, j]),
            p_value=float(one.p_value[row, j]),
            scorer=SCORERS[one.kind[row, j]],
        )
        for j in np.flatnonzero(told).tolist()
    ]


def _usual_rise(one: Surprise) -> FloatArray:
    return np.where(one.due, one.rise, np.nan)


def _usual_fall(one: Surprise) -> FloatArray:
    return np.where(_can_fall(one), one.fall, np.nan)


def _can_fall(one: Surprise) -> NDArray[np.bool_]:
    """Days on which less than expected says anything: not where idle days are usual, not on a credit."""
    billed = np.nan_to_num(one.panel.billed[:, one.first :])
    return one.judged & ~one.now_and_then[:, None] & (billed >= 0)


def _held(one: Surprise, settings: DetectSettings) -> NDArray[np.bool_]:
    """Days of a rise just accepted as the new level: an open episode goes on a while, but none opens for it."""
    remembered = np.isfinite(one.former)
    fresh = remembered.copy()
    fresh[:, settings.hold_days :] &= ~remembered[:, : -settings.hold_days]
    return fresh & one.judged & (one.seen > one.former + _HELD_ABOVE * one.unit[:, None])


def _expected(one: Surprise, kind: NDArray[np.intp], z_drift: FloatArray, last: tuple[slice, slice]) -> FloatArray:
    """What the channel of each of the `last` days expected, compressed; excesses are over that.

    Of a day that is strange in a sum it is what its parts expected, so that their excesses are that of the sum.
    """
    drifted = np.choose(np.argmax(np.nan_to_num(z_drift, nan=-np.inf), axis=0), [part[last] for part in one.level_then])
    seen, usual = one.seen[last], one.expected[last]
    high, low, most, least = (part[last] for part in (one.high, one.low, one.most, one.least))
    excused = np.where(seen > usual, np.minimum(seen, high), np.maximum(seen, low))
    excused = np.where((seen > high) & np.isfinite(most), most, excused)
    excused = np.where((seen < low) & np.isfinite(least), least, excused)
    besides = compress(np.maximum(expand(seen, one.scale) - one.standing.cost[last], 0.0), one.scale)
    expected: FloatArray = np.select([kind == DRIFT, kind == STANDING], [drifted, besides], excused)
    return expected


def _verdicts(one: Surprise, tails: Tails, settings: DetectSettings) -> Verdicts:
    days = min(settings.judge_days, one.rise.shape[1])
    last = np.s_[:, one.rise.shape[1] - days :]
    share, spread = (part[:, one.panel.days - days :] for part in (one.panel.share, one.panel.spread))
    blur = spread / share
    z_rise = one.rise[last] / np.sqrt(one.unit[:, None] ** 2 + blur**2)
    falls = _can_fall(one)[last] & (blur <= settings.sure_spread)
    z_fall = np.where(falls, one.fall[last] / np.sqrt(one.fall_unit[:, None] ** 2 + blur**2), np.nan)
    deep = one.seen[last] <= one.expected[last] + np.log(1 - settings.drop_share)
    z_fall = np.where(deep, z_fall, np.nan)
    z_drift = [part[last] for part in one.drift]
    decay_up, decay_down = tails.decays(one, settings)
    parts = settings.rise_part, settings.drift_part, settings.drop_part, settings.drift_part  # one drifts or rests
    p_each = np.stack(
        [
            tails.rise.p_value(z_rise, decay_up),
            np.minimum(
                np.min([tail.p_value(z) for tail, z in zip(tails.drift, z_drift, strict=True)], axis=0) * len(z_drift),
                one.unbroken[last],
            ),
            tails.fall.p_value(z_fall, decay_down),
            one.standing.p_value[last],
        ]
    )
    p_each = np.minimum(p_each / np.array(parts)[:, None, None], 1.0)
    p_each[:, one.panel.announced[:, one.panel.days - days :] | ~one.judged[last]] = 1.0
    kind, p_value = p_each.argmin(axis=0), p_each.min(axis=0)
    errors = np.choose(kind, [z_rise, np.fmax.reduce(z_drift), -np.nan_to_num(z_fall), np.ones(kind.shape)])
    limit = settings.threshold
    step_up = one.unit[:, None] * tails.rise.surprise(limit * settings.rise_part, decay_up)
    step_down = one.fall_unit[:, None] * tails.fall.surprise(limit * settings.drop_part, decay_down)
    expected = _expected(one, kind, np.stack(z_drift), last)
    upper = np.where(kind == DROP, one.low[last] - step_down, one.high[last] + step_up)
    over_former = _held(one, settings)[last] & (kind != STANDING)
    expected = np.where(over_former, one.former[last], expected)  # however strange: the excess is over the level before
    held = over_former & (p_value > settings.held_p)
    kind = np.where(held, DAY, kind)
    p_value = np.where(held, settings.held_p, p_value)
    return Verdicts(
        surprise=one,
        tails=tails,
        kind=kind,
        p_value=p_value,
        errors=np.where(held, np.maximum(np.nan_to_num(errors), 1.0), np.nan_to_num(errors)),
        observed=np.nan_to_num(one.panel.billed[:, one.panel.days - days :]),
        expected=np.nan_to_num(expand(expected, one.scale) * share),
        upper=np.nan_to_num(expand(upper, one.scale) * share),
    )
