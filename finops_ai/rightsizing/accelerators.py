"""Advice on GPUs: spare, idle, too large, shareable, too many; none where the engines' activity is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

import numpy as np

from finops_ai.domain.gpu import fraction, is_model
from finops_ai.domain.money import Money
from finops_ai.domain.proposal import Saving
from finops_ai.domain.usage import IDLE_BELOW, GpuUsage
from finops_ai.rightsizing.advice import NONE, Advice, per_month
from finops_ai.rightsizing.devices import device, smallest_profile
from finops_ai.rightsizing.settings import Settings

HEADROOM = Decimal("1.25")
"""Engines' activity and memory may grow by a quarter on what is proposed."""

_SHARED = Decimal("0.8")
_LITTLE = Decimal("0.3")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuPrices:
    """Price of an hour of a whole device by words of its model; `rate` says where from."""

    hourly: Mapping[str, Money]
    rate: str

    def of(self, model: str) -> Money | None:
        """The price of the longest name that means the model."""
        names = [name for name in self.hourly if name == model or is_model(name, model)]
        return self.hourly[max(names, key=len)] if names else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """One device or slice while one container held it, or nobody."""

    usage: GpuUsage
    hours: Decimal
    share_held: Decimal
    mean: Decimal
    peak: Decimal
    idle: Decimal
    memory: Decimal | None

    @property
    def about(self) -> str:
        one = self.usage
        slice_text = f" slice {one.slice_id} ({one.profile})" if one.profile else ""
        holder = f" held by {one.workload.key}" if one.workload else " held by nobody"
        return f"{one.cluster}/{one.node}/{one.uuid}{slice_text}{holder}"


def advise(usages: Iterable[GpuUsage], prices: GpuPrices, settings: Settings) -> list[Advice]:
    """One answer per device and holder, where there is something to be said; by device."""
    ordered = sorted(usages, key=lambda one: (one.cluster, one.node, one.uuid, one.slice_id, one.pod, one.container))
    held = [_observed(one) for one in ordered]
    answers = [_answer(one, held, prices, settings) for one in held]
    return (
        [answer for answer in answers if answer] + _sharing(held, prices, settings) + _too_many(held, prices, settings)
    )


def _observed(usage: GpuUsage) -> _Held:
    known = ~np.isnan(usage.active_avg) & (usage.seen > 0)
    weight = usage.seen[known]
    hours = Decimal(repr(float(weight.sum())))
    has_peak = known & ~np.isnan(usage.active_max)
    memory = usage.memory_bytes_max[~np.isnan(usage.memory_bytes_max)]
    span = (max(usage.hours) - min(usage.hours)).total_seconds() / 3600 + 1 if usage.hours else 0.0

    def mean(values: np.ndarray) -> Decimal:
        return Decimal(repr(float(np.average(values[known], weights=weight)))) if hours else Decimal(0)

    return _Held(
        usage=usage,
        hours=hours,
        share_held=Decimal(repr(min(1.0, float(usage.held.sum()) / span))) if span else Decimal(0),
        mean=mean(usage.active_avg),
        peak=Decimal(repr(float(usage.active_max[has_peak].max()))) if has_peak.any() else Decimal(1),
        idle=mean(np.nan_to_num(usage.idle)),
        memory=Decimal(repr(float(memory.max()))) if memory.size else None,
    )


def _answer(one: _Held, held: Sequence[_Held], prices: GpuPrices, settings: Settings) -> Advice | None:
    usage = one.usage
    if one.hours < settings.min_gpu_hours:
        told = f"{float(one.hours):.0f} hours of the engines' activity are known, {settings.min_gpu_hours} are needed"
        words = f"nothing is advised: {told}; what is not measured is unknown, not idle"
        return Advice(kind=NONE, about=one.about, words=words, evidence=_evidence(one))
    if usage.workload is None:
        mates = [other for other in held if other.usage.node == usage.node and other.usage.workload is not None]
        low = Decimal(0) if mates else one.share_held
        hint = "its node has other tenants: it saves only once a whole node can go" if mates else "its node can go"
        words = f"nobody holds this {usage.model} in {float(one.share_held):.0%} of the time: {hint}"
        return Advice(
            kind="spare_gpu",
            about=one.about,
            words=words,
            saving=_saving(one, prices, low, one.share_held),
            evidence=_evidence(one),
        )
    if one.peak < Decimal(repr(IDLE_BELOW)):
        words = f"held, and its engines never worked above {IDLE_BELOW:.0%}: release it, or scale to zero while idle"
        saving = _saving(one, prices, one.share_held * one.idle, one.share_held)
        return Advice(kind="idle_gpu", about=one.about, words=words, saving=saving, evidence=_evidence(one))
    if one.mean >= _LITTLE or usage.profile or one.memory is None:
        return None
    return _smaller(one, prices)


def _smaller(one: _Held, prices: GpuPrices) -> Advice | None:
    """A slice of the device, or another one: whichever saves more."""
    assert one.memory is not None  # noqa: S101
    model = one.usage.model
    active, memory = one.peak * HEADROOM, one.memory * HEADROOM
    found: list[Advice] = []
    if part := smallest_profile(model, active, memory):
        left = Decimal(1) - Decimal(part[1].numerator) / part[1].denominator
        words = (
            f"a MIG slice {part[0]} is enough: at most {float(one.peak):.0%} of the engines work. It saves once the "
            f"other slices are used. Needs MIG on the node; the request becomes nvidia.com/mig-{part[0]}"
        )
        saving = _saving(one, prices, Decimal(0), left * one.share_held)
        found.append(Advice(kind="mig_slice", about=one.about, words=words, saving=saving, evidence=_evidence(one)))
    now, price = device(model), prices.of(model)
    for other_model, other_price in prices.hourly.items():
        other = device(other_model)
        if not now or not other or not price or other_price.currency != price.currency:
            continue
        is_fast = other.speed >= active * now.speed
        if other_price.amount < price.amount and is_fast and other.memory_gb * Decimal(10) ** 9 >= memory:
            share = (1 - other_price.amount / price.amount) * one.share_held
            words = (
                f"the wrong accelerator for its duty cycle ({float(one.mean):.0%} on average): {other.name} has the "
                "speed and memory for it. Test latency and number formats first"
            )
            saving = _saving(one, prices, share, share)
            found.append(Advice(kind="other_gpu", about=one.about, words=words, saving=saving, evidence=_evidence(one)))
    return max(found, key=lambda one: one.saving.middle.amount if one.saving else Decimal(0), default=None)


def _sharing(held: Sequence[_Held], prices: GpuPrices, settings: Settings) -> list[Advice]:
    """Pairs of whole devices of one model whose holders fit one of them together: each is advised once."""
    found: list[Advice] = []
    fits = [
        one
        for one in held
        if one.usage.workload and not one.usage.profile and one.hours >= settings.min_gpu_hours
        and one.mean < _LITTLE and one.memory is not None and one.peak >= Decimal(repr(IDLE_BELOW))
    ]  # fmt: skip
    key = lambda one: (one.usage.cluster, one.usage.model)  # noqa: E731
    for (_, model), group in groupby(sorted(fits, key=key), key=key):
        waiting = sorted(group, key=lambda one: one.peak)
        known = device(model)
        while known and len(waiting) > 1:
            first, second = waiting[0], waiting[-1]
            memory = (first.memory or Decimal(0)) + (second.memory or Decimal(0))
            if first.peak + second.peak > _SHARED or memory * HEADROOM > known.memory_gb * Decimal(10) ** 9:
                waiting.pop()
                continue
            words = (
                f"shares a device with {second.about} by time-slicing: together at most "
                f"{float(first.peak + second.peak):.0%} of the engines work and the memory holds both. Memory is not "
                "isolated then: not for workloads that must answer in time"
            )
            share = min(first.share_held, second.share_held)
            found.append(
                Advice(
                    kind="share_gpu",
                    about=first.about,
                    words=words,
                    saving=_saving(first, prices, Decimal(0), share),
                    evidence=_evidence(first),
                )
            )
            waiting = waiting[1:-1]
    return found


def _too_many(held: Sequence[_Held], prices: GpuPrices, settings: Settings) -> list[Advice]:
    """Containers that hold several devices of which some never work."""
    found: list[Advice] = []
    key = lambda one: (one.usage.cluster, one.usage.node, one.usage.pod, one.usage.container)  # noqa: E731
    holders = [one for one in held if one.usage.workload and one.hours >= settings.min_gpu_hours]
    for _, group in groupby(sorted(holders, key=key), key=key):
        mine = list(group)
        idle = [one for one in mine if one.peak < Decimal(repr(IDLE_BELOW))]
        if len(mine) > 1 and idle and len(idle) < len(mine):
            used = len(mine) - len(idle)
            words = f"asks for {len(mine)} GPUs and works on {used}: request nvidia.com/gpu: {used}"
            holder = mine[0].usage
            about = f"{holder.workload.key if holder.workload else ''} {holder.container}"
            found.append(Advice(kind="gpu_count", about=about, words=words, evidence=_evidence(idle[0])))
    return found


def _saving(one: _Held, prices: GpuPrices, low: Decimal, high: Decimal) -> Saving | None:
    """None where the device has no price, or the slice no known fraction."""
    price, part = prices.of(one.usage.model), fraction(one.usage.model, one.usage.profile)
    if price is None or part is None:
        return None
    hourly = price.amount * Decimal(part.numerator) / Decimal(part.denominator)
    return per_month(hourly, price.currency, prices.rate, low, high)


def _evidence(one: _Held) -> dict[str, str]:
    return {
        "hours": f"{float(one.hours):.1f} known",
        "held": f"{float(one.share_held):.0%} of the window",
        "active": f"{float(one.mean):.1%} on average, {float(one.peak):.1%} at most ({one.usage.measure or 'unknown'})",
        "idle": f"{float(one.idle):.0%} of the time below {IDLE_BELOW:.0%}",
        "memory": "unknown" if one.memory is None else f"{float(one.memory) / 1e9:.1f} GB at most",
    }
