"""Git against a cluster: what is drift, what is somebody's task, whose hand it was and what it costs."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.domain.drift import CHANGED, MISSING, OUT_OF_SYNC, UNMANAGED, Drift
from finops_ai.domain.errors import Malformed
from finops_ai.domain.usage import Workload
from finops_ai.jobs.drift import reason, row
from finops_ai.rightsizing.drift import Index, documents, find
from finops_ai.rightsizing.drift.compare import compare
from finops_ai.rightsizing.settings import Prices

PRICES = Prices(cpu_core_hour=Decimal("0.03"), memory_gib_hour=Decimal("0.004"), rate="list")
MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: {finops.example/cost-center: search, app: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: app
          image: web:1
          ports: [{containerPort: 8080}]
          env: [{name: EMPTY, value: ""}, {name: LEVEL, value: "3"}]
          resources:
            requests: {cpu: "1", memory: 1Gi}
            limits: {memory: 1Gi}
"""


def git() -> dict[str, Any]:
    (found,) = documents(MANIFEST, "web.yaml")
    return copy.deepcopy(dict(found))


def running() -> dict[str, Any]:
    """What a server makes of the manifest: defaults everywhere, quantities in its own words."""
    live = git()
    live["metadata"] |= {"uid": "u", "generation": 4, "annotations": {"deployment.kubernetes.io/revision": "4"}}
    live["spec"] |= {"progressDeadlineSeconds": 600, "strategy": {"type": "RollingUpdate"}}
    pod = live["spec"]["template"]["spec"]
    pod |= {
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }
    app = pod["containers"][0]
    app |= {"imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log"}
    app["ports"] = [{"containerPort": 8080, "protocol": "TCP"}]
    app["env"] = [{"name": "LEVEL", "value": "3"}, {"name": "EMPTY"}]
    app["resources"] = {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"memory": "1073741824"}}
    pod["containers"].insert(0, {"name": "istio-proxy", "image": "proxy:2"})
    live["status"] = {"replicas": 2}
    return live


def looked(live: dict[str, Any] | None, *others: dict[str, Any], desired: dict[str, Any] | None = None) -> list[Drift]:
    here = Index.of([live] if live else [])
    there = Index.of([*(here.objects.values()), *others])
    wanted = Index.of([desired or git()])
    return find("prod", wanted, there, prices=PRICES, owner_keys=("cost-center",))


def edited(manager: str = "kubectl-edit") -> dict[str, Any]:
    live = running()
    live["spec"]["template"]["spec"]["containers"][1]["resources"]["requests"]["cpu"] = "3"
    fields = {"f:resources": {"f:requests": {"f:cpu": {}}}}
    owned = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"app"}': fields}}}}}
    live["metadata"]["managedFields"] = [
        {"manager": "argocd-controller", "time": "2026-04-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": manager, "operation": "Update", "time": "2026-04-02T03:04:05Z", "fieldsV1": owned},
    ]
    return live


def application(status: str, **spec: Any) -> dict[str, Any]:
    resource = {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web", "status": status}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "shop", "namespace": "argocd"},
        "spec": spec,
        "status": {"sync": {"status": status}, "resources": [resource]},
    }


def flux(ready: str, **spec: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready, "message": "kustomize build failed"}]
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "apps", "namespace": "flux-system"},
        "spec": spec,
        "status": {"conditions": conditions},
    }


def of_flux(live: dict[str, Any]) -> dict[str, Any]:
    prefix = "kustomize.toolkit.fluxcd.io"
    live["metadata"]["labels"] |= {f"{prefix}/name": "apps", f"{prefix}/namespace": "flux-system"}
    return live


def test_defaults_of_a_server_and_its_words_for_quantities_are_no_drift() -> None:
    assert looked(running()) == []


def test_a_hand_made_change_has_hand_owner_and_cost() -> None:
    (one,) = looked(edited())
    assert (one.kind, one.owner, one.blocks) == (CHANGED, "search", True)
    (difference,) = one.differences
    assert difference.path == "spec.template.spec.containers[app].resources.requests.cpu"
    assert (difference.desired, difference.live) == ("1", "3")
    assert (difference.by, difference.at) == ("kubectl-edit", "2026-04-02T03:04:05Z")
    assert one.monthly is not None
    assert one.monthly.amount == Decimal("0.03") * 2 * 2 * 730
    assert row(one)["what"] == "containers[app].resources.requests.cpu: 1 in Git, 3 live"
    why = reason([one], Workload("prod", "shop", "Deployment", "web"))
    assert why is not None
    assert "1 in Git, 3 live" in why
    assert reason([one], Workload("prod", "shop", "Deployment", "other")) is None


def test_a_limit_that_somebody_added_is_drift_and_a_request_that_follows_a_limit_is_not() -> None:
    live = running()
    app = live["spec"]["template"]["spec"]["containers"][1]["resources"]
    app["limits"]["cpu"] = "2"
    app["requests"]["nvidia.com/gpu"] = app["limits"]["nvidia.com/gpu"] = "1"
    desired = git()
    desired["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = 1
    (one,) = looked(live, desired=desired)
    assert [(d.path.rpartition(".")[2], d.desired, d.live) for d in one.differences] == [("cpu", None, "2")]


@pytest.mark.parametrize(
    "scaler",
    [
        {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"},
        {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject"},
    ],
)
def test_replicas_belong_to_an_autoscaler_where_there_is_one(scaler: dict[str, Any]) -> None:
    live = running()
    live["spec"]["replicas"] = 7
    (by_hand,) = looked(live)
    assert by_hand.monthly is not None
    assert by_hand.monthly.amount == (Decimal("0.03") + Decimal("0.004")) * 5 * 730
    target = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}}
    assert looked(live, {**scaler, "metadata": {"name": "x", "namespace": "shop"}, "spec": target}) == []


def test_what_an_autoscaler_wrote_is_its_task() -> None:
    assert looked(edited("vpa-updater")) == []
    assert len(looked(edited("kubectl-client-side-apply"))) == 1


def test_argo_cd_heals_unless_it_cannot() -> None:
    healing = {"syncPolicy": {"automated": {"selfHeal": True}}}
    (one,) = looked(edited(), application("OutOfSync", **healing))
    assert one.heals == "Argo CD application shop"
    assert not one.blocks
    failed = application("OutOfSync", **healing)
    failed["status"]["operationState"] = {"phase": "Failed", "message": "hook failed"}
    (one,) = looked(edited(), failed)
    assert one.blocks
    assert "hook failed" in one.why
    (one,) = looked(edited(), application("OutOfSync", syncPolicy={"automated": {"prune": True}}))
    assert one.blocks
    (one,) = looked(edited(), application("Synced"))
    assert one.heals == "not rolled out yet"
    (one,) = looked(running(), application("OutOfSync"))
    assert (one.kind, one.differences, one.blocks) == (OUT_OF_SYNC, (), True)


@pytest.mark.parametrize(
    "rule",
    [
        {"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/template/spec/containers/1/resources"]},
        {"kind": "*", "jqPathExpressions": [".spec.template.spec.containers[].resources.requests"]},
        {"managedFieldsManagers": ["kubectl-edit"]},
    ],
)
def test_what_an_application_does_not_compare_is_no_drift(rule: dict[str, Any]) -> None:
    app = application("OutOfSync", ignoreDifferences=[rule])
    assert [one.kind for one in looked(edited(), app)] == [OUT_OF_SYNC]
    other = application("OutOfSync", ignoreDifferences=[{**rule, "name": "another"}])
    assert [one.kind for one in looked(edited(), other)] == [CHANGED]


def test_flux_heals_while_it_is_ready_and_not_suspended() -> None:
    (one,) = looked(of_flux(edited()), flux("True"))
    assert one.heals == "Flux Kustomization flux-system/apps"
    (one,) = looked(of_flux(edited()), flux("True", suspend=True))
    assert one.blocks
    assert "suspended" in one.why
    (one,) = looked(of_flux(edited()), flux("False"))
    assert one.blocks
    assert "kustomize build failed" in one.why
    left = of_flux(edited())
    left["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/reconcile"] = "disabled"
    assert looked(left, flux("True"))[0].blocks


@pytest.mark.parametrize(("mode", "heals"), [("enabled", True), ("warn", False), (None, False)])
def test_a_helm_release_heals_in_one_mode_only(mode: str | None, heals: bool) -> None:
    live = edited()
    live["metadata"]["labels"] |= {"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "shop"}
    release = flux("True", driftDetection={"mode": mode}) | {
        "kind": "HelmRelease",
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
    }
    release["metadata"] = {"name": "web", "namespace": "shop"}
    assert bool(looked(live, release)[0].heals) is heals


def test_what_is_on_one_side_only() -> None:
    (missing,) = looked(None)
    assert (missing.kind, missing.monthly, missing.blocks) == (MISSING, None, True)
    extra = running()
    extra["metadata"] |= {"name": "forgotten", "labels": {"cost-center": "risk"}}
    (unmanaged,) = looked(running(), extra)
    assert (unmanaged.kind, unmanaged.owner, unmanaged.blocks) == (UNMANAGED, "risk", False)
    assert unmanaged.monthly is not None
    assert unmanaged.monthly.amount == (Decimal("0.03") + Decimal("0.004")) * 2 * 730
    helm = copy.deepcopy(extra)
    helm["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "Helm"
    owned = copy.deepcopy(extra)
    owned["metadata"]["ownerReferences"] = [{"kind": "Rollout", "name": "x"}]
    elsewhere = copy.deepcopy(extra)
    elsewhere["metadata"]["namespace"] = "kube-system"
    assert looked(running(), helm) == looked(running(), owned) == looked(running(), elsewhere) == []


def test_lists_of_a_kind_and_broken_files() -> None:
    listed = {"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [{"metadata": {"name": "a"}}]}
    assert [key[:2] for key in Index.of(documents(str(listed), "x")).objects] == [("apps", "Deployment")]
    with pytest.raises(Malformed, match=r"bad\.yaml:2"):
        list(documents("a: 1\nb: [", "bad.yaml"))


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(values, values)
def test_an_object_never_differs_from_itself_nor_from_more_of_itself(spec: Any, more: Any) -> None:
    own = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "a"}, "spec": spec}
    assert compare(own, own) == []
    assert compare(own, {**own, "added": more}) == []
