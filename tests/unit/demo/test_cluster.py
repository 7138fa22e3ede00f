"""The demo's cluster: usage with clear outcomes, and manifests that say the same requests."""

import csv
import gzip
import io
from datetime import date, timedelta
from decimal import Decimal

import pytest
from ruamel.yaml import YAML

from finops_ai.demo.cluster import CONTAINERS, usage_file
from finops_ai.demo.gitops import write_repository
from finops_ai.domain.quantity import parse

AS_OF = date(2026, 4, 29)
LABEL = "finops.apexlogic.com/cost-center"


def read(packed):
    return list(csv.DictReader(io.StringIO(gzip.decompress(packed).decode())))


@pytest.fixture(scope="module")
def rows():
    return read(usage_file(AS_OF, AS_OF, 1))


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Every file on main of the written repository, by path."""
    from dulwich.object_store import iter_tree_contents
    from dulwich.repo import Repo

    path = tmp_path_factory.mktemp("git") / "platform.git"
    write_repository(path, AS_OF)
    with Repo(str(path)) as repository:
        assert repository.refs.read_ref(b"HEAD") == b"ref: refs/heads/main"
        tree = repository[repository.refs[b"refs/heads/main"]].tree
        return {
            entry.path.decode(): repository[entry.sha].data.decode()
            for entry in iter_tree_contents(repository.object_store, tree)
        }


def documents(texts):
    return [doc for path, text in texts.items() if path.endswith(".yaml") for doc in YAML(typ="safe").load_all(text)]


def workloads(texts):
    return {doc["metadata"]["name"]: doc for doc in documents(texts) if "template" in doc.get("spec", {})}


def values(rows, workload, column):
    return [float(row[column]) for row in rows if row["workload"] == workload]


def test_usage_ends_before_today_and_spans_three_weeks(rows):
    assert rows[0]["timestamp"] == "2026-04-08T00:00:00Z"
    assert rows[-1]["timestamp"] == "2026-04-28T23:00:00Z"
    assert usage_file(AS_OF, AS_OF, 1) == usage_file(AS_OF, AS_OF, 1) != usage_file(AS_OF, AS_OF, 2)


def test_an_earlier_morning_knew_the_same_of_the_days_before_it(rows):
    morning = AS_OF - timedelta(days=9)
    earlier = read(usage_file(AS_OF, morning, 1))
    assert earlier[-1]["timestamp"] == "2026-04-19T23:00:00Z"
    assert "query-rewriter" not in {row["workload"] for row in earlier}
    both = [row for row in earlier if row["timestamp"] >= rows[0]["timestamp"]]
    assert both == [row for row in rows if row["timestamp"] < f"{morning}"]


def test_every_workload_has_a_clear_outcome(rows):
    def peak(workload, column):
        return max(values(rows, workload, column))

    for large in ("search-api", "clip-preprocess"):
        assert peak(large, "cpu_max_m") < values(rows, large, "cpu_request_m")[0] * 0.55
        assert peak(large, "mem_max_mib") < values(rows, large, "mem_request_mib")[0] / 2
    assert sum(values(rows, "whisper-gateway", "oom_kills")) >= 3
    assert peak("whisper-gateway", "mem_max_mib") == 512
    leak = [row for row in rows if row["pod"] == "feature-store-0"]
    monday, sunday = (float(leak[hour]["mem_max_mib"]) for hour in (5 * 24, 11 * 24 + 23))
    assert sunday > 3 * monday
    assert 0.8 * 8000 < peak("sdxl-finetune", "cpu_max_m") <= 8000
    assert peak("risk-scorer", "cpu_max_m") > 0.85 * 800
    assert peak("risk-scorer", "mem_max_mib") > 0.8 * 1024
    assert len(values(rows, "query-rewriter", "cpu_avg_m")) < 48
    killed = {row["workload"] for row in rows if row["oom_kills"] != "0"}
    assert killed == {"whisper-gateway"}


def test_no_sample_exceeds_its_limit(rows):
    for row in rows:
        assert float(row["mem_avg_mib"]) <= float(row["mem_max_mib"]) <= float(row["mem_limit_mib"])
        assert float(row["cpu_avg_m"]) <= float(row["cpu_max_m"]) <= float(row["cpu_limit_m"] or "inf")


def test_manifests_ask_for_what_the_pods_ran_with(texts):
    found = workloads(texts)
    assert set(found) == {container.workload for container in CONTAINERS}
    for container in CONTAINERS:
        document = found[container.workload]
        assert (document["kind"], document["metadata"]["namespace"]) == (container.kind, container.namespace)
        assert document["spec"]["replicas"] == container.pods
        (declared,) = document["spec"]["template"]["spec"]["containers"]
        assert declared["name"] == container.name
        asked = declared["resources"]
        assert parse(str(asked["requests"]["cpu"])) * 1000 == container.cpu_request_m
        assert parse(str(asked["requests"]["memory"])) == container.memory_request_mib * 2**20
        assert parse(str(asked["limits"]["memory"])) == container.memory_limit_mib * 2**20
        limit = asked["limits"].get("cpu")
        assert (None if limit is None else parse(str(limit)) * 1000) == container.cpu_limit_m


def test_two_workloads_break_the_rules_and_no_other(texts):
    found = workloads(texts)
    assert {name for name, doc in found.items() if LABEL not in doc["metadata"]["labels"]} == {"clip-preprocess"}
    memory = {
        name: Decimal(limit)
        for name, doc in found.items()
        for container in doc["spec"]["template"]["spec"]["containers"]
        if (limit := container["resources"]["limits"].get("nvidia.com/gpu-memory"))
    }
    assert memory == {"sdxl-finetune": 24}


def test_the_cluster_applies_every_manifest(texts):
    (applied,) = (doc["resources"] for doc in documents(texts) if doc["kind"] == "Kustomization")
    assert {path.removeprefix("../../") for path in applied} == {path for path in texts if path.startswith("apps/")}


def test_commits_are_the_same_on_every_machine_and_an_existing_repository_stays(tmp_path):
    from dulwich.repo import Repo

    heads = []
    for name in ("one.git", "two.git"):
        write_repository(tmp_path / name, AS_OF)
        with Repo(str(tmp_path / name)) as repository:
            heads.append(repository.refs[b"refs/heads/main"])
            log = [entry.commit for entry in repository.get_walker()]
            assert len(log) == 3
            assert all(commit.author == commit.committer for commit in log)
            repository.refs[b"refs/heads/finops/search-api"] = heads[-1]
    assert heads[0] == heads[1]
    write_repository(tmp_path / "one.git", AS_OF)
    with Repo(str(tmp_path / "one.git")) as repository:
        assert b"refs/heads/finops/search-api" in repository.refs.allkeys()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.git", "two.git"]


@pytest.mark.shared
def test_columns_are_those_of_the_sample(shared, rows):
    sample = gzip.decompress((shared / "data/k8s-usage/container_usage_hourly.csv.gz").read_bytes()).decode()
    assert list(rows[0]) == sample.splitlines()[0].split(",")
