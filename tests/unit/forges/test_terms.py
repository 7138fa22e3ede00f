"""Who must approve what, and when a closed proposal may come again."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from pydantic import ValidationError

from finops_ai.domain.evidence import evidence_hash, has_moved
from finops_ai.domain.proposal import Change, Decision, Verdict
from finops_ai.forges import pages
from finops_ai.forges.base import Manner
from finops_ai.forges.gitea import Settings as Gitea
from finops_ai.forges.github import Settings as GitHub
from finops_ai.forges.terms import Approval
from tests.git_hosts.proposals import proposal


def change(path: str, proposed: str) -> Change:
    return Change(container="app", path=path, now="1", proposed=proposed)


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ("200m", "0.2", False),
        ("200m", "230m", False),
        ("200m", "231m", True),
        ("200m", "169m", True),
        ("1Gi", "1100Mi", False),
        ("1Gi", "2Gi", True),
        ("x", "x", False),
        ("x", "1", True),
    ],
)
def test_a_step(before: str, after: str, moved: bool) -> None:
    old, new = (change("requests.cpu", before),), (change("requests.cpu", after),)
    assert has_moved(old, new, Decimal("0.15")) is moved
    assert has_moved((*old, change("requests.memory", "1Gi")), new, Decimal("0.15")) is moved
    assert has_moved(old, (*new, change("requests.memory", "1Gi")), Decimal("0.15"))


def test_the_evidence_is_everything_that_is_merged_or_shown() -> None:
    one = proposal()
    it = one.recommendation
    others = [
        replace(one, edits=(replace(one.edits[0], after="other"),)),
        replace(one, edits=(replace(one.edits[0], path="other"),)),
        replace(one, recommendation=replace(it, saving=replace(it.saving, rate="effective"))),
        replace(one, recommendation=replace(it, risk="high")),
        replace(one, verdicts=(Verdict(rule="r", decision=Decision.WARN, message="m"),)),
        replace(one, key="finops/other"),
    ]
    assert len({evidence_hash(each) for each in [one, *others]}) == len(others) + 1
    assert evidence_hash(replace(one, title="reworded", body="reworded")) == evidence_hash(one)


def test_who_must_approve() -> None:
    it = proposal().recommendation
    assert not Approval().asked_for(it)
    assert Approval(by=("a",), above=Decimal(39)).asked_for(it)
    assert not Approval(by=("a",), above=Decimal(40)).asked_for(it)
    assert Approval(by=("a",), workloads=("sh*/*",)).asked_for(it)
    assert not Approval(by=("a",), workloads=("prod/*",)).asked_for(it)
    with pytest.raises(ValidationError, match="names nobody"):
        Approval(above=Decimal(1))


def test_a_page_fits_and_keeps_its_mark() -> None:
    long = replace(proposal(), body="<details>\n\n```\n" + "figure\n" * 20_000 + "```\n</details>\n")
    text = pages.page(long, Manner(), ("@alice",), 65_000)
    assert len(text) <= 65_000
    assert text.count("<details>") == text.count("</details>")
    assert text.count("\n```") % 2 == 0
    assert "finops:pull" in text
    assert "@alice" in text


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "http://git.example.com"},
        {"url": "https://me:pw@git.example.com"},
        {"url": "ftp://x"},
        {"repository": "acme"},
        {"repository": "acme/../x"},
        {"repository": "acme/x?y"},
        {"repository": "acme/a/b"},
    ],
)
def test_addresses_and_names_that_are_refused(changed: dict[str, str]) -> None:
    told = {"name": "x", "repository": "acme/infra", "url": "https://git.example.com", "token": {"env": "T"}}
    Gitea.model_validate(told)
    with pytest.raises(ValidationError):
        Gitea.model_validate({**told, **changed})


def test_either_a_token_or_an_app() -> None:
    told = {"name": "x", "repository": "acme/infra"}
    app = {"id": 1, "key": {"env": "K"}}
    GitHub.model_validate({**told, "app": app})
    for both in ({}, {"app": app, "token": {"env": "T"}}):
        with pytest.raises(ValidationError, match="either token or app"):
            GitHub.model_validate({**told, **both})
