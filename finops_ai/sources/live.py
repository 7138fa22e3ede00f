"""What the live state of a cluster is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

KINDS = (
    ("apps/v1", "deployments"),
    ("apps/v1", "statefulsets"),
    ("apps/v1", "daemonsets"),
    ("batch/v1", "cronjobs"),
    ("autoscaling/v2", "horizontalpodautoscalers"),
    ("keda.sh/v1alpha1", "scaledobjects"),
    ("argoproj.io/v1alpha1", "rollouts"),
    ("argoproj.io/v1alpha1", "applications"),
    ("kustomize.toolkit.fluxcd.io/v1", "kustomizations"),
    ("helm.toolkit.fluxcd.io/v2", "helmreleases"),
)
"""Version and resource of what is looked at; what a cluster does not have is left out."""


class LiveState(Protocol):
    """One cluster as it runs. `path` is the folder of the repository that declares it, '' for all of it."""

    name: str
    cluster: str
    path: str

    def objects(self) -> Iterator[Mapping[str, Any]]:
        """Objects and lists of objects, as the Kubernetes API has them. Raises Malformed, Rejected or Unavailable."""
        ...
