"""Where a Kustomize build's values are written: base or patch, and what is refused because others share it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from finops_ai.domain.errors import Rejected
from finops_ai.domain.money import Money
from finops_ai.domain.proposal import Change, Recommendation, Saving
from finops_ai.domain.usage import Workload
from finops_ai.rightsizing.propose import edit
from finops_ai.rightsizing.settings import Place

BASE = """\
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
      - name: proxy
      - name: app
        resources:
          requests:
            cpu: 500m
            memory: 1Gi
"""
PATCH = """\
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
      - name: app
        resources:
          requests:
            cpu: 800m   # for prod
"""
INLINE = "- patch: |-\n" + "".join(f"    {line}\n" for line in PATCH.splitlines())
JSON = (
    "- target: {kind: Deployment, name: web}\n  patch: |-\n    - op: replace\n"
    "      path: /spec/template/spec/containers/1/resources/requests/cpu\n      value: 800m\n"
)


def kustomization(*resources: str, patches: str = "", more: str = "") -> str:
    listed = "".join(f"- {one}\n" for one in resources)
    return f"kind: Kustomization\n{more}resources:\n{listed}" + (f"patches:\n{patches}" if patches else "")


def recommendation(now: str, proposed: str = "250m", path: str = "requests.cpu", cluster: str = "eu") -> Recommendation:
    nothing = Money(Decimal(0), "USD")
    return Recommendation(
        workload=Workload(cluster, "shop", "Deployment", "web"),
        changes=(Change(container="app", path=path, now=now, proposed=proposed),),
        saving=Saving(low=nothing, high=nothing, rate="x"),
        evidence={},
        risk="low",
        reasons=(),
        strategy="steady",
    )


def edited(files: dict[str, str], wanted: Recommendation) -> dict[str, str]:
    _, edits = edit(wanted, files)
    return {one.path: one.after for one in edits}


def test_one_overlay_without_a_patch_edits_the_base() -> None:
    files = {"base/web.yaml": BASE, "base/kustomization.yaml": kustomization("web.yaml")}
    files["prod/kustomization.yaml"] = kustomization("../base", more="namespace: shop\n")
    assert edited(files, recommendation("500m")) == {"base/web.yaml": BASE.replace("500m", "250m")}


@pytest.mark.parametrize(
    ("patches", "extra"),
    [("- path: web.yaml\n", {"prod/web.yaml": PATCH}), (INLINE, {}), (JSON, {})],
    ids=["file", "inline", "json"],
)
def test_the_last_patch_that_sets_the_value_is_edited(patches: str, extra: dict[str, str]) -> None:
    prod = kustomization("../base", patches=patches)
    files = {"base/web.yaml": BASE, "base/kustomization.yaml": kustomization("web.yaml"), **extra}
    files["prod/kustomization.yaml"] = prod
    files["staging/kustomization.yaml"] = kustomization("../base")
    (file,) = extra or ("prod/kustomization.yaml",)
    assert edited(files, recommendation("800m")) == {file: files[file].replace("800m", "250m")}


def test_what_other_overlays_share_is_patched_not_changed() -> None:
    files = {"base/web.yaml": BASE, "base/kustomization.yaml": kustomization("web.yaml")}
    files["staging/kustomization.yaml"] = kustomization("../base", more="namespace: test\n")
    files["prod/kustomization.yaml"] = kustomization("../base", more="namespace: shop\n")
    with pytest.raises(Rejected, match=r"comes from base/web.yaml, which other overlays share; add a patch .* to prod"):
        edit(recommendation("500m"), files)
    files["prod/kustomization.yaml"] = kustomization("../base", patches=INLINE, more="namespace: shop\n")
    after = edited(files, recommendation("1Gi", "512Mi", path="requests.memory"))
    assert list(after) == ["prod/kustomization.yaml"]
    inserted = "                cpu: 800m   # for prod\n                memory: 512Mi\n"
    before = files["prod/kustomization.yaml"]
    assert after["prod/kustomization.yaml"] == before.replace("                cpu: 800m   # for prod\n", inserted)


def test_the_cluster_names_its_overlay_where_several_run_the_same() -> None:
    files = {"base/web.yaml": BASE, "base/kustomization.yaml": kustomization("web.yaml")}
    for cluster in ("eu", "us"):
        files[f"clusters/{cluster}/kustomization.yaml"] = kustomization("../../base", patches=INLINE)
    assert list(edited(files, recommendation("800m", cluster="us"))) == ["clusters/us/kustomization.yaml"]
    with pytest.raises(Rejected, match="2 overlays that could be meant: clusters/eu, clusters/us"):
        edit(recommendation("800m", cluster="asia"), files)


def test_a_patch_of_many_is_refused() -> None:
    broad = "- target: {kind: Deployment}\n  patch: |-\n" + INLINE.split("\n", 1)[1]
    files = {"base/web.yaml": BASE, "base/kustomization.yaml": kustomization("web.yaml")}
    files["prod/kustomization.yaml"] = kustomization("../base", patches=broad)
    with pytest.raises(Rejected, match="may hit other objects"):
        edit(recommendation("800m"), files)


def test_prefixes_are_taken_off() -> None:
    files = {
        "base/api.yaml": BASE.replace("name: web", "name: eb"),
        "base/kustomization.yaml": kustomization("api.yaml"),
        "prod/kustomization.yaml": kustomization("../base", more="namePrefix: w\n"),
    }
    assert list(edited(files, recommendation("500m"))) == ["base/api.yaml"]


def test_what_cannot_be_read_elsewhere_stops_nothing() -> None:
    files = {"base/web.yaml": BASE, "base/kustomization.yaml": kustomization("web.yaml", "templated.yaml")}
    files |= {"base/templated.yaml": "{{- if web }}\nkind: Deployment\n", "other/kustomization.yaml": "{{- x }}\n"}
    files["prod/kustomization.yaml"] = kustomization("../base", patches="- path: missing.yaml\n")
    assert list(edited(files, recommendation("500m"))) == ["base/web.yaml"]


def test_git_and_cluster_disagree() -> None:
    files = {"base/web.yaml": BASE, "base/kustomization.yaml": kustomization("web.yaml")}
    with pytest.raises(Rejected, match="Git and the cluster differ"):
        edit(recommendation("700m"), files)


VALUES = """\
models:
- name: llama
  requestCPU: 10   # per pod
- name: phi
  requestCPU: 10
web: {resources: {requests: {cpu: 500m}}}
"""
RELEASE = """\
kind: HelmRelease
metadata: {name: shop}
spec:
  values:
    web:
      resources:
        requests:
          cpu: 500m
"""


@pytest.mark.parametrize(
    ("place", "file", "text", "now", "after"),
    [
        ({"path": "web.resources"}, "values.yaml", VALUES, "500m", VALUES.replace("cpu: 500m", "cpu: 250m")),
        (
            {"paths": {"requests.cpu": "models[name=phi].requestCPU"}},
            "values.yaml",
            VALUES,
            "10",
            VALUES.replace("phi\n  requestCPU: 10", "phi\n  requestCPU: 250m"),
        ),
        (
            {"path": "spec.values.web.resources", "kind": "HelmRelease", "name": "shop"},
            "release.yaml",
            RELEASE,
            "500m",
            RELEASE.replace("500m", "250m"),
        ),
    ],
)
def test_a_chart_is_edited_where_its_place_is_told(
    place: dict[str, object], file: str, text: str, now: str, after: str
) -> None:
    places = [Place.model_validate({"workload": "*/shop/Deployment/w*", "file": file, **place})]
    _, edits = edit(recommendation(now), {file: text}, places)
    assert [(one.path, one.after) for one in edits] == [(file, after)]


def test_a_place_that_is_not_there_or_does_not_say_all() -> None:
    places = [Place(workload="*", file="values.yaml", paths={"requests.cpu": "web.resources.requests.cpu"})]
    with pytest.raises(Rejected, match="is not among the manifests"):
        edit(recommendation("500m"), {}, places)
    unset = replace(
        recommendation("500m"), changes=(Change(container="app", path="limits.cpu", now=None, proposed="1"),)
    )
    with pytest.raises(Rejected, match=r"does not say where limits.cpu stands"):
        edit(unset, {"values.yaml": VALUES}, places)
    with pytest.raises(Rejected, match=r"name its values in recommend.strategy.places"):
        edit(recommendation("500m"), {"values.yaml": VALUES})
    with pytest.raises(ValueError, match="say where the values stand"):
        Place(workload="*", file="values.yaml")
