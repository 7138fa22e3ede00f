"""Bills of any size in every format for the formats benchmark: the same charges, made by DuckDB, always alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb

from tests.benchmarks.scan_data import LEAVES

ITEMS = """
CREATE VIEW item AS
SELECT leaf.*, r, h, TIMESTAMP '2026-04-01' + to_hours((h // 4096 % 720)::BIGINT) AS hour,
  ((h // 65536 % 1000000) / 3571.0)::DECIMAL(18, 8) AS cost, ((h // 7919 % 10000) / 100.0)::DECIMAL(18, 2) AS amount
FROM (SELECT r, hash(r * 31 + 7) AS h FROM range({rows}) t(r)) JOIN leaf ON leaf.leaf = h % 4000
"""

TAGS = "to_json(map_from_entries(list_filter([{'k': 'cost-center', 'v': cost_center}, {'k': 'model', 'v': model}, \
{'k': 'env', 'v': env}, {'k': 'Name', 'v': 'node-' || (h % 60000)}], lambda e: e.v IS NOT NULL)))"

LEGACY = """
SELECT md5(r::VARCHAR) AS "identity/LineItemId", 'Anniversary' AS "bill/BillType",
  'Amazon Web Services, Inc.' AS "bill/InvoicingEntity", '912345600001' AS "bill/PayerAccountId",
  account AS "lineItem/UsageAccountId", 'Usage' AS "lineItem/LineItemType",
  strftime(hour, '%Y-%m-%dT%H:%M:%SZ') AS "lineItem/UsageStartDate",
  strftime(hour + INTERVAL 1 HOUR, '%Y-%m-%dT%H:%M:%SZ') AS "lineItem/UsageEndDate",
  product_code AS "lineItem/ProductCode", usage_type AS "lineItem/UsageType", operation AS "lineItem/Operation",
  region || 'a' AS "lineItem/AvailabilityZone",
  'i-' || substr(md5((h % 60000)::VARCHAR), 1, 17) AS "lineItem/ResourceId",
  amount AS "lineItem/UsageAmount", 'USD' AS "lineItem/CurrencyCode", cost AS "lineItem/UnblendedCost",
  '$ per hour ' || usage_type AS "lineItem/LineItemDescription", product_name AS "product/ProductName",
  region AS "product/regionCode", 'Hrs' AS "pricing/unit", cost * 1.1 AS "pricing/publicOnDemandCost",
  cost_center AS "resourceTags/user:cost-center", model AS "resourceTags/user:model", env AS "resourceTags/user:env",
  'node-' || (h % 60000) AS "resourceTags/user:Name"
FROM item
"""

FOCUS = f"""
SELECT cost AS BilledCost, '912345600001' AS BillingAccountId, 'acme' AS BillingAccountName, 'USD' AS BillingCurrency,
  '2026-05-01T00:00:00Z' AS BillingPeriodEnd, '2026-04-01T00:00:00Z' AS BillingPeriodStart, 'Usage' AS ChargeCategory,
  '$ per hour ' || usage_type AS ChargeDescription, 'Usage-Based' AS ChargeFrequency,
  strftime(hour + INTERVAL 1 HOUR, '%Y-%m-%dT%H:%M:%SZ') AS ChargePeriodEnd,
  strftime(hour, '%Y-%m-%dT%H:%M:%SZ') AS ChargePeriodStart, amount AS ConsumedQuantity, 'Hours' AS ConsumedUnit,
  cost AS ContractedCost, cost AS EffectiveCost, 'AWS' AS InvoiceIssuerName, cost AS ListCost,
  'Standard' AS PricingCategory, amount AS PricingQuantity, 'Hours' AS PricingUnit, 'AWS' AS ProviderName,
  'AWS' AS PublisherName, region AS RegionId, 'i-' || substr(md5((h % 60000)::VARCHAR), 1, 17) AS ResourceId,
  'Compute' AS ServiceCategory, product_name AS ServiceName, 'SKU' || (leaf % 900) AS SkuId, usage_type AS SkuMeter,
  account AS SubAccountId, account_name AS SubAccountName, CAST({TAGS} AS VARCHAR) AS Tags
FROM item
"""

GCP = """
SELECT '01AB23-45CD67-89EF01' AS billing_account_id, {'id': product_code, 'description': product_name} AS service,
  {'id': 'SKU' || (leaf % 900), 'description': usage_type} AS sku,
  strftime(hour, '%Y-%m-%d %H:%M:%S UTC') AS usage_start_time,
  strftime(hour + INTERVAL 1 HOUR, '%Y-%m-%d %H:%M:%S UTC') AS usage_end_time,
  {'id': account_name, 'number': account, 'name': account_name, 'labels': [{'key': 'env', 'value': env}]} AS project,
  list_filter([{'key': 'cost-center', 'value': cost_center}, {'key': 'model', 'value': model}],
    lambda e: e.value IS NOT NULL) AS labels,
  [{'key': 'compute.googleapis.com/machine_spec', 'value': 'type' || (leaf % 800)}] AS system_labels,
  {'location': region, 'country': 'US', 'region': region, 'zone': region || '-a'} AS location,
  {'name': 'node-' || (h % 60000), 'global_name': '//compute/node-' || (h % 60000)} AS resource,
  strftime(hour + INTERVAL 9 HOUR, '%Y-%m-%d %H:%M:%S UTC') AS export_time, cost::DOUBLE AS cost, 'USD' AS currency,
  1.0::DOUBLE AS currency_conversion_rate, {'amount': amount::DOUBLE * 3600, 'unit': 'seconds',
    'amount_in_pricing_units': amount::DOUBLE, 'pricing_unit': 'hour'} AS usage,
  CASE WHEN leaf % 3 = 0 THEN [{'name': 'SUD', 'amount': round(cost::DOUBLE * -0.1, 8),
    'type': 'SUSTAINED_USAGE_DISCOUNT', 'id': 'sud'}] ELSE [] END AS credits,
  {'month': '202604', 'publisher_type': 'GOOGLE'} AS invoice, 'regular' AS cost_type, cost::DOUBLE AS cost_at_list
FROM item
"""

AZURE = f"""
SELECT '4711' AS BillingAccountId, 'Acme' AS BillingAccountName, '04/01/2026' AS BillingPeriodStartDate,
  '11111111-0000-4000-8000-' || account AS SubscriptionId, account_name AS SubscriptionName,
  strftime(hour, '%m/%d/%Y') AS "Date", usage_type AS Product, 'Compute' AS ServiceFamily,
  product_name AS MeterCategory,
  'series' || (leaf % 40) AS MeterSubCategory, usage_type AS MeterName, amount AS Quantity, cost AS Cost,
  0.1 AS UnitPrice, 0.125 AS PayGPrice, 'USD' AS BillingCurrency, region AS ResourceLocation,
  'Microsoft.Compute' AS ConsumedService, '/subscriptions/x/node-' || (h % 60000) AS ResourceId,
  trim(CAST({TAGS} AS VARCHAR), '{{}}') AS Tags, '1 Hour' AS UnitOfMeasure, 'Usage' AS ChargeType,
  'UsageBased' AS Frequency, 'Azure' AS PublisherType, 'OnDemand' AS PricingModel
FROM item
"""

SPEND_LOG = """
SELECT md5(r::VARCHAR) AS request_id, 'acompletion' AS call_type, 'key-' || (leaf % 50) AS api_key,
  (cost / 1000)::DOUBLE AS spend, (300 + h % 700)::BIGINT AS total_tokens, (200 + h % 700)::BIGINT AS prompt_tokens,
  100::BIGINT AS completion_tokens, strftime(hour, '%Y-%m-%dT%H:%M:%S.000Z') AS startTime,
  strftime(hour, '%Y-%m-%dT%H:%M:%S.500Z') AS endTime, 'model-' || (leaf % 25) AS model,
  'model-' || (leaf % 25) AS model_group, 'openai' AS custom_llm_provider, 'user-' || (leaf % 100) AS "user",
  {'user_api_key_team_alias': 'Team ' || (leaf % 30),
    'usage_object': {'prompt_tokens_details': {'cached_tokens': h % 100}}} AS metadata,
  'False' AS cache_hit, ['cost-center:cost-center-' || (leaf % 60), 'env:' || env] AS request_tags,
  'team-' || (leaf % 30) AS team_id, '' AS end_user, 'success' AS status
FROM item
"""

ALLOCATIONS = """
SELECT strftime(hour, '%Y-%m-%d') AS day, 'prod/' || account_name || '/pod-' || r AS name,
  {'name': 'prod/' || account_name || '/pod-' || r,
   'properties': {'cluster': 'prod', 'node': 'node-' || (h % 600), 'namespace': account_name,
     'controllerKind': 'deployment', 'controller': 'c' || leaf, 'pod': 'pod-' || r, 'container': 'main',
     'labels': {'cost_center': cost_center, 'model': model, 'env': env}},
   'window': {'start': strftime(hour, '%Y-%m-%dT00:00:00Z'),
     'end': strftime(hour + INTERVAL 1 DAY, '%Y-%m-%dT00:00:00Z')},
   'minutes': 1440.0, 'cpuCores': 2.0, 'cpuCost': cost::DOUBLE, 'cpuCostAdjustment': 0.0, 'ramCost': amount::DOUBLE,
   'ramCostAdjustment': 0.0, 'gpuCost': 0.0, 'gpuHours': 0.0, 'pvCost': 0.0, 'networkCost': 0.0,
   'loadBalancerCost': 0.0, 'sharedCost': 0.0, 'externalCost': 0.0,
   'totalCost': (cost + amount)::DOUBLE} AS allocation
FROM item
"""


def write(name: str, root: Path, rows: int) -> list[Path]:
    """A bill of `rows` lines under `root`; returns the files that hold them."""
    root.mkdir(parents=True)
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false; SET preserve_insertion_order = false")
        con.execute(LEAVES)
        con.execute(ITEMS.format(rows=rows))
        return WRITERS[name](con, root, rows)


Con = duckdb.DuckDBPyConnection


def _copied(query: str, name: str, options: str) -> Callable[[Con, Path, int], list[Path]]:
    def copy(con: Con, root: Path, rows: int) -> list[Path]:
        con.execute(f"COPY ({query}) TO '{root / name}' ({options})")
        return [root / name]

    return copy


def _legacy(con: Con, root: Path, rows: int) -> list[Path]:
    folder = root / "cur/bench/20260401-20260501"
    (folder / "one").mkdir(parents=True)
    files = _copied(LEGACY, "bench-00001.csv.gz", "FORMAT csv, COMPRESSION gzip")(con, folder / "one", rows)
    manifest = {
        "assemblyId": "one",
        "billingPeriod": {"start": "20260401T000000.000Z", "end": "20260501T000000.000Z"},
        "reportKeys": [f"cur/bench/20260401-20260501/one/{file.name}" for file in files],
    }
    (folder / "bench-Manifest.json").write_text(json.dumps(manifest))
    return files


def _azure(con: Con, root: Path, rows: int) -> list[Path]:
    """ActualCost and AmortizedCost: the bill is told twice."""
    files = []
    for dataset in ("ActualCost", "AmortizedCost"):
        folder = root / dataset / "20260401-20260430" / "run"
        folder.mkdir(parents=True)
        files += _copied(AZURE, "part_0_0001.csv.gz", "FORMAT csv, COMPRESSION gzip")(con, folder, rows)
        manifest = {
            "blobCount": 1,
            "dataRowCount": rows,
            "exportConfig": {
                "exportName": dataset,
                "resourceId": f"/subscriptions/x/providers/Microsoft.CostManagement/exports/{dataset}",
                "type": dataset,
            },
            "runInfo": {
                "submittedTime": "2026-05-01T09:00:00Z",
                "startDate": "2026-04-01T00:00:00",
                "endDate": "2026-04-30T00:00:00",
            },
            "blobs": [{"blobName": f"x/run/{files[-1].name}", "byteCount": files[-1].stat().st_size}],
        }
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return files


def _opencost(con: Con, root: Path, rows: int) -> list[Path]:
    """One answer for each day."""
    told = con.execute(
        f"SELECT day, '{{' || string_agg(to_json(name) || ':' || to_json(allocation), ',') || '}}' "
        f"FROM ({ALLOCATIONS}) GROUP BY day ORDER BY day"
    )
    files = []
    while row := told.fetchone():
        day, allocations = row
        files.append(root / f"{day}.json")
        files[-1].write_text(f'{{"code":200,"data":[{allocations}]}}')
    return files


CSV, PARQUET, JSON = "FORMAT csv, COMPRESSION gzip", "FORMAT parquet, COMPRESSION snappy", "FORMAT json"

WRITERS: Mapping[str, Callable[[Con, Path, int], list[Path]]] = {
    "CUR, CSV": _legacy,
    "FOCUS, CSV": _copied(FOCUS, "focus.csv.gz", CSV),
    "FOCUS, Parquet": _copied(FOCUS, "focus.parquet", PARQUET),
    "GCP, JSON lines": _copied(GCP, "gcp_billing_export.json.gz", f"{JSON}, COMPRESSION gzip"),
    "GCP, Parquet": _copied(GCP, "gcp_billing_export.parquet", PARQUET),
    "Azure, CSV twice": _azure,
    "OpenCost, JSON": _opencost,
    "LiteLLM, JSON lines": _copied(SPEND_LOG, "spend_logs.jsonl", JSON),
}
"""Name of a format to what writes it."""
