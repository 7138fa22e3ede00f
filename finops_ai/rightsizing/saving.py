"""Money per month of a change of requests: a range over the replicas seen, at a named rate."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from finops_ai.domain.money import EXACT, Money
from finops_ai.domain.proposal import Saving
from finops_ai.rightsizing.observed import Observed, Resources
from finops_ai.rightsizing.settings import GIB, HOURS_PER_MONTH, Prices


def request_cost(resources: Resources, prices: Prices) -> Decimal:
    """Cost of one pod's requests per month of 730 hours; an unset request reserves nothing."""
    cpu = EXACT.multiply(resources.cpu_request or Decimal(0), prices.cpu_core_hour)
    gib = EXACT.divide(resources.memory_request or Decimal(0), Decimal(GIB))
    return EXACT.multiply(EXACT.add(cpu, EXACT.multiply(gib, prices.memory_gib_hour)), Decimal(HOURS_PER_MONTH))


def saving(now: Resources, then: Resources, observed: Observed, prices: Prices) -> Saving:
    """Less money reserved per month, at the 10th and 90th percentile of replicas; negative when it costs more."""
    per_pod = EXACT.subtract(request_cost(now, prices), request_cost(then, prices))
    ends = sorted(EXACT.multiply(per_pod, Decimal(pods)) for pods in (observed.pods_low, observed.pods_high))
    return Saving(low=Money(ends[0], prices.currency), high=Money(ends[1], prices.currency), rate=prices.rate)


def total_saving(savings: Sequence[Saving]) -> Saving:
    """Sum of ranges; needs at least one. Raises ValueError across currencies."""
    low, high = savings[0].low, savings[0].high
    for one in savings[1:]:
        low, high = low + one.low, high + one.high
    return Saving(low=low, high=high, rate=savings[0].rate)
