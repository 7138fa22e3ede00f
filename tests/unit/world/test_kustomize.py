"""Kustomize: bases of the same repository are rendered, nothing outside of it is ever read."""

from __future__ import annotations

from pathlib import Path

import pytest

from finops_ai.domain.errors import Rejected, Unavailable
from finops_ai.world import kustomize

KUSTOMIZATION = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
BASE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {size: small}\n"
FILES = {
    "base/kustomization.yaml": KUSTOMIZATION + "resources: [a.yaml]\n",
    "base/a.yaml": BASE,
    "over/prod/kustomization.yaml": KUSTOMIZATION
    + """namespace: prod
resources: [../../base]
patches:
  - patch: |-
      - op: replace
        path: /data/size
        value: large
    target: {kind: ConfigMap}
""",
}

pytestmark = pytest.mark.skipif(kustomize.program() is None, reason="kubectl is not installed")


def test_an_overlay_is_rendered_with_its_base() -> None:
    text = kustomize.render(FILES, "over/prod")
    assert "namespace: prod" in text
    assert "size: large" in text


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("resources: [https://example.com/base.yaml]", "takes from elsewhere"),
        ("resources: ['github.com/org/repo//base?ref=main']", "takes from elsewhere"),
        ("resources: [github.com/org/repo/base]", "takes from elsewhere"),
        ("resources: [../../../etc]", "leads out of the repository"),
        ("configMapGenerator: [{name: x, files: ['p=/etc/passwd']}]", "leads out of the repository"),
        ("configMapGenerator: [{name: x, files: [../../x/../../etc/passwd]}]", "leads out of the repository"),
        ("secretGenerator: [{name: x, envs: [/proc/self/environ]}]", "leads out of the repository"),
        ("patches: [{path: ../../../a}]", "leads out of the repository"),
        ("openapi: {path: /etc/passwd}", "leads out of the repository"),
        ("generators: [g.yaml]", "uses generators"),
        ("resources: [missing.yaml]", "kubectl kustomize"),
        ("resources: [", "not readable as YAML"),
    ],
)
def test_what_is_not_in_the_repository_is_refused(lines: str, said: str) -> None:
    files = {**FILES, "over/prod/kustomization.yaml": KUSTOMIZATION + lines + "\n"}
    with pytest.raises(Rejected, match=said) as refusal:
        kustomize.render(files, "over/prod")
    assert "finops-kustomize-" not in str(refusal.value)


def test_a_path_of_the_repository_cannot_lead_out_of_the_folder() -> None:
    with pytest.raises(Rejected, match="not a path inside"):
        kustomize.render({"../x": "", **FILES}, "base")


def test_without_kubectl_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="kubectl is not installed"):
        kustomize.render(FILES, "base")
