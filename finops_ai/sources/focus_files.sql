-- FOCUS 1.0 to 1.4 as any provider writes it, to FOCUS 1.2 charges: names are kept, gaps are filled and told.
WITH line AS (
  SELECT
    *,
    charge_category IN ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment') AS has_category,
    CASE
      WHEN charge_category IS NULL THEN 'charge category is missing and taken as Usage'
      WHEN NOT has_category THEN 'unknown charge category ' || charge_category || ' is taken as Usage'
      WHEN malformed_labels THEN 'tags are not a JSON object and were left out'
      WHEN list_cost IS NULL OR contracted_cost IS NULL
        THEN 'list or contracted cost is missing and taken from the cost below it'
      ELSE ''
    END AS problem
  FROM raw
)

SELECT
  provider_name,
  coalesce(invoice_issuer_name, provider_name) AS invoice_issuer_name,
  billing_account_id,
  billing_account_name,
  coalesce(sub_account_id, billing_account_id) AS sub_account_id,
  sub_account_name,
  coalesce(service_category, 'Other') AS service_category,
  service_name,
  x_service_code,
  coalesce(sku_meter, x_usage_type) AS x_sku_group,
  region_id,
  CASE WHEN has_category THEN charge_category ELSE 'Usage' END AS charge_category,
  charge_class,
  charge_frequency,
  pricing_category,
  billing_currency,
  consumed_unit,
  tags,
  cost_categories AS x_cost_categories,
  charge_period_start AS day,
  billed_cost,
  effective_cost,
  coalesce(list_cost, contracted_cost, effective_cost) AS list_cost,
  coalesce(contracted_cost, effective_cost) AS contracted_cost,
  consumed_quantity,
  line_items,
  origin,
  problem
FROM line
