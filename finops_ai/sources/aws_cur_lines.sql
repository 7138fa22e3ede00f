-- A line of an AWS report as FOCUS 1.2 charges, one by one. Money, categories and accounts are those of aws_cur.sql.
-- Covered usage and the negation that cancels it (see there) are told as what is left of them, as a rule nothing.
WITH line AS NOT MATERIALIZED (
  SELECT
    charge,
    charge.*,
    origin.line_item_line_item_type AS type,
    coalesce(origin.savings_plan_savings_plan_a_r_n, origin.reservation_reservation_a_r_n) AS arn,
    origin.savings_plan_savings_plan_a_r_n IS NOT NULL AS is_savings_plan,
    effective_cost = 0 AND line_items = 1 AND type IN ('SavingsPlanCoveredUsage', 'SavingsPlanNegation') AS cancels,
    line_items = 0 AND type <> 'SavingsPlanCoveredUsage' AS is_unused,
    charge_category = 'Purchase' AND type <> 'Fee' OR type = 'Fee' AND arn IS NOT NULL AS is_commitment,
    charge_category IN ('Usage', 'Purchase') AND charge_class <> 'Correction' AS is_priced
  FROM charge
),

remainder AS (
  SELECT
    first(charge ORDER BY origin) AS charge,
    first(origin ORDER BY origin) AS origin,
    sum(billed_cost) AS billed_cost,
    0 AS effective_cost, 0 AS list_cost, sum(contracted_cost) AS contracted_cost, 0 AS consumed_quantity,
    service_category, service_name, billing_currency, region_id, sub_account_id,
    'Usage' AS charge_category, '' AS charge_class, '' AS consumed_unit, 'SavingsPlanNegation' AS type,
    arn, TRUE AS is_savings_plan, FALSE AS is_unused, FALSE AS is_commitment, TRUE AS is_priced
  FROM line
  WHERE cancels
  GROUP BY
    service_category, service_name, x_service_code, x_sku_group, billing_currency, region_id, sub_account_id, arn, day,
    origin.line_item_usage_start_date
  HAVING sum(billed_cost) <> 0
),

charged AS (
  SELECT * FROM line WHERE NOT cancels
  UNION ALL BY NAME
  SELECT * FROM (SELECT * FROM remainder ORDER BY origin)
),

priced AS (
  SELECT
    *,
    CASE
      WHEN NOT is_priced THEN NULL
      WHEN is_unused OR type = 'SavingsPlanNegation' THEN 0
      WHEN charge_category = 'Purchase' AND coalesce(origin.line_item_usage_amount, 0) = 0 THEN 1
      ELSE coalesce(origin.line_item_usage_amount, 0)
    END AS quantity,
    CASE WHEN is_priced THEN coalesce(origin.pricing_unit, 'Units') END AS unit,
    unit_price(amount(origin.pricing_public_on_demand_rate), quantity, list_cost) AS list_price,
    unit_price(
      amount(CASE WHEN type = 'DiscountedUsage' THEN origin.pricing_public_on_demand_rate
        ELSE origin.line_item_unblended_rate END),
      quantity, contracted_cost
    ) AS contracted_price,
    CASE
      WHEN arn IS NULL OR type NOT IN ('SavingsPlanCoveredUsage', 'DiscountedUsage') AND NOT is_commitment
        AND NOT is_unused THEN NULL
      ELSE arn
    END AS commitment,
    CASE
      WHEN commitment IS NULL OR charge_category = 'Purchase' THEN NULL
      WHEN is_unused THEN 'Unused'
      ELSE 'Used'
    END AS commitment_status,
    CASE
      WHEN charge_category = 'Tax' THEN NULL
      ELSE coalesce(origin.product_sku, split_part(origin.pricing_rate_code, '.', 1), origin.line_item_usage_type,
        CASE WHEN is_priced THEN origin.line_item_product_code END)
    END AS sku
  FROM charged
),

subcategory (product_code, service_subcategory) AS (
  VALUES
    ('AmazonBedrock', 'Generative AI'), ('AmazonSageMaker', 'AI Platforms'), ('AmazonAthena', 'Analytics Platforms'),
    ('AWSGlue', 'Data Processing'), ('ElasticMapReduce', 'Data Processing'), ('AmazonES', 'Search'),
    ('AmazonKinesis', 'Streaming Analytics'), ('AmazonQuickSight', 'Business Intelligence'),
    ('AmazonEC2', 'Virtual Machines'), ('AWSLambda', 'Serverless Compute'), ('AmazonECS', 'Containers'),
    ('AmazonEKS', 'Containers'), ('AmazonECR', 'Containers'), ('AmazonRDS', 'Relational Databases'),
    ('AmazonDynamoDB', 'NoSQL Databases'), ('AmazonDocDB', 'NoSQL Databases'), ('AmazonNeptune', 'NoSQL Databases'),
    ('AmazonElastiCache', 'Caching'), ('AmazonRedshift', 'Data Warehouses'), ('AmazonSNS', 'Messaging'),
    ('AWSQueueService', 'Messaging'), ('AmazonStates', 'Workflow Orchestration'), ('AmazonApiGateway', 'API Management'),
    ('AmazonCloudWatch', 'Observability'), ('AWSCloudTrail', 'Observability'), ('AWSConfig', 'Compliance'),
    ('AmazonCloudFront', 'Content Delivery'), ('AWSELB', 'Application Networking'), ('AmazonVPC', 'Network Infrastructure'),
    ('AWSDirectConnect', 'Network Connectivity'), ('AmazonRoute53', 'Network Routing'),
    ('awskms', 'Secret Management'), ('AWSSecretsManager', 'Secret Management'),
    ('AmazonGuardDuty', 'Threat Detection and Response'), ('awswaf', 'Other (Security)'),
    ('AmazonS3', 'Object Storage'), ('AmazonEFS', 'File Storage'), ('AmazonFSx', 'File Storage'),
    ('AWSBackup', 'Backup Storage')
)

SELECT
  charge,
  origin.line_item_availability_zone AS AvailabilityZone,
  billed_cost AS BilledCost,
  coalesce(origin.bill_payer_account_name, origin.bill_payer_account_id) AS BillingAccountName,
  'Payer Account' AS BillingAccountType,
  origin.capacity_reservation_capacity_reservation_arn AS CapacityReservationId,
  CASE
    WHEN CapacityReservationId IS NOT NULL AND charge_category = 'Usage'
      THEN CASE WHEN contains(origin.line_item_usage_type, 'UnusedBox') THEN 'Unused' ELSE 'Used' END
  END AS CapacityReservationStatus,
  coalesce(origin.line_item_line_item_description, origin.line_item_usage_type, service_name) AS ChargeDescription,
  CASE WHEN charge_category = 'Purchase' AND charge.charge_frequency = 'Usage-Based' THEN 'One-Time'
    ELSE charge.charge_frequency END AS ChargeFrequency,
  instant(origin.line_item_usage_start_date) AS ChargePeriodStart,
  coalesce(
    instant(origin.line_item_usage_end_date), date_trunc('day', ChargePeriodStart) + INTERVAL 1 DAY
  ) AS ChargePeriodEnd,
  CASE WHEN commitment IS NOT NULL THEN CASE WHEN is_savings_plan THEN 'Spend' ELSE 'Usage' END END
    AS CommitmentDiscountCategory,
  commitment AS CommitmentDiscountId,
  CASE
    WHEN commitment IS NULL THEN NULL
    WHEN is_savings_plan AND commitment_status IS NOT NULL THEN effective_cost
    WHEN is_savings_plan THEN billed_cost
    WHEN is_unused THEN coalesce(amount(origin.reservation_unused_quantity), 0)
    ELSE coalesce(origin.line_item_usage_amount, 0)
  END AS CommitmentDiscountQuantity,
  commitment_status AS CommitmentDiscountStatus,
  CASE
    WHEN commitment IS NULL THEN NULL
    WHEN is_savings_plan THEN coalesce(origin.savings_plan_offering_type, 'SavingsPlan')
    ELSE 'Reserved'
  END AS CommitmentDiscountType,
  CASE
    WHEN commitment IS NULL THEN NULL
    WHEN is_savings_plan THEN billing_currency
    ELSE coalesce(origin.pricing_unit, 'Hrs')
  END AS CommitmentDiscountUnit,
  CASE WHEN charge_category = 'Usage' AND commitment_status IS DISTINCT FROM 'Unused' THEN consumed_quantity END
    AS ConsumedQuantity,
  CASE WHEN ConsumedQuantity IS NOT NULL THEN coalesce(nullif(consumed_unit, ''), 'Units') END AS ConsumedUnit,
  contracted_cost AS ContractedCost,
  CASE WHEN is_priced THEN contracted_price END AS ContractedUnitPrice,
  origin.bill_invoice_id AS InvoiceId,
  CASE WHEN is_priced THEN list_price END AS ListUnitPrice,
  coalesce(origin.pricing_currency, billing_currency) AS PricingCurrency,
  CASE WHEN PricingCurrency = billing_currency THEN ContractedUnitPrice END AS PricingCurrencyContractedUnitPrice,
  CASE WHEN PricingCurrency = billing_currency THEN effective_cost END AS PricingCurrencyEffectiveCost,
  CASE WHEN PricingCurrency = billing_currency THEN ListUnitPrice END AS PricingCurrencyListUnitPrice,
  quantity AS PricingQuantity,
  unit AS PricingUnit,
  coalesce(origin.line_item_legal_entity, charge.provider_name) AS PublisherName,
  CASE WHEN region_id <> '' THEN coalesce(origin.product_location, region_id) END AS RegionName,
  coalesce(origin.line_item_resource_id, commitment) AS ResourceId,
  CASE WHEN ResourceId IS NOT NULL THEN json_extract_string(Tags, '$.Name') END AS ResourceName,
  CASE WHEN ResourceId IS NOT NULL THEN coalesce(origin.product_product_family, service_name) END AS ResourceType,
  coalesce(service_subcategory, 'Other (' || service_category || ')') AS ServiceSubcategory,
  sku AS SkuId,
  CASE WHEN sku IS NOT NULL THEN coalesce(origin.line_item_usage_type, sku) END AS SkuMeter,
  CASE
    WHEN sku IS NOT NULL THEN to_json(map_from_entries(list_filter([
      {'key': 'InstanceType', 'value': origin.product_instance_type},
      {'key': 'OperatingSystem', 'value': origin.product_operating_system},
      {'key': 'x_Operation', 'value': origin.line_item_operation},
      {'key': 'x_UsageType', 'value': origin.line_item_usage_type}
    ], lambda detail: detail.value IS NOT NULL)))
  END AS SkuPriceDetails,
  CASE WHEN sku IS NOT NULL THEN coalesce(origin.pricing_rate_code, origin.pricing_rate_id, sku) END AS SkuPriceId,
  coalesce(origin.line_item_usage_account_name, sub_account_id) AS SubAccountName,
  'Account' AS SubAccountType,
  regexp_replace(nullif(origin.all_tags, '{}'), '([{,])"user[:_]', '\1"', 'g') AS Tags
FROM priced
LEFT JOIN subcategory ON product_code = origin.line_item_product_code
