"""Edits of manifests: exactly the intended bytes, or a refusal that says why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from finops_ai.domain.errors import Rejected
from finops_ai.rightsizing.manifest import set_values, values

GOLDEN = Path(__file__).parents[2] / "golden" / "manifests"

SIMPLE = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    spec:
      containers:
      - name: app
        image: x
        resources:
          requests:
            cpu: 500m   # measured in May
            memory: "1Gi"
"""


def edited(
    text: str, changes: dict[str, str], *, kind: str = "Deployment", name: str = "web", container: str = "app"
) -> str:
    return set_values(text, kind=kind, name=name, container=container, changes=changes).text


@pytest.mark.parametrize("case", sorted(path.name for path in GOLDEN.iterdir()))
def test_golden(case: str) -> None:
    folder = GOLDEN / case
    edit = json.loads((folder / "edit.json").read_bytes())
    before = (folder / "input.yaml").read_bytes().decode()
    after = set_values(before, **edit).text
    assert after.encode() == (folder / "expected.yaml").read_bytes()
    assert set_values(after, **edit).text == after


@pytest.mark.shared
def test_shared_cases(shared: Path) -> None:
    cases = sorted((shared / "data" / "yaml-edits").glob("*/edit.json"))
    assert cases
    for case in cases:
        text = (case.parent / "input.yaml").read_bytes().decode()
        expected = (case.parent / "expected.yaml").read_bytes().decode()
        note = json.loads(case.read_bytes()).get("note", "")
        try:
            for edit in json.loads(case.read_bytes())["edits"]:
                target = {part: edit.pop(part) for part in ("kind", "name", "container")}
                text = set_values(text, **target, changes=edit).text
        except Rejected as refusal:
            text = expected if "or refuse" in note and "anchor" in str(refusal) else str(refusal)
        assert text == expected, case.parent.name


@pytest.mark.shared
def test_shared_manifests_change_in_the_intended_bytes_only(shared: Path) -> None:
    edits = 0
    for path in sorted((shared / "data" / "k8s-manifests").rglob("*.yaml")):
        text = path.read_bytes().decode()
        for kind, name, container in _containers(text):
            target = {"kind": kind, "name": name, "container": container}
            done = set_values(text, **target, changes={"requests.cpu": "77m"})
            (span,) = done.spans
            assert done.text == text[: span.start] + span.text + text[span.end :]
            now = values(text, **target).get("requests.cpu")
            assert text[span.start : span.end] == (now or "")
            assert span.text == "77m" if now else span.text.split()[-2:] == ["cpu:", "77m"]
            assert values(done.text, **target) == values(text, **target) | {"requests.cpu": "77m"}
            edits += 1
    assert edits == 15


def _containers(text: str) -> Iterator[tuple[str, str, str]]:
    """Kind, name and container of every pod template, by another way than the engine's."""
    try:
        loaded = list(YAML(typ="safe", pure=True).load_all(text))
    except YAMLError:
        return
    for one in loaded:
        pod = ((one or {}).get("spec") or {}).get("template", {}) if isinstance(one, dict) else {}
        for part in ("containers", "initContainers"):
            for container in (pod.get("spec") or {}).get(part, []) if isinstance(pod, dict) else []:
                yield one["kind"], one["metadata"]["name"], container["name"]


def test_nothing_to_change_changes_nothing() -> None:
    done = set_values(
        SIMPLE,
        kind="Deployment",
        name="web",
        container="app",
        changes={"requests.cpu": "500m", "requests.memory": "1Gi"},
    )
    assert done.text == SIMPLE
    assert done.spans == ()


def test_spans_tell_what_was_replaced() -> None:
    done = set_values(SIMPLE, kind="Deployment", name="web", container="app", changes={"requests.memory": "2Gi"})
    (span,) = done.spans
    assert SIMPLE[span.start : span.end] == "1Gi"
    assert done.text[span.start : span.start + len(span.text)] == "2Gi"


def test_values_as_written() -> None:
    assert values(SIMPLE, kind="Deployment", name="web", container="app") == {
        "requests.cpu": "500m",
        "requests.memory": "1Gi",
    }


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["", "newline"])
def test_line_ends_bom_and_missing_last_newline_stay(newline: str, bom: str, end: str) -> None:
    text = bom + SIMPLE.rstrip("\n").replace("\n", newline) + (newline if end else "")
    after = edited(text, {"requests.cpu": "200m", "limits.cpu": "1"})
    inserted = f"          limits:{newline}            cpu: 1{newline}"
    opened = f"        resources:{newline}"
    assert after == text.replace("500m", "200m").replace(opened, opened + inserted)


def test_last_line_without_newline_takes_an_insertion() -> None:
    text = SIMPLE.split("        resources:")[0].rstrip("\n")
    assert (
        edited(text, {"limits.memory": "1Gi"})
        == text + "\n        resources:\n          limits:\n            memory: 1Gi"
    )


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("Pod", "kind: Pod\nspec: {", "}"),
        ("CronJob", "kind: CronJob\nspec: {jobTemplate: {spec: {template: {spec: {", "}}}}}"),
        ("Rollout", "kind: Rollout\nspec: {template: {spec: {", "}}}"),
        ("DaemonSet", "kind: DaemonSet\nspec: {template: {spec: {initContainers: [{name: x}], ", "}}}"),
    ],
)
def test_every_kind_with_a_pod_template(kind: str, before: str, after: str) -> None:
    text = f"metadata: {{name: web}}\n{before}containers: [{{name: app, resources: {{limits: {{cpu: 1}}}}}}]{after}\n"
    assert edited(text, {"limits.cpu": "2"}, kind=kind) == text.replace("cpu: 1", "cpu: 2")


def test_a_list_of_objects_and_init_containers() -> None:
    text = (
        "kind: List\nitems:\n- kind: Job\n  metadata: {name: web}\n"
        "  spec: {template: {spec: {initContainers: [{name: app}]}}}\n"
    )
    assert edited(text, {"requests.cpu": "1"}, kind="Job") == text.replace(
        "{name: app}", "{name: app, resources: {requests: {cpu: 1}}}"
    )


def test_namespace_tells_two_apart() -> None:
    one = SIMPLE.replace("  name: web\n", "  name: web\n  namespace: a\n")
    two = SIMPLE.replace("  name: web\n", "  name: web\n  namespace: b\n")
    target = {"kind": "Deployment", "name": "web", "container": "app", "changes": {"requests.cpu": "1m"}}
    after = set_values(f"{one}---\n{two}", **target, namespace="b").text
    assert after == f"{one}---\n{two.replace('500m', '1m')}"
    with pytest.raises(Rejected, match="declared 2 times"):
        set_values(f"{one}---\n{two}", **target)


ANCHORED = SIMPLE.replace("resources:", "resources: &r") + "      - name: other\n        resources: *r\n"
MERGED = SIMPLE.replace("            cpu: 500m   # measured in May\n", "            <<: *defaults\n")
REFUSED = {
    "template": (SIMPLE.replace("image: x", 'image: "{{ .Values.image }}"'), "template"),
    "jinja": (SIMPLE + "# {% if x %}\n", "template"),
    "generated": ("# Code generated by kubebuilder. DO NOT EDIT.\n" + SIMPLE, "generated"),
    "rendered by helm": ("---\n# Source: shop/templates/web.yaml\n" + SIMPLE, "generated"),
    "shared anchor": (ANCHORED, "anchor"),
    "anchored value": (SIMPLE.replace("cpu: 500m", "cpu: &c 500m"), "anchor or a tag"),
    "tagged value": (SIMPLE.replace("cpu: 500m", "cpu: !!str 500m"), "anchor or a tag"),
    "merge key": ("x-d: &defaults {cpu: 1}\n" + MERGED, "merge key"),
    "no such workload": (SIMPLE.replace("name: web", "name: other"), "no Deployment web"),
    "no such container": (SIMPLE.replace("name: app", "name: main"), "no container app"),
    "twice": (SIMPLE + "---\n" + SIMPLE, "declared 2 times"),
    "container twice": (SIMPLE + "      - name: app\n", "2 containers named app"),
    "key twice": (SIMPLE + "            cpu: 1\n", "stands twice"),
    "not YAML": (SIMPLE + "   x: [\n", "not readable as YAML"),
    "tab as indentation": (SIMPLE.replace("        image", "\timage"), "not readable as YAML"),
    "no pod template": ("kind: Deployment\nmetadata: {name: web}\nspec: {}\n", "no pod template"),
    "not a quantity": (SIMPLE.replace("500m", "${CPU}"), "not a Kubernetes quantity"),
    "block scalar": (SIMPLE.replace("500m   # measured in May", "|-\n              500m"), "not a plain or"),
    "escapes": (SIMPLE.replace("500m   # measured in May", '"5\\u00300m"'), "escapes"),
    "requests is a list": (SIMPLE.split("            cpu")[0] + "            - 1\n", "not a mapping"),
    "endless nesting": ("a: " + "[" * 5000 + "\n", "deeply"),
    "control character": (SIMPLE + "# \x07\n", "not readable as YAML"),
    "only a text": ("hello", "no Deployment web"),
    "empty": ("", "no Deployment web"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_a_reason(case: str) -> None:
    text, reason = REFUSED[case]
    with pytest.raises(Rejected, match=reason):
        edited(text, {"requests.cpu": "200m"})


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("requests", "1", "is not requests.NAME"),
        ("replicas", "1", "is not requests.NAME"),
        ("requests.cpu: 1\nx", "1", "is not requests.NAME"),
        ("requests.cpu", "1 # x", "not a Kubernetes quantity"),
        ("limits.cpu", "-1", "negative"),
    ],
)
def test_only_quantities_of_requests_and_limits(path: str, value: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        edited(SIMPLE, {path: value})


def test_an_anchor_that_nothing_shares_is_no_obstacle() -> None:
    text = SIMPLE.replace("    spec:\n      containers", "    spec: &pod\n      containers")
    assert edited(text, {"requests.cpu": "200m"}) == text.replace("500m", "200m")


def test_aliases_elsewhere_do_not_blow_up() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(24)
    )
    text = f"{bomb}---\n{SIMPLE}"
    assert edited(text, {"requests.cpu": "200m"}) == text.replace("500m", "200m")
