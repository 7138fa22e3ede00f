"""Every format from its files to the cube (listed, verified, mapped, summed, proved) against bare DuckDB on them.

The yardstick reads the same files once (read_csv with every field as text, read_json with the types of the fields it
needs, read_parquet) and groups by the columns that the cube has from that format, among them the day and each kept tag,
with the costs and the quantity summed as doubles. It verifies nothing: no checksum, no header, no value, no line told
twice; it keeps to no limit of memory, maps nothing to FOCUS, splits no credit and no bucket of tokens, and adds nothing
up a second time. Ours has to list the months first, which some formats tell only in their lines. Both run in child
processes, in turn; the best of each counts. Seconds are CPU seconds, which busy neighbours hardly move; the note has
the wall clock.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tests.benchmarks.scan import measured

ROUNDS = 2
ROWS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Bare:
    """The yardstick of a format: how DuckDB reads its files, what it groups by, and the costs it sums, billed first.

    `share`: rows of this format for each row asked for, where one of them is larger than a line of a bill.
    """

    kind: str
    reads: str
    keys: str
    costs: tuple[str, ...]
    share: float = 1.0


CSV = "read_csv([FILES], all_varchar = true, header = true)"
FOCUS_KEYS = """
BillingAccountId, BillingAccountName, BillingCurrency, BillingPeriodStart, ChargeCategory, ChargeFrequency,
ConsumedUnit, InvoiceIssuerName, PricingCategory, ProviderName, RegionId, ServiceCategory, ServiceName, SkuMeter,
SubAccountId, SubAccountName, Tags::JSON ->> 'cost-center' AS a, Tags::JSON ->> 'model' AS b, Tags::JSON ->> 'env' AS c,
ChargePeriodStart[:10]::DATE AS day
"""
FOCUS_COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ConsumedQuantity")
GCP_TYPES = """{
service: 'STRUCT(id VARCHAR, description VARCHAR)', sku: 'STRUCT(description VARCHAR)', usage_start_time: 'VARCHAR',
billing_account_id: 'VARCHAR', project: 'STRUCT(id VARCHAR, name VARCHAR)', location: 'STRUCT(region VARCHAR)',
labels: 'STRUCT(key VARCHAR, value VARCHAR)[]', cost: 'DOUBLE', cost_at_list: 'DOUBLE', currency: 'VARCHAR',
usage: 'STRUCT(amount_in_pricing_units DOUBLE, pricing_unit VARCHAR)', credits: 'STRUCT(amount DOUBLE)[]',
invoice: 'STRUCT(month VARCHAR)', cost_type: 'VARCHAR'}"""
GCP_KEYS = """
billing_account_id, service.id AS a, service.description AS b, sku.description AS c, project.id AS d, project.name AS e,
location.region AS f, invoice.month AS g, currency, cost_type, usage.pricing_unit AS h,
list_filter(labels, lambda l: l.key = 'cost-center') AS i, list_filter(labels, lambda l: l.key = 'model') AS j,
usage_start_time[:10]::DATE AS day
"""
GCP_COSTS = (
    "cost + coalesce(list_sum(list_transform(credits, lambda c: c.amount)), 0)",
    "cost_at_list",
    "usage.amount_in_pricing_units",
)

OPENCOST_TYPES = """{
data: 'MAP(VARCHAR, STRUCT(
  properties STRUCT(cluster VARCHAR, namespace VARCHAR, controller VARCHAR, labels MAP(VARCHAR, VARCHAR)),
  "window" STRUCT("start" VARCHAR), totalCost DOUBLE, cpuCost DOUBLE, ramCost DOUBLE, gpuCost DOUBLE, pvCost DOUBLE,
  networkCost DOUBLE))[]'}"""
LITELLM_TYPES = """{
request_id: 'VARCHAR', spend: 'DOUBLE', prompt_tokens: 'BIGINT', completion_tokens: 'BIGINT', startTime: 'VARCHAR',
model: 'VARCHAR', api_key: 'VARCHAR', "user": 'VARCHAR', team_id: 'VARCHAR', request_tags: 'VARCHAR[]',
status: 'VARCHAR', metadata: 'STRUCT(user_api_key_team_alias VARCHAR,
  usage_object STRUCT(prompt_tokens_details STRUCT(cached_tokens BIGINT)))'}"""

FORMATS: Mapping[str, Bare] = {
    "CUR, CSV": Bare(
        kind="aws_cur",
        reads=CSV,
        keys="""
"bill/InvoicingEntity", "bill/PayerAccountId", "lineItem/UsageAccountId", "lineItem/LineItemType",
"lineItem/ProductCode", "lineItem/UsageType", "lineItem/CurrencyCode", "product/ProductName", "product/regionCode",
"lineItem/AvailabilityZone", "pricing/unit", "resourceTags/user:cost-center", "resourceTags/user:model",
"resourceTags/user:env", "lineItem/UsageStartDate"[:10]::DATE AS day""",
        costs=('"lineItem/UnblendedCost"', '"lineItem/UsageAmount"', '"pricing/publicOnDemandCost"'),
    ),
    "FOCUS, CSV": Bare(kind="focus_files", reads=CSV, keys=FOCUS_KEYS, costs=FOCUS_COSTS),
    "FOCUS, Parquet": Bare(kind="focus_files", reads="read_parquet([FILES])", keys=FOCUS_KEYS, costs=FOCUS_COSTS),
    "GCP, JSON lines": Bare(
        kind="gcp_billing",
        reads=f"read_json([FILES], format = 'newline_delimited', columns = {GCP_TYPES})",
        keys=GCP_KEYS,
        costs=GCP_COSTS,
    ),
    "GCP, Parquet": Bare(kind="gcp_billing", reads="read_parquet([FILES])", keys=GCP_KEYS, costs=GCP_COSTS),
    "Azure, CSV twice": Bare(
        kind="azure_export",
        reads="read_csv([FILES], all_varchar = true, header = true, filename = true)",
        keys="""
filename, BillingAccountId, BillingAccountName, SubscriptionId, SubscriptionName, Product, ServiceFamily, MeterCategory,
MeterSubCategory, MeterName, BillingCurrency, ResourceLocation, ConsumedService, UnitOfMeasure, ChargeType, Frequency,
PricingModel, ('{' || Tags || '}')::JSON ->> 'cost-center' AS a, ('{' || Tags || '}')::JSON ->> 'model' AS b,
('{' || Tags || '}')::JSON ->> 'env' AS c, "Date" AS day""",
        costs=("Cost::DOUBLE / 2", "Quantity", "UnitPrice"),
    ),
    "OpenCost, JSON": Bare(
        kind="opencost",
        reads=f"""(
SELECT a.* FROM (
  SELECT unnest(flatten(list_transform(data, lambda d: map_values(d)))) AS a
  FROM read_json([FILES], maximum_object_size = 16777216, columns = {OPENCOST_TYPES})
))""",
        keys="""
properties.cluster AS a, properties.namespace AS b, properties.controller AS c, properties.labels['cost_center'] AS d,
properties.labels['model'] AS e, properties.labels['env'] AS f, "window"."start"[:10]::DATE AS day""",
        costs=("totalCost", "cpuCost", "ramCost", "gpuCost", "pvCost", "networkCost"),
        share=0.1,
    ),
    "LiteLLM, JSON lines": Bare(
        kind="litellm",
        reads=f"read_json([FILES], format = 'newline_delimited', columns = {LITELLM_TYPES})",
        keys="""
model, api_key, "user", team_id, status, metadata.user_api_key_team_alias AS a, request_tags,
startTime[:10]::DATE AS day""",
        costs=(
            "spend",
            "prompt_tokens",
            "completion_tokens",
            "metadata.usage_object.prompt_tokens_details.cached_tokens",
        ),
    ),
}


def run(rows: int = ROWS, *, quick: bool = False) -> list[dict[str, object]]:
    """Rows of {name, ours_s, yardstick_s, ratio, peak_rss_mb, note}; ratio is yardstick / ours, larger is better."""
    from tests.benchmarks.formats_data import write

    found = []
    for name, bare in FORMATS.items():
        with tempfile.TemporaryDirectory(prefix="finops-bench-") as folder:
            count = int((20_000 if quick else rows) * bare.share)
            files = write(name, Path(folder) / "bill", count)
            runs: dict[str, list[dict[str, float]]] = {"ours": [], "bare": []}
            for _ in range(1 if quick else ROUNDS):
                for side, results in runs.items():
                    results.append(_child(side, name, [Path(folder) / "bill", *files]))
            found.append(_compared(name, count, runs, sum(file.stat().st_size for file in files)))
    return found


def _compared(name: str, rows: int, runs: Mapping[str, list[dict[str, float]]], size: int) -> dict[str, object]:
    ours, bare = ({key: min(one[key] for one in runs[side]) for key in ("cpu", "wall")} for side in ("ours", "bare"))
    told = [runs[side][0]["cost"] for side in ("ours", "bare")]
    assert abs(told[0] / told[1] - 1) < 1e-9, f"{name}: ours and the yardstick disagree: {told}"
    return {
        "name": f"{name}, {rows:,} rows",
        "ours_s": ours["cpu"],
        "yardstick_s": bare["cpu"],
        "ratio": bare["cpu"] / ours["cpu"],
        "peak_rss_mb": max(one["rss_mb"] for one in runs["ours"]),
        "note": f"CPU s; wall {ours['wall']:.2f} s against {bare['wall']:.2f} s, {rows / ours['wall']:,.0f} rows/s, "
        f"{size / 1e6:,.0f} MB",
    }


def _child(side: str, name: str, paths: list[Path]) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.formats", side, name, *map(str, paths)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    told: dict[str, float] = json.loads(done.stdout)
    return told


def _ours(name: str, paths: list[Path]) -> dict[str, float]:
    import duckdb  # noqa: F401 - the yardstick has it before the clock starts, too
    import pyarrow.parquet  # noqa: F401

    from finops_ai.domain.delivery import Refusal
    from finops_ai.kinds import SOURCES
    from finops_ai.sources.base import Keep
    from tests.unit.sources.exports import source

    keep = Keep(tags=frozenset({"cost-center", "model", "env"}), cost_categories=frozenset())

    def work() -> float:
        made = source(SOURCES[FORMATS[name].kind], paths[0], keep)
        billed = Decimal(0)
        for delivery in made.deliveries(None):
            assert not isinstance(delivery, Refusal), delivery
            billed += made.charges(delivery).control.billed_cost["USD"]
        return float(billed)

    return measured(work)


def _bare(name: str, paths: list[Path]) -> dict[str, float]:
    import duckdb

    from finops_ai.sources.staging import THREADS

    bare = FORMATS[name]
    with tempfile.TemporaryDirectory() as folder:
        con = duckdb.connect(
            config={
                "threads": THREADS,
                "temp_directory": folder,
                "preserve_insertion_order": False,
            }
        )
        con.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        reads = bare.reads.replace("FILES", ", ".join(f"'{path}'" for path in paths[1:]))
        sums = ", ".join(f"sum(CAST({cost} AS DOUBLE)) AS cost_{n}" for n, cost in enumerate(bare.costs))
        query = f"SELECT {bare.keys}, {sums} FROM {reads} GROUP BY ALL"
        took = measured(lambda: float(len(con.execute(f"CREATE TABLE bare AS {query}").fetchall())))
        return {**took, "cost": con.execute("SELECT sum(cost_0) FROM bare").fetchall()[0][0]}


if __name__ == "__main__":
    sides = {"ours": _ours, "bare": _bare}
    print(json.dumps(sides[sys.argv[1]](sys.argv[2], [Path(path) for path in sys.argv[3:]])))
