"""An episode knows the namespace that carries it, so that what was deployed there stands beside it without any rule."""

from __future__ import annotations

import csv
import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.flow.conftest import Configure, Program
from tests.flow.test_budgets import COLUMNS
from tests.unit.sources.test_opencost import allocation, answer, write

pytestmark = pytest.mark.timeout(600)

TODAY = date(2026, 4, 20)
DAYS = [TODAY - timedelta(days=back) for back in range(80, 0, -1)]
RISES = TODAY - timedelta(days=3)


def cost(day: date, namespace: str) -> float:
    """Two namespaces of one team; the one with the models doubles."""
    usual = {"models": 200.0, "web": 150.0, "ads": 90.0}[namespace] + day.toordinal() % 3
    return usual * (2 if namespace == "models" and day >= RISES else 1)


OWNERS = {"models": "search", "web": "search", "ads": "ads"}


def allocations(folder: Path) -> Path:
    sets = [
        [
            allocation(str(day), namespace, {"cost_center": owner}, cpuCost=cost(day, namespace))
            for namespace, owner in OWNERS.items()
        ]
        for day in DAYS
    ]
    return write(folder, answer(*sets))


def cloud_bill(folder: Path) -> Path:
    """The same money by owner, as the cloud bills it; it knows nothing of namespaces."""
    folder.mkdir()
    with (folder / "focus.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for day in DAYS:
            month = day.replace(day=1)
            after = (month + timedelta(days=32)).replace(day=1)
            times = [f"{one}T00:00:00Z" for one in (month, after, day, day + timedelta(days=1))]
            for center in ("search", "ads"):
                whole = sum(cost(day, namespace) for namespace, owner in OWNERS.items() if owner == center)
                tags = json.dumps({"cost-center": center})
                rows.writerow([*[whole] * 4, "USD", "1", *times, "Usage", "Compute", "Cloud", tags])
    return folder


def deployments(folder: Path) -> Path:
    """Of two applications on the same evening, as Argo CD tells them; nobody labelled them."""
    at = f"{RISES - timedelta(days=1)}T19:00:00Z"
    items: list[dict[str, Any]] = [
        {
            "metadata": {"name": name, "namespace": "argocd"},
            "spec": {"destination": {"namespace": namespace}},
            "status": {"history": [{"id": 1, "revision": "0c0d3a3f4fd1b2c2", "deployedAt": at}]},
        }
        for name, namespace in (("front", "web"), ("serving", "models"), ("banners", "ads"))
    ]
    folder.mkdir()
    (folder / "applications.json").write_text(json.dumps({"items": items}), encoding="utf-8")
    return folder


def episode_of_search(program: Program) -> tuple[Any, Any]:
    for job in ("ingest", "nearby", "detect"):
        program(job, "--as-of", f"{TODAY}")
    rows = program("episodes", "list", "--as-of", f"{TODAY}", "--output", "json").json
    (one,) = [row for row in rows if row["kind"] == "rise"]
    (explained,) = program("explain", one["key"], "--as-of", f"{TODAY}", "--output", "json").json
    return one, explained


@pytest.mark.parametrize("billed", [False, True], ids=["the workloads are the bill", "a cloud's bill beside them"])
def test_what_was_deployed_in_its_namespace_stands_beside_it(
    configure: Configure, tmp_path: Path, billed: bool
) -> None:
    bill = f'  - {{name: bill, kind: focus_files, uri: "file://{cloud_bill(tmp_path / "bill")}"}}' if billed else ""
    told = f"""
sources:
  - {{name: k8s, kind: opencost, uri: "file://{allocations(tmp_path / "k8s")}"}}
{bill}
changes:
  - {{name: cd, kind: argocd, uri: "file://{deployments(tmp_path / "cd")}"}}
"""
    one, explained = episode_of_search(configure(told))
    assert {name: explained["where"].get(name) for name in ("x_cost_center", "cluster", "namespace", "workload")} == {
        "x_cost_center": "search",
        "cluster": "prod",
        "namespace": "models",
        "workload": "deployment/api",
    }
    assert Decimal(one["excess"]) > 300
    (nearby,) = explained["changes_nearby"]
    assert nearby["what"] == "serving to 0c0d3a3f4fd1"
    assert nearby["words"] == "associated with this episode: deployment to models, 5 h before the day it opened"
