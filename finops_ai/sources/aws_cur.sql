-- AWS Cost and Usage Report (legacy and 2.0) to FOCUS 1.2 charges.
-- Amortisation as in the Cloud Intelligence Dashboards' summary view; categories as in AWS's own FOCUS export.
-- FOCUS tells some line items as two charges. A `billed` charge carries what the invoice says, an `effective` one what
-- the use is worth:
--   covered usage     FOCUS bills it 0 and drops the negation that cancels it. Here its invoiced cost moves, without
--                     its tags, to where the negation stands, so the two cancel and what does not cancel stays visible.
--   commitment fees   the fee is a purchase, effective 0; its unused part is usage that nothing was done with.
-- Where discounts are not lines of their own, what a line is invoiced at and worth are its net costs (`is_net`).
WITH told AS (
  SELECT
    *,
    coalesce(CASE WHEN is_net THEN line_item_net_unblended_cost END, line_item_unblended_cost) AS unblended,
    coalesce(
      CASE WHEN is_net THEN savings_plan_net_savings_plan_effective_cost END, savings_plan_savings_plan_effective_cost
    ) AS savings_plan_cost,
    coalesce(CASE WHEN is_net THEN reservation_net_effective_cost END, reservation_effective_cost) AS reservation_cost,
    coalesce(
      CASE WHEN is_net THEN reservation_net_unused_amortized_upfront_fee_for_billing_period END,
      reservation_unused_amortized_upfront_fee_for_billing_period
    ) AS unused_upfront,
    coalesce(CASE WHEN is_net THEN reservation_net_unused_recurring_fee END, reservation_unused_recurring_fee)
      AS unused_recurring
  FROM raw
),

line AS (
  SELECT
    *,
    line_item_line_item_type AS type,
    CASE
      WHEN type IN ('SavingsPlanCoveredUsage', 'SavingsPlanNegation') THEN 'covered'
      WHEN type IN ('SavingsPlanRecurringFee', 'SavingsPlanUpfrontFee', 'RIFee') THEN 'commitment'
      WHEN type = 'Fee' AND is_reservation THEN 'commitment'
      WHEN type IN ('Usage', 'DiscountedUsage', 'FlatRateSubscription') THEN 'usage'
      WHEN type IN ('EdpDiscount', 'PrivateRateDiscount', 'BundledDiscount', 'SppDiscount', 'RiVolumeDiscount',
                    'DistributorDiscount', 'Discount') THEN 'discount'
      WHEN type IN ('Fee', 'Tax', 'Credit', 'Refund') THEN lower(type)
      ELSE 'unknown'
    END AS kind,
    type IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage', 'FlatRateSubscription') OR kind = 'unknown'
      AS is_usage,
    CASE type
      WHEN 'SavingsPlanCoveredUsage' THEN savings_plan_cost
      WHEN 'SavingsPlanRecurringFee'
        THEN savings_plan_total_commitment_to_date - savings_plan_used_commitment
      WHEN 'SavingsPlanNegation' THEN 0
      WHEN 'SavingsPlanUpfrontFee' THEN 0
      WHEN 'DiscountedUsage' THEN reservation_cost
      WHEN 'RIFee' THEN unused_upfront + unused_recurring
      WHEN 'Fee' THEN CASE WHEN is_reservation THEN 0 ELSE unblended END
      WHEN 'Refund' THEN CASE WHEN line_item_product_code = 'ComputeSavingsPlans' THEN 0 ELSE unblended END
      ELSE unblended
    END AS amortised
  FROM told
),

split (told_as, leg) AS (
  VALUES ('one', 'whole'), ('invoice', 'billed'), ('both', 'billed'), ('both', 'effective')
),

leg AS (
  SELECT *
  FROM line
  JOIN split ON told_as = CASE
    WHEN kind NOT IN ('covered', 'commitment') THEN 'one'
    WHEN type = 'SavingsPlanCoveredUsage' OR kind = 'commitment' AND amortised <> 0 THEN 'both'
    ELSE 'invoice'
  END
),

category (product_code, service_category) AS (
  VALUES
    ('AmazonBedrock', 'AI and Machine Learning'), ('AmazonSageMaker', 'AI and Machine Learning'),
    ('AmazonRekognition', 'AI and Machine Learning'), ('AmazonTextract', 'AI and Machine Learning'),
    ('AmazonComprehend', 'AI and Machine Learning'), ('AmazonTranscribe', 'AI and Machine Learning'),
    ('AmazonPolly', 'AI and Machine Learning'), ('translate', 'AI and Machine Learning'),
    ('AmazonAthena', 'Analytics'), ('AWSGlue', 'Analytics'), ('ElasticMapReduce', 'Analytics'),
    ('AmazonES', 'Analytics'), ('AmazonKinesis', 'Analytics'), ('AmazonQuickSight', 'Analytics'),
    ('AmazonEC2', 'Compute'), ('AWSLambda', 'Compute'), ('AmazonECS', 'Compute'), ('AmazonEKS', 'Compute'),
    ('AmazonECR', 'Compute'), ('AWSBatch', 'Compute'), ('ComputeSavingsPlans', 'Compute'),
    ('MachineLearningSavingsPlans', 'AI and Machine Learning'), ('DatabaseSavingsPlans', 'Databases'),
    ('AmazonRDS', 'Databases'), ('AmazonDynamoDB', 'Databases'), ('AmazonElastiCache', 'Databases'),
    ('AmazonRedshift', 'Databases'), ('AmazonDocDB', 'Databases'), ('AmazonNeptune', 'Databases'),
    ('AmazonSNS', 'Integration'), ('AWSQueueService', 'Integration'), ('AmazonStates', 'Integration'),
    ('AWSEvents', 'Integration'), ('AmazonApiGateway', 'Integration'),
    ('AmazonCloudWatch', 'Management and Governance'), ('AWSCloudTrail', 'Management and Governance'),
    ('AWSConfig', 'Management and Governance'), ('AWSSystemsManager', 'Management and Governance'),
    ('AWSDataTransfer', 'Networking'), ('AmazonVPC', 'Networking'), ('AmazonCloudFront', 'Networking'),
    ('AmazonRoute53', 'Networking'), ('AWSELB', 'Networking'), ('AWSDirectConnect', 'Networking'),
    ('awskms', 'Security'), ('AWSSecretsManager', 'Security'), ('AmazonGuardDuty', 'Security'), ('awswaf', 'Security'),
    ('AmazonS3', 'Storage'), ('AmazonEFS', 'Storage'), ('AmazonFSx', 'Storage'), ('AWSBackup', 'Storage')
)

SELECT
  'AWS' AS provider_name,
  bill_invoicing_entity AS invoice_issuer_name,
  bill_payer_account_id AS billing_account_id,
  bill_payer_account_name AS billing_account_name,
  coalesce(line_item_usage_account_id, bill_payer_account_id) AS sub_account_id,
  line_item_usage_account_name AS sub_account_name,
  coalesce(service_category, 'Other') AS service_category,
  coalesce(product_product_name, line_item_product_code) AS service_name,
  line_item_product_code AS x_service_code,
  line_item_usage_type AS x_sku_group,
  nullif(region_id, '') AS region_id,
  CASE
    WHEN kind = 'tax' THEN 'Tax'
    WHEN kind = 'credit' THEN 'Credit'
    WHEN kind = 'fee' OR kind = 'commitment' AND leg = 'billed' THEN 'Purchase'
    ELSE 'Usage'
  END AS charge_category,
  CASE WHEN kind = 'refund' THEN 'Correction' END AS charge_class,
  CASE
    WHEN leg = 'effective' THEN 'Usage-Based'
    WHEN type IN ('SavingsPlanRecurringFee', 'RIFee', 'Tax') THEN 'Recurring'
    WHEN kind IN ('commitment', 'fee', 'credit', 'refund') THEN 'One-Time'
    ELSE 'Usage-Based'
  END AS charge_frequency,
  CASE
    WHEN kind IN ('tax', 'credit') THEN NULL
    WHEN kind = 'covered' OR leg = 'effective' OR type = 'DiscountedUsage' THEN 'Committed'
    WHEN is_usage AND contains(line_item_usage_type, 'SpotUsage') THEN 'Dynamic'
    ELSE 'Standard'
  END AS pricing_category,
  line_item_currency_code AS billing_currency,
  CASE WHEN is_usage AND leg <> 'billed' THEN pricing_unit END AS consumed_unit,
  CASE WHEN kind = 'covered' AND leg = 'billed' THEN '{}' ELSE tags END AS tags,
  CASE WHEN kind = 'covered' AND leg = 'billed' THEN '{}' ELSE cost_categories END AS x_cost_categories,
  line_item_usage_start_date AS day,
  CASE WHEN leg = 'effective' THEN 0 ELSE unblended END AS billed_cost,
  CASE WHEN leg = 'billed' THEN 0 ELSE amortised END AS effective_cost,
  CASE
    WHEN kind IN ('credit', 'discount') THEN 0
    WHEN kind = 'covered' AND leg = 'billed' OR kind = 'commitment' AND leg = 'effective' THEN 0
    ELSE coalesce(pricing_public_on_demand_cost, line_item_unblended_cost)
  END AS list_cost,
  CASE
    WHEN kind = 'credit' OR kind = 'covered' AND leg = 'billed' OR kind = 'commitment' AND leg = 'effective' THEN 0
    WHEN type = 'DiscountedUsage' THEN coalesce(pricing_public_on_demand_cost, unblended)
    ELSE unblended
  END AS contracted_cost,
  CASE WHEN is_usage AND leg <> 'billed' THEN line_item_usage_amount ELSE 0 END AS consumed_quantity,
  CASE WHEN leg = 'effective' THEN 0 ELSE line_items END AS line_items,
  origin,
  CASE
    WHEN kind = 'unknown' THEN 'unknown line item type ' || coalesce(type, '(none)') || ' is taken as usage'
    ELSE ''
  END AS problem
FROM leg
LEFT JOIN category ON product_code = line_item_product_code
