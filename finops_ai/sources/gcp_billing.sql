-- Google Cloud billing export (standard and detailed) to FOCUS 1.2 charges.
-- A line is invoiced at its cost and its credits, which are negative. It is told as up to three charges:
--   whole       the line with every credit that makes its price lower (sustained and committed use, free tier, contract)
--   credit      its promotional credits, which Google treats as a form of payment
--   commitment  what a commitment's fee is worth: the fee itself is a purchase, effective 0. Before the change of Google's
--               commitment model that is all of the fee, for usage is credited what the commitment covers; since then
--               it is the unused part, for usage is priced as covered and the fee is credited what was used.
WITH line AS (
  SELECT
    *,
    cost + credits_discount AS net,
    cost_type IN ('regular', 'tax', 'adjustment', 'rounding_error') AS has_cost_type,
    coalesce(cost_type, 'regular') = 'regular'
      AND (coalesce(lower(sku_description) LIKE 'commitment%', FALSE) OR contains(credits, 'FEE_UTILIZATION_OFFSET'))
      AS is_commitment,
    coalesce(cost_type NOT IN ('tax', 'adjustment', 'rounding_error'), TRUE) AND NOT is_commitment
      OR adjustment_info_type = 'USAGE_CORRECTION' AS is_usage,
    contains(credits, 'COMMITTED_USAGE_DISCOUNT')
      OR coalesce(lower(consumption_model_description) <> 'default', FALSE) AS is_committed
  FROM (SELECT *, coalesce(credits_type, '') AS credits FROM raw) AS told
),

leg AS (
  SELECT *, 'whole' AS leg FROM line
  UNION ALL
  SELECT *, 'credit' AS leg FROM line WHERE credits_promotion <> 0
  UNION ALL
  SELECT *, 'commitment' AS leg FROM line WHERE is_commitment AND net <> 0
),

category (description, service_category) AS (
  VALUES
    ('Vertex AI', 'AI and Machine Learning'), ('Gemini API', 'AI and Machine Learning'),
    ('Cloud Natural Language API', 'AI and Machine Learning'), ('Cloud Speech API', 'AI and Machine Learning'),
    ('Cloud Vision API', 'AI and Machine Learning'), ('Cloud Document AI API', 'AI and Machine Learning'),
    ('BigQuery', 'Analytics'), ('BigQuery Reservation API', 'Analytics'), ('BigQuery Storage API', 'Analytics'),
    ('Cloud Dataflow', 'Analytics'), ('Cloud Dataproc', 'Analytics'), ('Cloud Composer', 'Analytics'),
    ('Compute Engine', 'Compute'), ('Kubernetes Engine', 'Compute'), ('Cloud Run', 'Compute'),
    ('Cloud Run Functions', 'Compute'), ('Cloud Functions', 'Compute'), ('App Engine', 'Compute'),
    ('Cloud SQL', 'Databases'), ('Cloud Spanner', 'Databases'), ('Spanner', 'Databases'),
    ('Cloud Bigtable', 'Databases'), ('Bigtable', 'Databases'), ('AlloyDB', 'Databases'),
    ('Cloud Firestore', 'Databases'), ('Firestore', 'Databases'), ('Memorystore', 'Databases'),
    ('Cloud Memorystore for Redis', 'Databases'),
    ('Cloud Pub/Sub', 'Integration'), ('Cloud Tasks', 'Integration'), ('Workflows', 'Integration'),
    ('Cloud Logging', 'Management and Governance'), ('Cloud Monitoring', 'Management and Governance'),
    ('Support', 'Management and Governance'),
    ('Networking', 'Networking'), ('Cloud DNS', 'Networking'), ('Cloud CDN', 'Networking'), ('Cloud NAT', 'Networking'),
    ('Cloud Key Management Service (KMS)', 'Security'), ('Secret Manager', 'Security'),
    ('Security Command Center', 'Security'),
    ('Cloud Storage', 'Storage'), ('Artifact Registry', 'Storage'), ('Cloud Filestore', 'Storage')
),

unit (pricing_unit, focus_unit) AS (
  VALUES
    ('count', 'Count'), ('second', 'Seconds'), ('minute', 'Minutes'), ('hour', 'Hours'), ('day', 'Days'),
    ('month', 'Months'), ('byte', 'Bytes'), ('gibibyte', 'GiB'), ('tebibyte', 'TiB'), ('mebibyte', 'MiB'),
    ('gibibyte hour', 'GiB-Hours'), ('gibibyte day', 'GiB-Days'), ('gibibyte month', 'GiB-Months'),
    ('tebibyte month', 'TiB-Months'), ('gigabyte', 'GB'), ('gigabyte month', 'GB-Months')
)

SELECT
  'Google Cloud' AS provider_name,
  'Google Cloud' AS invoice_issuer_name,
  billing_account_id,
  CAST(NULL AS VARCHAR) AS billing_account_name,
  project_id AS sub_account_id,
  project_name AS sub_account_name,
  coalesce(service_category, 'Other') AS service_category,
  coalesce(service_description, service_id, 'Google Cloud') AS service_name,
  service_id AS x_service_code,
  sku_description AS x_sku_group,
  coalesce(location_region, CASE WHEN location_location <> 'global' THEN location_location END) AS region_id,
  CASE
    WHEN leg = 'credit' OR adjustment_info_type IN ('GOODWILL', 'SALES_BASED_GOODWILL', 'SLA_VIOLATION') THEN 'Credit'
    WHEN cost_type = 'tax' THEN 'Tax'
    WHEN cost_type IN ('adjustment', 'rounding_error') THEN 'Adjustment'
    WHEN is_commitment AND leg = 'whole' THEN 'Purchase'
    ELSE 'Usage'
  END AS charge_category,
  CASE
    WHEN leg = 'whole' AND (adjustment_info_type LIKE '%CORRECTION' OR adjustment_info_mode LIKE '%CORRECTION'
      OR adjustment_info_mode LIKE 'COMPLETE_NEGATION%') THEN 'Correction'
  END AS charge_class,
  CASE
    WHEN leg = 'commitment' THEN 'Usage-Based'
    WHEN leg = 'credit' OR cost_type IN ('adjustment', 'rounding_error') THEN 'One-Time'
    WHEN is_commitment OR cost_type = 'tax' THEN 'Recurring'
    ELSE 'Usage-Based'
  END AS charge_frequency,
  CASE
    WHEN leg = 'credit' OR cost_type IN ('tax', 'adjustment', 'rounding_error') THEN NULL
    WHEN leg = 'commitment' OR is_committed THEN 'Committed'
    WHEN lower(sku_description) LIKE 'spot %' OR contains(lower(sku_description), 'preemptible') THEN 'Dynamic'
    ELSE 'Standard'
  END AS pricing_category,
  currency AS billing_currency,
  CASE
    WHEN leg = 'whole' AND is_usage AND usage_amount_in_pricing_units IS NOT NULL
      THEN coalesce(focus_unit, usage_pricing_unit)
    WHEN leg = 'whole' AND is_usage THEN usage_unit
  END AS consumed_unit,
  tags,
  cost_categories AS x_cost_categories,
  usage_start_time AS day,
  CASE leg WHEN 'whole' THEN net WHEN 'credit' THEN credits_promotion ELSE 0 END AS billed_cost,
  CASE
    WHEN leg = 'credit' THEN credits_promotion
    WHEN leg = 'whole' AND is_commitment THEN 0
    ELSE net
  END AS effective_cost,
  CASE WHEN leg = 'whole' THEN coalesce(cost_at_list, cost_at_effective_price_default, cost) ELSE 0 END AS list_cost,
  CASE WHEN leg = 'whole' THEN coalesce(cost_at_effective_price_default, cost) ELSE 0 END AS contracted_cost,
  CASE
    WHEN leg = 'whole' AND is_usage THEN coalesce(usage_amount_in_pricing_units, usage_amount)
    ELSE 0
  END AS consumed_quantity,
  CASE WHEN leg = 'whole' THEN line_items ELSE 0 END AS line_items,
  CASE
    WHEN leg <> 'whole' THEN ''
    WHEN cost_type IS NOT NULL AND NOT has_cost_type THEN 'unknown cost type ' || cost_type || ' is taken as usage'
    WHEN credits_unknown <> '' THEN 'unknown credit type ' || credits_unknown || ' is taken as a discount'
    WHEN labels_fault IS NOT NULL THEN labels_fault
    ELSE ''
  END AS problem
FROM leg
LEFT JOIN category ON category.description = service_description
LEFT JOIN unit ON unit.pricing_unit = usage_pricing_unit
