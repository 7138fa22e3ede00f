"""Files of usage beside the containers': scrapes, range queries and OpenShift's tables, good and bad."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_ai.domain.errors import FinopsError, Malformed
from finops_ai.domain.usage import ContainerUsage, GpuUsage, Usage, VolumeUsage
from finops_ai.sources import dcgm_files, usage_files
from tests.unit.sources.exports import WORLD, csv_text, packed

NOW = datetime(2026, 6, 1, tzinfo=UTC)
NOON = 1775044800
ACTIVE = "DCGM_FI_PROF_GR_ENGINE_ACTIVE"


def read(folder: Path, cluster: str = "") -> tuple[Usage, ...]:
    source = usage_files.make(usage_files.Settings(name="usage", uri=str(folder), cluster=cluster), WORLD)
    (reading,) = source.readings(NOW)
    return source.usage(reading).usages


def gpus(folder: Path, **files: str) -> list[GpuUsage]:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return [each for each in read(folder) if isinstance(each, GpuUsage)]


def line(value: Any, at: int | None = NOON, metric: str = ACTIVE, **labels: str) -> str:
    of = {"UUID": "GPU-1", "modelName": "NVIDIA A100", **labels}
    written = ",".join(f"{name}={json.dumps(text, ensure_ascii=False)}" for name, text in of.items())
    return f"{metric}{{{written}}} {value}{'' if at is None else f' {at}000'}\n"


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf", "-0.5", "9223372036854775794"])
def test_a_blank_sample_is_none(tmp_path: Path, text: str) -> None:
    (found,) = gpus(tmp_path, a_prom=line(0.5) + line(text, NOON + 60))
    assert found.active_avg.tolist() == [0.5]


def test_a_device_with_nothing_known_is_not_told_as_idle(tmp_path: Path) -> None:
    (found,) = gpus(tmp_path, a_prom=line("NaN") + line(4, metric="DCGM_FI_DEV_FB_USED"))
    assert math.isnan(found.active_avg[0])
    assert math.isnan(found.idle[0])
    assert (found.seen[0], found.memory_bytes_avg[0]) == (0, 4 * 2**20)


def test_two_pods_on_one_device_and_a_pod_renamed_stay_apart(tmp_path: Path) -> None:
    found = gpus(tmp_path, a_prom=line(0.5, pod="a", namespace="n") + line(0.5, NOON + 3600, pod="b", namespace="n"))
    assert [(each.pod, each.hours[0].hour) for each in found] == [("a", 12), ("b", 13)]


def test_labels_of_the_exporters_own_pod_are_no_holder(tmp_path: Path) -> None:
    own = {"namespace": "gpu-operator", "pod": "nvidia-dcgm-exporter-x", "container": "nvidia-dcgm-exporter"}
    (free,) = gpus(tmp_path, a_prom=line(0.5, **own))
    assert free.workload is None
    (held,) = gpus(tmp_path, a_prom=line(0.5, **own, exported_pod="web", exported_namespace="ml"))
    assert (held.workload and held.workload.namespace, held.pod) == ("ml", "web")


def test_hostile_and_long_labels_come_through_as_they_are(tmp_path: Path) -> None:
    name = '"}\\ 1\n,=#{' + "x" * 77_000
    (found,) = gpus(tmp_path, a_prom=line(0.5, pod=name, namespace="n"))
    assert found.pod == name


def test_dst_hours_are_hours_of_utc(tmp_path: Path) -> None:
    """Clocks went forward in Berlin at 2026-03-29T01:00Z."""
    at = int(datetime(2026, 3, 29, tzinfo=UTC).timestamp())
    (found,) = gpus(tmp_path, a_prom="".join(line(0.5, at + hour * 3600) for hour in range(4)))
    assert [hour.isoformat() for hour in found.hours] == [f"2026-03-29T0{hour}:00:00+00:00" for hour in range(4)]


def test_a_scrape_takes_its_time_from_its_name_or_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "scrape-2026-04-01T12:30:00Z.prom").write_text(line(0.25, None))
    (tmp_path / "scrape-20260401T133000Z.prom.gz").write_bytes(packed(line(0.75, None)))
    (tmp_path / "scrape-0001.prom").write_text(line(0.99, None))
    (found,) = [each for each in read(tmp_path) if isinstance(each, GpuUsage)]
    assert [hour.hour for hour in found.hours] == [12, 13]
    assert found.active_avg.tolist() == [0.25, 0.75]


def test_a_folder_of_scrapes_without_times_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="name the file after it"):
        gpus(tmp_path, a_prom=line(0.99, None))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.prom", "what is this\n", "no line of the Prometheus text format"),
        ("a.prom", line("0.5") + ACTIVE + '{UUID="a",UUID="b"} 1\n', "labels that cannot be read"),
        ("a.prom", line("much"), "is no number"),
        ("a.json", '{"status":"success","data":{"result":[', "is no whole JSON"),
        ("a.json", '{"status":"success","data":{"result":[{"metric":{},"values":[[1]]}]}}', "range query"),
        ("a.json", '{"status":"error","data":null,"error":"x"}', "range query"),
    ],
)
def test_what_cannot_be_trusted_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(Malformed, match=message) as caught:
        read(tmp_path)
    assert caught.value.problems[0].file == name


@given(text=st.one_of(st.text(max_size=200), st.text(alphabet='DCGM_{}="\\,\n 01.eN#', max_size=200)))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(FinopsError):
        list(dcgm_files.scrape(text, "x.prom"))


POD = {
    "interval_start": "2026-05-01 00:00:00 +0000 UTC",
    "namespace": "ml",
    "pod": "web-1",
    "pod_usage_cpu_core_seconds": "1800",
    "pod_request_cpu_core_seconds": "3600",
    "pod_limit_cpu_core_seconds": "",
    "pod_usage_memory_byte_seconds": "7200",
    "pod_request_memory_byte_seconds": "3600",
    "pod_limit_memory_byte_seconds": "",
}
CLAIM = {
    "interval_start": "2026-05-01 02:00:00 +0200 CEST",
    "namespace": "ml",
    "pod": "web-1",
    "persistentvolumeclaim": "models",
    "storageclass": "fast",
    "persistentvolumeclaim_capacity_bytes": "1000",
    "persistentvolumeclaim_usage_byte_seconds": "1800000",
}
GPU = {
    "interval_start": "2026-05-01 00:00:00 +0000 UTC",
    "node": "n1",
    "namespace": "ml",
    "pod": "web-1",
    "gpu_uuid": "GPU-1",
    "gpu_model_name": "H100",
    "gpu_memory_capacity_mib": "10240",
    "gpu_pod_uptime": "1800",
    "mig_instance_id": "3",
    "mig_profile": "1g.10gb",
}


def test_openshift_pods_claims_and_slices(tmp_path: Path) -> None:
    for name, rows in (("pods", [POD]), ("claims", [CLAIM, {**CLAIM, "pod": "web-2"}]), ("gpus", [GPU])):
        (tmp_path / f"{name}.csv").write_text(csv_text(rows))
    pod, claim, gpu = read(tmp_path, cluster="c1")
    assert isinstance(pod, ContainerUsage)
    assert (pod.workload.key, pod.container) == ("c1/ml/Pod/web-1", "")
    assert (pod.cpu_cores_avg.tolist(), pod.memory_bytes_avg.tolist()) == ([0.5], [2.0])
    assert np.isnan([pod.cpu_cores_max[0], pod.memory_bytes_max[0], pod.throttled_ratio[0]]).all()
    assert (pod.cpu_request_cores, pod.cpu_limit_cores) == (1.0, None)
    assert isinstance(claim, VolumeUsage)
    assert (claim.hours, claim.used_bytes_avg.tolist()) == (pod.hours, [500.0]), "CEST is two hours before UTC"
    assert isinstance(gpu, GpuUsage)
    assert (gpu.slice_id, gpu.profile, gpu.held.tolist()) == ("3", "1g.10gb", [0.5])
    assert np.isnan(gpu.active_avg).all()


def test_a_pod_of_two_terabytes_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_text([{**POD, "pod_limit_memory_byte_seconds": str(3600 * 2**41)}]))
    (pod,) = read(tmp_path)
    assert isinstance(pod, ContainerUsage)
    assert pod.memory_limit_bytes == 2**41


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        (POD, "interval_start", "2026-05-01"),
        (POD, "pod_usage_cpu_core_seconds", "1,5"),
        (CLAIM, "persistentvolumeclaim", ""),
        (GPU, "gpu_pod_uptime", "-1"),
    ],
)
def test_a_bad_value_of_openshift_is_told_where_it_stands(
    tmp_path: Path, row: dict[str, str], column: str, value: str
) -> None:
    (tmp_path / "a.csv").write_text(csv_text([{**row, column: value}]))
    with pytest.raises(Malformed) as caught:
        read(tmp_path)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.column, problem.value) == ("a.csv", 2, column, value or None)


@pytest.mark.parametrize("row", [POD, CLAIM, GPU])
def test_a_thing_told_twice_for_one_hour_is_refused(tmp_path: Path, row: dict[str, str]) -> None:
    (tmp_path / "a.csv").write_text(csv_text([row, row]))
    with pytest.raises(Malformed, match="told twice"):
        read(tmp_path)
