"""Usage in files, and the same metrics out of a real Prometheus: every figure of the samples' totals is met."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.flow.conftest import Configure, Program
from tests.prometheus_server import Sample, await_scrape, prometheus

AS_OF = "2026-06-30"
DAYS = ("--start", "2026-04-01", "--end", "2026-04-04")
GPU = ("-r", "gpu", "-g", "gpu,gpu_model,kind,workload")


def usage(program: Program, *arguments: str, as_of: str = AS_OF) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = program("usage", "--as-of", as_of, "--output", "json", *arguments).json
    return rows


def files(configure: Configure, *uris: Path) -> Program:
    """A program that has read files."""
    sources = "".join(f"\n  - {{name: f{i}, kind: usage_files, uri: '{uri}'}}" for i, uri in enumerate(uris))
    program = configure(f"usage:{sources}\n")
    ran = program("ingest", "--as-of", AS_OF, "--output", "json")
    assert {each["status"] for each in ran.json} == {"loaded"}
    assert {each["status"] for each in program("ingest", "--as-of", AS_OF, "--output", "json").json} == {"unchanged"}
    return program


def dcgm(shared: Path) -> Mapping[str, Any]:
    told: Mapping[str, Any] = json.loads((shared / "data/dcgm/totals.json").read_text())
    return told


def meets(rows: list[dict[str, Any]], totals: Mapping[str, Any]) -> None:
    by_gpu = {row["gpu"]: row for row in rows}
    assert len(by_gpu) == len(rows) == len(totals["gpus"])
    for told in totals["gpus"]:
        row = by_gpu[told["uuid"]]
        assert row["gpu_model"] == told["model"]
        assert row["workload"] == (told["pod"] or "")
        assert row["hours"] == told["samples"] * totals["step_seconds"] / 3600
        assert row["coverage"] == 1
        assert row["average"] == pytest.approx(told["mean_engine_active"], abs=1e-9)
        assert row["idle"] == pytest.approx(told["idle_hours_at_5min"], abs=5e-5)
        assert row["idle"] == pytest.approx(told["samples_below_5pct"] * totals["step_seconds"] / 3600)
        assert row["peak"] == told["max_engine_active"]
        assert row["unused"] == (0 if told["pod"] else 72)
        assert row["unused_cost"] is None
        assert row["price"] == (None if told["pod"] else "unknown: no price of NVIDIA L4 is configured or on the bill")


@pytest.mark.shared
@pytest.mark.parametrize("uri", ["query_range.json.gz", ""])
def test_every_figure_of_the_gpu_files(uri: str, configure: Configure, shared: Path) -> None:
    """The folder also holds scrapes without a time and lists of fields: told, and left out."""
    meets(usage(files(configure, shared / "data/dcgm" / uri), *DAYS, *GPU), dcgm(shared))


@pytest.mark.shared
def test_prometheus_that_holds_the_gpu_files_gives_the_same_figures(
    configure: Configure, shared: Path, tmp_path: Path
) -> None:
    told = json.loads(gzip.decompress((shared / "data/dcgm/query_range.json.gz").read_bytes()))["data"]["result"]
    with prometheus(tmp_path / "prometheus", _samples(told)) as url:
        program = configure(f"usage:\n  - {{name: prom, kind: prometheus, url: '{url}', history_days: 4}}\n")
        program("ingest", "--as-of", "2026-04-04T01:00:00Z")
        meets(usage(program, *DAYS, *GPU, as_of="2026-04-04T01:00:00Z"), dcgm(shared))


@pytest.mark.shared
@pytest.mark.parametrize("name", ["scrape-0000.prom", "scrape-0144.prom", "scrape-0800.prom"])
def test_a_scrape_means_the_same_in_prometheus_and_in_a_file(
    name: str, configure: Configure, shared: Path, tmp_path: Path
) -> None:
    text = (shared / "data/dcgm" / name).read_text()
    now = datetime.now(UTC)
    later = (now + timedelta(hours=2)).isoformat()
    with exporter(text) as target, prometheus(tmp_path / "prometheus", scrape=target) as url:
        program = configure(f"usage:\n  - {{name: prom, kind: prometheus, url: '{url}', history_days: 1}}\n")
        await_scrape(url, "DCGM_.*")
        program("ingest", "--as-of", later)
        live = usage(program, *GPU, as_of=later)
    (tmp_path / f"scrape-{now:%Y-%m-%dT%H:%M:%SZ}.prom").write_text(text)
    program = files(configure, *tmp_path.glob("*.prom"))
    recorded = usage(program, *GPU, "-g", "gpu,gpu_model,kind,workload,source", as_of=later)
    found = {row["gpu"]: (row["workload"], row["average"], row["peak"]) for row in recorded if row["source"] == "f0"}
    assert len(found) == 4
    assert {row["gpu"]: (row["workload"], row["average"], row["peak"]) for row in live} == found


@pytest.mark.shared
def test_every_figure_of_the_openshift_files(configure: Configure, shared: Path) -> None:
    program = files(configure, shared / "data/nise/ocp")
    totals = json.loads((shared / "data/nise/totals.json").read_text())["ocp"]
    days = ("--start", "2026-05-01", "--end", "2026-06-01")
    rows = usage(program, *days, "-r", "cpu", "-r", "memory", "-g", "pod")
    assert sum(row["hours"] for row in rows if row["resource"] == "cpu") == totals["rows"]
    for row in rows:
        told = totals["by_pod"][row["pod"]]
        if row["resource"] == "cpu":
            assert row["used"] * 3600 == pytest.approx(float(told["cpu_usage_core_seconds"]), rel=1e-12)
            assert row["reserved"] * 3600 == pytest.approx(float(told["cpu_request_core_seconds"]), rel=1e-12)
        else:
            bytes_of = row["used"] * 3600 * 2**30
            assert bytes_of == pytest.approx(float(Decimal(told["mem_usage_byte_seconds"])), rel=1e-12)
    (gpu,) = usage(program, *days, "-r", "gpu", "-g", "gpu_model,workload,pod")
    assert (gpu["gpu_model"], gpu["pod"], gpu["reserved"]) == ("H100", "llama-70b-0", 744)
    assert (gpu["hours"], gpu["average"], gpu["idle"], gpu["used"]) == (0, None, None, None), "not told is unknown"
    containers = usage(program, *days, "-r", "cpu", "-g", "container,workload,kind")
    assert {(row["container"], row["workload"], row["kind"]) for row in containers} == {
        ("", "gateway-0", "DeploymentConfig"),
        ("gateway-0", "gateway-0", "DeploymentConfig"),
        ("", "llama-70b-0", "ReplicaSet"),
        ("llama-70b-0", "llama-70b-0", "ReplicaSet"),
    }


@pytest.mark.shared
def test_every_figure_of_the_container_files(configure: Configure, shared: Path) -> None:
    program = files(configure, shared / "data/k8s-usage")
    rows = usage(program, "-r", "cpu", "-r", "memory", "-g", "namespace,kind,workload,container")
    by_workload = {(row["resource"], row["workload"]): row for row in rows}
    facts = json.loads((shared / "data/k8s-usage/facts.json").read_text())
    assert len(by_workload) == 2 * len(facts)
    for fact in facts:
        cpu, memory = (by_workload[resource, fact["workload"]] for resource in ("cpu", "memory"))
        assert (cpu["namespace"], cpu["kind"], cpu["container"]) == ("default", fact["kind"], fact["container"])
        assert cpu["average"] * 1000 == pytest.approx(fact["cpu_avg_m"], abs=5e-7)
        assert cpu["peak"] * 1000 == pytest.approx(fact["cpu_max_m"], abs=5e-7)
        assert memory["peak"] * 1024 == pytest.approx(fact["mem_max_mib"], abs=5e-7)
        assert cpu["reserved"] == pytest.approx(fact["cpu_request_m"] / 1000 * fact["rows"])
        assert memory["reserved"] * 1024 == pytest.approx(fact["mem_request_mib"] * fact["rows"])


def test_unused_gpu_hours_take_their_price_from_the_bill(configure: Configure, tmp_path: Path) -> None:
    focus = tmp_path / "focus.csv"
    columns = (
        "BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,BillingPeriodStart,BillingPeriodEnd,"
        "ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ServiceName,ServiceCategory,ProviderName,PublisherName,"
        "InvoiceIssuerName,BillingAccountId,SubAccountId,RegionId,SkuMeter,ConsumedQuantity,ConsumedUnit,"
        "ChargeFrequency,PricingCategory"
    )
    months = "2026-04-01T00:00:00Z,2026-05-01T00:00:00Z,2026-04-01T00:00:00Z,2026-04-02T00:00:00Z"
    rest = "Usage,Compute,Compute,Some Cloud,Some Cloud,Some Cloud,b1,s1,r1"
    lines = [
        f"{cost},{cost},{cost},{cost},USD,{months},{rest},{meter},{quantity},Hours,Usage-Based,Standard"
        for cost, meter, quantity in (("48", "L4 GPU", "64"), ("12", "L4 GPU Spot", "16"), ("99", "L40S GPU", "9"))
    ]
    focus.write_text("\n".join([columns, *lines, ""]))
    scrape = 'DCGM_FI_PROF_GR_ENGINE_ACTIVE{UUID="GPU-1",modelName="NVIDIA L4",Hostname="n"} 0 {at}\n'
    text = "".join(scrape.replace("{at}", str(1775001600000 + i * 300_000)) for i in range(24))
    (tmp_path / "gpu.prom").write_text(text)
    program = configure(
        f"sources:\n  - {{name: bill, kind: focus_files, uri: '{focus}'}}\n"
        f"usage:\n  - {{name: gpus, kind: usage_files, uri: '{tmp_path / 'gpu.prom'}'}}\n"
    )
    program("ingest", "--as-of", AS_OF)
    (row,) = usage(program, *DAYS, "-r", "gpu", "-g", "gpu_model")
    assert (row["unused"], float(row["unused_cost"]), row["currency"]) == (2, 1.5, "USD")
    assert row["price"] == "bill: L4 GPU, L4 GPU Spot"


def test_what_is_not_a_key_or_a_resource_is_told(configure: Configure) -> None:
    program = configure("usage: []\n")
    assert "did you mean 'workload'?" in program("usage", "-g", "workloads", code=2).stderr
    assert "did you mean 'gpu'?" in program("usage", "-r", "gpus", code=2).stderr
    ran = program("usage")
    assert "no usage is known" in ran.stderr


@contextmanager
def exporter(text: str) -> Iterator[str]:
    """Serves `text` as metrics on loopback; its address."""

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Silence."""

    server = HTTPServer(("127.0.0.1", 0), Metrics)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _samples(results: list[Mapping[str, Any]]) -> Iterator[Sample]:
    for result in results:
        labels = {name: value for name, value in result["metric"].items() if name != "__name__"}
        for at, value in result["values"]:
            yield Sample(metric=result["metric"]["__name__"], labels=labels, at=at, value=value)
