"""Advice on volume claims: too full, far too large, used by nobody. A claim can grow in place, never shrink."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import numpy as np

from finops_ai.domain.money import EXACT, Money
from finops_ai.domain.proposal import Saving
from finops_ai.domain.quantity import format_memory
from finops_ai.domain.usage import VolumeUsage
from finops_ai.rightsizing.advice import NONE, Advice
from finops_ai.rightsizing.settings import GIB, Prices, Settings

_FULL, _EMPTY = 0.85, 0.4
_MARGIN = Decimal("1.3")
_AHEAD_DAYS = 30.0


def advise(usages: Iterable[VolumeUsage], prices: Prices, settings: Settings) -> list[Advice]:
    """One answer per claim where there is something to be said, by claim."""
    ordered = sorted(usages, key=lambda one: (one.cluster, one.namespace, one.claim))
    return [answer for one in ordered if (answer := _answer(one, prices, settings))]


def _answer(one: VolumeUsage, prices: Prices, settings: Settings) -> Advice | None:
    about = f"{one.cluster}/{one.namespace}/PersistentVolumeClaim/{one.claim}"
    known = ~np.isnan(one.used_bytes_max) & ~np.isnan(one.capacity_bytes)
    days = {hour.date() for hour, is_known in zip(one.hours, known, strict=True) if is_known}
    if len(days) < settings.min_days:
        words = f"nothing is advised: use is known of {len(days)} days, {settings.min_days} are needed"
        return Advice(kind=NONE, about=about, words=words)
    used, capacity = one.used_bytes_max[known], float(one.capacity_bytes[known][-1])
    peak = float(used.max())
    age = np.array([hour.timestamp() for hour, is_known in zip(one.hours, known, strict=True) if is_known]) / 86400
    growth = float(np.polyfit(age - age[-1], used, 1)[0]) if len(set(age)) > 1 else 0.0
    ahead = max(peak, float(used[-1]) + max(0.0, growth) * _AHEAD_DAYS)
    evidence = {
        "capacity": _gib(capacity),
        "used": f"{_gib(peak)} at most ({peak / capacity:.0%})" if capacity else _gib(peak),
        "growth": f"{_gib(growth)} a day",
        "days": str(len(days)),
        "class": one.storage_class or "unknown",
    }
    target = Decimal(repr(ahead)) * _MARGIN
    wanted = format_memory((target / GIB).to_integral_value(rounding="ROUND_CEILING") * GIB, "1Gi")
    if capacity and ahead > _FULL * capacity:
        left = (capacity - float(used[-1])) / growth if growth > 0 else None
        when = f"full in about {left:.0f} days" if left is not None and left < _AHEAD_DAYS else "nearly full"
        words = f"{when}: raise spec.resources.requests.storage to {wanted}, where its class lets volumes grow"
        return Advice(
            kind="volume_grow",
            about=about,
            words=words,
            saving=_saving(one, prices, capacity, target),
            evidence=evidence,
        )
    if one.workload is None and growth <= 0:
        words = "no pod mounts it and it does not grow: ask its owner, keep a snapshot, then delete the claim"
        return Advice(
            kind="volume_unused",
            about=about,
            words=words,
            saving=_saving(one, prices, capacity, Decimal(0)),
            evidence=evidence,
        )
    if capacity and ahead < _EMPTY * capacity and target < Decimal(repr(capacity)):
        words = (
            f"{wanted} would do; a claim cannot shrink: move the data to a new one when the workload is next renewed"
        )
        return Advice(
            kind="volume_shrink",
            about=about,
            words=words,
            saving=_saving(one, prices, capacity, target),
            evidence=evidence,
        )
    return None


def _saving(one: VolumeUsage, prices: Prices, now: float, then: Decimal) -> Saving | None:
    """By the price of its storage class; None where there is none. Negative when it costs more."""
    price = prices.storage_gib_month.get(one.storage_class)
    if price is None:
        return None
    gib = EXACT.divide(EXACT.subtract(Decimal(repr(now)), then), Decimal(GIB))
    money = Money(EXACT.multiply(gib, price), prices.currency)
    return Saving(low=money, high=money, rate=prices.rate)


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB"
