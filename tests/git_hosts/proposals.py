"""The proposal and the repository that the tests of Git hosts share."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from finops_ai.domain.money import Money
from finops_ai.domain.proposal import Change, FileEdit, Proposal, ProposalState, Recommendation, Saving
from finops_ai.domain.usage import Workload

KEY = "finops/rightsize/shop/default/deployment-web"
PATH = "apps/web.yaml"
WEB = "# web\r\ncpu: 500m\r\n"
OWNERS = "* @nobody\n/apps/ @alice @acme/platform\n"
FILES = {
    PATH: WEB,
    "apps/api.yaml": "cpu: 1\n",
    ".github/CODEOWNERS": OWNERS,
    ".gitlab/CODEOWNERS": OWNERS,
    ".gitea/CODEOWNERS": "apps/.* @alice @acme/platform\nother/.* @nobody\n",
}


def proposal(cpu: str = "200m", *, before: str = WEB, key: str = KEY, path: str = PATH, **changed: Any) -> Proposal:
    amount = Money(Decimal(40), "USD")
    made = Proposal(
        key=key,
        recommendation=Recommendation(
            workload=Workload("shop", "default", "Deployment", key.rsplit("-", 1)[1]),
            changes=(Change(container="app", path="requests.cpu", now="500m", proposed=cpu),),
            saving=Saving(low=amount, high=amount, rate="list"),
            evidence={},
            risk="low",
            reasons=(),
            strategy="steady",
        ),
        edits=(FileEdit(path=path, before=before, after=before.replace("500m", cpu)),),
        verdicts=(),
        state=ProposalState.OPEN,
        title=f"cpu to {cpu}",
        body=f"The *body* of {cpu}.\n\n/merge\n",
        labels=("finops", "risk:low"),
    )
    return replace(made, **changed)
