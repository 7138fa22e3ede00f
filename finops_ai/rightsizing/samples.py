"""What happened within the hours: CPU between an hour's mean and its maximum, and decaying histograms of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from finops_ai.domain.series import FloatArray
from finops_ai.domain.usage import ContainerUsage

PER_HOUR = 48
"""Samples of 75 seconds, KRR's step."""

_GROWTH = 1.05
_FIRST_CORES, _FIRST_BYTES = 0.01, 1e7


def cpu_samples(average: FloatArray, highest: FloatArray) -> FloatArray:
    """One row of 48 samples per hour, lowest first, that has the hour's mean and maximum; NaN stays NaN.

    Where the mean is at least half of the maximum the samples are spread evenly around it; where it is less, the hour
    had a burst, and they follow the power of a uniform share that has this mean.
    """
    share = (np.arange(PER_HOUR) + 0.5) / PER_HOUR
    mean, top = average[:, None], np.maximum(highest, average)[:, None]
    even = (2 * mean - top) + share * 2 * (top - mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.where(mean > 0, top / mean - 1, 1.0)
        burst = top * share**power
    spread: FloatArray = np.where(2 * mean >= top, even, burst)
    return spread


def pooled_quantile(values: FloatArray, share: float) -> float:
    """Nearest rank over everything that is known; 0 of nothing."""
    known = np.sort(values[~np.isnan(values)], axis=None)
    return float(known[max(0, int(np.ceil(share * known.size)) - 1)]) if known.size else 0.0


def highest_pod_quantile(usage: ContainerUsage, values: FloatArray, share: float) -> float:
    """The quantile of each pod by itself, and of these the highest, as KRR takes it."""
    pods = np.array(usage.pods)
    return max((pooled_quantile(values[pods == pod], share) for pod in dict.fromkeys(usage.pods)), default=0.0)


def decaying_quantile(
    usage: ContainerUsage, values: FloatArray, share: float, *, first: float, half_life_hours: float = 24.0
) -> float:
    """Quantile of a histogram with buckets that grow by 5 %, in which a sample weighs half as much a day later.

    The answer is the end of the bucket, as the Vertical Pod Autoscaler gives it.
    """
    if not usage.hours:
        return 0.0
    last = max(usage.hours)
    age = np.array([(last - hour).total_seconds() / 3600 for hour in usage.hours])
    rows = values if values.ndim == 2 else values[:, None]
    weights = np.repeat(0.5 ** (age / half_life_hours), rows.shape[1])
    return _bucket_quantile(rows.ravel(), weights, share, first)


def decaying_cpu(usage: ContainerUsage, share: float) -> float:
    samples = cpu_samples(usage.cpu_cores_avg, usage.cpu_cores_max)
    return decaying_quantile(usage, samples, share, first=_FIRST_CORES)


def decaying_memory(usage: ContainerUsage, share: float, days: int = 8) -> float:
    """Of the daily peaks of the last days, each weighing half as much as the next."""
    peaks: dict[date, float] = {}
    for hour, value in zip(usage.hours, usage.memory_bytes_max.tolist(), strict=True):
        if not np.isnan(value):
            peaks[hour.date()] = max(value, peaks.get(hour.date(), 0.0))
    return _of_days(peaks, share, days)


def _of_days(peaks: Mapping[date, float], share: float, days: int) -> float:
    recent = sorted(peaks)[-days:]
    if not recent:
        return 0.0
    weights = [0.5 ** (recent[-1] - day).days for day in recent]
    return _bucket_quantile(np.array([peaks[day] for day in recent]), np.array(weights), share, _FIRST_BYTES)


def _bucket_quantile(values: FloatArray, weights: FloatArray | Sequence[float], share: float, first: float) -> float:
    weight = np.asarray(weights, dtype=np.float64)
    known = ~np.isnan(values)
    values, weight = values[known], weight[known]
    if not values.size:
        return 0.0
    bucket = np.maximum(0, np.floor(np.log1p(values * (_GROWTH - 1) / first) / np.log(_GROWTH))).astype(int)
    order = np.argsort(bucket)
    total = np.cumsum(weight[order])
    at = int(bucket[order][int(np.searchsorted(total, share * total[-1]))])
    return float(first * (_GROWTH ** (at + 1) - 1) / (_GROWTH - 1))
