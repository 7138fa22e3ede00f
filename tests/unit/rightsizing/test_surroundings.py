"""The guard by what stands around a workload in Git; cases that broke other rightsizers among them."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.domain.proposal import Recommendation
from finops_ai.domain.quantity import parse
from finops_ai.domain.usage import Workload
from finops_ai.rightsizing.fitting import fit
from finops_ai.rightsizing.observed import Resources, observe
from finops_ai.rightsizing.settings import MIB, Prices, Settings
from finops_ai.rightsizing.strategies import NotNow, recommend
from finops_ai.rightsizing.surroundings import Bounds, Runs, Surroundings, surroundings
from tests.unit.rightsizing.test_strategies import usage

WEB = Workload("shop", "default", "Deployment", "web")
DECLARED = """\
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: web, tier: front}}
    spec:
      containers:
      - name: app
        args: [--x]
"""
TARGET = "{kind: Deployment, name: web}"
HPA = f"kind: HorizontalPodAutoscaler\nmetadata: {{name: h}}\nspec:\n  scaleTargetRef: {TARGET}\n"
METRIC = (
    "  metrics:\n  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}\n"
)
KEDA = "kind: ScaledObject\nmetadata: {name: k}\nspec:\n  scaleTargetRef: {name: web}\n  triggers:\n"
LIMITS = "kind: LimitRange\nmetadata: {name: l, namespace: default}\nspec: {limits: [{type: Container, "
QUOTA = "kind: ResourceQuota\nmetadata: {name: q}\nspec: {hard: {"
BUDGET = "kind: PodDisruptionBudget\nmetadata: {name: b}\nspec: {selector: {matchLabels: {app: web}}, "
VPA = f"kind: VerticalPodAutoscaler\nmetadata: {{name: v}}\nspec: {{targetRef: {TARGET}"


def told(*texts: str, **over: object) -> tuple[dict[str, str], str]:
    """What is proposed for a container that needs half of its 500m and 512Mi, and what is said."""
    files = {"web.yaml": DECLARED, **{f"{i}.yaml": text for i, text in enumerate(texts)}}
    (found,) = recommend(
        [usage(**over)],  # type: ignore[arg-type]
        prices=Prices(),
        settings=Settings(),
        around=partial(surroundings, files),
    )
    changes = found.changes if isinstance(found, Recommendation) else ()
    return {one.path: one.proposed for one in changes}, " ".join(found.reasons)


BOTH = {"requests.cpu": "250m", "requests.memory": "256Mi"}
LEAST = {"requests.cpu": "300m", "requests.memory": "300Mi"}
MEMORY, CPU = {"requests.memory": "256Mi"}, {"requests.cpu": "250m"}


@pytest.mark.parametrize(
    ("text", "changes", "words"),
    [
        ("", BOTH, ""),
        ("{{- if x }}\nkind: HorizontalPodAutoscaler\n", BOTH, ""),
        (HPA + METRIC, MEMORY, "autoscaler compares use with this request"),
        (HPA + METRIC.replace("cpu", "memory"), CPU, "autoscaler"),
        (HPA + "  targetCPUUtilizationPercentage: 70\n", MEMORY, "autoscaler"),
        (HPA + METRIC.replace("Utilization, averageUtilization: 70", "AverageValue, averageValue: 1"), BOTH, ""),
        ((HPA + METRIC).replace("name: web", "name: other"), BOTH, ""),
        ((HPA + METRIC).replace("name: h", "name: h, namespace: other"), BOTH, ""),
        (KEDA + "  - {type: cpu, metadata: {value: '60'}}\n", MEMORY, "autoscaler"),
        (KEDA + "  - {type: prometheus, metadata: {threshold: '5'}}\n", BOTH, ""),
        (VPA + "}\n", {}, "sets the requests as pods start"),
        (VPA + ", updatePolicy: {updateMode: Off}}\n", BOTH, ""),
        (LIMITS + "min: {cpu: 300m, memory: 300Mi}}]}\n", LEAST, "LimitRange"),
        (LIMITS + "min: {cpu: '1'}}]}\n", MEMORY, "at least 1; nothing is changed"),
        (LIMITS + "max: {memory: 1Gi}}]}\n", BOTH, ""),
        (LIMITS + "max: {memory: 512Mi}}]}\n", CPU, "at most 512Mi"),
        (LIMITS + "maxLimitRequestRatio: {cpu: '2'}}]}\n", MEMORY, "nothing is changed"),
        (LIMITS + "maxLimitRequestRatio: {cpu: '3'}}]}\n", {"requests.cpu": "334m"} | MEMORY, "LimitRange"),
        (QUOTA + "requests.cpu: 100m}}\n", BOTH, ""),
        (BUDGET + "maxUnavailable: 0}\n", BOTH, "lets no pod go"),
        (BUDGET + "minAvailable: 1}\n", BOTH, ""),
    ],
)  # fmt: skip
def test_what_is_left_of_a_change(text: str, changes: dict[str, str], words: str) -> None:
    found, said = told(text)
    assert found == changes
    assert words in said


def test_a_quota_stops_an_increase() -> None:
    more = {"cpu": lambda hour: 0.9, "memory_mib": lambda hour: 500}
    assert told(**more)[0]["requests.cpu"] == "1035m"
    found, said = told(QUOTA + "requests.cpu: '2'}}\n", **more)
    assert "requests.cpu" not in found
    assert "quota" in said


@pytest.mark.parametrize(
    ("args", "memory", "words"),
    [
        ("[java, -Xmx300m]", "375Mi", "heap may grow to 300Mi"),
        ("[java, -Xmx2g]", None, "heap"),
        ("[java, -Xmx64m]", "256Mi", ""),
        ("[java, -XX:MaxRAMPercentage=75]", "256Mi", ""),
    ],
)
def test_java_keeps_room_for_its_heap(args: str, memory: str | None, words: str) -> None:
    """Source: kubernetes/autoscaler#7062, a heap that is not used now is used later."""
    files = {"web.yaml": DECLARED.replace("[--x]", args)}
    (found,) = recommend([usage()], prices=Prices(), settings=Settings(), around=partial(surroundings, files))
    assert isinstance(found, Recommendation)
    assert {one.path: one.proposed for one in found.changes}.get("requests.memory") == memory
    assert words in " ".join(found.reasons)


def test_a_heap_sized_by_the_limit_keeps_the_limit() -> None:
    files = {"web.yaml": DECLARED.replace("args: [--x]", 'env: [{name: JAVA_OPTS, value: "-XX:MaxRAMPercentage=75"}]')}
    (found,) = recommend(
        [usage(memory_limit_mib=512)], prices=Prices(), settings=Settings(), around=partial(surroundings, files)
    )
    assert isinstance(found, Recommendation)
    assert {one.path for one in found.changes} == {"requests.cpu"}


def test_an_injected_sidecar_is_left_out_and_breaks_nothing() -> None:
    files = {"web.yaml": DECLARED}
    pair = [usage(), usage(container="istio-proxy")]
    (found,) = recommend(pair, prices=Prices(), settings=Settings(), around=partial(surroundings, files))
    assert isinstance(found, Recommendation)
    assert {one.container for one in found.changes} == {"app"}
    assert "istio-proxy: container istio-proxy is not in Git" in " ".join(found.reasons)
    per_pod = Decimal(730) * (Decimal("0.25") * Decimal("0.031611") + Decimal("0.25") * Decimal("0.004237"))
    assert found.saving.high.amount == per_pod * 2


def test_an_init_container_with_few_hours_is_left_alone() -> None:
    files = {"web.yaml": DECLARED + "      initContainers:\n      - name: setup\n"}
    pair = [usage(), usage(container="setup", days=1)]
    (found,) = recommend(pair, prices=Prices(), settings=Settings(), around=partial(surroundings, files))
    assert isinstance(found, Recommendation)
    assert {one.container for one in found.changes} == {"app"}


def test_best_effort_is_told_to_become_burstable() -> None:
    found, said = told(cpu_request=None, cpu_limit=None, memory_request_mib=None, memory_limit_mib=None)
    assert set(found) == {"requests.cpu", "requests.memory"}
    assert "BestEffort" in said


amounts = st.none() | st.integers(1, 4000).map(Decimal)


@st.composite
def resources(draw: st.DrawFn) -> Resources:
    def pair(unit: Decimal) -> tuple[Decimal | None, Decimal | None]:
        found = sorted(one * unit for one in (draw(amounts), draw(amounts)) if one is not None)
        return (found[0], found[1]) if len(found) == 2 else (found[0] if found else None, None)

    cpu, memory = pair(Decimal("0.001")), pair(Decimal(MIB))
    return Resources(cpu_request=cpu[0], cpu_limit=cpu[1], memory_request=memory[0], memory_limit=memory[1])


@settings(max_examples=200)
@given(
    resources(),
    resources(),
    st.builds(
        Surroundings,
        scaled_by=st.frozensets(st.sampled_from(["cpu", "memory"])),
        bounds=st.tuples(
            st.builds(
                Bounds,
                least=st.fixed_dictionaries({}, optional={"cpu": st.sampled_from([Decimal("0.1"), Decimal(1)])}),
                most=st.fixed_dictionaries({}, optional={"memory": st.sampled_from([Decimal(2**28), Decimal(2**31)])}),
                ratio=st.fixed_dictionaries({}, optional={"cpu": st.just(Decimal(2))}),
            )
        ),
        quotas=st.tuples(st.fixed_dictionaries({}, optional={"requests.cpu": st.just(Decimal(1))})),
        containers=st.just({"app": Runs(heap_bytes=Decimal(2**29))}) | st.none(),
    ),
)
def test_it_only_refuses_or_softens(now: Resources, asked: Resources, around: Surroundings) -> None:
    judged, said = fit("app", observe(usage(), Settings()), now, asked, around)
    for name in Resources.__slots__:
        before, wanted, left = (getattr(which, name) for which in (now, asked, judged))
        if before is None or wanted is None:
            assert left in (before, wanted)
        else:
            assert min(before, wanted) <= left <= max(before, wanted)
    assert judged == asked or said


def test_everything_is_refused_while_another_writes_it() -> None:
    (found,) = recommend(
        [usage()],
        prices=Prices(),
        settings=Settings(),
        around=lambda workload: Surroundings(refusal=f"{workload.name} is taken"),
    )
    assert isinstance(found, NotNow)
    assert found.reasons == ("web is taken",)


def test_the_request_for_a_pair_of_limits_stays_consistent() -> None:
    text = LIMITS + "maxLimitRequestRatio: {cpu: '2'}}]}\n"
    found, _ = told(text, cpu=lambda hour: 0.05, cpu_request=1.0, cpu_limit=1.0, memory_limit_mib=512)
    assert all(parse(value) > 0 for value in found.values())
