"""The demo's configuration file: every part of the product, pointed at folders."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from finops_ai.demo.meters import PAYER

_TEXT = """\
# Written by `finops-ai demo`. Two bills, a cluster's usage, a folder for messages and a Git repository.
sources:
  - {{name: aws, kind: aws_cur, uri: {aws}}}
  - {{name: northwind, kind: focus_files, uri: {northwind}}}
usage:
  - {{name: cluster, kind: usage_files, uri: {usage}}}
sinks:
  - {{name: pages, kind: folder, path: {messages}}}
forges:
  - {{name: platform, kind: folder, repository: {repository}, pulls: {pulls}}}
allocation:
  cost_center: ["tag:cost-center"]      # AWS writes user_cost_center, Northwind cost_center: one key
  ai_model: ["tag:model"]
  environment: ["tag:env"]
  patterns:                             # support, tax, and what commitments left unused
    - {{key: sub_account_id, glob: "{payer}", x_cost_center: shared}}
    - {{key: service_name, glob: "Support Plan", x_cost_center: shared}}
  shared:
    - {{pool: platform, match: {{x_cost_center: shared}}, method: proportional}}
savings:                                # how the bill names workloads, to measure what a merge saved
  bill: {{cluster: "tag:cluster", namespace: "tag:namespace", workload: "tag:workload"}}
detect:
  floor: {{USD: 100}}                     # nobody is woken for less
recommend:
  forge: platform
  policies: {policies}
report:
  folder: {reports}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where things lie in the demo's folder; all paths are absolute."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "finops.yaml"

    @property
    def exports(self) -> Path:
        return self.folder / "exports"

    @property
    def usage(self) -> Path:
        return self.folder / "usage" / "container_usage_hourly.csv.gz"

    @property
    def repository(self) -> Path:
        return self.folder / "platform.git"

    @property
    def messages(self) -> Path:
        return self.folder / "messages"

    @property
    def pulls(self) -> Path:
        return self.folder / "pulls"

    @property
    def reports(self) -> Path:
        return self.folder / "reports"


def settings(layout: Layout, policies: Path) -> str:
    """The text of `finops.yaml`; `policies` is the folder of the policy packs."""
    values = {
        "aws": (layout.exports / "aws").as_uri(),
        "northwind": (layout.exports / "northwind").as_uri(),
        "usage": layout.usage.as_uri(),
        "messages": str(layout.messages),
        "repository": str(layout.repository),
        "pulls": str(layout.pulls),
        "policies": str(policies),
        "reports": str(layout.reports),
    }
    quoted = {key: json.dumps(value) for key, value in values.items()}  # a JSON string is a YAML string
    return _TEXT.format(payer=PAYER.number, **quoted)
