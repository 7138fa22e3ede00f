"""Why an episode cost more: contributors whose excesses add up to it exactly, by price, volume and mix where known.

All money here is Decimal in the currency of the episode.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

from finops_ai.detection.contributors import Breakdown, Contributor, contributors, scaled
from finops_ai.detection.effects import Effects, effects, growth, together
from finops_ai.detection.like_days import BASELINE_DAYS
from finops_ai.domain.episode import Cause, Episode
from finops_ai.domain.money import EXACT, Money, total

OTHER: Mapping[str, str] = {"contributor": "(other)"}


def finish(
    episode: Episode,
    *,
    observed: Decimal,
    breakdown: Breakdown | None = None,
    first: Sequence[tuple[str, ...]] = (),
    top: int = 5,
) -> Episode:
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
    found = causes(breakdown, expected=episode.expected, observed=exact, first=first, top=top)
    return done.with_(causes=found, where={**dict(episode.scope.pairs), **where(found)})


def causes(
    breakdown: Breakdown,
    *,
    expected: Money,
    observed: Money,
    first: Sequence[tuple[str, ...]] = (),
    top: int = 5,
) -> tuple[Cause, ...]:
    """The `top` contributors and the rest as one; their excesses add up to observed - expected.

    Those named in `first` lead, the others follow by absolute excess. A contributor is expected to cost what it did on
    like days before, scaled so that all together are expected to cost `expected`. What the breakdown does not cover is
    part of the rest; what costs nothing, then as now, is no cause.
    """
    every = scaled(contributors(breakdown), expected.amount)
    found = {what: one for what, one in every.items() if one.expected or one.observed}
    lead = {what: place for place, what in enumerate(first)}
    ranked = sorted(found, key=lambda what: (lead.get(what, len(lead)), -abs(found[what].excess), what))
    grown = growth(found.values())
    parts = {what: effects(one, grown) for what, one in found.items()}
    told = [
        _cause(dict(zip(breakdown.keys, what, strict=True)), found[what], parts[what], expected.currency)
        for what in ranked[:top]
    ]
    rest = Contributor(
        expected=EXACT.subtract(expected.amount, total(cause.expected.amount for cause in told)),
        observed=EXACT.subtract(observed.amount, total(cause.observed.amount for cause in told)),
    )
    if rest.expected or rest.observed:
        note = f"{len(ranked) - top} smaller contributors" if len(ranked) > top else "not in the breakdown"
        left = together([parts[what] for what in ranked[top:]], rest.excess)
        told.append(_cause(OTHER, rest, left, expected.currency, note))
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


def _cause(what: Mapping[str, str], one: Contributor, parts: Effects | None, currency: str, note: str = "") -> Cause:
    def money(amount: Decimal | None) -> Money | None:
        return None if amount is None else Money(amount, currency)

    return Cause(
        what=what,
        expected=Money(one.expected, currency),
        observed=Money(one.observed, currency),
        excess=Money(one.excess, currency),
        quantity_effect=money(parts.quantity if parts else None),
        price_effect=money(parts.price if parts else None),
        mix_effect=money(parts.mix if parts else None),
        note=note or "; ".join(filter(None, (_new(one), _quantities(one)))),
    )


def _new(one: Contributor) -> str:
    return f"new: nothing in the {BASELINE_DAYS} days before" if one.is_new else ""


def _quantities(one: Contributor) -> str:
    """Such as "1,200,000 Tokens instead of 300,000", where the bill names the unit."""
    unit = next(iter(one.units), "")
    if not unit or not one.is_counted or one.quantity is None:
        return ""
    return f"{_count(one.quantity)} {unit} instead of {_count(one.usual_quantity or Decimal(0))}"


def _count(quantity: Decimal) -> str:
    return f"{quantity:,.0f}" if abs(quantity) >= 100 else f"{float(quantity):.3g}"
