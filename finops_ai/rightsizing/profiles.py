"""Named profiles: what a container should ask for by its use, before the guard."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal

from finops_ai.domain.usage import ContainerUsage
from finops_ai.rightsizing.observed import Observed, Resources, percentile
from finops_ai.rightsizing.samples import cpu_samples, decaying_cpu, decaying_memory, highest_pod_quantile
from finops_ai.rightsizing.settings import MIB, Settings

MILLICORE = Decimal("0.001")

_BURST = Decimal(5)
_LEAN_SHARE = Decimal("0.9")
_KRR_FLOOR, _VPA_FLOORS = Decimal(100_000_000), (Decimal("0.025"), Decimal(250 * MIB))

Sized = tuple[Decimal, Decimal]
"""CPU request in cores, memory request in bytes."""


def wanted(
    usage: ContainerUsage, observed: Observed, now: Resources, settings: Settings
) -> tuple[Resources, list[str]]:
    """What the profile asks for, and why. In every profile throttling and OOM kills raise, a leak is left alone, and no
    memory is asked for below the observed maximum and its margin.
    """
    if settings.profile in ("staged", "steady"):
        return steady(observed, now, settings)
    cpu, memory = PROFILES[settings.profile](usage, observed, settings)
    memory = max(memory, observed.memory_max * (1 + settings.memory_margin))
    reasons = _remarks(observed, cpu, settings)
    cpu_request, cpu_limit, more = _with_cpu_limit(observed, now, settings, max(cpu, settings.cpu_floor_cores))
    room = percentile(observed.cpu, settings.cpu_percentile)
    if settings.profile == "lean" and cpu_limit is not None and cpu_limit < room * (1 + settings.cpu_headroom):
        cpu_limit = up(room * (1 + settings.cpu_headroom), MILLICORE)
    memory_request, memory_limit, about = _with_memory_limit(
        observed, now, settings, max(memory, settings.memory_floor_bytes)
    )
    then = Resources(
        cpu_request=cpu_request, cpu_limit=cpu_limit, memory_request=memory_request, memory_limit=memory_limit
    )
    return then, [*reasons, *more, *about]


def steady(observed: Observed, now: Resources, settings: Settings) -> tuple[Resources, list[str]]:
    """The careful profile, and the first stage of the shipped one.

    CPU: percentile of the hourly maxima, not of the means, plus headroom. Memory: observed maximum plus margin.
    Limits cost nothing and protect neighbours, so they stay, unless they are below the new request, were hit
    (throttling, OOM), or equal the request by the author's will.
    """
    tied = now.cpu_request is not None and now.cpu_request == now.cpu_limit
    # The runs of a job are few: the highest of them counts.
    used = percentile(observed.cpu, Decimal(1) if tied or observed.is_batch else settings.cpu_percentile)
    reasons = _remarks(observed, used, settings)
    cpu = max(used * (1 + settings.cpu_headroom), settings.cpu_floor_cores)
    memory = max(observed.memory_max * (1 + settings.memory_margin), settings.memory_floor_bytes)
    cpu_request, cpu_limit, more = _with_cpu_limit(observed, now, settings, cpu)
    memory_request, memory_limit, about = _with_memory_limit(observed, now, settings, memory)
    then = Resources(
        cpu_request=cpu_request, cpu_limit=cpu_limit, memory_request=memory_request, memory_limit=memory_limit
    )
    return then, [*reasons, *more, *about]


def lean(usage: ContainerUsage, observed: Observed, settings: Settings) -> Sized:
    """The cheapest that is safe: CPU for nine hours of ten, bursts from the room up to the limit; memory as `steady`.

    A container whose bursts are far above its usual use gets the percentile of its hourly maxima: for it, the mean of
    an hour tells nothing.
    """
    peak = percentile(observed.cpu, settings.cpu_percentile)
    usual = percentile(observed.cpu_average, _LEAN_SHARE)
    cpu = peak if peak > _BURST * percentile(observed.cpu, Decimal("0.5")) else usual
    return cpu, observed.memory_max * (1 + settings.memory_margin)


def krr(usage: ContainerUsage, observed: Observed, settings: Settings) -> Sized:
    """p95 of the CPU samples of the busiest pod; memory maximum plus 15 %, at least 100 MB.

    Source: github.com/robusta-dev/krr, strategy `simple` (cpu_percentile 95, memory_buffer_percentage 15).
    """
    samples = cpu_samples(usage.cpu_cores_avg, usage.cpu_cores_max)
    cpu = Decimal(repr(highest_pod_quantile(usage, samples, 0.95)))
    return cpu, max(observed.memory_max * Decimal("1.15"), _KRR_FLOOR)


def kubecost(usage: ContainerUsage, observed: Observed, settings: Settings) -> Sized:
    """Highest use over the target utilisation (0.7), CPU and memory alike.

    Source: Kubecost API "container request right sizing recommendation", algorithm `max`.
    """
    highest = percentile(observed.cpu, Decimal(1))
    return highest / settings.target_utilisation, observed.memory_max / settings.target_utilisation


def vpa(usage: ContainerUsage, observed: Observed, settings: Settings) -> Sized:
    """p90 of a histogram that forgets with a half-life of a day, plus 15 %; floors of 25m and 250Mi per pod.

    Source: github.com/kubernetes/autoscaler, vertical-pod-autoscaler/pkg/recommender.
    """
    cpu = Decimal(repr(decaying_cpu(usage, 0.9))) * Decimal("1.15")
    memory = Decimal(repr(decaying_memory(usage, 0.9))) * Decimal("1.15")
    return max(cpu, _VPA_FLOORS[0]), max(memory, _VPA_FLOORS[1])


PROFILES: dict[str, Callable[[ContainerUsage, Observed, Settings], Sized]] = {
    "lean": lean,
    "krr": krr,
    "kubecost": kubecost,
    "vpa": vpa,
}


def _remarks(observed: Observed, used: Decimal, settings: Settings) -> list[str]:
    reasons = []
    if percentile(observed.cpu, settings.cpu_percentile) <= Decimal(repr(settings.idle_cpu_cores)):
        reasons.append("idle: almost no CPU was used; is it still needed? A floor is proposed, not zero")
    if used > _BURST * percentile(observed.cpu, Decimal("0.5")) > 0:
        reasons.append("bursty CPU: sized by the hourly maxima, the mean is far below them")
    return reasons


def _with_cpu_limit(
    observed: Observed, now: Resources, settings: Settings, wanted: Decimal
) -> tuple[Decimal, Decimal | None, list[str]]:
    tied = now.cpu_request is not None and now.cpu_request == now.cpu_limit
    request, limit = up(wanted, MILLICORE), now.cpu_limit
    if limit is not None and observed.throttled:
        limit = max(up(limit * settings.throttled_factor, MILLICORE), request)
        request = limit if tied else max(request, now.cpu_request or request)
        return request, limit, [f"throttled in {observed.throttled_share:.1%} of pod-hours: the limit is raised"]
    if limit is not None and tied:
        # Nothing lies above the request of a container that has its limit there: the highest hour counts.
        request = max(request, up(percentile(observed.cpu, Decimal(1)), MILLICORE))
    if limit is not None and (tied or limit < request):
        limit = request
    return request, limit, []


def _with_memory_limit(
    observed: Observed, now: Resources, settings: Settings, wanted: Decimal
) -> tuple[Decimal, Decimal | None, list[str]]:
    tied = now.memory_request is not None and now.memory_request == now.memory_limit
    peak, request, limit = observed.memory_max, up(wanted, Decimal(MIB)), now.memory_limit
    if observed.oom_kills:
        cap = up(max(peak, limit or now.memory_request or peak) * settings.oom_factor, Decimal(MIB))
        request = cap if tied or limit is None else max(request, now.memory_request or request)
        limit = None if limit is None else max(cap, request)
        return request, limit, [f"{observed.oom_kills} OOM kills: memory is raised"]
    if observed.memory_grows and now.memory_request is not None:
        return now.memory_request, limit, ["memory grows until the pod is replaced (a leak?): it is left as it is"]
    if limit is not None and (tied or limit < request):
        limit = request
    return request, limit, []


def up(value: Decimal, unit: Decimal) -> Decimal:
    return (value / unit).to_integral_value(rounding=ROUND_CEILING) * unit
