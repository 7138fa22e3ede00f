"""Live state from the Kubernetes API: lists of what is compared, page by page, read only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from finops_ai.domain.errors import Rejected, Unavailable
from finops_ai.sources.live import KINDS
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World

PAGE = 500
EXPIRED = 410
PAGES_MOST = 10_000


class Settings(BaseModel):
    """`url` is the base of the API server; `token` that of a service account which may list, and nothing more.

    The certificate of a cluster's own authority is trusted through SSL_CERT_FILE.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["kubernetes_api"] = "kubernetes_api"
    name: str
    cluster: str = Field(min_length=1)
    url: str = "https://kubernetes.default.svc"
    token: SecretRef | None = None
    path: str = ""
    timeout_seconds: float = Field(default=30.0, gt=0, le=600)


def make(settings: Settings, world: World) -> KubernetesApi:
    return KubernetesApi(
        name=settings.name, cluster=settings.cluster, path=settings.path, settings=settings, world=world
    )


@dataclass(frozen=True, kw_only=True)
class KubernetesApi:
    name: str
    cluster: str
    path: str
    settings: Settings
    world: World = field(repr=False)

    def objects(self) -> Iterator[Mapping[str, Any]]:
        for version, resource in KINDS:
            yield from self._pages(f"{self.settings.url.rstrip('/')}/apis/{version}/{resource}")

    def _pages(self, url: str) -> Iterator[Mapping[str, Any]]:
        """Every page of a list; a kind that the cluster does not know has none."""
        after = ""
        for _ in range(PAGES_MOST):
            answer = self.world.http.request(
                "GET",
                url,
                params={"limit": PAGE, **({"continue": after} if after else {})},
                headers=self._headers(),
                idempotent=True,
                timeout_seconds=self.settings.timeout_seconds,
                accept=(401, 403, 404, EXPIRED),
            )
            if answer.status == 404 and not after:
                return
            if answer.status in (401, 403):
                raise Rejected(f"{url}: status {answer.status}: give `token` the right to list what is compared")
            if answer.status == EXPIRED:
                raise Unavailable(f"{url}: the list changed while it was read; the next run reads it again")
            page = answer.json()
            if not isinstance(page, dict) or not str(page.get("kind", "")).endswith("List"):
                raise Unavailable(f"{url} does not answer as Kubernetes does: is the URL the base of its API?")
            yield page
            after = str((page.get("metadata") or {}).get("continue") or "")
            if not after:
                return
        raise Unavailable(f"{url}: more than {PAGES_MOST} pages")

    def _headers(self) -> dict[str, str]:
        token = self.settings.token
        accept = {"Accept": "application/json"}
        if token is None:
            return accept
        return {**accept, "Authorization": f"Bearer {self.world.secrets.get(token).get_secret_value()}"}
