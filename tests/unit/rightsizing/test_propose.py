"""From recommendation to proposal: the branch, the edit in the author's words, the page that nothing can break."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.domain.errors import Rejected
from finops_ai.domain.money import Money
from finops_ai.domain.proposal import Change, Decision, ProposalState, Recommendation, Saving, Verdict
from finops_ai.domain.usage import Workload
from finops_ai.rightsizing.body import MARKER, body, escaped, title
from finops_ai.rightsizing.propose import branch, edit, propose

WEB = Workload("shop", "default", "Deployment", "web")
MANIFEST = """\
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
      - name: app
        resources:
          requests: {cpu: "0.2", memory: 1Gi}
          limits: {cpu: 1, memory: 2Gi}
"""


def recommendation(*changes: Change, workload: Workload = WEB, **changed: object) -> Recommendation:
    facts: dict[str, object] = {
        "workload": workload,
        "changes": changes or (change("requests.cpu", "200m", "100m"), change("requests.memory", "1Gi", "600Mi")),
        "saving": Saving(low=Money(Decimal("4.5"), "USD"), high=Money(Decimal("9"), "USD"), rate="list"),
        "evidence": {
            "app": {"cpu_p50": "40.0m", "cpu_p99": "80.5m", "oom_kills": "0", "saving.requests.cpu": "4.50 USD"}
        },
        "risk": "low",
        "reasons": ("CPU is idle",),
        "strategy": "steady",
    }
    return Recommendation(**(facts | changed))  # type: ignore[arg-type]


def change(path: str, now: str | None, proposed: str, container: str = "app") -> Change:
    return Change(container=container, path=path, now=now, proposed=proposed)


def test_branch() -> None:
    assert branch(WEB) == "finops/rightsize/shop/default/deployment-web"


names = st.text(max_size=12) | st.sampled_from(["a..b", "x.lock", "-a", ".", "A", "a", "$(id)", "a;b", "x/y", "web."])


@given(names, names, names, names)
def test_branch_is_safe_for_git_and_shells(cluster: str, namespace: str, kind: str, name: str) -> None:
    key = branch(Workload(cluster, namespace, kind, name))
    assert re.fullmatch(r"finops/rightsize(/[a-z0-9][a-z0-9._-]*){3}", key)
    assert ".." not in key
    assert not re.search(r"\.lock(/|$)|\.(/|$)", key)


@given(st.lists(st.builds(Workload, names, names, st.just("Job"), names), min_size=2, max_size=2, unique=True))
def test_two_workloads_never_share_a_branch(pair: list[Workload]) -> None:
    assert branch(pair[0]) != branch(pair[1])


def test_edit_keeps_the_authors_units() -> None:
    chosen, edits = edit(recommendation(), {"a.yaml": MANIFEST, "b.yaml": "kind: Service\nmetadata: {name: web}\n"})
    (only,) = edits
    assert only.path == "a.yaml"
    assert only.before == MANIFEST
    assert only.after == MANIFEST.replace('"0.2", memory: 1Gi', '"0.1", memory: 600Mi')
    assert [(one.now, one.proposed) for one in chosen.changes] == [("0.2", "0.1"), ("1Gi", "600Mi")]


def test_a_limit_that_git_raised_already_is_left_alone() -> None:
    chosen, (only,) = edit(
        recommendation(change("requests.memory", "1Gi", "1200Mi"), change("limits.memory", "1Gi", "1200Mi")),
        {"a.yaml": MANIFEST},
    )
    assert only.after == MANIFEST.replace("memory: 1Gi", "memory: 1200Mi")
    assert [one.path for one in chosen.changes] == ["requests.memory"]


@pytest.mark.parametrize(
    ("changes", "files", "reason"),
    [
        ((), {}, "no file declares Deployment default/web"),
        ((), {"a.yaml": "kind: Deployment\nmetadata: {name: web\n"}, r"no file declares .* \(a.yaml: not readable"),
        ((), {"a.yaml": MANIFEST, "b.yaml": MANIFEST}, "several files: a.yaml, b.yaml"),
        ((), {"a.yaml": "# {{ x }}\n" + MANIFEST}, "template"),
        ([change("requests.cpu", "300m", "100m")], {"a.yaml": MANIFEST}, "Git and the cluster differ: .*0.2.*300m"),
        ([change("requests.cpu", None, "100m")], {"a.yaml": MANIFEST}, "Git and the cluster differ"),
        (
            [change("requests.cpu", "1", "500m")],
            {"a.yaml": MANIFEST.replace('cpu: "0.2", ', "")},
            "Git does not set requests.cpu of app, but it runs with 1",
        ),
        ([change("requests.cpu", "200m", "3")], {"a.yaml": MANIFEST}, "more than its limit of 1 in Git"),
        ([change("limits.cpu", "500m", "1")], {"a.yaml": MANIFEST}, "not rolled out yet"),
        ([change("requests.cpu", "200m", "1m", "other")], {"a.yaml": MANIFEST}, "no container other"),
    ],
)
def test_edit_refuses(changes: list[Change], files: dict[str, str], reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        edit(recommendation(*changes), files)


def test_proposal() -> None:
    chosen, edits = edit(recommendation(), {"a.yaml": MANIFEST})
    allow = Verdict(rule="cost-tags", decision=Decision.ALLOW, message="")
    proposal = propose(chosen, edits, [allow])
    assert proposal.state is ProposalState.OPEN
    assert proposal.title == (
        "rightsize(default/web): requests.cpu 0.2 → 0.1, requests.memory 1Gi → 600Mi (saves 4.50 to 9.00 USD a month)"
    )
    assert "| app | requests.cpu | 0.2 | 0.1 | 40.0m | - | 80.5m |" in proposal.body
    assert "Blocked" not in proposal.body
    assert proposal.labels == ("finops", "rightsizing", "risk:low")


def test_a_denial_blocks_and_is_told_first() -> None:
    chosen, edits = edit(recommendation(), {"a.yaml": MANIFEST})
    deny = Verdict(rule="cost-tags", decision=Decision.DENY, message="no label", resource="default/Deployment/web")
    proposal = propose(chosen, edits, [deny])
    assert proposal.state is ProposalState.BLOCKED
    assert proposal.body.startswith("**Blocked by policy: do not merge.**")
    assert "- **deny** cost-tags: no label (default/Deployment/web)" in proposal.body
    assert "policy:blocked" in proposal.labels


def test_a_change_that_costs_says_so() -> None:
    saving = Saving(low=Money(Decimal("-2"), "EUR"), high=Money(Decimal("-1"), "EUR"), rate="list")
    assert title(recommendation(saving=saving)).endswith("(costs 1.00 to 2.00 EUR a month)")


def test_marker_holds_the_exact_values() -> None:
    found = re.findall(rf"<!-- {MARKER} (.*) -->", body("finops/x", recommendation(), []))
    assert json.loads(found[0])["changes"] == [
        ["app", "requests.cpu", "200m", "100m"],
        ["app", "requests.memory", "1Gi", "600Mi"],
    ]


hostile = st.sampled_from(
    ["@team", "#12", "a|b", "<script>", "`x`", "a\n# b", "--> <b>", "[x](http://e)", "www.e.com", "http://e.com",
     "\u2028x", "![](x)", "org/repo#1", "*b*", "_b_", "~~x~~", "&lt;", "\\", "</details>", "\r\n\r\n- [x] done",
     "x\x00y"]
) | st.text(max_size=20)  # fmt: skip


@given(hostile, hostile, hostile, hostile)
def test_foreign_text_stays_text(name: str, container: str, message: str, reason: str) -> None:
    workload = Workload(name, name, "Deployment", name)
    chosen = recommendation(
        change("requests.cpu", "1", "500m", container),
        workload=workload,
        evidence={container: {"cpu_p50": message}},
        reasons=(reason,),
        strategy=name,
    )
    plain = recommendation(
        change("requests.cpu", "1", "500m", "c"), workload=WEB, evidence={"c": {"cpu_p50": "m"}}, reasons=("r",)
    )
    verdict = Verdict(rule=name, decision=Decision.DENY, message=message, resource=name)
    page = body(branch(workload), chosen, [verdict])
    model = body("k", plain, [Verdict(rule="x", decision=Decision.DENY, message="m", resource="r")])
    shown, _, marker = page.partition(f"<!-- {MARKER} ")
    assert marker.count("-->") == 1
    assert "--" not in marker.removesuffix("-->\n")
    assert json.loads(marker.removesuffix(" -->\n"))["workload"] == workload.key
    assert len(page.split("\n")) == len(model.split("\n"))
    for mark in ("|", "<", ">", "`", "[", "]", "*", "~", "\\"):
        assert shown.count(mark) == model.partition(f"<!-- {MARKER} ")[0].count(mark), mark
    assert "@" not in shown
    assert "://" not in shown
    assert "www." not in re.sub(r"```.*?```", "", shown, flags=re.S).lower()
    assert "\n" not in title(chosen)
    assert not re.search(r"[@#|<>`]", title(chosen))


def test_escaped_breaks_mentions_and_references() -> None:
    assert escaped("@a #1") == "&#64;&#8203;a &#35;&#8203;1"
    assert escaped("plain text, 50% (of 3.5) a/b") == "plain text, 50% (of 3.5) a/b"
