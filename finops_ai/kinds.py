"""kind -> module for every plug-in family; the only list. A module is loaded when its kind is first asked for.

A plug-in is a module with `Settings` (what configuration may say of it) and `make` (settings and world to the part).
A source of charges may also have `TAGS`, the tag keys it brings of its own, which are always kept, and `BILLED_BY`,
the kinds whose bills already hold its cost: beside one of them it attributes and does not count, unless its
settings' `counts` ("auto", "always", "never") says otherwise. One that tells what ran in clusters has `CLUSTER_TAGS`,
the tags by which bills mark whose nodes their charges are. `examine` (settings, world and the part to pairs of a name
and a check) is what `doctor` checks of a source besides its deliveries. A catalogue of prices has `list_prices` and
`machine_rates`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import ModuleType

from finops_ai.forges import webhooks


class Family(Mapping[str, ModuleType]):
    """Loading every plug-in would cost each command more time than most of them need for their answer."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, kind: str) -> ModuleType:
        return import_module(f"finops_ai.{self._places[kind]}")

    def __contains__(self, kind: object) -> bool:
        return kind in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


SOURCES = Family(
    {
        "anthropic_usage": "sources.anthropic_usage",
        "aws_cur": "sources.aws_cur",
        "azure_export": "sources.azure_export",
        "focus_files": "sources.focus_files",
        "gcp_billing": "sources.gcp_billing",
        "litellm": "sources.litellm",
        "openai_usage": "sources.openai_usage",
        "opencost": "sources.opencost",
    }
)
USAGE = Family({"prometheus": "sources.prometheus", "usage_files": "sources.usage_files"})
LIVE = Family({"kubernetes_api": "sources.kubernetes_api", "kubernetes_files": "sources.kubernetes_files"})
SINKS = Family(
    {
        "alertmanager": "sinks.alertmanager",
        "email": "sinks.email",
        "folder": "sinks.folder",
        "pagerduty": "sinks.pagerduty",
        "slack": "sinks.slack",
        "webhook": "sinks.webhook",
    }
)
FORGES = Family(
    {"folder": "forges.folder", "gitea": "forges.gitea", "github": "forges.github", "gitlab": "forges.gitlab"}
)
CHANGES = Family({"argocd": "sources.argocd", "flux": "sources.flux", "git": "forges.history"})
CATALOGUES = Family({"gcp": "sources.gcp_prices"})
WEBHOOKS: dict[str, webhooks.Webhook] = {
    "gitea": webhooks.GITEA,
    "github": webhooks.GITHUB,
    "gitlab": webhooks.GITLAB,
}
