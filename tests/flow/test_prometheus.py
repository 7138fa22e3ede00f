"""A real Prometheus with days of history: hours, owners, gaps, GPUs and slices, as the ledger tells them."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from finops_ai.ledger import usage as ledger_usage
from tests.conftest import Finops, Ran
from tests.flow.conftest import Configure, Program
from tests.prometheus_server import Sample, prometheus

# What all of it stands on is made once, by one worker.
pytestmark = pytest.mark.xdist_group("prometheus")

DAY_ONE = datetime(2026, 4, 1, tzinfo=UTC)
START = DAY_ONE.timestamp()
HOUR = 3600
STEP = 120
HOSTILE = '=cmd|"; DROP TABLE gpu; --\n\x1b[31m{{"x"}}'
LONG = "m" * 77_000
AS_OF = datetime(2026, 4, 3, 1, 30, tzinfo=UTC)
A100 = "NVIDIA A100-SXM4-80GB"


def series(
    metric: str, first_hour: float, last_hour: float, value: Any, *, step: int = STEP, **labels: str
) -> Iterator[Sample]:
    """Samples from one hour to before another; `value` is a number or a function of the seconds since the start."""
    for at in range(round(first_hour * HOUR), round(last_hour * HOUR), step):
        yield Sample(metric=metric, labels=labels, at=START + at, value=value(at) if callable(value) else value)


def container(pod: str, owner: str, first: float, last: float, **over: Any) -> Iterator[Sample]:
    """A pod of a ReplicaSet with one container: 0.25 cores, 1 GiB, request half a core and 2 GiB."""
    pod_labels = {"namespace": "ml", "pod": pod}
    of = {**pod_labels, "container": "server"}
    cadvisor = {**of, "id": f"/kubepods/{pod}", "image": "x", "cpu": "total"}
    yield from series(
        "container_cpu_usage_seconds_total", first, last, over.get("cpu", lambda at: at * 0.25), **cadvisor
    )
    memory = over.get("memory", 2.0**30)
    yield from series("container_memory_working_set_bytes", first, last, memory, **cadvisor)
    yield from series("container_cpu_cfs_periods_total", first, last, lambda at: at * 10, **cadvisor)
    yield from series("container_cpu_cfs_throttled_periods_total", first, last, lambda at: at * 2, **cadvisor)
    yield from series("container_memory_working_set_bytes", first, last, 5e9, **pod_labels, id=f"/kubepods/{pod}")
    for resource, request in (("cpu", 0.5), ("memory", 2.0**31)):
        yield from series("kube_pod_container_resource_requests", first, last, request, **of, resource=resource)
    restarts = over.get("restarts", lambda at: 0)
    yield from series("kube_pod_container_status_restarts_total", first, last, restarts, **of)
    yield from series("kube_pod_owner", first, last, 1, **pod_labels, owner_kind="ReplicaSet", owner_name=owner)


def device(uuid: str, first: float, last: float, active: Any, **labels: str) -> Iterator[Sample]:
    of = {"UUID": uuid, "gpu": "0", "Hostname": "n1", "modelName": A100, **labels}
    yield from series("DCGM_FI_PROF_GR_ENGINE_ACTIVE", first, last, active, **of)
    yield from series("DCGM_FI_DEV_FB_USED", first, last, 1024, **of)
    yield from series("DCGM_FI_DEV_FB_FREE", first, last, 3072, **of)


def history() -> Iterator[Sample]:
    """Two days and an hour of a small cluster."""
    # web: one pod is replaced by another after six hours; nothing is told of hours 30 to 40.
    yield from container("web-a", "web-7d4f", 0, 6)
    yield from container("web-b", "web-7d4f", 6, 30, restarts=lambda at: 0 if at < 10.5 * HOUR else 2)
    yield from container("web-b", "web-7d4f", 40, 49, restarts=lambda at: 2)
    owned = {"namespace": "ml", "replicaset": "web-7d4f", "owner_kind": "Deployment", "owner_name": "web"}
    yield from series("kube_replicaset_owner", 0, 49, 1, **owned)
    killed = {"namespace": "ml", "pod": "web-b", "container": "server", "reason": "OOMKilled"}
    yield from series("kube_pod_container_status_last_terminated_reason", 10.5, 30, 1, **killed)
    # job: a pod of a CronJob that lives for twenty minutes; its counter is told by two scrapes.
    for copy in ("a", "b"):
        of = {"namespace": "ml", "pod": "nightly-1-x", "container": "main", "instance": copy}
        yield from series("container_cpu_usage_seconds_total", 3, 3 + 1 / 3, lambda at: at * 2, **of)
    yield from series(
        "kube_pod_owner", 3, 4, 1, namespace="ml", pod="nightly-1-x", owner_kind="Job", owner_name="nightly-1"
    )
    yield from series(
        "kube_job_owner", 3, 4, 1, namespace="ml", job_name="nightly-1", owner_kind="CronJob", owner_name="nightly"
    )

    # A counter that is reset, a gauge with NaN and Inf, and labels that act.
    def reset(at: int) -> float:
        return at * 0.5 if at < 2 * HOUR else (at - 2 * HOUR) * 0.5

    of = {"namespace": HOSTILE, "pod": LONG, "container": "c"}
    yield from series("container_cpu_usage_seconds_total", 0, 4, reset, **of)

    def strange(at: int) -> str:
        return {0: "NaN", 1: "+Inf"}.get(at // STEP % 15, "1048576")

    yield from series("container_memory_working_set_bytes", 0, 4, strange, **of)
    # GPUs: a whole one with a holder, a free one, and one cut into a held 3g and a free 1g slice (2/7 are left).
    held = {"namespace": "ml", "pod": "web-b", "container": "server"}
    yield from device("GPU-whole", 6, 48, 0.5, **held)
    yield from device("GPU-free", 0, 48, 0.0)
    yield from device("GPU-cut", 0, 24, 0.8, GPU_I_ID="1", GPU_I_PROFILE="3g.40gb", **held)
    yield from device("GPU-cut", 0, 24, 0.0, GPU_I_ID="5", GPU_I_PROFILE="1g.10gb")
    yield from device("GPU-cut", 0, 24, 0.1)
    yield from series("DCGM_FI_DEV_GPU_UTIL", 0, 24, 90, UUID="GPU-cut", Hostname="n1", modelName=A100)
    # An old card has no profiling metrics; what it cannot tell is an enormous number.
    old = {"UUID": "GPU-old", "Hostname": "n2", "modelName": "Tesla P4", "namespace": "ml", "pod": "web-b"}
    yield from series("DCGM_FI_DEV_GPU_UTIL", 0, 2, lambda at: 40 if at < HOUR else 2147483632, **old)
    # A claim and a network.
    claim = {"namespace": "ml", "persistentvolumeclaim": "models"}
    yield from series("kubelet_volume_stats_used_bytes", 0, 10, 3 * 2.0**30, **claim)
    yield from series("kubelet_volume_stats_capacity_bytes", 0, 10, 10 * 2.0**30, **claim)
    yield from series("kube_persistentvolumeclaim_info", 0, 10, 1, **claim, storageclass="fast")
    mounted = {**claim, "pod": "web-b", "volume": "v"}
    yield from series("kube_pod_spec_volumes_persistentvolumeclaims_info", 0, 10, 1, **mounted)
    for interface, rate in (("eth0", 2.0**20), ("eth1", 2.0**19)):
        of = {"namespace": "ml", "pod": "web-a", "interface": interface}
        yield from series("container_network_receive_bytes_total", 0, 6, lambda at, rate=rate: at * rate, **of)
        yield from series("container_network_transmit_bytes_total", 0, 6, 0, **of)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prometheus(tmp_path_factory.mktemp("prometheus"), history()) as url:
        yield url


@pytest.fixture
def program(configure: Configure, filled: str) -> Program:
    return configure(settings(filled))


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory, filled: str, ledger_of_module: sa.Engine) -> Program:
    """A program that has read all of it."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "config").mkdir()
    (folder / "config" / "finops.yaml").write_text(textwrap.dedent(settings(filled)), encoding="utf-8")
    address = ledger_of_module.url.set(drivername="postgresql").render_as_string(hide_password=False)
    program = Program(finops=Finops(folder=folder), database_url=address)
    (told,) = ingest(program).json
    assert (told["status"], told["problems"]) == ("loaded", [])
    return program


def settings(url: str, **more: str) -> str:
    extra = "".join(f", {name}: {value}" for name, value in more.items())
    return f"""
        usage:
          - {{name: prom, kind: prometheus, url: "{url}", cluster: c1, history_days: 2{extra}}}
        recommend:
          prices: {{gpu_hour: {{A100: 2.5}}}}
        """


def ingest(program: Program, as_of: str = "2026-04-03T01:30:00Z", code: int = 0) -> Ran:
    return program("ingest", "--as-of", as_of, "--output", "json", code=code)


def usage(program: Program, *arguments: str, as_of: str = "2026-04-03T01:30:00Z") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = program("usage", "--as-of", as_of, "--output", "json", *arguments).json
    return rows


def one(rows: Sequence[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    (found,) = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return found


def test_workloads_have_their_hours_gaps_and_events(read: Program) -> None:
    rows = usage(read, "--start", "2026-04-01", "--end", "2026-04-04", "-g", "namespace,kind,workload")
    web = one(rows, resource="cpu", workload="web")
    assert (web["kind"], web["hours"], web["hours_asked"]) == ("Deployment", 39, 49)
    assert web["coverage"] == pytest.approx(39 / 49)
    assert web["gaps"] == ["2026-04-02T06:00Z/2026-04-02T16:00Z"]
    assert web["average"] == pytest.approx(0.25, rel=1e-3)
    assert web["peak"] == pytest.approx(0.25, rel=1e-3)
    assert web["reserved"] == pytest.approx(0.5 * 39, rel=0.01)
    memory = one(rows, resource="memory", workload="web")
    assert (memory["average"], memory["peak"]) == (1.0, 1.0)
    nightly = one(rows, resource="cpu", workload="nightly")
    assert (nightly["kind"], nightly["hours"]) == ("CronJob", 1)
    assert nightly["average"] == pytest.approx(2.0, rel=1e-3), "two scrapes of one target are one container"
    assert nightly["used"] == pytest.approx(2 / 3, rel=0.3), "it was there for a third of the hour"


@pytest.mark.usefixtures("read")
def test_restarts_oom_kills_requests_and_throttling_reach_rightsizing(ledger_of_module: sa.Engine) -> None:
    (web,) = [each for each in ledger_usage.usages(ledger_of_module, AS_OF) if each.workload.name == "web"]
    assert (web.restarts, web.oom_kills) == (2, 2)
    assert (web.cpu_request_cores, web.memory_request_bytes) == (0.5, 2.0**31)
    assert web.cpu_limit_cores is None
    assert np.nanmean(web.throttled_ratio) == pytest.approx(0.2, rel=1e-6)
    assert web.memory_bytes_max.max() == 2.0**30, "the pod's own total is no container"
    assert sorted(set(web.pods)) == ["web-a", "web-b"]


def test_a_reset_counter_nan_and_infinite_samples_and_labels_that_act(
    read: Program, ledger_of_module: sa.Engine
) -> None:
    (strange,) = [each for each in ledger_usage.usages(ledger_of_module, AS_OF) if each.container == "c"]
    assert strange.workload.namespace == HOSTILE
    assert strange.workload.name == LONG
    assert strange.cpu_cores_avg == pytest.approx([0.5] * 4, rel=0.02)
    assert strange.memory_bytes_avg.tolist() == [2.0**20] * 4
    shown = read("usage", "--as-of", str(AS_OF), "-g", "namespace", "-r", "cpu").stdout
    assert "\x1b" not in shown
    cells = read("usage", "--as-of", str(AS_OF), "-g", "namespace", "-r", "cpu", "--output", "csv").stdout
    assert "\n=cmd" not in cells


def test_gpus_slices_and_what_nobody_held(read: Program) -> None:
    rows = usage(read, "--start", "2026-04-01", "--end", "2026-04-03", "-r", "gpu", "-g", "gpu,gpu_profile,workload")
    whole = one(rows, gpu="GPU-whole", workload="web")
    assert (whole["hours"], whole["average"], whole["unused"]) == (42, 0.5, 0)
    assert (whole["used"], whole["reserved"]) == pytest.approx((21, 42))
    free = one(rows, gpu="GPU-free")
    assert (free["workload"], free["idle"], free["unused"]) == ("", 48, 48)
    assert (float(free["unused_cost"]), free["currency"]) == (120, "USD")
    slices = {row["gpu_profile"]: row for row in rows if row["gpu"] == "GPU-cut"}
    assert slices["3g.40gb"]["average"] == pytest.approx(0.8), "of the slice, not the whole device's utilisation"
    assert slices["3g.40gb"]["reserved"] == pytest.approx(24 * 3 / 7)
    assert slices["1g.10gb"]["unused"] == pytest.approx(24 / 7)
    assert slices["(rest)"]["unused"] == pytest.approx(24 * 3 / 7)
    assert sorted(slices) == ["(rest)", "1g.10gb", "3g.40gb"], "a device that is cut is told by its slices"
    assert slices["(rest)"]["average"] is None
    (total,) = usage(read, "--start", "2026-04-01", "--end", "2026-04-03", "-r", "gpu", "-g", "cluster")
    assert total["unused"] == pytest.approx(48 + 24 * 4 / 7)
    assert float(total["unused_cost"]) == pytest.approx(2.5 * (48 + 24 * 4 / 7))


def test_a_card_without_profiling_is_told_by_its_utilisation_and_blanks_are_unknown(read: Program) -> None:
    row = one(usage(read, "-r", "gpu", "-g", "gpu,gpu_model"), gpu="GPU-old")
    assert (row["hours"], row["average"]) == (1, pytest.approx(0.4))


def test_claims_and_networks(read: Program) -> None:
    storage = one(usage(read, "-r", "storage", "-g", "volume,storage_class,workload"), volume="models")
    assert (storage["storage_class"], storage["workload"]) == ("fast", "web")
    assert (storage["hours"], storage["average"], storage["reserved"]) == (10, 3.0, 100.0)
    received = one(usage(read, "-r", "network_received", "-g", "workload"), workload="web")
    assert received["used"] == pytest.approx(6 * 3600 * 1.5 / 1024, rel=0.01)
    assert one(usage(read, "-r", "network_transmitted", "-g", "workload"), workload="web")["used"] == 0


def test_only_whole_hours_and_nothing_twice(program: Program) -> None:
    assert ingest(program, "2026-04-01T02:03:00Z").json[0]["status"] == "loaded"
    early = usage(program, "-r", "cpu", "-g", "workload", as_of="2026-04-01T02:03:00Z")
    assert one(early, workload="web")["hours"] == 1, "the second hour is over, and not yet for five minutes"
    assert ingest(program, "2026-04-01T02:04:00Z").json[0]["status"] == "unchanged"
    assert ingest(program, "2026-04-01T03:10:00Z").json[0]["status"] == "loaded"
    later = usage(program, "-r", "cpu", "-g", "workload", as_of="2026-04-01T03:10:00Z")
    assert one(later, workload="web")["hours"] == 3
    assert one(later, workload="web")["used"] == pytest.approx(0.75, rel=0.01)
    assert early != later
    ingest(program)
    ingested = usage(program, "-g", "workload,day")
    assert ingest(program).json[0]["status"] == "unchanged"
    assert usage(program, "-g", "workload,day") == ingested


def test_a_refused_query_is_told_with_its_remedy_and_what_came_before_answers_on(
    configure: Configure, filled: str
) -> None:
    program = configure(settings(filled))
    ingest(program)
    before = usage(program, "-g", "workload")
    broken = configure(settings(filled, queries='{memory: "sum("}'))
    ran = ingest(broken, code=6)
    assert "the query 'memory' is refused" in ran.stderr
    assert "parse error" in ran.stderr
    assert "`queries`" in ran.stderr
    assert usage(program, "-g", "workload") == before
    program = configure(settings(f"{filled}/nothing/here"))
    assert "the part before /api/v1" in ingest(program, code=6).stderr


def test_a_query_of_ones_own_and_matchers(configure: Configure, filled: str) -> None:
    program = configure(settings(filled, matchers="'namespace=\"ml\"'", queries="{gpu_active: ''}"))
    ingest(program)
    rows = usage(program, "-g", "workload")
    assert {row["workload"] for row in rows if row["resource"] == "cpu"} == {"web", "nightly"}
    assert one(usage(program, "-r", "gpu", "-g", "gpu,workload"), gpu="GPU-whole", workload="web")["average"] is None
    bad = configure(settings(filled, queries="{memry: x}"))
    assert "did you mean memory?" in bad("config", "check", code=4).stderr


def test_a_server_that_cannot_do_it_at_once_is_asked_in_parts(configure: Configure, tmp_path: Path) -> None:
    pods = [each for pod in "abcd" for each in container(f"web-{pod}", "web-7d4f", 0, 24)]
    with prometheus(tmp_path / "small", pods, options=["--query.max-samples=500"]) as url:
        small = configure(settings(url))
        ingest(small, "2026-04-02T00:30:00Z")
        row = one(usage(small, "-g", "day"), resource="memory", day="2026-04-01")
        assert (row["hours"], row["average"], row["used"]) == (24, 1.0, 96)
    with prometheus(tmp_path / "smaller", pods, options=["--query.max-samples=20"]) as url:
        ran = ingest(configure(settings(url)), code=6)
        assert "too much even for one hour" in ran.stderr
        assert "--query.max-samples" in ran.stderr


def test_nothing_known_is_told_and_a_gone_server_is_unavailable(configure: Configure, tmp_path: Path) -> None:
    with prometheus(tmp_path / "empty") as url:
        program = configure(settings(url))
        (told,) = ingest(program).json
        assert told["rows"] == 0
        assert "no series at all" in told["problems"][0]["message"]
        assert told["problems"][0]["severity"] == "warning"
        assert usage(program) == []
    gone = ingest(program, "2026-04-03T03:30:00Z", code=5)
    assert "unavailable" in gone.stderr


@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        ({"token": "{file: SECRET}"}, "Bearer s3cr3t-t0ken"),
        ({"username": "reader", "password": "{file: SECRET}"}, "Basic cmVhZGVyOnMzY3IzdC10MGtlbg=="),
    ],
)
def test_the_way_in_is_shown_to_the_server_and_to_nobody_else(
    ways: dict[str, str], expected: str, configure: Configure, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("s3cr3t-t0ken\n")
    told = {name: value.replace("SECRET", f"'{tmp_path / 'secret'}'") for name, value in ways.items()}
    with gate(expected) as url:
        ran = ingest(configure(settings(url, **told)), "2026-04-02T00:30:00Z")
        assert ran.json[0]["status"] == "loaded", "a server that is starting up is asked again"
        refused = ingest(configure(settings(url)), "2026-04-03T00:30:00Z", code=6)
    assert "set `token`, or `username` and `password`" in refused.stderr
    assert "s3cr3t" not in ran.stdout + ran.stderr + refused.stdout + refused.stderr


@contextmanager
def gate(expected: str) -> Iterator[str]:
    """A server without series that is not ready at first, and wants `expected` in the header Authorization."""
    asked: list[str] = []

    class Gate(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.path)
            allowed = self.headers.get("Authorization") == expected
            status = 503 if len(asked) == 1 else 200 if allowed else 401
            body = '{"status":"success","data":{"resultType":"matrix","result":[]}}' if status == 200 else "no"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
