"""The billing export read from a real BigQuery protocol: no row lost, none twice, nothing asked for twice."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from finops_ai.domain.delivery import Delivery, Refusal
from finops_ai.domain.errors import Unavailable
from finops_ai.domain.money import total
from finops_ai.sources import gcp_billing
from finops_ai.sources.base import ChargeSource, Scan
from finops_ai.world.clock import SystemClock
from finops_ai.world.http import Http
from finops_ai.world.objects import Store
from finops_ai.world.secrets import Secrets
from finops_ai.world.world import World
from tests.bigquery import EXPORT, BigQueryServer, bigquery
from tests.seaweedfs import Wire, proxy
from tests.unit.sources.exports import KEEP, delivered, facts, sums
from tests.unit.sources.gcp_export import credit, gcp, row

# What all of it stands on is made once, by one worker.
pytestmark = [pytest.mark.server, pytest.mark.xdist_group("bigquery")]
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BigQueryServer]:
    with bigquery(tmp_path_factory.mktemp("bigquery") / "server") as server:
        yield server


@pytest.fixture
def wire(server: BigQueryServer) -> Iterator[Wire]:
    with proxy(server.endpoint_url) as wire:
        yield wire


@pytest.fixture
def table(server: BigQueryServer) -> str:
    return server.table(f"gcp_billing_export_resource_v1_{next(NUMBERS)}")


def opened(table: str, wire: Wire, cache: Path, **settings: Any) -> ChargeSource:
    """The source as a new process would make it: nothing is shared but the cache."""
    secrets, clock = Secrets({}), SystemClock()
    world = World(clock=clock, http=Http(secrets, clock), objects=Store(cache, secrets, clock), secrets=secrets)
    told = gcp_billing.Settings(name="gcp", table=table, endpoint_url=wire.url, **settings)
    made: Any = gcp_billing.make(told, world, KEEP)
    found: ChargeSource = made
    return found


def read(made: ChargeSource) -> list[Scan]:
    return [made.charges(delivery) for delivery in delivered(made)]


def queries(wire: Wire) -> int:
    """Queries since last asked."""
    count = sum(line.startswith("POST") and ("/queries" in line or "/jobs" in line) for line in wire.requests)
    wire.requests.clear()
    return count


def billed(scans: list[Scan]) -> Decimal:
    return total(cost for scan in scans for cost in scan.billed().values())


def test_the_table_reads_as_its_extract_does(server: BigQueryServer, table: str, wire: Wire, tmp_path: Path) -> None:
    golden = Path(__file__).resolve().parents[1] / "golden/sources/gcp_billing/jsonl/bill"
    rows = [json.loads(line) for file in sorted(golden.iterdir()) for line in file.read_text().splitlines()]
    models = {"consumption_model": ("NULLABLE", {"id": "STRING", "description": "STRING"})}
    newer = server.table(f"new_{next(NUMBERS)}", {**EXPORT, **models, "cost_at_effective_price_default": "FLOAT"})
    server.append(newer, rows)
    found = read(opened(newer, wire, tmp_path))
    truth = gcp(golden)
    expected = [truth.charges(delivery) for delivery in delivered(truth)]
    assert sorted(map(str, facts(found))) == sorted(map(str, facts(expected)))
    assert [scan.control for scan in found] == [scan.control for scan in expected]


def test_a_table_that_did_not_grow_is_asked_nothing(
    server: BigQueryServer, table: str, wire: Wire, tmp_path: Path
) -> None:
    server.append(table, [row(), row(export_time="2026-04-12 01:00:00 UTC")])
    first = read(opened(table, wire, tmp_path))
    assert queries(wire) > 0
    again = opened(table, wire, tmp_path)
    assert [scan.control for scan in read(again)] == [scan.control for scan in first]
    assert queries(wire) == 0


def test_a_late_row_moves_its_invoice_month_alone_and_asks_for_its_partition_alone(
    server: BigQueryServer, table: str, wire: Wire, tmp_path: Path
) -> None:
    march = row(invoice={"month": "202603"}, export_time="2026-03-20 01:00:00 UTC")
    server.append(table, [march, row(), row(export_time="2026-04-11 01:00:00 UTC")])
    before = delivered(opened(table, wire, tmp_path))
    for delivery in before:
        opened(table, wire, tmp_path).charges(delivery)
    late = row(cost=8.0, usage_start_time="2026-04-02 05:00:00 UTC", export_time="2026-05-04 01:00:00 UTC")
    server.append(table, [late])
    made = opened(table, wire, tmp_path)
    after = delivered(made)
    assert [one.fingerprint == other.fingerprint for one, other in zip(before, after, strict=True)] == [True, False]
    queries(wire)
    scan = made.charges(after[1])
    assert queries(wire) <= 2  # April's days together, now that it is over, and the day of the late row
    assert billed([scan]) == Decimal("13.0")
    assert sums(scan, lambda fact: str(fact["day"])) == {"2026-04-02": Decimal(8), "2026-04-10": Decimal(5)}


def test_rows_that_are_alike_are_all_counted(server: BigQueryServer, table: str, wire: Wire, tmp_path: Path) -> None:
    server.append(table, [row(credits=[credit(-0.5)])] * 3)
    (scan,) = read(opened(table, wire, tmp_path))
    assert (scan.control.rows, billed([scan])) == (3, Decimal("6.0"))


def test_a_table_that_grows_while_it_is_read_is_read_next_time(
    server: BigQueryServer, table: str, wire: Wire, tmp_path: Path
) -> None:
    server.append(table, [row()])
    made = opened(table, wire, tmp_path)
    (delivery,) = delivered(made)
    server.append(table, [row(cost=1.0)])
    with pytest.raises(Unavailable, match="changed since 2026-04 was listed"):
        made.charges(delivery)
    assert billed(read(opened(table, wire, tmp_path))) == Decimal("3.5")


@pytest.mark.parametrize("column", [None, "usage_start_time"])
def test_a_copy_with_other_partitions_reads_the_same(
    server: BigQueryServer, wire: Wire, tmp_path: Path, column: str | None
) -> None:
    table = server.table(f"copy_{next(NUMBERS)}", partitioned_by=column)
    server.append(table, [row(), row(usage_start_time="2026-03-31 23:00:00 UTC", cost=1.0)])
    (scan,) = read(opened(table, wire, tmp_path))
    assert sums(scan, lambda fact: str(fact["day"])) == {"2026-03-31": Decimal(1), "2026-04-10": Decimal("2.5")}


def test_an_older_table_reads_without_the_columns_that_came_later(
    server: BigQueryServer, wire: Wire, tmp_path: Path
) -> None:
    oldest = ("billing_account_id", "service", "sku", "usage_start_time", "usage_end_time", "project", "labels",
              "export_time", "cost", "currency", "usage", "credits", "invoice")  # fmt: skip
    table = server.table(f"old_{next(NUMBERS)}", {name: EXPORT[name] for name in oldest})
    server.append(table, [row(credits=[{"name": "Sustained Usage Discount", "amount": -0.5}])])
    (scan,) = read(opened(table, wire, tmp_path))
    assert billed([scan]) == Decimal("2.0")


def test_a_table_of_something_else_is_refused(server: BigQueryServer, wire: Wire, tmp_path: Path) -> None:
    table = server.table(f"else_{next(NUMBERS)}", {"cost": "FLOAT", "day": "TIMESTAMP"}, None)
    (refusal,) = opened(table, wire, tmp_path).deliveries(None)
    assert isinstance(refusal, Refusal)
    assert {problem.column for problem in refusal.problems} >= {"billing_account_id", "invoice.month"}


def test_rows_without_an_invoice_month_are_told_and_the_others_read(
    server: BigQueryServer, table: str, wire: Wire, tmp_path: Path
) -> None:
    server.append(table, [row(), row(invoice=None), row(invoice={"month": "202613"})])
    made = opened(table, wire, tmp_path)
    found = list(made.deliveries(None))
    problems = [problem for item in found if isinstance(item, Refusal) for problem in item.problems]
    assert {(problem.value, problem.message) for problem in problems} == {
        ("", "1 rows name no invoice month (YYYYMM)"),
        ("202613", "1 rows name no invoice month (YYYYMM)"),
    }
    assert [str(item.billing_period) for item in found if isinstance(item, Delivery)] == ["2026-04"]


def test_what_is_not_there_is_told_with_the_remedy(server: BigQueryServer, wire: Wire, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no such table: check `table`"):
        list(opened("acme-billing-417.billing.nothing", wire, tmp_path).deliveries(None))


@pytest.mark.shared
def test_the_shared_export_reads_as_its_extract_and_comes_to_its_totals(
    server: BigQueryServer, table: str, wire: Wire, tmp_path: Path, shared: Path
) -> None:
    folder = shared / "data/gcp-detailed"
    files = sorted(folder.glob("*.jsonl.gz"))
    rows = [json.loads(line) for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]
    server.append(table, rows)
    made = opened(table, wire, tmp_path)
    found = delivered(made)
    scans = [made.charges(delivery) for delivery in found]
    truth = json.loads((folder / "totals.json").read_text())
    assert {
        str(one.billing_period).replace("-", ""): billed([scan]) for one, scan in zip(found, scans, strict=True)
    } == {month: Decimal(cost) for month, cost in truth["net_by_invoice_month"].items()}
    assert sums(scans, lambda fact: str(fact["day"])) == {
        day: Decimal(cost) for day, cost in truth["net_by_day_utc"].items()
    }
    extract = gcp(next(folder.glob("*.parquet")))
    other = [extract.charges(delivery) for delivery in delivered(extract)]
    assert [scan.control for scan in scans] == [scan.control for scan in other]
