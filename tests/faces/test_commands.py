"""What a person or a program sees of the commands: exit codes, data on stdout, everything else on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import ROOT, Finops

MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web   # the shop
  labels: {finops.apexlogic.com/cost-center: search}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web, finops.apexlogic.com/cost-center: search}
    spec:
      containers:
        - name: app
          resources:
            requests: {cpu: "500m", memory: 512Mi}
"""
REVIEW = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {
        "uid": "7",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "operation": "CREATE",
        "object": {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "bare"}, "spec": {}},
    },
}


def configured(finops: Finops, text: str) -> None:
    file = finops.folder / "config" / "finops.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")


def manifest(finops: Finops, text: str = MANIFEST) -> Path:
    file = finops.folder / "web.yaml"
    file.write_bytes(text.encode())
    return file


def test_a_manifest_is_printed_with_its_one_value_changed(finops: Finops) -> None:
    where = ("--kind", "Deployment", "--name", "web", "--container", "app")
    ran = finops("manifest", "set", manifest(finops), *where, "requests.cpu=200m")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout == MANIFEST.replace('"500m"', '"200m"')


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--container", "other", "requests.cpu=200m"), 6, "other"),
        (("--container", "app", "requests.cpu"), 2, "PATH=VALUE"),
        (("--container", "app", "requests.cpu=plenty"), 6, "plenty"),
        (("--container", "app", "limits.cpu=0.4"), 6, "requests.cpu would be 500m, above limits.cpu of 0.4"),
        (("--container", "app", "requests.cpu=2", "limits.cpu=1"), 6, "choose another value"),
    ],
)
def test_an_edit_that_cannot_be_made_says_why(finops: Finops, words: tuple[str, ...], code: int, told: str) -> None:
    ran = finops("manifest", "set", manifest(finops), "--kind", "Deployment", "--name", "web", *words)
    assert (ran.exit_code, ran.stdout) == (code, "")
    assert told in ran.stderr


def test_policy_lets_good_manifests_pass_and_stops_bad_ones(finops: Finops) -> None:
    assert finops("policy", "check", manifest(finops)).exit_code == 0
    bare = manifest(finops, MANIFEST.replace("finops.apexlogic.com/cost-center: search", "team: a"))
    denied = finops("policy", "check", bare, "--output", "json")
    assert denied.exit_code == 3
    assert [row["rule"] for row in denied.json if row["decision"] == "deny"] == ["cost-tags"]
    assert all(row["resource"].startswith(str(bare)) for row in denied.json)
    sarif = finops("policy", "check", bare, "--output", "sarif").json
    assert sarif["version"] == "2.1.0"
    assert [one["ruleId"] for one in sarif["runs"][0]["results"] if one["level"] == "error"] == ["cost-tags"]


def test_an_admission_review_is_answered_with_one(finops: Finops) -> None:
    ran = finops("policy", "check", "-", stdin=json.dumps(REVIEW))
    assert ran.exit_code == 0
    assert ran.json["response"]["uid"] == "7"
    assert ran.json["response"]["allowed"] is False
    assert "cost-center" in ran.json["response"]["status"]["message"]
    garbage = finops("policy", "check", "-", stdin="{")
    assert garbage.json["response"]["allowed"] is False


def test_the_packs_that_ship_pass_their_own_tests(finops: Finops) -> None:
    ran = finops("policy", "test", "--output", "json")
    assert ran.exit_code == 0
    assert len(ran.json) >= 15


def test_every_configuration_problem_is_told_at_once(finops: Finops) -> None:
    configured(finops, "sources:\n  - {name: a, kind: aws_curr, uri: x}\nfroecast: {}\ndetect: {floor: -1}\n")
    ran = finops("config", "check")
    assert (ran.exit_code, ran.stdout) == (4, "")
    assert [line for line in ran.stderr.splitlines() if ":3:1 " in line and "forecast" in line]
    assert "aws_cur" in ran.stderr
    assert ":4:" in ran.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("costs", "--group-by", "x_cost_centre"), "x_cost_center"),
        (("costs", "--where", "day"), "KEY=VALUE"),
        (("costs", "--group-by", "tag:nobody"), "ledger.tags"),
        (("costs", "--start", "2026-02-01", "--end", "2026-01-01"), "start before end"),
        (("--as-of", "soon", "costs"), "YYYY-MM-DD"),
        (("episodes", "show", "nothing"), "nothing"),
        (("episodes", "feedback", "nothing", "maybe"), "maybe"),
        (("pr", "show", "nothing"), "nothing"),
        (("ingest", "--source", "other"), "other"),
        (("nonsense",), "nonsense"),
    ],
)
def test_a_wrong_call_is_told_with_the_remedy(
    finops: Finops, ledger_url: str, words: tuple[str, ...], told: str
) -> None:
    configured(finops, 'sources:\n  - {name: a, kind: focus_files, uri: "file:///nowhere"}\n')
    ran = finops(*words, env={"FINOPS_DATABASE_URL": ledger_url})
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert told in ran.stderr


def test_an_upstream_that_is_away_is_told_as_such(finops: Finops, ledger_url: str) -> None:
    configured(finops, 'sources:\n  - {name: a, kind: focus_files, uri: "file:///nowhere/at/all"}\n')
    ran = finops("ingest", "--output", "json", env={"FINOPS_DATABASE_URL": ledger_url})
    assert ran.exit_code == 5
    assert ran.json == []
    assert "/nowhere/at/all" in ran.stderr
    away = finops("costs", env={"FINOPS_DATABASE_URL": "postgresql://u:hush@127.0.0.1:1/x"})
    assert away.exit_code == 5
    assert "hush" not in away.stderr + away.stdout


def test_global_options_may_stand_anywhere(finops: Finops, ledger_url: str) -> None:
    here = {"FINOPS_DATABASE_URL": ledger_url}
    before = finops("--as-of", "2026-01-01", "costs", "--output", "json", env=here)
    after = finops("costs", "--output", "json", "--as-of", "2026-01-01", env=here)
    assert (before.exit_code, before.json) == (after.exit_code, after.json) == (0, [])
    assert "finops-ai ingest" in before.stderr


def test_the_first_configuration_is_written_once(finops: Finops) -> None:
    assert finops("init").exit_code == 0
    assert (finops.folder / "config/finops.yaml").read_text() == (ROOT / "config/finops.yaml").read_text()
    assert finops("init").exit_code == 2
    assert finops("config", "check").exit_code == 0
    assert finops("config", "schema").json["properties"]["sources"]
