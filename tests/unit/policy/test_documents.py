"""What a policy is shown: every object of a manifest, and admission requests answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from finops_ai.domain.proposal import Decision, Verdict
from finops_ai.domain.usage import Workload
from finops_ai.policy.base import Bundle
from finops_ai.policy.documents import Unreadable, check_text, documents, review

PACK = Bundle(name="names", modules={}, tests={}, data={})


class DeniesBad:
    """A policy engine of two rules: no object may be named bad, none should be named odd."""

    def check(self, document: Mapping[str, Any], bundle: Bundle) -> Sequence[Verdict]:
        name = document["request"]["object"]["metadata"]["name"]
        decision = {"bad": Decision.DENY, "odd": Decision.WARN}.get(name, Decision.ALLOW)
        return [Verdict(rule=bundle.name, decision=decision, message=f"is {name}", resource=name)]


def test_every_object_becomes_a_review() -> None:
    text = """\
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: a, labels: {5: 2026-04-01}}
---
# nothing
---
kind: List
apiVersion: v1
items:
- {kind: Pod, apiVersion: v1, metadata: {name: b}}
- {kind: Service, apiVersion: v1, metadata: {name: c}}
"""
    reviews = [document for document in documents(text) if not isinstance(document, Unreadable)]
    assert [one["request"]["kind"] for one in reviews] == [
        {"group": "apps", "version": "v1", "kind": "Deployment"},
        {"group": "", "version": "v1", "kind": "Pod"},
        {"group": "", "version": "v1", "kind": "Service"},
    ]
    assert reviews[0]["request"]["object"]["metadata"]["labels"] == {"5": "2026-04-01"}
    assert {one["request"]["operation"] for one in reviews} == {"CREATE"}


BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(24)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [", "expected"),
        ("hello", "no kind"),
        ("replicas: 2\n", "no kind"),
        ("kind: [Pod]\n", "no kind"),
        ("- kind: Pod\n", "no kind"),
        ("kind: List\nitems: [text]\n", "no kind"),
        ("kind: Pod\nkind: Service\n", "duplicate key"),
        ("kind: Pod\nx: .nan\n", "not JSON compliant"),
        ("kind: Pod\nx: &x [*x]\n", "contains itself"),
        ("kind: Pod\nx: &x {y: *x}\n", "contains itself"),
        (f"kind: Pod\n{BOMB}", "once its aliases are followed"),
        ("kind: Pod\nx: " + "[" * 1000, "deeply"),
        ("kind: Pod\nx: !!python/object:os.system {}\n", "constructor"),
    ],
)
def test_what_cannot_be_read_is_denied(text: str, reason: str) -> None:
    (verdict,) = check_text(DeniesBad(), [PACK], text, file="x.yaml")
    assert verdict.decision is Decision.DENY
    assert reason in verdict.message
    assert verdict.resource == "x.yaml"


def test_only_the_workload_asked_about_is_judged() -> None:
    text = "---\n".join(
        f"kind: {kind}\nmetadata: {{name: {name}}}\n"
        for kind, name in [("Pod", "good"), ("Pod", "bad"), ("Job", "good")]
    )
    verdicts = check_text(DeniesBad(), [PACK], text, workload=Workload("shop", "ml", "Pod", "good"))
    assert [(verdict.decision, verdict.resource) for verdict in verdicts] == [(Decision.ALLOW, "good")]


def test_a_file_that_breaks_in_the_middle_is_denied_as_well() -> None:
    text = "kind: Pod\nmetadata: {name: a}\n---\na: [\n"
    verdicts = check_text(DeniesBad(), [PACK], text)
    assert [verdict.decision for verdict in verdicts] == [Decision.ALLOW, Decision.DENY]


def admission(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": "u-1", "object": {"metadata": {"name": name}}},
    }


def test_admission_allowed() -> None:
    assert review(DeniesBad(), [PACK], admission("good")) == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": "u-1", "allowed": True},
    }


def test_admission_warns() -> None:
    response = review(DeniesBad(), [PACK], admission("odd"))["response"]
    assert response == {"uid": "u-1", "allowed": True, "warnings": ["names: is odd"]}


def test_admission_denied() -> None:
    response = review(DeniesBad(), [PACK], admission("bad"))["response"]
    assert response["allowed"] is False
    assert response["uid"] == "u-1"
    assert response["status"] == {"code": 403, "reason": "Forbidden", "message": "names: is bad"}


@pytest.mark.parametrize(
    "body", [None, [], "x", {}, {"request": None}, {"request": {"uid": ""}}, {"request": {"uid": 5}}]
)
def test_what_is_no_admission_review_is_denied(body: object) -> None:
    assert review(DeniesBad(), [PACK], body)["response"]["allowed"] is False


def test_without_packs_nothing_is_waved_through() -> None:
    response = review(DeniesBad(), [], admission("good"))["response"]
    assert response["allowed"] is False
    assert response["uid"] == "u-1"
