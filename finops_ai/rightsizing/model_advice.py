"""Advice on language models for the tokens that are really used: a cheaper model, the batch tier, cached input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from finops_ai.domain.money import EXACT, Money
from finops_ai.domain.proposal import Saving
from finops_ai.rightsizing.advice import NONE, Advice

Price = Callable[[str, str, bool], Decimal | None]
"""Model, meter, and whether in batches, to the list price of a million tokens; None where it is unknown."""

INPUT, CACHED, OUTPUT = "input", "cached input", "output"

_MILLION = Decimal(1_000_000)
_MONTH_DAYS = Decimal(730) / 24
_WORTH = Decimal("0.8")
_CACHE_WRITES = ("cache write 5m input", "cache write 1h input")
_CACHEABLE = Decimal("0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """A model's tokens by meter and what they were charged over `days`; `others` are models of its provider."""

    model: str
    currency: str
    tokens: Mapping[str, Decimal]
    cost: Decimal
    days: int
    others: Sequence[str]


def advise(mixes: Iterable[Mix], price: Price) -> list[Advice]:
    """Priced on each model's own mix, at what it really costs beside its list price; by model."""
    return [advice for mix in sorted(mixes, key=lambda one: one.model) for advice in _of(mix, price)]


def _of(mix: Mix, price: Price) -> list[Advice]:
    listed = _listed(mix.model, mix.tokens, price)
    if not listed or mix.cost <= 0:
        words = "nothing is advised: the list price of some of its tokens is unknown, or nothing was charged"
        return [Advice(kind=NONE, about=mix.model, words=words, evidence=_evidence(mix))]
    found = [_cheaper(mix, listed, price), _batch(mix, listed, price), _cached(mix, listed, price)]
    return [one for one in found if one is not None]


def _cheaper(mix: Mix, listed: Decimal, price: Price) -> Advice | None:
    """The dearest of the models that are a fifth cheaper or more: the nearest in kind, as prices go."""
    options = {
        other: cost
        for other in mix.others
        if other != mix.model and (cost := _listed(other, mix.tokens, price)) and cost <= listed * _WORTH
    }
    if not options:
        return None
    name = max(options, key=lambda other: (options[other], other))
    words = (
        f"{name} would cost {options[name] / listed:.0%} of it for the same tokens. Its answers are not the same: "
        "measure quality on your own cases first, and move only the calls that keep it"
    )
    return _advice("cheaper_model", mix, words, 1 - options[name] / listed)


def _batch(mix: Mix, listed: Decimal, price: Price) -> Advice | None:
    cost = _listed(mix.model, mix.tokens, price, batch=True)
    if not cost or cost >= listed:
        return None
    words = (
        f"calls that can wait a day cost {cost / listed:.0%} by the batch tier; the range is from none to all of them"
    )
    return _advice("batch_tier", mix, words, 1 - cost / listed)


def _cached(mix: Mix, listed: Decimal, price: Price) -> Advice | None:
    """What reading half of the plain input from the cache would save, its writing once counted."""
    plain, hit = mix.tokens.get(INPUT, Decimal(0)), mix.tokens.get(CACHED, Decimal(0))
    full, cached = price(mix.model, INPUT, False), price(mix.model, CACHED, False)
    if not plain or full is None or cached is None or cached >= full:
        return None
    share = hit / (plain + hit)
    saved = EXACT.divide(EXACT.multiply(plain * _CACHEABLE, full - cached), _MILLION)
    writes = [cost for meter in _CACHE_WRITES if (cost := price(mix.model, meter, False)) is not None]
    dearer = (
        f" Writing to the cache costs {min(writes) / full:.0%} of plain input: it pays from the second read."
        if writes
        else ""
    )
    words = (
        f"{share:.0%} of its input comes from the cache. If half of the rest did (stable text first in the prompt), "
        f"that input would cost {cached / full:.0%}.{dearer}"
    )
    return _advice("prompt_cache", mix, words, saved / listed)


def _listed(model: str, tokens: Mapping[str, Decimal], price: Price, *, batch: bool = False) -> Decimal | None:
    """The mix at list prices; None where any of its meters has none."""
    total = Decimal(0)
    for meter, quantity in tokens.items():
        amount = price(model, meter, batch)
        if amount is None and quantity:
            return None
        total = EXACT.add(total, EXACT.divide(EXACT.multiply(quantity, amount or Decimal(0)), _MILLION))
    return total


def _advice(kind: str, mix: Mix, words: str, share: Decimal) -> Advice:
    """`share` of what was charged, per month: never more than all of it."""
    month = EXACT.multiply(EXACT.divide(mix.cost, Decimal(mix.days)), _MONTH_DAYS)
    high = EXACT.multiply(month, min(max(share, Decimal(0)), Decimal(1)))
    saving = Saving(
        low=Money(Decimal(0), mix.currency),
        high=Money(high, mix.currency),
        rate="effective, in proportion to list prices",
    )
    return Advice(kind=kind, about=mix.model, words=words, saving=saving, evidence=_evidence(mix))


def _evidence(mix: Mix) -> dict[str, str]:
    told = {f"{meter} tokens": f"{quantity:.0f}" for meter, quantity in sorted(mix.tokens.items())}
    return {**told, "charged": f"{mix.cost:.2f} {mix.currency} in {mix.days} days"}
