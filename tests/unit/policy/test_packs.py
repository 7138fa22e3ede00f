"""The packs that ship: the article's two rules without their holes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finops_ai.domain.proposal import Decision, Verdict
from finops_ai.policy.base import Bundle
from finops_ai.policy.bundles import load, run_tests
from finops_ai.policy.rego import RegoEngine

KEY = "finops.apexlogic.com/cost-center"
GPU = "nvidia.com/gpu-memory"


@pytest.fixture(scope="module")
def engine() -> Iterator[RegoEngine]:
    with RegoEngine() as engine:
        yield engine


@pytest.fixture(scope="module")
def files(root: Path) -> dict[str, str]:
    folder = root / "config" / "policies"
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*.rego")}


@pytest.fixture(scope="module")
def packs(files: dict[str, str]) -> list[Bundle]:
    return load(files, {})


def denials(engine: RegoEngine, packs: list[Bundle], document: dict[str, Any]) -> list[Verdict]:
    verdicts = [verdict for pack in packs for verdict in engine.check(document, pack)]
    return [verdict for verdict in verdicts if verdict.decision is Decision.DENY]


def test_the_packs_are_found(packs: list[Bundle]) -> None:
    assert [pack.name for pack in packs] == ["accelerators", "cost-tags"]


def test_their_own_tests_pass(engine: RegoEngine, packs: list[Bundle]) -> None:
    results = [result for pack in packs for result in run_tests(engine, pack)]
    assert len(results) >= 19
    assert [result for result in results if not result.passed] == []


@pytest.mark.shared
def test_the_seed_cases(engine: RegoEngine, packs: list[Bundle], shared: Path) -> None:
    folder = shared / "data" / "rego" / "seed-policy"
    cases = json.loads((folder / "expected.json").read_bytes())["cases"]
    assert len(cases) == 12
    for case in cases:
        found = denials(engine, packs, json.loads((folder / f"{case['case']}.json").read_bytes()))
        assert len(found) == case["intended_violations"], case["case"]
        assert not any("could not be evaluated" in verdict.message for verdict in found)


def pod(resources: Any = None, **container: Any) -> dict[str, Any]:
    return {"containers": [{"name": "main", "image": "x", "resources": resources or {}, **container}]}


def review(kind: str = "Deployment", *, labels: Any = None, spec: Any = None, **request: Any) -> dict[str, Any]:
    labels = {KEY: "ml"} if labels is None else labels
    subject = {
        "kind": kind,
        "metadata": {"name": "m", "labels": labels},
        "spec": {"template": {"metadata": {"labels": {KEY: "ml"}}, "spec": pod()}} if spec is None else spec,
    }
    return {"request": {"uid": "u", "kind": {"kind": kind}, "operation": "CREATE", "object": subject, **request}}


def limits(amount: Any, resource: str = GPU) -> dict[str, Any]:
    return {"template": {"metadata": {"labels": {KEY: "ml"}}, "spec": pod({"limits": {resource: amount}})}}


def without(path: str, document: dict[str, Any]) -> dict[str, Any]:
    document = copy.deepcopy(document)
    *parents, last = path.split(".")
    node = document["request"]
    for parent in parents:
        node = node[parent]
    del node[last]
    return document


EVASIONS: dict[str, dict[str, Any]] = {
    "label of blanks": review(labels={KEY: " \t\n"}),
    "label of no-break spaces": review(labels={KEY: "\u00a0\u2003"}),
    "label of a zero width space": review(labels={KEY: "\u200b"}),
    "label of a soft hyphen": review(labels={KEY: "\u00ad"}),
    "label of a dash": review(labels={KEY: "-"}),
    "label with blanks around": review(labels={KEY: " ml"}),
    "label with a newline": review(labels={KEY: "ml\n"}),
    "label null": review(labels={KEY: None}),
    "label a number": review(labels={KEY: 7}),
    "label true": review(labels={KEY: True}),
    "label a list": review(labels={KEY: ["ml"]}),
    "label a map": review(labels={KEY: {"a": "ml"}}),
    "label too long": review(labels={KEY: "x" * 64}),
    "label key in capitals": review(labels={KEY.upper(): "ml"}),
    "label key with a blank": review(labels={f"{KEY} ": "ml"}),
    "labels a list": review(labels=[{KEY: "ml"}]),
    "labels a text": review(labels="ml"),
    "labels null": without("object.metadata.labels", review()),
    "no metadata": without("object.metadata", review()),
    "label in the template only": review(labels={}),
    "label as annotation": {**review(labels={}), "x": {"annotations": {KEY: "ml"}}},
    "stateful set": review("StatefulSet", labels={}),
    "daemon set": review("DaemonSet", labels={}),
    "job": review("Job", labels={}),
    "replica set": review("ReplicaSet", labels={}),
    "cron job": review("CronJob", labels={}, spec={"jobTemplate": {"spec": {"template": {"spec": pod()}}}}),
    "pod": review("Pod", labels={}, spec=pod()),
    "custom resource with a pod template": review("Rollout", labels={}),
    "custom resource with deep pod templates": review("Ray", labels={}, spec={"g": [{"template": {"spec": pod()}}]}),
    "another kind in the request": review("ConfigMap", labels={}),
    "an update": review(labels={}, operation="UPDATE"),
    "no operation": without("operation", review(labels={})),
    "owner claimed by a user": review("Pod", labels={}, spec=pod(), userInfo={"username": "eve"}),
    "no object": review(object=None),
    "object a text": review(object="Deployment"),
    "no request": {"kind": "AdmissionReview"},
    "17 in a text": review(spec=limits("17")),
    "17 as number": review(spec=limits(17)),
    "16.5": review(spec=limits("16.5")),
    "just over": review(spec=limits("16.000001")),
    "17Gi": review(spec=limits("17Gi")),
    "16Gi are 17.2 GB": review(spec=limits("16Gi")),
    "17000M": review(spec=limits("17000M")),
    "exponent": review(spec=limits("1e2")),
    "capital exponent": review(spec=limits("2E1")),
    "huge": review(spec=limits("9" * 30)),
    "huge number": review(spec=limits(10**30)),
    "bytes": review(spec=limits("17179869184")),
    "milli": review(spec=limits("17000m")),
    "negative": review(spec=limits("-5")),
    "negative number": review(spec=limits(-5)),
    "no quantity": review(spec=limits("lots")),
    "other digits": review(spec=limits("\u0661\u0667")),
    "leading blank": review(spec=limits(" 17")),
    "empty": review(spec=limits("")),
    "null": review(spec=limits(None)),
    "boolean": review(spec=limits(True)),
    "list": review(spec=limits([80])),
    "map": review(spec=limits({"a": 80})),
    "requests only": review(spec={"template": {"spec": pod({"requests": {GPU: 80}})}}),
    "limits a list": review(spec={"template": {"spec": pod({"limits": [{GPU: 80}]})}}),
    "init container": review(spec={"template": {"spec": {"initContainers": pod({"limits": {GPU: 80}})["containers"]}}}),
    "ephemeral": review("Pod", spec={"ephemeralContainers": pod({"limits": {GPU: 80}})["containers"], **pod()}),
    "containers a map": review(spec={"template": {"spec": {"containers": {"a": pod({"limits": {GPU: 80}})}}}}),
    "pod level": review("Pod", spec={"resources": {"limits": {GPU: 80}}, **pod()}),
    "nameless container": review("Pod", spec={"containers": [{"resources": {"limits": {GPU: 80}}}]}),
    "container name a list": review("Pod", spec=pod({"limits": {GPU: 80}}, name=["a"])),
    "gpu in a cron job": review(
        "CronJob", spec={"jobTemplate": {"spec": {"template": {"spec": pod({"limits": {GPU: "80G"}})}}}}
    ),
    "gpu in a custom resource": review("Model", spec={"predictor": {"model": {"resources": {"limits": {GPU: 80}}}}}),
    "name a map": review(spec=limits(17), labels={KEY: "ml"}) | {"x": 1},
}  # fmt: skip
EVASIONS["label as annotation"]["request"]["object"]["metadata"]["annotations"] = {KEY: "ml"}
EVASIONS["another kind in the request"]["request"]["kind"] = {"kind": "Deployment"}
EVASIONS["owner claimed by a user"]["request"]["object"]["metadata"]["ownerReferences"] = [{"controller": True}]
EVASIONS["name a map"]["request"]["object"]["metadata"]["name"] = {"a": 1}


@pytest.mark.parametrize("case", EVASIONS)
def test_evasions_are_denied(engine: RegoEngine, packs: list[Bundle], case: str) -> None:
    found = denials(engine, packs, EVASIONS[case])
    assert found
    assert not any("could not be evaluated" in verdict.message for verdict in found)


ALLOWED: dict[str, dict[str, Any]] = {
    "labelled": review(),
    "a service": review("Service", labels={}, spec={"ports": [{"port": 1}]}),
    "a config map without spec": without("object.spec", review("ConfigMap", labels={})),
    "deletion": review(operation="DELETE", object=None),
    "exec into a pod": review("PodExecOptions", operation="CONNECT", object=None),
    "16": review(spec=limits("16")),
    "16.0": review(spec=limits("16.0")),
    "16 GB": review(spec=limits("16G")),
    "16000M": review(spec=limits("16000M")),
    "14Gi": review(spec=limits("14Gi")),
    "another resource": review(spec=limits("80", "nvidia.com/gpu")),
    "a limit range": review("LimitRange", labels={}, spec={"limits": [{"type": "Container", "max": {GPU: 80}}]}),
    "made by a controller": review(
        "Pod", labels={}, spec=pod(), userInfo={"username": "system:serviceaccount:kube-system:replicaset-controller"}
    ),
}
ALLOWED["made by a controller"]["request"]["object"]["metadata"]["ownerReferences"] = [{"controller": True}]


@pytest.mark.parametrize("case", ALLOWED)
def test_the_rest_is_allowed(engine: RegoEngine, packs: list[Bundle], case: str) -> None:
    assert denials(engine, packs, ALLOWED[case]) == []


def test_one_violation_is_told_once(engine: RegoEngine, packs: list[Bundle]) -> None:
    both = review(spec={"template": {"spec": pod({"limits": {GPU: 80}, "requests": {GPU: 80}})}})
    (only,) = denials(engine, packs, both)
    assert only.message == "container main asks for 80 of GPU memory; at most 16 GB is allowed"
    assert only.resource == "m"


@pytest.mark.parametrize("data", [{"labels": {"cost_center": "team"}}, {"gpu": {"max_memory_gb": 96}}])
def test_the_packs_are_configurable(engine: RegoEngine, files: dict[str, str], data: dict[str, Any]) -> None:
    packs = load(files, {"finops": data})
    labels = {"team": "ml"} if "labels" in data else {KEY: "ml"}
    assert denials(engine, packs, review(labels=labels, spec=limits(12 if "labels" in data else 80))) == []


UNUSABLE = [{"labels": {"cost_center": 5}}, {"gpu": {"max_memory_gb": "96"}}, {"gpu": {"memory_resources": GPU}}]


@pytest.mark.parametrize("data", UNUSABLE)
def test_unusable_configuration_denies(engine: RegoEngine, files: dict[str, str], data: dict[str, Any]) -> None:
    assert denials(engine, load(files, {"finops": data}), review(spec=limits(1)))
