"""Container usage from CSV: units, unknown samples, order, and values that are refused."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finops_ai.domain.errors import Malformed
from finops_ai.domain.usage import ContainerUsage, Workload
from finops_ai.sources import usage_files
from tests.unit.sources.exports import WORLD, Row, csv_text, packed

NOW = datetime(2026, 4, 2, tzinfo=UTC)
SAMPLE: Row = {
    "timestamp": "2026-04-01T00:00:00Z",
    "cluster": "shop",
    "namespace": "default",
    "kind": "Deployment",
    "workload": "api",
    "container": "server",
    "pod": "api-1",
    "cpu_request_m": "200",
    "cpu_limit_m": "400",
    "mem_request_mib": "180",
    "mem_limit_mib": "",
    "cpu_avg_m": "15.5",
    "cpu_max_m": "22",
    "mem_avg_mib": "27.5",
    "mem_max_mib": "29",
    "cpu_throttled_ratio": "0.25",
    "restarts": "1",
    "oom_kills": "0",
}


def sample(hour: int = 0, pod: str = "api-1", **columns: str) -> Row:
    return {**SAMPLE, "timestamp": f"2026-04-01T{hour:02d}:00:00Z", "pod": pod, **columns}


def usage(root: Path, *files: list[Row]) -> list[ContainerUsage]:
    for number, rows in enumerate(files):
        (root / f"{number}.csv.gz").write_bytes(packed(csv_text(rows)))
    return scanned(root)


def scanned(root: Path) -> list[Any]:
    source = usage_files.make(usage_files.Settings(name="usage", uri=str(root)), WORLD)
    (reading,) = source.readings(NOW)
    return list(source.usage(reading).usages)


def test_units_become_cores_and_bytes(tmp_path: Path) -> None:
    (found,) = usage(tmp_path, [sample()])
    assert found.workload == Workload("shop", "default", "Deployment", "api")
    assert found.container == "server"
    assert found.hours == (datetime(2026, 4, 1, tzinfo=UTC),)
    assert found.pods == ("api-1",)
    assert found.cpu_cores_avg == pytest.approx([0.0155])
    assert found.cpu_cores_max == pytest.approx([0.022])
    assert found.memory_bytes_avg == pytest.approx([27.5 * 2**20])
    assert found.memory_bytes_max == pytest.approx([29 * 2**20])
    assert found.throttled_ratio == pytest.approx([0.25])
    assert (found.cpu_request_cores, found.cpu_limit_cores) == (0.2, 0.4)
    assert (found.memory_request_bytes, found.memory_limit_bytes) == (180 * 2**20, None)
    assert (found.restarts, found.oom_kills) == (1, 0)


def test_an_empty_sample_is_unknown_and_never_zero(tmp_path: Path) -> None:
    (found,) = usage(tmp_path, [sample(0), sample(1, cpu_avg_m="", mem_max_mib=""), sample(2)])
    assert [math.isnan(value) for value in found.cpu_cores_avg] == [False, True, False]
    assert math.isnan(found.memory_bytes_max[1])
    assert not np.isnan(found.cpu_cores_max).any()


def test_order_is_by_hour_and_pod_whatever_the_files_say(tmp_path: Path) -> None:
    (found,) = usage(tmp_path, [sample(1, "b"), sample(0, "b")], [sample(1, "a"), sample(0, "a")])
    assert [(hour.hour, pod) for hour, pod in zip(found.hours, found.pods, strict=True)] == [
        (0, "a"),
        (0, "b"),
        (1, "a"),
        (1, "b"),
    ]


def test_requests_are_those_of_the_last_hour_and_counts_add_up(tmp_path: Path) -> None:
    rows = [sample(0, oom_kills="2"), sample(1, cpu_request_m="300"), sample(2, cpu_request_m="", oom_kills="1")]
    (found,) = usage(tmp_path, rows)
    assert found.cpu_request_cores is None
    assert (found.oom_kills, found.restarts) == (3, 3)


def test_containers_come_apart(tmp_path: Path) -> None:
    found = usage(tmp_path, [sample(), sample(container="proxy"), sample(workload="web"), sample(namespace="other")])
    assert [(str(item.workload), item.container) for item in found] == [
        ("default/api", "proxy"),
        ("default/api", "server"),
        ("default/web", "server"),
        ("other/api", "server"),
    ]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("cpu_avg_m", "NaN"),
        ("cpu_avg_m", "-1"),
        ("cpu_avg_m", "1,5"),
        ("mem_max_mib", "inf"),
        ("mem_max_mib", "12Mi"),
        ("cpu_request_m", "1e400"),
        ("restarts", "many"),
        ("timestamp", "yesterday"),
        ("timestamp", ""),
        ("workload", ""),
        ("pod", ""),
    ],
)
def test_a_value_that_is_none_is_told_where_it_stands(tmp_path: Path, column: str, value: str) -> None:
    with pytest.raises(Malformed) as caught:
        usage(tmp_path, [sample(0), {**sample(1), column: value}])
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.column, problem.value) == ("0.csv.gz", 3, column, value or None)


def test_a_pod_hour_told_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="told twice"):
        usage(tmp_path, [sample(0)], [sample(0)])


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(Malformed) as caught:
        usage(tmp_path, [{("cpu_average_m" if name == "cpu_avg_m" else name): value for name, value in SAMPLE.items()}])
    (problem,) = caught.value.problems
    assert problem.column == "cpu_avg_m"
    assert "did you mean 'cpu_average_m'?" in problem.message


def test_a_cut_file_and_an_empty_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="holds no usage files"):
        usage(tmp_path)
    (tmp_path / "0.csv.gz").write_bytes(packed(csv_text([SAMPLE]))[:-9])
    with pytest.raises(Malformed, match="cut short"):
        usage(tmp_path)


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    source = usage_files.make(usage_files.Settings(name="usage", uri=str(tmp_path)), WORLD)
    usage(tmp_path, [sample()])
    before = list(source.readings(NOW))
    assert list(source.readings(NOW)) == before
    usage(tmp_path, [sample(cpu_avg_m="16")])
    assert list(source.readings(NOW)) != before
