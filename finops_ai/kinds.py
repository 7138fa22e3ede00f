"""kind -> module for every plug-in family; the only list.

A plug-in is a module with `Settings` (what configuration may say of it) and `make` (settings and world to the part).
A source of charges may also have `TAGS`, the tag keys it brings of its own, which are always kept, and `BILLED_BY`,
the kinds whose bills already hold its cost: beside one of them it attributes and does not count, unless its
settings' `counts` ("auto", "always", "never") says otherwise. One that tells what ran in clusters has `CLUSTER_TAGS`,
the tags by which bills mark whose nodes their charges are. `examine` (settings, world and the part to pairs of a name
and a check) is what `doctor` checks of a source besides its deliveries. A catalogue of prices has `list_prices` and
`machine_rates`.
"""

from __future__ import annotations

from types import ModuleType

from finops_ai.forges import folder as folder_forge
from finops_ai.forges import gitea, github, gitlab, history, webhooks
from finops_ai.sinks import alertmanager, email, folder, pagerduty, slack, webhook
from finops_ai.sources import (
    anthropic_usage,
    argocd,
    aws_cur,
    azure_export,
    flux,
    focus_files,
    gcp_billing,
    gcp_prices,
    kubernetes_api,
    kubernetes_files,
    litellm,
    openai_usage,
    opencost,
    prometheus,
    usage_files,
)

SOURCES: dict[str, ModuleType] = {
    "anthropic_usage": anthropic_usage,
    "aws_cur": aws_cur,
    "azure_export": azure_export,
    "focus_files": focus_files,
    "gcp_billing": gcp_billing,
    "litellm": litellm,
    "openai_usage": openai_usage,
    "opencost": opencost,
}
USAGE: dict[str, ModuleType] = {"prometheus": prometheus, "usage_files": usage_files}
LIVE: dict[str, ModuleType] = {"kubernetes_api": kubernetes_api, "kubernetes_files": kubernetes_files}
SINKS: dict[str, ModuleType] = {
    "alertmanager": alertmanager,
    "email": email,
    "folder": folder,
    "pagerduty": pagerduty,
    "slack": slack,
    "webhook": webhook,
}
FORGES: dict[str, ModuleType] = {"folder": folder_forge, "gitea": gitea, "github": github, "gitlab": gitlab}
CHANGES: dict[str, ModuleType] = {"argocd": argocd, "flux": flux, "git": history}
CATALOGUES: dict[str, ModuleType] = {"gcp": gcp_prices}
WEBHOOKS: dict[str, webhooks.Webhook] = {
    "gitea": webhooks.GITEA,
    "github": webhooks.GITHUB,
    "gitlab": webhooks.GITLAB,
}
