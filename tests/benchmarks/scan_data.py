"""CUR 2.0 Parquet of any size for the scan benchmark: made by DuckDB, in random row order, the same for a seed."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

PERIOD = "2026-04"
ROWS_PER_FILE = 1_000_000

LEAVES = """
CREATE TABLE leaf AS
SELECT i AS leaf,
  printf('%012d', 100000000000 + (i * 7919) % 400) AS account,
  printf('acme-account-%03d', (i * 7919) % 400) AS account_name,
  'Service' || (i % 200) AS product_code, 'Amazon Service Number ' || (i % 200) AS product_name,
  'USE' || (i % 17) || '-BoxUsage:type' || (i % 800) AS usage_type, 'Operation' || (i % 40) AS operation,
  'us-region-' || (i % 17) AS region,
  CASE WHEN i % 10 = 0 THEN 'DiscountedUsage' WHEN i % 10 = 1 THEN 'SavingsPlanCoveredUsage' ELSE 'Usage' END AS type,
  CASE WHEN i % 12 = 0 THEN NULL ELSE 'cost-center-' || (i % 60) END AS cost_center,
  CASE WHEN i % 3 = 0 THEN 'model-' || (i % 25) END AS model,
  CASE i % 4 WHEN 0 THEN 'dev' ELSE 'prod' END AS env
FROM range(4000) t(i)
"""

ROWS = """
WITH line AS (SELECT r, hash(r * 31 + 7) AS h FROM range({start}, {stop}) t(r)),
item AS (
  SELECT leaf.*, line.r, line.h, TIMESTAMP '2026-04-01' + to_hours((h // 4096 % 720)::BIGINT) AS hour,
    (h // 65536 % 1000000) / 3571.0 AS cost, (h // 7919 % 10000) / 100.0 AS amount
  FROM line JOIN leaf ON leaf.leaf = line.h % 4000
)
SELECT
  'Anniversary' AS bill_bill_type, 'AWS' AS bill_billing_entity,
  TIMESTAMP '2026-05-01' AS bill_billing_period_end_date, TIMESTAMP '2026-04-01' AS bill_billing_period_start_date,
  'INV' || (leaf % 3) AS bill_invoice_id, 'Amazon Web Services, Inc.' AS bill_invoicing_entity,
  '912345600001' AS bill_payer_account_id, 'acme-payer' AS bill_payer_account_name,
  MAP {{'Team': 'team-' || (leaf % 30), 'Stage': env}} AS cost_category,
  MAP {{'edp_discount': cost * -0.01, 'total_discount': cost * -0.01}} AS discount,
  md5(r::VARCHAR) AS identity_line_item_id,
  hour::VARCHAR || '/' || (hour + INTERVAL 1 HOUR)::VARCHAR AS identity_time_interval,
  region || 'a' AS line_item_availability_zone, cost AS line_item_blended_cost,
  round(cost / 3, 6)::VARCHAR AS line_item_blended_rate, 'USD' AS line_item_currency_code,
  'Amazon Web Services, Inc.' AS line_item_legal_entity, '$ per hour ' || usage_type AS line_item_line_item_description,
  type AS line_item_line_item_type, NULL::DOUBLE AS line_item_normalization_factor,
  NULL::DOUBLE AS line_item_normalized_usage_amount, operation AS line_item_operation,
  product_code AS line_item_product_code, 'i-' || substr(md5((h % 60000)::VARCHAR), 1, 17) AS line_item_resource_id,
  NULL::VARCHAR AS line_item_tax_type,
  CASE type WHEN 'DiscountedUsage' THEN 0 ELSE cost END AS line_item_unblended_cost,
  round(cost / 3, 6)::VARCHAR AS line_item_unblended_rate, account AS line_item_usage_account_id,
  account_name AS line_item_usage_account_name, amount AS line_item_usage_amount,
  hour + INTERVAL 1 HOUR AS line_item_usage_end_date, hour AS line_item_usage_start_date,
  usage_type AS line_item_usage_type, 'USD' AS pricing_currency, cost * 1.1 AS pricing_public_on_demand_cost,
  round(cost / 3, 6)::VARCHAR AS pricing_public_on_demand_rate, 'RATE' || (leaf % 900) AS pricing_rate_code,
  'R' || (leaf % 900) AS pricing_rate_id, 'OnDemand' AS pricing_term, 'Hrs' AS pricing_unit,
  MAP {{'product_name': product_name, 'region': region, 'servicename': product_name,
    'instance_type_family': 'f' || (leaf % 9)}} AS product,
  'Compute' AS product_instance_family, 'type' || (leaf % 800) AS product_instance_type,
  'Place ' || region AS product_location,
  operation AS product_operation, 'Compute Instance' AS product_product_family, region AS product_region_code,
  product_code AS product_servicecode, 'SKU' || (leaf % 900) AS product_sku, usage_type AS product_usagetype,
  NULL::DOUBLE AS reservation_amortized_upfront_fee_for_billing_period,
  CASE type WHEN 'DiscountedUsage' THEN cost * 0.6 END AS reservation_effective_cost,
  CASE type WHEN 'DiscountedUsage' THEN 'arn:aws:ri:' || (leaf % 50) END AS reservation_reservation_a_r_n,
  NULL::DOUBLE AS reservation_unused_amortized_upfront_fee_for_billing_period,
  NULL::DOUBLE AS reservation_unused_recurring_fee,
  map_from_entries(list_filter([
    {{'key': CASE WHEN leaf % 5 = 0 THEN 'user_CostCenter' ELSE 'user_cost_center' END, 'value': cost_center}},
    {{'key': 'user_model', 'value': model}}, {{'key': 'user_env', 'value': env}},
    {{'key': 'user_Name', 'value': 'node-' || (h % 60000)}},
    {{'key': 'aws_created_by', 'value': 'role-' || (leaf % 300)}}],
    lambda e: e.value IS NOT NULL)) AS resource_tags,
  NULL::VARCHAR AS savings_plan_offering_type,
  CASE type WHEN 'SavingsPlanCoveredUsage' THEN 'arn:aws:sp:' || (leaf % 20) END AS savings_plan_savings_plan_a_r_n,
  CASE type WHEN 'SavingsPlanCoveredUsage' THEN cost * 0.7 END AS savings_plan_savings_plan_effective_cost,
  NULL::DOUBLE AS savings_plan_total_commitment_to_date, NULL::DOUBLE AS savings_plan_used_commitment,
  NULL::VARCHAR AS split_line_item_parent_resource_id, NULL::DOUBLE AS split_line_item_split_cost,
  NULL::DOUBLE AS split_line_item_unused_cost
FROM item
"""


def write_cur2(root: Path, rows: int) -> list[Path]:
    """A Data Exports folder with one billing period of `rows` line items; returns its Parquet parts."""
    data = root / f"exports/bench/data/BILLING_PERIOD={PERIOD}"
    metadata = root / f"exports/bench/metadata/BILLING_PERIOD={PERIOD}"
    data.mkdir(parents=True, exist_ok=True)
    metadata.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect()
    con.execute("SET TimeZone='UTC'; SET preserve_insertion_order=false; SET enable_progress_bar=false")
    con.execute(LEAVES)
    parts = []
    for number, start in enumerate(range(0, rows, ROWS_PER_FILE), 1):
        part = data / f"bench-{number:05d}.snappy.parquet"
        query = ROWS.format(start=start, stop=min(start + ROWS_PER_FILE, rows))
        con.execute(f"COPY ({query}) TO '{part}' (FORMAT parquet, COMPRESSION snappy)")
        parts.append(part)
    files = [f"s3://bench-bucket/{part.relative_to(root).as_posix()}" for part in parts]
    manifest = {"billingPeriod": PERIOD, "dataFiles": files, "format": "PARQUET", "compression": "PARQUET"}
    (metadata / "bench-Manifest.json").write_text(json.dumps(manifest))
    con.close()
    return parts
