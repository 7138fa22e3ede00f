"""Edits by path: a chart's values, releases, patches, and YAML inside a text of YAML."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finops_ai.domain.errors import Rejected
from finops_ai.rightsizing.manifest import set_paths, set_values, value_at

VALUES = """\
# -- Name template: {{ .Release.Name }}
nameTemplate: '{{ .Release.Name }}-x'  # filled in by tpl
web:
  resources:  # per pod
    requests: {cpu: 500m, memory: "1Gi"}
  replicas: 2
models:
- name: llama3
  requestCPU: 10
  limits: {}
- name: mistral
  requestCPU: 10
empty:
odd: ${CPU}
"""

APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: shop}
spec:
  source:
    helm:
      valuesObject:
        web:
          resources:
            requests:
              cpu: 500m
      values: |
        # kept
        web:
          resources:
            requests:
              cpu: "500m"   # measured

          replicas: 2
    path: charts/shop
"""


@pytest.mark.parametrize(
    ("path", "value", "before", "after"),
    [
        ("web.resources.requests.cpu", "250m", "cpu: 500m", "cpu: 250m"),
        ("web.resources.requests.memory", "2Gi", '"1Gi"', '"2Gi"'),
        ("web.replicas", "3", "replicas: 2", "replicas: 3"),
        ("models[name=mistral].requestCPU", "8", "mistral\n  requestCPU: 10", "mistral\n  requestCPU: 8"),
        ("models[0].requestCPU", "8", "llama3\n  requestCPU: 10", "llama3\n  requestCPU: 8"),
        ("web.resources.requests.nvidia.com/gpu", "1", '"1Gi"}', '"1Gi", nvidia.com/gpu: "1"}'),
        (
            "web.resources.limits.cpu",
            "1",
            "  # per pod\n",
            "  # per pod\n    limits:\n      cpu: 1\n",
        ),
    ],
)
def test_a_value_of_a_chart(path: str, value: str, before: str, after: str) -> None:
    done = set_paths(VALUES, {path: value})
    assert VALUES.count(before) == 1
    assert done.text.replace('"1"', "1") == VALUES.replace(before, after).replace('"1"', "1")
    assert value_at(done.text, path) == value


def test_a_base_and_several_values() -> None:
    done = set_paths(VALUES, {"requests.cpu": "1", "requests.memory": "2Gi"}, base="web.resources")
    assert done.text == VALUES.replace("cpu: 500m", "cpu: 1").replace('"1Gi"', '"2Gi"')


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("wbe.resources.requests.cpu", "did you mean web"),
        ("web.requests.cpu", "no key requests"),
        ("web.replica", "did you mean replicas"),
        ("models.requestCPU", "not a mapping but a list; choose an item, such as .name=llama3"),
        ("models[name=phi].requestCPU", "0 items of the list have name phi"),
        ("models[7].requestCPU", "there is no .7"),
        ("web.replicas.x", "not a mapping or list"),
        ("odd", "filled in elsewhere"),
        ("nameTemplate", "filled in elsewhere"),
        ("web..resources", "no path such as"),
        ("", "two changes|no path"),
    ],
)
def test_a_path_that_leads_nowhere_says_what_there_is(path: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        set_paths(VALUES, {path: "1"})


@pytest.mark.parametrize("value", ["1 # x", "a: b", "'", "{}", "-1", "", "x\ny"])
def test_only_plain_words_are_written(value: str) -> None:
    with pytest.raises(Rejected):
        set_paths(VALUES, {"web.replicas": value})


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_values_of_an_application_as_object_and_as_text(newline: str) -> None:
    text = APPLICATION.replace("\n", newline)
    place = {"kind": "Application", "name": "shop"}
    base = "spec.source.helm.valuesObject.web.resources"
    assert set_paths(text, {"requests.cpu": "250m"}, base=base, **place).text == text.replace(
        f"cpu: 500m{newline}", f"cpu: 250m{newline}"
    )
    done = set_paths(text, {"requests.cpu": "250m"}, base="spec.source.helm.values.web.resources", **place)
    assert done.text == text.replace('"500m"', '"250m"')
    done = set_paths(text, {"limits.memory": "1Gi"}, base="spec.source.helm.values.web.resources", **place)
    opened = f"        web:{newline}          resources:{newline}"
    head, tail = text[: text.rindex(opened)], text[text.rindex(opened) + len(opened) :]
    inserted = f'            limits:{newline}              memory: "1Gi"{newline}'
    assert done.text == head + opened + inserted + tail


def test_a_text_without_a_last_line_end_takes_an_insertion_at_its_end() -> None:
    text = "data:\n  values.yaml: |-\n    web:\n      resources:\n        requests:\n          cpu: 1\n  other: x\n"
    done = set_paths(text, {"memory": "1Gi"}, base='data["values.yaml"].web.resources.requests')
    assert done.text == text.replace("cpu: 1\n", "cpu: 1\n          memory: 1Gi\n")


def test_a_folded_text_is_refused() -> None:
    with pytest.raises(Rejected, match="folded"):
        set_paths("a: >\n  web: 1\n", {"a.web": "2"})


KUSTOMIZATION = """\
kind: Kustomization
resources: [../base]
patches:
- patch: |-
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: web
    spec:
      template:
        spec:
          containers:
          - name: app
            resources:
              requests:
                cpu: 500m   # prod
- target: {kind: Deployment, name: api}
  patch: |
    - op: replace
      path: /spec/template/spec/containers/0/resources/requests/cpu
      value: 300m
"""


def test_an_inline_patch_of_a_kustomization() -> None:
    done = set_values(KUSTOMIZATION, kind="Deployment", name="web", container="app", changes={"requests.cpu": "1"})
    assert done.text == KUSTOMIZATION.replace("cpu: 500m", "cpu: 1")
    assert set_paths(KUSTOMIZATION, {"patches[1].patch[0].value": "250m"}).text == KUSTOMIZATION.replace("300m", "250m")
    with pytest.raises(Rejected, match=r"patches.0..patch.0..value"):
        set_values(KUSTOMIZATION, kind="Deployment", name="api", container="app", changes={"requests.cpu": "1"})


def test_json_stays_json() -> None:
    text = json.dumps(
        {
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {"template": {"spec": {"containers": [{"name": "app", "resources": {"limits": {"cpu": "1"}}}]}}},
        },
        indent=2,
    )
    done = set_values(
        text, kind="Deployment", name="web", container="app", changes={"requests.cpu": "200m", "limits.memory": "1Gi"}
    )
    resources = json.loads(done.text)["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert resources == {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "200m"}}


def test_tabs_between_tokens_stay() -> None:
    text = "kind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - name: app\t# x\n    resources:\n" + (
        "      requests:\n        cpu:\t500m\t# why\n\t\n        memory: 1Gi\n"
    )
    done = set_values(text, kind="Pod", name="web", container="app", changes={"requests.cpu": "1"})
    assert done.text == text.replace("500m", "1")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("ClusterServingRuntime", "spec:\n  containers:\n  - name: app\n    args:\n    - --model_name={{.Name}}\n"),
        ("InferenceService", "spec:\n  predictor:\n    containers:\n    - name: app\n      image: x\n"),
        ("ScaledJob", "spec:\n  jobTargetRef:\n    template:\n      spec:\n        containers:\n        - name: app\n"),
        ("RayCluster", "spec:\n  workerGroupSpecs:\n  - template: {spec: {containers: [{name: app}]}}\n"),
    ],
)
def test_containers_of_custom_resources(kind: str, text: str) -> None:
    text = f"kind: {kind}\nmetadata:\n  name: web\n{text}"
    done = set_values(text, kind=kind, name="web", container="app", changes={"requests.cpu": "1"})
    assert len(done.spans) == 1


def test_the_model_of_an_inference_service_is_its_container() -> None:
    text = "kind: InferenceService\nmetadata: {name: web}\nspec:\n  predictor:\n    model:\n      runtime: x\n"
    done = set_values(
        text, kind="InferenceService", name="web", container="kserve-container", changes={"requests.cpu": "1"}
    )
    assert done.text == text + "      resources:\n        requests:\n          cpu: 1\n"


def test_alerts_with_placeholders_in_the_same_file_are_no_template() -> None:
    text = (
        'kind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: app}]}\n---\nkind: Rule\nx: "{{ $labels.pod }}"\n'
    )
    assert set_values(text, kind="Pod", name="web", container="app", changes={"requests.cpu": "1"}).spans


@pytest.mark.shared
def test_every_shared_chart_value_changes_in_its_own_bytes_only(shared: Path) -> None:
    """Every scalar that names CPU, memory or a count, in every file of values, release or custom resource."""
    folder = shared / "data" / "k8s-manifests"
    cases = 0
    for path in sorted(folder.rglob("*.yaml")):
        text = path.read_bytes().decode()
        if "values" not in path.name:
            continue
        release = {"kind": "HelmRelease", "name": "podinfo"} if "kind: HelmRelease" in text else {}
        for where, value in _numbers(text):
            done = set_paths(text, {where: "77"}, **release)
            (span,) = done.spans
            assert (text[span.start : span.end], span.text) == (value, "77")
            assert done.text == text[: span.start] + "77" + text[span.end :]
            cases += 1
    assert cases >= 44


def _numbers(text: str) -> list[tuple[str, str]]:
    import re

    import yaml

    found: list[tuple[str, str]] = []

    def walk(node: yaml.Node, path: str) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                walk(value, f'{path}["{key.value}"]')
        elif isinstance(node, yaml.SequenceNode):
            for i, item in enumerate(node.value):
                walk(item, f"{path}[{i}]")
        elif re.search(r"cpu|mem|replica|gpu|storage", path.lower()) and re.fullmatch(r"\d+[a-zA-Z]*", node.value):
            found.append((path, node.value))

    for root in yaml.compose_all(text, Loader=yaml.SafeLoader):
        walk(root, "")
    return found


LIMITED = """\
web:
  resources: {requests: {cpu: 500m}, limits: {cpu: 1, memory: 1Gi}}
held: |
  resources: {requests: {cpu: 500m}, limits: {cpu: 1}}
side:
  resources: {requests: {cpu: 3}, limits: {cpu: 2, memory: chart-default}}
"""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"web.resources.requests.cpu": "2"}, "requests.cpu would be 2, above limits.cpu of 1"),
        ({"web.resources.limits.cpu": "400m"}, "requests.cpu would be 500m, above limits.cpu of 400m"),
        ({"web.resources.requests.memory": "2Gi"}, "set limits.memory too"),
        ({"held.resources.requests.cpu": "2"}, "requests.cpu would be 2, above limits.cpu of 1"),
        ({"side.resources.limits.cpu": "1"}, "set requests.cpu too"),
        ({"web.resources.requests.cpu": "1000m"}, ""),
        ({"web.resources.requests.cpu": "2", "web.resources.limits.cpu": "2"}, ""),
        ({"side.resources.requests.memory": "1Gi"}, ""),
    ],
)
def test_a_request_above_its_limit_is_told(changes: dict[str, str], told: str) -> None:
    done = set_paths(LIMITED, changes)
    assert bool(done.over) == bool(told)
    assert told in " ".join(done.over)
