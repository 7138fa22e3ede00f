"""Why an episode cost more: contributors whose excesses add up to it exactly, by price and quantity where known.

All money here is Decimal in the currency of the episode. Ranking of dimensions after R. Bhagwan et al., "Adtributor:
Revenue Debugging in Advertising Systems", NSDI 2014: explanatory power first, few elements, then surprise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import log2
from typing import NamedTuple

from finops_ai.domain.episode import Cause, Episode
from finops_ai.domain.money import EXACT, QUANTUM, Money, split, total

BASELINE_DAYS = 28
OTHER: Mapping[str, str] = {"contributor": "(other)"}
_ZERO = Decimal(0)


class Share(NamedTuple):
    """One contributor's cost on one day; `what` has the values of the breakdown's keys, in their order."""

    day: date
    what: tuple[str, ...]
    cost: Decimal
    quantity: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """Daily cost of an episode's scope by `keys`: for the days before it (28 is usual) and for its own days.

    `baseline_days` and `episode_days` name all days, those without cost too.
    """

    keys: tuple[str, ...]
    baseline_days: Sequence[date]
    episode_days: Sequence[date]
    baseline: Sequence[Share]
    during: Sequence[Share]


@dataclass(slots=True)
class _Contributor:
    expected: Decimal = _ZERO
    observed: Decimal = _ZERO
    usual_quantity: Decimal | None = None
    quantity: Decimal | None = None
    is_new: bool = False

    @property
    def excess(self) -> Decimal:
        return EXACT.subtract(self.observed, self.expected)


def finish(episode: Episode, *, observed: Decimal, breakdown: Breakdown | None = None, top: int = 5) -> Episode:
    """The episode with its exact observed cost and, given a `breakdown`, its causes and where they lie.

    `excess` is observed minus expected to the last digit, and the causes add up to it.
    """
    currency = episode.excess.currency
    exact = Money(observed, currency)
    excess = exact - episode.expected
    projected = excess + (episode.projected - episode.excess)
    done = episode.with_(observed=exact, excess=excess, projected=projected)
    if breakdown is None:
        return done
    found = causes(breakdown, expected=episode.expected, observed=exact, top=top)
    return done.with_(causes=found, where={**dict(episode.scope.pairs), **where(found)})


def causes(breakdown: Breakdown, *, expected: Money, observed: Money, top: int = 5) -> tuple[Cause, ...]:
    """The `top` contributors by absolute excess and the rest as one; their excesses add up to observed - expected.

    A contributor is expected to cost what it did on the same weekdays of the baseline, scaled so that all together
    are expected to cost `expected`. What the breakdown does not cover is part of the rest.
    """
    found = _contributors(breakdown)
    _scale(found, expected.amount)
    ranked = sorted(found, key=lambda what: (-abs(found[what].excess), what))
    told = [
        _cause(dict(zip(breakdown.keys, what, strict=True)), found[what], expected.currency) for what in ranked[:top]
    ]
    rest = _Contributor(
        expected=EXACT.subtract(expected.amount, total(cause.expected.amount for cause in told)),
        observed=EXACT.subtract(observed.amount, total(cause.observed.amount for cause in told)),
    )
    if rest.expected or rest.observed:
        note = f"{len(ranked) - top} smaller contributors" if len(ranked) > top else "not in the breakdown"
        told.append(_cause(OTHER, rest, expected.currency, note))
    return tuple(told)


def where(causes: Sequence[Cause], *, share: Decimal = Decimal("0.6")) -> dict[str, str]:
    """Attributes that carry at least `share` of the excess: key to value, for each key that has such a value."""
    whole = total(cause.excess.amount for cause in causes)
    carried: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for cause in causes:
        for pair in cause.what.items():
            carried[pair] = EXACT.add(carried[pair], cause.excess.amount)
    least = EXACT.multiply(abs(whole), share)
    sign = 1 if whole >= 0 else -1
    best = sorted(carried.items(), key=lambda item: (sign * item[1], item[0]))
    return {key: value for (key, value), part in best if whole and sign * part >= least and key not in OTHER}


def pick_breakdown(breakdowns: Sequence[Breakdown], *, power: float = 0.67) -> list[Breakdown]:
    """`breakdowns` with the best first: fewest contributors for `power` of the excess, then the most surprising.

    Fewer keys win a tie, then the order given. One that has a single contributor says nothing and comes last.
    """
    return [
        breakdown
        for _, breakdown in sorted(
            enumerate(breakdowns), key=lambda item: (*_succinctness(item[1], power), len(item[1].keys), item[0])
        )
    ]


def _succinctness(breakdown: Breakdown, power: float) -> tuple[int, int, float]:
    found = _contributors(breakdown)
    excess = float(total(one.excess for one in found.values()))
    before = float(total(one.expected for one in found.values())) or 1.0
    after = float(total(one.observed for one in found.values())) or 1.0
    needed, carried, surprise = 0, 0.0, 0.0
    sign = 1 if excess >= 0 else -1
    for one in sorted(found.values(), key=lambda one: -sign * one.excess):
        if carried >= power * abs(excess):
            break
        needed, carried = needed + 1, carried + sign * float(one.excess)
        surprise += _divergence(float(one.expected) / before, float(one.observed) / after)
    return (int(len(found) < 2), needed, -round(surprise, 3))


def _divergence(p: float, q: float) -> float:
    """One element's part of the Jensen-Shannon divergence, in bits; 0 where a share is negative."""
    if min(p, q) < 0 or p + q <= 0:
        return 0.0
    middle = (p + q) / 2
    return sum(0.5 * x * log2(x / middle) for x in (p, q) if x > 0)


def _contributors(breakdown: Breakdown) -> dict[tuple[str, ...], _Contributor]:
    """Observed and expected of each contributor, the expected one by weekday-matched means of the baseline."""
    weekdays: dict[int, int] = defaultdict(int)
    for day in breakdown.baseline_days:
        weekdays[day.weekday()] += 1
    weights = {day: Decimal(0) for day in breakdown.baseline_days}
    for day in breakdown.episode_days:
        alike = weekdays.get(day.weekday(), 0)
        for before in weights:
            if before.weekday() == day.weekday() or not alike:
                weights[before] += EXACT.divide(Decimal(1), Decimal(alike or len(weights)))
    found: dict[tuple[str, ...], _Contributor] = defaultdict(_Contributor)
    for share in breakdown.baseline:
        one, weight = found[share.what], weights.get(share.day, _ZERO)
        one.expected = EXACT.add(one.expected, EXACT.multiply(share.cost, weight))
        one.usual_quantity = _more(one.usual_quantity, share.quantity, weight)
    seen = {share.what for share in breakdown.baseline if share.cost}
    for share in breakdown.during:
        one = found[share.what]
        one.observed = EXACT.add(one.observed, share.cost)
        one.quantity = _more(one.quantity, share.quantity, Decimal(1))
        one.is_new = share.what not in seen
    for one in found.values():
        one.expected = one.expected.quantize(QUANTUM, context=EXACT)
    return dict(found)


def _more(so_far: Decimal | None, quantity: Decimal | None, weight: Decimal) -> Decimal | None:
    if quantity is None:
        return so_far
    return EXACT.add(so_far or _ZERO, EXACT.multiply(quantity, weight))


def _scale(found: Mapping[tuple[str, ...], _Contributor], expected: Decimal) -> None:
    """Make the contributors' expected costs add up to `expected`, where that is a matter of proportion.

    Credits, nothing before, or a sum more than twice off are not: then the difference is left to the rest.
    """
    parts = list(found.values())
    whole = total(one.expected for one in parts)
    if whole <= 0 or not whole / 2 <= expected <= whole * 2 or any(one.expected < 0 for one in parts):
        return
    for one, share in zip(parts, split(expected, [one.expected for one in parts]), strict=True):
        one.expected = share
        if one.usual_quantity is not None:
            one.usual_quantity = EXACT.divide(EXACT.multiply(one.usual_quantity, expected), whole)


def _cause(what: Mapping[str, str], one: _Contributor, currency: str, note: str = "") -> Cause:
    quantity_effect = price_effect = None
    if one.quantity is not None and (one.usual_quantity is not None or one.is_new):
        by_quantity = one.excess
        if one.usual_quantity:
            grown = EXACT.subtract(one.quantity, one.usual_quantity)
            by_quantity = EXACT.divide(EXACT.multiply(grown, one.expected), one.usual_quantity)
            by_quantity = by_quantity.quantize(QUANTUM, context=EXACT)
        quantity_effect = Money(by_quantity, currency)
        price_effect = Money(EXACT.subtract(one.excess, by_quantity), currency)
    return Cause(
        what=what,
        expected=Money(one.expected, currency),
        observed=Money(one.observed, currency),
        excess=Money(one.excess, currency),
        quantity_effect=quantity_effect,
        price_effect=price_effect,
        note=note or (f"new: nothing in the {BASELINE_DAYS} days before" if one.is_new else ""),
    )
