"""Values and replica counts that kustomizations, Flux and Argo CD lay over the files."""

from __future__ import annotations

import pytest

from finops_ai.domain.errors import Rejected
from finops_ai.domain.usage import Workload
from finops_ai.rightsizing.manifest.replicas import replicas
from finops_ai.rightsizing.manifest.truth import set_object
from finops_ai.rightsizing.propose import edit
from finops_ai.rightsizing.settings import Place
from tests.unit.rightsizing.test_truth import BASE, PATCH, edited, kustomization, recommendation

WEB = Workload("eu", "shop", "Deployment", "web")
COUNTED = BASE.replace("spec:\n  template", "spec:\n  replicas: 2\n  template", 1)
OPERATION = "- op: replace\n  path: /spec/template/spec/containers/1/resources/requests/cpu\n  value: 800m\n"


def indented(text: str, by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in text.splitlines())


def flux(patch: str, *, path: str = "./apps", target: str = "{kind: Deployment, name: web}", style: str = "|") -> str:
    return (
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps}\nspec:\n"
        f"  path: {path}  # of this repository\n  targetNamespace: shop\n  patches:\n"
        f"  - target: {target}\n    patch: {style}\n{indented(patch, 6)}"
    )


def argo(kustomize: str = "", helm: str = "", path: str = "apps") -> str:
    text = (
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: web}\nspec:\n"
        f"  destination: {{namespace: shop}}\n  source:\n    path: {path}\n"
    )
    return text + (f"    kustomize:\n{kustomize}" if kustomize else "") + (f"    helm:\n{helm}" if helm else "")


PLAIN = {"apps/web.yaml": BASE}
BUILT = {**PLAIN, "apps/kustomization.yaml": kustomization("web.yaml", more="namespace: shop\n")}


@pytest.mark.parametrize("files", [PLAIN, BUILT], ids=["plain", "kustomize"])
@pytest.mark.parametrize("patch", [PATCH, OPERATION], ids=["strategic", "json6902"])
@pytest.mark.parametrize("by", ["flux", "argo"])
def test_a_patch_of_what_delivers_is_the_truth(files: dict[str, str], patch: str, by: str) -> None:
    laid = (
        flux(patch)
        if by == "flux"
        else argo(
            f"      patches:\n      - target: {{kind: Deployment, name: web}}\n        patch: |\n{indented(patch, 10)}"
        )
    )
    known = {**files, "clusters/eu/apps.yaml": laid}
    assert edited(known, recommendation("800m")) == {"clusters/eu/apps.yaml": laid.replace("800m", "250m")}
    with pytest.raises(Rejected, match=r"requests.cpu of app is 800m, it runs with 500m"):
        edited(known, recommendation("500m"))


def test_what_it_does_not_set_stays_in_the_files() -> None:
    known = {**BUILT, "clusters/eu/apps.yaml": flux(PATCH)}
    assert edited(known, recommendation("1Gi", "512Mi", "requests.memory")) == {
        "apps/web.yaml": BASE.replace("1Gi", "512Mi")
    }


@pytest.mark.parametrize(
    "other",
    [
        flux(PATCH, path="./elsewhere"),
        flux(PATCH).replace("targetNamespace: shop", "targetNamespace: other"),
        flux(PATCH, target="{kind: StatefulSet, name: web}"),
        flux(PATCH).replace("kustomize.toolkit", "toolkit.example"),
    ],
)
def test_what_delivers_other_things_does_not_count(other: str) -> None:
    known = {**BUILT, "clusters/eu/apps.yaml": other}
    assert list(edited(known, recommendation("500m"))) == ["apps/web.yaml"]


def test_a_patch_of_many_objects_is_refused_with_its_place() -> None:
    known = {**BUILT, "clusters/eu/apps.yaml": flux(PATCH, target="{kind: Deployment}")}
    with pytest.raises(
        Rejected, match=r"Kustomization apps \(clusters/eu/apps.yaml\) patches other .* spec.patches\[0\]"
    ):
        edited(known, recommendation("800m"))


def test_a_patch_that_cannot_be_edited_is_refused_with_its_place() -> None:
    folded = flux(OPERATION.replace("\n", "\n\n").rstrip("\n") + "\n", style=">")
    known = {**BUILT, "clusters/eu/apps.yaml": folded}
    with pytest.raises(Rejected, match=r"sets requests.cpu at spec.patches\[0\].patch.*folded"):
        edited(known, recommendation("800m"))


def test_of_two_clusters_the_one_that_runs_is_changed() -> None:
    us, eu = flux(PATCH.replace("800m", "900m")), flux(PATCH)
    known = {**BUILT, "clusters/us/apps.yaml": us, "clusters/eu/apps.yaml": eu}
    assert list(edited(known, recommendation("800m"))) == ["clusters/eu/apps.yaml"]
    same = {**BUILT, "clusters/us/apps.yaml": eu, "clusters/eu/apps.yaml": eu}
    assert list(edited(same, recommendation("800m"))) == ["clusters/eu/apps.yaml"]
    with pytest.raises(Rejected, match="which one runs is in doubt"):
        edited(same, recommendation("800m", cluster="asia"))


VALUES = "      valuesObject:\n        web: {resources: {requests: {cpu: 500m}}}\n"
PARAMETER = '      parameters:\n      - {name: web.resources.requests.cpu, value: "800m"}\n'


@pytest.mark.parametrize(("helm", "runs"), [(VALUES, "500m"), (VALUES + PARAMETER, "800m")])
def test_a_parameter_of_an_application_goes_before_its_values(helm: str, runs: str) -> None:
    text = argo(helm=helm)
    places = [
        Place(
            workload="*", file="web.yaml", kind="Application", name="web",
            path="spec.source.helm.valuesObject.web.resources",
        )
    ]  # fmt: skip
    _, (one,) = edit(recommendation(runs), {"web.yaml": text}, places)
    assert one.after == text.replace(runs, "250m")


def test_a_chart_is_refused_with_the_places_that_hold_resources() -> None:
    release = (
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: shop, namespace: shop}\n"
        "spec: {values: {web: {resources: {requests: {cpu: 500m}}}}}\n"
    )
    files = {"release.yaml": release, "app.yaml": argo(helm=PARAMETER)}
    with pytest.raises(Rejected) as told:
        edit(recommendation("500m"), files)
    assert "HelmRelease shop (release.yaml) at spec.values.web.resources" in str(told.value)
    assert "Application web (app.yaml) at spec.source.helm.parameters[name=web.resources.requests.cpu]" in str(
        told.value
    )
    with pytest.raises(Rejected) as elsewhere:
        edit(recommendation("500m"), {"release.yaml": release.replace("namespace: shop", "namespace: other")})
    assert "HelmRelease" not in str(elsewhere.value)


OVERLAY = {
    "base/web.yaml": COUNTED,
    "base/kustomization.yaml": kustomization("web.yaml"),
    "prod/kustomization.yaml": kustomization("../base", more="namespace: shop\n"),
}
SCALE = "kind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n"
INLINE_SCALE = "- patch: |\n" + indented(SCALE, 4)
JSON_SCALE = (
    "- target: {kind: Deployment, name: web}\n  patch: |\n    - {op: replace, path: /spec/replicas, value: 3}\n"
)
COUNT = "replicas:\n- {name: other, count: 9}\n- {name: web, count: 5}  # for the sale\n"


@pytest.mark.parametrize(
    ("more", "file", "count", "path"),
    [
        ("", "base/web.yaml", "2", "spec.replicas"),
        (f"patches:\n{INLINE_SCALE}", "prod/kustomization.yaml", "3", "patches[0].patch.spec.replicas"),
        (f"patches:\n{JSON_SCALE}", "prod/kustomization.yaml", "3", "patches[0].patch[0].value"),
        (COUNT, "prod/kustomization.yaml", "5", "replicas[1].count"),
        (f"{COUNT}patches:\n{INLINE_SCALE}", "prod/kustomization.yaml", "5", "replicas[1].count"),
    ],
)
def test_the_last_word_on_replicas_counts_and_is_changed(more: str, file: str, count: str, path: str) -> None:
    files = {**OVERLAY, "prod/kustomization.yaml": OVERLAY["prod/kustomization.yaml"] + more}
    found = replicas(files, WEB)
    assert found is not None
    assert (found.file, found.count, found.path) == (file, count, path)
    before, after = files[file], set_object(files, WEB, {"spec.replicas": "7"})[file]
    changed = [(old, new) for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert [old.replace(count, "7", 1) for old, _ in changed] == [new for _, new in changed]
    assert len(changed) == 1
    again = replicas({**files, file: after}, WEB)
    assert again is not None
    assert again.count == "7"


def test_an_application_has_the_last_word_on_replicas() -> None:
    files = {**OVERLAY, "app.yaml": argo("      replicas:\n      - {name: web, count: 4}\n", path="prod")}
    found = replicas(files, WEB)
    assert found is not None
    assert (found.file, found.path, found.count) == ("app.yaml", "spec.source.kustomize.replicas[0].count", "4")
    (after,) = set_object(files, WEB, {"spec.replicas": "7"}).values()
    assert after == files["app.yaml"].replace("count: 4", "count: 7")


def test_in_doubt_nothing_is_said_of_replicas() -> None:
    two = {**OVERLAY, "dev/kustomization.yaml": kustomization("../base", more=COUNT)}
    assert replicas(two, WEB) is None
    named = {path.replace("prod/", "eu/"): text for path, text in two.items()}
    found = replicas(named, WEB)
    assert found is not None
    assert found.count == "2"
    assert replicas({"web.yaml": BASE}, WEB) is None
    assert replicas({}, WEB) is None
