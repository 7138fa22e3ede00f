"""Preemptible and dedicated nodes and priority classes: who is placed, who must not be, and the edit that does it."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import pytest
import yaml

from finops_ai.domain.errors import Rejected
from finops_ai.domain.proposal import Recommendation
from finops_ai.domain.usage import Workload
from finops_ai.rightsizing.propose import edit, propose
from finops_ai.rightsizing.settings import NodePool, Prices, Settings
from finops_ai.rightsizing.strategies import NotNow, recommend
from finops_ai.rightsizing.surroundings import surroundings
from tests.unit.rightsizing.test_strategies import usage

WEB = Workload("shop", "default", "Deployment", "web")
CHOSEN = Settings(
    preemptible=NodePool(
        label="pool/spot", value="true", taint="pool/spot", discount_low=Decimal("0.5"), discount_high=Decimal("0.7")
    ),
    dedicated=NodePool(label="pool/serving", value="llm"),
    priority_classes={"batch": "low", "latency": "high"},
)
DEPLOYMENT = """\
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  template:
    metadata: {labels: {app: web, slo-class: batch}}
    spec:
      restartPolicy: Always   # kept
      containers:
      - name: app
"""


def answer(text: str, *more: str, settings: Settings = CHOSEN) -> Recommendation | NotNow:
    """For a container whose requests fit what it uses."""
    files = {"web.yaml": text, **{f"{i}.yaml": one for i, one in enumerate(more)}}
    fitting = usage(cpu_request=0.0575, memory_request_mib=115)
    around = partial(surroundings, files, settings=settings)
    (found,) = recommend([fitting], prices=Prices(), settings=settings, around=around)
    return found


def placed(text: str, *more: str) -> dict[str, object]:
    """The pod's fields that were set."""
    found = answer(text, *more)
    if isinstance(found, NotNow):
        return {}
    _, (done,) = edit(found, {"web.yaml": text})
    before, after = yaml.safe_load(text), yaml.safe_load(done.after)
    pods = [one["spec"]["template"]["spec"] for one in (before, after)]
    made = {key: value for key, value in pods[1].items() if key not in pods[0]}
    for key in made:
        del pods[1][key]
    assert before == after
    assert [line for line in done.after.splitlines() if line in text.splitlines()] == text.splitlines()
    return made


def test_batch_prefers_preemptible_nodes_and_saves_their_discount() -> None:
    made = placed(DEPLOYMENT)
    assert set(made) == {"affinity", "tolerations", "priorityClassName"}
    assert made["tolerations"] == [{"key": "pool/spot", "operator": "Exists", "effect": "NoSchedule"}]
    (term,) = made["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]  # type: ignore[index]
    assert term["preference"]["matchExpressions"] == [{"key": "pool/spot", "operator": "In", "values": ["true"]}]
    found = answer(DEPLOYMENT)
    assert isinstance(found, Recommendation)
    assert 0 < found.saving.low.amount < found.saving.high.amount
    assert found.saving.low.amount * 7 == found.saving.high.amount * 5


def test_latency_gets_nodes_of_its_own_and_costs_nothing_more() -> None:
    text = DEPLOYMENT.replace("slo-class: batch", "slo-class: latency")
    made = placed(text)
    assert set(made) == {"affinity", "priorityClassName"}
    assert made["priorityClassName"] == "high"
    found = answer(text)
    assert isinstance(found, Recommendation)
    assert found.saving.high.amount == 0


ON_NODE = "volumes: [{name: d, hostPath: {path: /d}}]"
BUDGET = (
    "kind: PodDisruptionBudget\nmetadata: {name: b}\nspec: {minAvailable: 1, selector: {matchLabels: {app: web}}}\n"
)


@pytest.mark.parametrize(
    ("text", "more"),
    [
        (DEPLOYMENT.replace("replicas: 3", "replicas: 1"), ()),
        (DEPLOYMENT.replace("      containers", f"      {ON_NODE}\n      containers"), ()),
        (DEPLOYMENT.replace("{labels", '{annotations: {a/safe-to-evict: "false"}, labels'), ()),
        (DEPLOYMENT, (BUDGET,)),
        (DEPLOYMENT, ("apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec: {source: "
                      "{path: ., kustomize: {replicas: [{name: web, count: 1}]}}}\n",)),
    ],
)  # fmt: skip
def test_what_must_not_be_interrupted_keeps_its_nodes(text: str, more: tuple[str, ...]) -> None:
    assert set(placed(text, *more)) == {"priorityClassName"}
    assert "kept off preemptible nodes" in " ".join(answer(text, *more).reasons)


@pytest.mark.parametrize(
    "text",
    [
        DEPLOYMENT.replace("slo-class: batch", "x: y"),
        DEPLOYMENT.replace("slo-class: batch", "slo-class: unheard"),
        DEPLOYMENT.replace("restartPolicy: Always   # kept", "priorityClassName: x\n      nodeSelector: {a: b}"),
        DEPLOYMENT + "---\n" + DEPLOYMENT,
    ],
)
def test_without_a_class_or_where_a_person_decided_nothing_is_said(text: str) -> None:
    assert isinstance(answer(text), NotNow)


def test_a_run_that_is_not_tried_again_is_not_interrupted() -> None:
    job = (
        "kind: CronJob\nmetadata: {name: web}\nspec:\n  jobTemplate:\n    spec:\n      backoffLimit: 0\n"
        "      template:\n        metadata: {labels: {slo-class: batch}}\n"
        "        spec:\n          containers: [{name: app}]\n"
    )
    around = surroundings({"a": job}, Workload("shop", "default", "CronJob", "web"), CHOSEN)
    assert set(around.placement.changes) == {"spec.jobTemplate.spec.template.spec.priorityClassName"}
    around = surroundings(
        {"a": job.replace("backoffLimit: 0", "backoffLimit: 3")}, Workload("shop", "default", "CronJob", "web"), CHOSEN
    )
    assert around.placement.is_preemptible


def test_sizes_come_before_places() -> None:
    around = partial(surroundings, {"web.yaml": DEPLOYMENT}, settings=CHOSEN)
    (found,) = recommend([usage()], prices=Prices(), settings=CHOSEN, around=around)
    assert isinstance(found, Recommendation)
    assert {one.container for one in found.changes} == {"app"}


def test_several_overlays_are_left_to_a_person() -> None:
    found = answer(DEPLOYMENT)
    assert isinstance(found, Recommendation)
    files = {"base/web.yaml": DEPLOYMENT, "base/kustomization.yaml": "resources: [web.yaml]\n"}
    files |= {f"{one}/kustomization.yaml": "resources: [../base]\n" for one in ("a", "b")}
    with pytest.raises(Rejected, match="several overlays"):
        edit(found, files)


def test_its_page_tells_the_fields_and_no_structure_in_the_title() -> None:
    found = answer(DEPLOYMENT)
    assert isinstance(found, Recommendation)
    worded, edits = edit(found, {"web.yaml": DEPLOYMENT})
    made = propose(worded, edits, ())
    assert made.title.startswith("rightsize(default/web): spec.template.spec.priorityClassName unset → low, spec.")
    assert "{" not in made.title
    assert "?" not in made.body.replace("?.", "")
    assert "preemptible nodes are preferred" in made.body
