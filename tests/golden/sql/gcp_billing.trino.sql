-- Charges of 2026-04 in FOCUS, one row a day for each group of charges alike, UTC.
-- tag 'cost-center' is 'Cost-Center' or 'cost-center'.
-- tag 'env' is 'env'.
-- tag 'model' is 'model'.
WITH typed AS (
  SELECT
    CAST("adjustment_info.mode" AS VARCHAR) AS adjustment_info_mode,
    CAST("adjustment_info.type" AS VARCHAR) AS adjustment_info_type,
    CAST("billing_account_id" AS VARCHAR) AS billing_account_id,
    CAST("consumption_model.description" AS VARCHAR) AS consumption_model_description,
    CAST("cost_type" AS VARCHAR) AS cost_type,
    CAST("credits.type" AS VARCHAR) AS credits_type,
    CAST("credits.unknown" AS VARCHAR) AS credits_unknown,
    CAST("currency" AS VARCHAR) AS currency,
    CAST("labels.fault" AS VARCHAR) AS labels_fault,
    CAST("location.location" AS VARCHAR) AS location_location,
    CAST("location.region" AS VARCHAR) AS location_region,
    CAST("project.id" AS VARCHAR) AS project_id,
    CAST("project.name" AS VARCHAR) AS project_name,
    CAST("service.description" AS VARCHAR) AS service_description,
    CAST("service.id" AS VARCHAR) AS service_id,
    CAST("sku.description" AS VARCHAR) AS sku_description,
    CAST("usage.pricing_unit" AS VARCHAR) AS usage_pricing_unit,
    CAST("usage.unit" AS VARCHAR) AS usage_unit,
    CAST(CASE
      WHEN REGEXP_LIKE("invoice.month", '^\d{4}-\d{2}-\d{2}([T ]|\z)')
      THEN CAST(CAST(AT_TIMEZONE(
        TRY(
          FROM_ISO8601_TIMESTAMP(REGEXP_REPLACE(REPLACE("invoice.month", ' UTC', 'Z'), '^(.{10}) ', '$1T'))
        ),
        'UTC'
      ) AS TIMESTAMP) AS DATE)
    END AS DATE) AS invoice_month,
    CAST(CASE
      WHEN REGEXP_LIKE("usage_start_time", '^\d{4}-\d{2}-\d{2}([T ]|\z)')
      THEN CAST(CAST(AT_TIMEZONE(
        TRY(
          FROM_ISO8601_TIMESTAMP(REGEXP_REPLACE(REPLACE("usage_start_time", ' UTC', 'Z'), '^(.{10}) ', '$1T'))
        ),
        'UTC'
      ) AS TIMESTAMP) AS DATE)
    END AS DATE) AS usage_start_time,
    CASE
      WHEN NOT REGEXP_LIKE("cost", '[^	- -^`-~]')
      THEN TRY_CAST("cost" AS DECIMAL(38, 18))
    END AS cost,
    CASE
      WHEN NOT REGEXP_LIKE("cost_at_effective_price_default", '[^	- -^`-~]')
      THEN TRY_CAST("cost_at_effective_price_default" AS DECIMAL(38, 18))
    END AS cost_at_effective_price_default,
    CASE
      WHEN NOT REGEXP_LIKE("cost_at_list", '[^	- -^`-~]')
      THEN TRY_CAST("cost_at_list" AS DECIMAL(38, 18))
    END AS cost_at_list,
    CASE
      WHEN NOT REGEXP_LIKE("credits.discount", '[^	- -^`-~]')
      THEN TRY_CAST("credits.discount" AS DECIMAL(38, 18))
    END AS credits_discount,
    CASE
      WHEN NOT REGEXP_LIKE("credits.promotion", '[^	- -^`-~]')
      THEN TRY_CAST("credits.promotion" AS DECIMAL(38, 18))
    END AS credits_promotion,
    CASE
      WHEN NOT REGEXP_LIKE("usage.amount", '[^	- -^`-~]')
      THEN TRY_CAST("usage.amount" AS DECIMAL(38, 18))
    END AS usage_amount,
    CASE
      WHEN NOT REGEXP_LIKE("usage.amount_in_pricing_units", '[^	- -^`-~]')
      THEN TRY_CAST("usage.amount_in_pricing_units" AS DECIMAL(38, 18))
    END AS usage_amount_in_pricing_units,
    BITWISE_OR(
      BITWISE_OR(
        BITWISE_OR(
          CASE
            WHEN (
              (
                NOT "cost" IS NULL
                AND NOT "cost" IN ('')
                AND CASE
                  WHEN NOT REGEXP_LIKE("cost", '[^	- -^`-~]')
                  THEN TRY_CAST("cost" AS DECIMAL(38, 18))
                END IS NULL
              )
              OR CASE
                WHEN NOT REGEXP_LIKE("cost", '[^	- -^`-~]')
                THEN TRY_CAST("cost" AS DECIMAL(38, 18))
              END IS NULL
            )
            OR (
              NOT "cost_at_effective_price_default" IS NULL
              AND NOT "cost_at_effective_price_default" IN ('')
              AND CASE
                WHEN NOT REGEXP_LIKE("cost_at_effective_price_default", '[^	- -^`-~]')
                THEN TRY_CAST("cost_at_effective_price_default" AS DECIMAL(38, 18))
              END IS NULL
            )
            OR (
              NOT "cost_at_list" IS NULL
              AND NOT "cost_at_list" IN ('')
              AND CASE
                WHEN NOT REGEXP_LIKE("cost_at_list", '[^	- -^`-~]')
                THEN TRY_CAST("cost_at_list" AS DECIMAL(38, 18))
              END IS NULL
            )
            OR (
              NOT "credits.discount" IS NULL
              AND NOT "credits.discount" IN ('')
              AND CASE
                WHEN NOT REGEXP_LIKE("credits.discount", '[^	- -^`-~]')
                THEN TRY_CAST("credits.discount" AS DECIMAL(38, 18))
              END IS NULL
            )
            OR (
              NOT "credits.promotion" IS NULL
              AND NOT "credits.promotion" IN ('')
              AND CASE
                WHEN NOT REGEXP_LIKE("credits.promotion", '[^	- -^`-~]')
                THEN TRY_CAST("credits.promotion" AS DECIMAL(38, 18))
              END IS NULL
            )
            OR (
              NOT "usage.amount" IS NULL
              AND NOT "usage.amount" IN ('')
              AND CASE
                WHEN NOT REGEXP_LIKE("usage.amount", '[^	- -^`-~]')
                THEN TRY_CAST("usage.amount" AS DECIMAL(38, 18))
              END IS NULL
            )
            OR (
              NOT "usage.amount_in_pricing_units" IS NULL
              AND NOT "usage.amount_in_pricing_units" IN ('')
              AND CASE
                WHEN NOT REGEXP_LIKE("usage.amount_in_pricing_units", '[^	- -^`-~]')
                THEN TRY_CAST("usage.amount_in_pricing_units" AS DECIMAL(38, 18))
              END IS NULL
            )
            THEN 1
            ELSE 0
          END,
          CASE
            WHEN CASE
              WHEN NOT REGEXP_LIKE("cost_at_effective_price_default", '[^	- -^`-~]')
              THEN TRY_CAST("cost_at_effective_price_default" AS DECIMAL(38, 18))
            END IS NULL
            THEN 4
            ELSE 0
          END
        ),
        CASE
          WHEN CASE
            WHEN NOT REGEXP_LIKE("cost_at_list", '[^	- -^`-~]')
            THEN TRY_CAST("cost_at_list" AS DECIMAL(38, 18))
          END IS NULL
          THEN 8
          ELSE 0
        END
      ),
      CASE
        WHEN CASE
          WHEN NOT REGEXP_LIKE("usage.amount_in_pricing_units", '[^	- -^`-~]')
          THEN TRY_CAST("usage.amount_in_pricing_units" AS DECIMAL(38, 18))
        END IS NULL
        THEN 16
        ELSE 0
      END
    ) AS flags,
    COALESCE(
      NULLIF(CAST(ELEMENT_AT("tags", 'Cost-Center') AS VARCHAR), ''),
      NULLIF(CAST(ELEMENT_AT("tags", 'cost-center') AS VARCHAR), ''),
      CAST(NULL AS VARCHAR)
    ) AS tag_0,
    COALESCE(NULLIF(CAST(ELEMENT_AT("tags", 'env') AS VARCHAR), ''), CAST(NULL AS VARCHAR)) AS tag_1,
    COALESCE(NULLIF(CAST(ELEMENT_AT("tags", 'model') AS VARCHAR), ''), CAST(NULL AS VARCHAR)) AS tag_2,
    CASE
      WHEN (
        NULLIF(CAST(ELEMENT_AT("tags", 'Cost-Center') AS VARCHAR), '') <> NULLIF(CAST(ELEMENT_AT("tags", 'cost-center') AS VARCHAR), '')
      )
      THEN '''Cost-Center'' and ''cost-center'' are both ''cost-center'''
    END AS collision
  FROM finops.bill
), lines AS (
  SELECT
    *,
    COALESCE(FALSE, FALSE) AS outside
  FROM typed
  WHERE
    TRUE
), grouped AS (
  SELECT
    adjustment_info_mode,
    adjustment_info_type,
    billing_account_id,
    consumption_model_description,
    cost_type,
    credits_type,
    credits_unknown,
    currency,
    labels_fault,
    location_location,
    location_region,
    project_id,
    project_name,
    service_description,
    service_id,
    sku_description,
    usage_pricing_unit,
    usage_unit,
    invoice_month,
    usage_start_time,
    tag_0,
    tag_1,
    tag_2,
    flags,
    collision,
    CAST(SUM(cost) AS DECIMAL(38, 18)) AS cost,
    CAST(SUM(cost_at_effective_price_default) AS DECIMAL(38, 18)) AS cost_at_effective_price_default,
    CAST(SUM(cost_at_list) AS DECIMAL(38, 18)) AS cost_at_list,
    CAST(SUM(credits_discount) AS DECIMAL(38, 18)) AS credits_discount,
    CAST(SUM(credits_promotion) AS DECIMAL(38, 18)) AS credits_promotion,
    CAST(SUM(usage_amount) AS DECIMAL(38, 18)) AS usage_amount,
    CAST(SUM(usage_amount_in_pricing_units) AS DECIMAL(38, 18)) AS usage_amount_in_pricing_units,
    COUNT(*) AS line_items
  FROM lines
  WHERE
    NOT outside
  GROUP BY
    adjustment_info_mode,
    adjustment_info_type,
    billing_account_id,
    consumption_model_description,
    cost_type,
    credits_type,
    credits_unknown,
    currency,
    labels_fault,
    location_location,
    location_region,
    project_id,
    project_name,
    service_description,
    service_id,
    sku_description,
    usage_pricing_unit,
    usage_unit,
    invoice_month,
    usage_start_time,
    tag_0,
    tag_1,
    tag_2,
    flags,
    collision
), groups AS (
  SELECT
    CASE WHEN NOT adjustment_info_mode IN ('') THEN adjustment_info_mode END AS adjustment_info_mode,
    CASE WHEN NOT adjustment_info_type IN ('') THEN adjustment_info_type END AS adjustment_info_type,
    CASE WHEN NOT billing_account_id IN ('') THEN billing_account_id END AS billing_account_id,
    CASE
      WHEN NOT consumption_model_description IN ('')
      THEN consumption_model_description
    END AS consumption_model_description,
    CASE WHEN NOT cost_type IN ('') THEN cost_type END AS cost_type,
    CASE WHEN NOT credits_type IN ('') THEN credits_type END AS credits_type,
    CASE WHEN NOT credits_unknown IN ('') THEN credits_unknown END AS credits_unknown,
    CASE WHEN NOT currency IN ('') THEN currency END AS currency,
    CASE WHEN NOT labels_fault IN ('') THEN labels_fault END AS labels_fault,
    CASE WHEN NOT location_location IN ('') THEN location_location END AS location_location,
    CASE WHEN NOT location_region IN ('') THEN location_region END AS location_region,
    CASE WHEN NOT project_id IN ('') THEN project_id END AS project_id,
    CASE WHEN NOT project_name IN ('') THEN project_name END AS project_name,
    CASE WHEN NOT service_description IN ('') THEN service_description END AS service_description,
    CASE WHEN NOT service_id IN ('') THEN service_id END AS service_id,
    CASE WHEN NOT sku_description IN ('') THEN sku_description END AS sku_description,
    CASE WHEN NOT usage_pricing_unit IN ('') THEN usage_pricing_unit END AS usage_pricing_unit,
    CASE WHEN NOT usage_unit IN ('') THEN usage_unit END AS usage_unit,
    invoice_month,
    usage_start_time,
    COALESCE(cost, 0) AS cost,
    CASE
      WHEN (
        BITWISE_AND(flags, 4) <> 0
      )
      THEN NULL
      ELSE cost_at_effective_price_default
    END AS cost_at_effective_price_default,
    CASE WHEN (
      BITWISE_AND(flags, 8) <> 0
    ) THEN NULL ELSE cost_at_list END AS cost_at_list,
    COALESCE(credits_discount, 0) AS credits_discount,
    COALESCE(credits_promotion, 0) AS credits_promotion,
    COALESCE(usage_amount, 0) AS usage_amount,
    CASE
      WHEN (
        BITWISE_AND(flags, 16) <> 0
      )
      THEN NULL
      ELSE usage_amount_in_pricing_units
    END AS usage_amount_in_pricing_units,
    line_items,
    flags,
    (
      BITWISE_AND(flags, 2) <> 0
    ) AS malformed_labels,
    collision,
    CONCAT(
      CAST('{' AS VARCHAR),
      CAST(CONCAT_WS(
        ',',
        CONCAT(
          CAST('"cost-center":' AS VARCHAR),
          CAST(JSON_FORMAT(CAST(REPLACE(tag_0, CHR(0), '�') AS JSON)) AS VARCHAR)
        ),
        CONCAT(
          CAST('"env":' AS VARCHAR),
          CAST(JSON_FORMAT(CAST(REPLACE(tag_1, CHR(0), '�') AS JSON)) AS VARCHAR)
        ),
        CONCAT(
          CAST('"model":' AS VARCHAR),
          CAST(JSON_FORMAT(CAST(REPLACE(tag_2, CHR(0), '�') AS JSON)) AS VARCHAR)
        )
      ) AS VARCHAR),
      CAST('}' AS VARCHAR)
    ) AS tags,
    '{}' AS cost_categories
  FROM grouped
), raw AS (
  SELECT
    *
  FROM groups
  WHERE
    NOT (
      (
        BITWISE_AND(flags, 1) <> 0
      )
      OR (
        billing_account_id IS NULL OR billing_account_id IN ('')
      )
      OR (
        currency IS NULL OR currency IN ('')
      )
      OR (
        invoice_month IS NULL
        OR invoice_month < CAST('2000-01-01' AS DATE)
        OR invoice_month >= CAST('2100-01-01' AS DATE)
      )
      OR (
        usage_start_time IS NULL
        OR usage_start_time < CAST('2000-01-01' AS DATE)
        OR usage_start_time >= CAST('2100-01-01' AS DATE)
      )
    )
), charged AS (
  SELECT
    REPLACE(COALESCE(CAST(provider_name AS VARCHAR), ''), CHR(0), '�') AS provider_name,
    REPLACE(COALESCE(CAST(invoice_issuer_name AS VARCHAR), ''), CHR(0), '�') AS invoice_issuer_name,
    REPLACE(COALESCE(CAST(billing_account_id AS VARCHAR), ''), CHR(0), '�') AS billing_account_id,
    REPLACE(COALESCE(CAST(billing_account_name AS VARCHAR), ''), CHR(0), '�') AS billing_account_name,
    REPLACE(COALESCE(CAST(sub_account_id AS VARCHAR), ''), CHR(0), '�') AS sub_account_id,
    REPLACE(COALESCE(CAST(sub_account_name AS VARCHAR), ''), CHR(0), '�') AS sub_account_name,
    REPLACE(COALESCE(CAST(service_category AS VARCHAR), ''), CHR(0), '�') AS service_category,
    REPLACE(COALESCE(CAST(service_name AS VARCHAR), ''), CHR(0), '�') AS service_name,
    REPLACE(COALESCE(CAST(x_service_code AS VARCHAR), ''), CHR(0), '�') AS x_service_code,
    REPLACE(COALESCE(CAST(x_sku_group AS VARCHAR), ''), CHR(0), '�') AS x_sku_group,
    REPLACE(COALESCE(CAST(region_id AS VARCHAR), ''), CHR(0), '�') AS region_id,
    REPLACE(COALESCE(CAST(charge_category AS VARCHAR), ''), CHR(0), '�') AS charge_category,
    REPLACE(COALESCE(CAST(charge_class AS VARCHAR), ''), CHR(0), '�') AS charge_class,
    REPLACE(COALESCE(CAST(charge_frequency AS VARCHAR), ''), CHR(0), '�') AS charge_frequency,
    REPLACE(COALESCE(CAST(pricing_category AS VARCHAR), ''), CHR(0), '�') AS pricing_category,
    REPLACE(COALESCE(CAST(billing_currency AS VARCHAR), ''), CHR(0), '�') AS billing_currency,
    REPLACE(COALESCE(CAST(consumed_unit AS VARCHAR), ''), CHR(0), '�') AS consumed_unit,
    REPLACE(COALESCE(CAST(tags AS VARCHAR), ''), CHR(0), '�') AS tags,
    REPLACE(COALESCE(CAST(x_cost_categories AS VARCHAR), ''), CHR(0), '�') AS x_cost_categories,
    day,
    billed_cost,
    effective_cost,
    list_cost,
    contracted_cost,
    consumed_quantity,
    line_items,
    problem
  FROM (
    WITH line AS (
      SELECT
        *,
        cost + credits_discount AS net,
        cost_type IN ('regular', 'tax', 'adjustment', 'rounding_error') AS has_cost_type,
        COALESCE(cost_type, 'regular') = 'regular'
        AND (
          COALESCE(LOWER(sku_description) LIKE 'commitment%', FALSE)
          OR (
            STRPOS(credits, 'FEE_UTILIZATION_OFFSET') > 0
          )
        ) AS is_commitment,
        COALESCE(NOT cost_type IN ('tax', 'adjustment', 'rounding_error'), TRUE)
        AND NOT (
          COALESCE(cost_type, 'regular') = 'regular'
          AND (
            COALESCE(LOWER(sku_description) LIKE 'commitment%', FALSE)
            OR (
              STRPOS(credits, 'FEE_UTILIZATION_OFFSET') > 0
            )
          )
        )
        OR adjustment_info_type = 'USAGE_CORRECTION' AS is_usage,
        (
          STRPOS(credits, 'COMMITTED_USAGE_DISCOUNT') > 0
        )
        OR COALESCE(LOWER(consumption_model_description) <> 'default', FALSE) AS is_committed
      FROM (
        SELECT
          *,
          COALESCE(credits_type, '') AS credits
        FROM raw
      ) AS told
    ), leg AS (
      SELECT
        *,
        'whole' AS leg
      FROM line
      UNION ALL
      SELECT
        *,
        'credit' AS leg
      FROM line
      WHERE
        credits_promotion <> 0
      UNION ALL
      SELECT
        *,
        'commitment' AS leg
      FROM line
      WHERE
        is_commitment AND net <> 0
    ), category(description, service_category) AS (
      SELECT
        *
      FROM (VALUES
        ('Vertex AI', 'AI and Machine Learning'),
        ('Gemini API', 'AI and Machine Learning'),
        ('Cloud Natural Language API', 'AI and Machine Learning'),
        ('Cloud Speech API', 'AI and Machine Learning'),
        ('Cloud Vision API', 'AI and Machine Learning'),
        ('Cloud Document AI API', 'AI and Machine Learning'),
        ('BigQuery', 'Analytics'),
        ('BigQuery Reservation API', 'Analytics'),
        ('BigQuery Storage API', 'Analytics'),
        ('Cloud Dataflow', 'Analytics'),
        ('Cloud Dataproc', 'Analytics'),
        ('Cloud Composer', 'Analytics'),
        ('Compute Engine', 'Compute'),
        ('Kubernetes Engine', 'Compute'),
        ('Cloud Run', 'Compute'),
        ('Cloud Run Functions', 'Compute'),
        ('Cloud Functions', 'Compute'),
        ('App Engine', 'Compute'),
        ('Cloud SQL', 'Databases'),
        ('Cloud Spanner', 'Databases'),
        ('Spanner', 'Databases'),
        ('Cloud Bigtable', 'Databases'),
        ('Bigtable', 'Databases'),
        ('AlloyDB', 'Databases'),
        ('Cloud Firestore', 'Databases'),
        ('Firestore', 'Databases'),
        ('Memorystore', 'Databases'),
        ('Cloud Memorystore for Redis', 'Databases'),
        ('Cloud Pub/Sub', 'Integration'),
        ('Cloud Tasks', 'Integration'),
        ('Workflows', 'Integration'),
        ('Cloud Logging', 'Management and Governance'),
        ('Cloud Monitoring', 'Management and Governance'),
        ('Support', 'Management and Governance'),
        ('Networking', 'Networking'),
        ('Cloud DNS', 'Networking'),
        ('Cloud CDN', 'Networking'),
        ('Cloud NAT', 'Networking'),
        ('Cloud Key Management Service (KMS)', 'Security'),
        ('Secret Manager', 'Security'),
        ('Security Command Center', 'Security'),
        ('Cloud Storage', 'Storage'),
        ('Artifact Registry', 'Storage'),
        ('Cloud Filestore', 'Storage')) AS _values
    ), unit(pricing_unit, focus_unit) AS (
      SELECT
        *
      FROM (VALUES
        ('count', 'Count'),
        ('second', 'Seconds'),
        ('minute', 'Minutes'),
        ('hour', 'Hours'),
        ('day', 'Days'),
        ('month', 'Months'),
        ('byte', 'Bytes'),
        ('gibibyte', 'GiB'),
        ('tebibyte', 'TiB'),
        ('mebibyte', 'MiB'),
        ('gibibyte hour', 'GiB-Hours'),
        ('gibibyte day', 'GiB-Days'),
        ('gibibyte month', 'GiB-Months'),
        ('tebibyte month', 'TiB-Months'),
        ('gigabyte', 'GB'),
        ('gigabyte month', 'GB-Months')) AS _values
    )
    SELECT
      'Google Cloud' AS provider_name,
      'Google Cloud' AS invoice_issuer_name,
      billing_account_id,
      CAST(NULL AS VARCHAR) AS billing_account_name,
      project_id AS sub_account_id,
      project_name AS sub_account_name,
      COALESCE(service_category, 'Other') AS service_category,
      COALESCE(service_description, service_id, 'Google Cloud') AS service_name,
      service_id AS x_service_code,
      sku_description AS x_sku_group,
      COALESCE(
        location_region,
        CASE WHEN location_location <> 'global' THEN location_location END
      ) AS region_id,
      CASE
        WHEN leg = 'credit'
        OR adjustment_info_type IN ('GOODWILL', 'SALES_BASED_GOODWILL', 'SLA_VIOLATION')
        THEN 'Credit'
        WHEN cost_type = 'tax'
        THEN 'Tax'
        WHEN cost_type IN ('adjustment', 'rounding_error')
        THEN 'Adjustment'
        WHEN is_commitment AND leg = 'whole'
        THEN 'Purchase'
        ELSE 'Usage'
      END AS charge_category,
      CASE
        WHEN leg = 'whole'
        AND (
          adjustment_info_type LIKE '%CORRECTION'
          OR adjustment_info_mode LIKE '%CORRECTION'
          OR adjustment_info_mode LIKE 'COMPLETE_NEGATION%'
        )
        THEN 'Correction'
      END AS charge_class,
      CASE
        WHEN leg = 'commitment'
        THEN 'Usage-Based'
        WHEN leg = 'credit' OR cost_type IN ('adjustment', 'rounding_error')
        THEN 'One-Time'
        WHEN is_commitment OR cost_type = 'tax'
        THEN 'Recurring'
        ELSE 'Usage-Based'
      END AS charge_frequency,
      CASE
        WHEN leg = 'credit' OR cost_type IN ('tax', 'adjustment', 'rounding_error')
        THEN NULL
        WHEN leg = 'commitment' OR is_committed
        THEN 'Committed'
        WHEN LOWER(sku_description) LIKE 'spot %'
        OR (
          STRPOS(LOWER(sku_description), 'preemptible') > 0
        )
        THEN 'Dynamic'
        ELSE 'Standard'
      END AS pricing_category,
      currency AS billing_currency,
      CASE
        WHEN leg = 'whole' AND is_usage AND NOT usage_amount_in_pricing_units IS NULL
        THEN COALESCE(focus_unit, usage_pricing_unit)
        WHEN leg = 'whole' AND is_usage
        THEN usage_unit
      END AS consumed_unit,
      tags,
      cost_categories AS x_cost_categories,
      usage_start_time AS day,
      CASE leg WHEN 'whole' THEN net WHEN 'credit' THEN credits_promotion ELSE 0 END AS billed_cost,
      CASE
        WHEN leg = 'credit'
        THEN credits_promotion
        WHEN leg = 'whole' AND is_commitment
        THEN 0
        ELSE net
      END AS effective_cost,
      CASE
        WHEN leg = 'whole'
        THEN COALESCE(cost_at_list, cost_at_effective_price_default, cost)
        ELSE 0
      END AS list_cost,
      CASE
        WHEN leg = 'whole'
        THEN COALESCE(cost_at_effective_price_default, cost)
        ELSE 0
      END AS contracted_cost,
      CASE
        WHEN leg = 'whole' AND is_usage
        THEN COALESCE(usage_amount_in_pricing_units, usage_amount)
        ELSE 0
      END AS consumed_quantity,
      CASE WHEN leg = 'whole' THEN line_items ELSE 0 END AS line_items,
      CASE
        WHEN leg <> 'whole'
        THEN ''
        WHEN NOT cost_type IS NULL AND NOT has_cost_type
        THEN CONCAT(
          CAST('unknown cost type ' AS VARCHAR),
          CAST(cost_type AS VARCHAR),
          CAST(' is taken as usage' AS VARCHAR)
        )
        WHEN credits_unknown <> ''
        THEN CONCAT(
          CAST('unknown credit type ' AS VARCHAR),
          CAST(credits_unknown AS VARCHAR),
          CAST(' is taken as a discount' AS VARCHAR)
        )
        WHEN NOT labels_fault IS NULL
        THEN labels_fault
        ELSE ''
      END AS problem
    FROM leg
    LEFT JOIN category
      ON category.description = service_description
    LEFT JOIN unit
      ON unit.pricing_unit = usage_pricing_unit
  ) AS charges
), charge AS (
  SELECT
    provider_name,
    invoice_issuer_name,
    billing_account_id,
    billing_account_name,
    sub_account_id,
    sub_account_name,
    service_category,
    service_name,
    x_service_code,
    x_sku_group,
    region_id,
    charge_category,
    charge_class,
    charge_frequency,
    pricing_category,
    billing_currency,
    consumed_unit,
    tags,
    x_cost_categories,
    day,
    CAST(SUM(billed_cost) AS DECIMAL(38, 18)) AS billed_cost,
    CAST(SUM(effective_cost) AS DECIMAL(38, 18)) AS effective_cost,
    CAST(SUM(list_cost) AS DECIMAL(38, 18)) AS list_cost,
    CAST(SUM(contracted_cost) AS DECIMAL(38, 18)) AS contracted_cost,
    CAST(SUM(consumed_quantity) AS DECIMAL(38, 18)) AS consumed_quantity,
    CAST(SUM(line_items) AS BIGINT) AS line_items,
    problem
  FROM charged
  GROUP BY
    provider_name,
    invoice_issuer_name,
    billing_account_id,
    billing_account_name,
    sub_account_id,
    sub_account_name,
    service_category,
    service_name,
    x_service_code,
    x_sku_group,
    region_id,
    charge_category,
    charge_class,
    charge_frequency,
    pricing_category,
    billing_currency,
    consumed_unit,
    tags,
    x_cost_categories,
    day,
    problem
)
SELECT
  provider_name AS "ProviderName",
  invoice_issuer_name AS "InvoiceIssuerName",
  billing_account_id AS "BillingAccountId",
  billing_account_name AS "BillingAccountName",
  sub_account_id AS "SubAccountId",
  sub_account_name AS "SubAccountName",
  service_category AS "ServiceCategory",
  service_name AS "ServiceName",
  x_service_code AS "x_ServiceCode",
  x_sku_group AS "SkuMeter",
  region_id AS "RegionId",
  charge_category AS "ChargeCategory",
  charge_class AS "ChargeClass",
  charge_frequency AS "ChargeFrequency",
  pricing_category AS "PricingCategory",
  billing_currency AS "BillingCurrency",
  consumed_unit AS "ConsumedUnit",
  tags AS "Tags",
  x_cost_categories AS "x_CostCategories",
  day AS "ChargePeriodStart",
  billed_cost AS "BilledCost",
  effective_cost AS "EffectiveCost",
  list_cost AS "ListCost",
  contracted_cost AS "ContractedCost",
  consumed_quantity AS "ConsumedQuantity",
  line_items AS "x_LineItems",
  problem AS "x_Problem",
  CAST('2026-04-01' AS DATE) AS "BillingPeriodStart"
FROM charge
