-- Charges of 2026-04 in FOCUS, one row a day for each group of charges alike, UTC.
-- tag 'cost-center' is 'cost-center' or 'cost_center'.
-- tag 'env' is 'env'.
WITH typed AS (
  SELECT
    CAST(`billing_account_id` AS STRING) AS billing_account_id,
    CAST(`billing_account_name` AS STRING) AS billing_account_name,
    CAST(`billing_currency` AS STRING) AS billing_currency,
    CAST(`charge_category` AS STRING) AS charge_category,
    CAST(`charge_class` AS STRING) AS charge_class,
    CAST(`charge_frequency` AS STRING) AS charge_frequency,
    CAST(`consumed_unit` AS STRING) AS consumed_unit,
    CAST(`invoice_issuer_name` AS STRING) AS invoice_issuer_name,
    CAST(`pricing_category` AS STRING) AS pricing_category,
    CAST(`provider_name` AS STRING) AS provider_name,
    CAST(`region_id` AS STRING) AS region_id,
    CAST(`service_category` AS STRING) AS service_category,
    CAST(`service_name` AS STRING) AS service_name,
    CAST(`sku_meter` AS STRING) AS sku_meter,
    CAST(`sub_account_id` AS STRING) AS sub_account_id,
    CAST(`sub_account_name` AS STRING) AS sub_account_name,
    CAST(`x_service_code` AS STRING) AS x_service_code,
    CAST(`x_usage_type` AS STRING) AS x_usage_type,
    CAST(`allocated_tags` AS STRING) AS allocated_tags,
    CAST(CASE
      WHEN REGEXP_CONTAINS(`billing_period_start`, '^\\d{4}-\\d{2}-\\d{2}([T ]|\\z)')
      THEN CAST(CAST(SAFE_CAST(`billing_period_start` AS TIMESTAMP) AS DATETIME) AS DATE)
    END AS DATE) AS billing_period_start,
    CAST(SAFE_CAST(`charge_period_start` AS DATE) AS DATE) AS charge_period_start,
    ROUND(SAFE_CAST(`billed_cost` AS BIGNUMERIC), 18) AS billed_cost,
    cost_0 AS consumed_quantity,
    cost_1 AS contracted_cost,
    cost_2 AS effective_cost,
    cost_3 AS list_cost,
    CASE
      WHEN (
        (
          NOT `billed_cost` IS NULL
          AND ROUND(SAFE_CAST(`billed_cost` AS BIGNUMERIC), 18) IS NULL
        )
        OR ROUND(SAFE_CAST(`billed_cost` AS BIGNUMERIC), 18) IS NULL
      )
      OR (
        NOT `consumed_quantity` IS NULL
        AND (
          NOT (
            NOT (
              IS_NAN(`consumed_quantity`) OR IS_INF(`consumed_quantity`)
            )
          )
          OR cost_0 IS NULL
        )
      )
      OR (
        NOT `contracted_cost` IS NULL
        AND (
          NOT (
            NOT (
              IS_NAN(`contracted_cost`) OR IS_INF(`contracted_cost`)
            )
          )
          OR cost_1 IS NULL
        )
      )
      OR (
        (
          NOT `effective_cost` IS NULL
          AND (
            NOT (
              NOT (
                IS_NAN(`effective_cost`) OR IS_INF(`effective_cost`)
              )
            )
            OR cost_2 IS NULL
          )
        )
        OR cost_2 IS NULL
      )
      OR (
        NOT `list_cost` IS NULL
        AND (
          NOT (
            NOT (
              IS_NAN(`list_cost`) OR IS_INF(`list_cost`)
            )
          )
          OR cost_3 IS NULL
        )
      )
      THEN 1
      ELSE 0
    END | CASE
      WHEN NOT `tags` IN ('', 'NULL', 'null')
      AND CASE WHEN NOT `tags` IN ('', 'NULL', 'null') THEN labels_4 END IS NULL
      THEN 2
      ELSE 0
    END | CASE
      WHEN NOT `allocated_tags` IN ('', 'NULL', 'null')
      AND CASE WHEN NOT `allocated_tags` IN ('', 'NULL', 'null') THEN labels_5 END IS NULL
      THEN 2
      ELSE 0
    END | CASE WHEN cost_1 IS NULL THEN 4 ELSE 0 END | CASE WHEN cost_3 IS NULL THEN 8 ELSE 0 END AS flags,
    COALESCE(
      NULLIF(
        LAX_STRING(CASE WHEN NOT `tags` IN ('', 'NULL', 'null') THEN labels_4 END['cost-center']),
        ''
      ),
      NULLIF(
        LAX_STRING(CASE WHEN NOT `tags` IN ('', 'NULL', 'null') THEN labels_4 END['cost_center']),
        ''
      ),
      CAST(NULL AS STRING)
    ) AS tag_0,
    COALESCE(
      NULLIF(
        LAX_STRING(CASE WHEN NOT `tags` IN ('', 'NULL', 'null') THEN labels_4 END['env']),
        ''
      ),
      CAST(NULL AS STRING)
    ) AS tag_1,
    CASE
      WHEN (
        NULLIF(
          LAX_STRING(CASE WHEN NOT `tags` IN ('', 'NULL', 'null') THEN labels_4 END['cost-center']),
          ''
        ) <> NULLIF(
          LAX_STRING(CASE WHEN NOT `tags` IN ('', 'NULL', 'null') THEN labels_4 END['cost_center']),
          ''
        )
      )
      THEN '\'cost-center\' and \'cost_center\' are both \'cost-center\''
    END AS collision
  FROM (
    SELECT
      *,
      CASE
        WHEN ABS(scaled_0) < 9E18
        THEN CAST(CAST(CAST(scaled_0 AS INT64) AS BIGNUMERIC) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
        WHEN ABS(scaled_0) < 1E32
        THEN CAST((
          CAST(CAST(FLOOR(scaled_0 / 17592186044416E0) AS INT64) AS BIGNUMERIC) * CAST(17592186044416 AS BIGNUMERIC) + CAST(CAST(scaled_0 - CAST(FLOOR(scaled_0 / 17592186044416E0) AS FLOAT64) * 17592186044416E0 AS INT64) AS BIGNUMERIC)
        ) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
      END AS cost_0,
      CASE
        WHEN ABS(scaled_1) < 9E18
        THEN CAST(CAST(CAST(scaled_1 AS INT64) AS BIGNUMERIC) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
        WHEN ABS(scaled_1) < 1E32
        THEN CAST((
          CAST(CAST(FLOOR(scaled_1 / 17592186044416E0) AS INT64) AS BIGNUMERIC) * CAST(17592186044416 AS BIGNUMERIC) + CAST(CAST(scaled_1 - CAST(FLOOR(scaled_1 / 17592186044416E0) AS FLOAT64) * 17592186044416E0 AS INT64) AS BIGNUMERIC)
        ) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
      END AS cost_1,
      CASE
        WHEN ABS(scaled_2) < 9E18
        THEN CAST(CAST(CAST(scaled_2 AS INT64) AS BIGNUMERIC) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
        WHEN ABS(scaled_2) < 1E32
        THEN CAST((
          CAST(CAST(FLOOR(scaled_2 / 17592186044416E0) AS INT64) AS BIGNUMERIC) * CAST(17592186044416 AS BIGNUMERIC) + CAST(CAST(scaled_2 - CAST(FLOOR(scaled_2 / 17592186044416E0) AS FLOAT64) * 17592186044416E0 AS INT64) AS BIGNUMERIC)
        ) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
      END AS cost_2,
      CASE
        WHEN ABS(scaled_3) < 9E18
        THEN CAST(CAST(CAST(scaled_3 AS INT64) AS BIGNUMERIC) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
        WHEN ABS(scaled_3) < 1E32
        THEN CAST((
          CAST(CAST(FLOOR(scaled_3 / 17592186044416E0) AS INT64) AS BIGNUMERIC) * CAST(17592186044416 AS BIGNUMERIC) + CAST(CAST(scaled_3 - CAST(FLOOR(scaled_3 / 17592186044416E0) AS FLOAT64) * 17592186044416E0 AS INT64) AS BIGNUMERIC)
        ) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
      END AS cost_3
    FROM (
      SELECT
        *,
        SIGN(`consumed_quantity`) * CASE
          WHEN ABS(`consumed_quantity` * 1e12) < 4503599627370496E0
          THEN CAST(FLOOR(ABS(`consumed_quantity` * 1e12)) AS FLOAT64) + CASE
            WHEN ABS(`consumed_quantity` * 1e12) - CAST(FLOOR(ABS(`consumed_quantity` * 1e12)) AS FLOAT64) >= 5E-1
            THEN 1E0
            ELSE 0E0
          END
          ELSE ABS(`consumed_quantity` * 1e12)
        END AS scaled_0,
        SIGN(`contracted_cost`) * CASE
          WHEN ABS(`contracted_cost` * 1e12) < 4503599627370496E0
          THEN CAST(FLOOR(ABS(`contracted_cost` * 1e12)) AS FLOAT64) + CASE
            WHEN ABS(`contracted_cost` * 1e12) - CAST(FLOOR(ABS(`contracted_cost` * 1e12)) AS FLOAT64) >= 5E-1
            THEN 1E0
            ELSE 0E0
          END
          ELSE ABS(`contracted_cost` * 1e12)
        END AS scaled_1,
        SIGN(`effective_cost`) * CASE
          WHEN ABS(`effective_cost` * 1e12) < 4503599627370496E0
          THEN CAST(FLOOR(ABS(`effective_cost` * 1e12)) AS FLOAT64) + CASE
            WHEN ABS(`effective_cost` * 1e12) - CAST(FLOOR(ABS(`effective_cost` * 1e12)) AS FLOAT64) >= 5E-1
            THEN 1E0
            ELSE 0E0
          END
          ELSE ABS(`effective_cost` * 1e12)
        END AS scaled_2,
        SIGN(`list_cost`) * CASE
          WHEN ABS(`list_cost` * 1e12) < 4503599627370496E0
          THEN CAST(FLOOR(ABS(`list_cost` * 1e12)) AS FLOAT64) + CASE
            WHEN ABS(`list_cost` * 1e12) - CAST(FLOOR(ABS(`list_cost` * 1e12)) AS FLOAT64) >= 5E-1
            THEN 1E0
            ELSE 0E0
          END
          ELSE ABS(`list_cost` * 1e12)
        END AS scaled_3,
        CASE
          WHEN JSON_TYPE(SAFE.PARSE_JSON(`tags`)) = 'object'
          THEN SAFE.PARSE_JSON(`tags`)
        END AS labels_4,
        CASE
          WHEN JSON_TYPE(SAFE.PARSE_JSON(`allocated_tags`)) = 'object'
          THEN SAFE.PARSE_JSON(`allocated_tags`)
        END AS labels_5
      FROM finops.bill
    ) AS part
  ) AS part
), lines AS (
  SELECT
    *,
    COALESCE(FALSE, FALSE) AS outside
  FROM typed
  WHERE
    TRUE
), grouped AS (
  SELECT
    billing_account_id,
    billing_account_name,
    billing_currency,
    charge_category,
    charge_class,
    charge_frequency,
    consumed_unit,
    invoice_issuer_name,
    pricing_category,
    provider_name,
    region_id,
    service_category,
    service_name,
    sku_meter,
    sub_account_id,
    sub_account_name,
    x_service_code,
    x_usage_type,
    billing_period_start,
    charge_period_start,
    tag_0,
    tag_1,
    flags,
    collision,
    CAST(SUM(billed_cost) AS BIGNUMERIC) AS billed_cost,
    CAST(SUM(consumed_quantity) AS BIGNUMERIC) AS consumed_quantity,
    CAST(SUM(contracted_cost) AS BIGNUMERIC) AS contracted_cost,
    CAST(SUM(effective_cost) AS BIGNUMERIC) AS effective_cost,
    CAST(SUM(list_cost) AS BIGNUMERIC) AS list_cost,
    COUNT(*) AS line_items
  FROM lines
  WHERE
    NOT outside
  GROUP BY
    billing_account_id,
    billing_account_name,
    billing_currency,
    charge_category,
    charge_class,
    charge_frequency,
    consumed_unit,
    invoice_issuer_name,
    pricing_category,
    provider_name,
    region_id,
    service_category,
    service_name,
    sku_meter,
    sub_account_id,
    sub_account_name,
    x_service_code,
    x_usage_type,
    billing_period_start,
    charge_period_start,
    tag_0,
    tag_1,
    flags,
    collision
), `groups` AS (
  SELECT
    CASE
      WHEN NOT billing_account_id IN ('', 'NULL', 'null')
      THEN billing_account_id
    END AS billing_account_id,
    CASE
      WHEN NOT billing_account_name IN ('', 'NULL', 'null')
      THEN billing_account_name
    END AS billing_account_name,
    CASE WHEN NOT billing_currency IN ('', 'NULL', 'null') THEN billing_currency END AS billing_currency,
    CASE WHEN NOT charge_category IN ('', 'NULL', 'null') THEN charge_category END AS charge_category,
    CASE WHEN NOT charge_class IN ('', 'NULL', 'null') THEN charge_class END AS charge_class,
    CASE WHEN NOT charge_frequency IN ('', 'NULL', 'null') THEN charge_frequency END AS charge_frequency,
    CASE WHEN NOT consumed_unit IN ('', 'NULL', 'null') THEN consumed_unit END AS consumed_unit,
    CASE
      WHEN NOT invoice_issuer_name IN ('', 'NULL', 'null')
      THEN invoice_issuer_name
    END AS invoice_issuer_name,
    CASE WHEN NOT pricing_category IN ('', 'NULL', 'null') THEN pricing_category END AS pricing_category,
    CASE WHEN NOT provider_name IN ('', 'NULL', 'null') THEN provider_name END AS provider_name,
    CASE WHEN NOT region_id IN ('', 'NULL', 'null') THEN region_id END AS region_id,
    CASE WHEN NOT service_category IN ('', 'NULL', 'null') THEN service_category END AS service_category,
    CASE WHEN NOT service_name IN ('', 'NULL', 'null') THEN service_name END AS service_name,
    CASE WHEN NOT sku_meter IN ('', 'NULL', 'null') THEN sku_meter END AS sku_meter,
    CASE WHEN NOT sub_account_id IN ('', 'NULL', 'null') THEN sub_account_id END AS sub_account_id,
    CASE WHEN NOT sub_account_name IN ('', 'NULL', 'null') THEN sub_account_name END AS sub_account_name,
    CASE WHEN NOT x_service_code IN ('', 'NULL', 'null') THEN x_service_code END AS x_service_code,
    CASE WHEN NOT x_usage_type IN ('', 'NULL', 'null') THEN x_usage_type END AS x_usage_type,
    billing_period_start,
    charge_period_start,
    COALESCE(billed_cost, 0) AS billed_cost,
    COALESCE(consumed_quantity, 0) AS consumed_quantity,
    CASE WHEN (
      flags & 4 <> 0
    ) THEN NULL ELSE contracted_cost END AS contracted_cost,
    COALESCE(effective_cost, 0) AS effective_cost,
    CASE WHEN (
      flags & 8 <> 0
    ) THEN NULL ELSE list_cost END AS list_cost,
    line_items,
    flags,
    (
      flags & 2 <> 0
    ) AS malformed_labels,
    collision,
    '{' || ARRAY_TO_STRING(
      [
        '"cost-center":' || CASE
          WHEN NOT REPLACE(tag_0, CODE_POINTS_TO_STRING([0]), '�') IS NULL
          THEN TO_JSON_STRING(REPLACE(tag_0, CODE_POINTS_TO_STRING([0]), '�'))
        END,
        '"env":' || CASE
          WHEN NOT REPLACE(tag_1, CODE_POINTS_TO_STRING([0]), '�') IS NULL
          THEN TO_JSON_STRING(REPLACE(tag_1, CODE_POINTS_TO_STRING([0]), '�'))
        END
      ],
      ','
    ) || '}' AS tags,
    '{}' AS cost_categories
  FROM grouped
), raw AS (
  SELECT
    *
  FROM `groups`
  WHERE
    NOT (
      (
        flags & 1 <> 0
      )
      OR (
        billing_currency IS NULL OR billing_currency IN ('', 'NULL', 'null')
      )
      OR (
        billing_period_start IS NULL
        OR billing_period_start < CAST('2000-01-01' AS DATE)
        OR billing_period_start >= CAST('2100-01-01' AS DATE)
      )
      OR (
        charge_period_start IS NULL
        OR charge_period_start < CAST('2000-01-01' AS DATE)
        OR charge_period_start >= CAST('2100-01-01' AS DATE)
      )
    )
), charged AS (
  SELECT
    REPLACE(COALESCE(CAST(provider_name AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS provider_name,
    REPLACE(COALESCE(CAST(invoice_issuer_name AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS invoice_issuer_name,
    REPLACE(COALESCE(CAST(billing_account_id AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS billing_account_id,
    REPLACE(COALESCE(CAST(billing_account_name AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS billing_account_name,
    REPLACE(COALESCE(CAST(sub_account_id AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS sub_account_id,
    REPLACE(COALESCE(CAST(sub_account_name AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS sub_account_name,
    REPLACE(COALESCE(CAST(service_category AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS service_category,
    REPLACE(COALESCE(CAST(service_name AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS service_name,
    REPLACE(COALESCE(CAST(x_service_code AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS x_service_code,
    REPLACE(COALESCE(CAST(x_sku_group AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS x_sku_group,
    REPLACE(COALESCE(CAST(region_id AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS region_id,
    REPLACE(COALESCE(CAST(charge_category AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS charge_category,
    REPLACE(COALESCE(CAST(charge_class AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS charge_class,
    REPLACE(COALESCE(CAST(charge_frequency AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS charge_frequency,
    REPLACE(COALESCE(CAST(pricing_category AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS pricing_category,
    REPLACE(COALESCE(CAST(billing_currency AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS billing_currency,
    REPLACE(COALESCE(CAST(consumed_unit AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS consumed_unit,
    REPLACE(COALESCE(CAST(tags AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS tags,
    REPLACE(COALESCE(CAST(x_cost_categories AS STRING), ''), CODE_POINTS_TO_STRING([0]), '�') AS x_cost_categories,
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
        charge_category IN ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment') AS has_category,
        CASE
          WHEN charge_category IS NULL
          THEN 'charge category is missing and taken as Usage'
          WHEN NOT (
            charge_category IN ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment')
          )
          THEN 'unknown charge category ' || charge_category || ' is taken as Usage'
          WHEN malformed_labels
          THEN 'tags are not a JSON object and were left out'
          WHEN list_cost IS NULL OR contracted_cost IS NULL
          THEN 'list or contracted cost is missing and taken from the cost below it'
          ELSE ''
        END AS problem
      FROM raw
    )
    SELECT
      provider_name,
      COALESCE(invoice_issuer_name, provider_name) AS invoice_issuer_name,
      billing_account_id,
      billing_account_name,
      COALESCE(sub_account_id, billing_account_id) AS sub_account_id,
      sub_account_name,
      COALESCE(service_category, 'Other') AS service_category,
      service_name,
      x_service_code,
      COALESCE(sku_meter, x_usage_type) AS x_sku_group,
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
      COALESCE(list_cost, contracted_cost, effective_cost) AS list_cost,
      COALESCE(contracted_cost, effective_cost) AS contracted_cost,
      consumed_quantity,
      line_items,
      problem
    FROM line
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
    CAST(SUM(billed_cost) AS BIGNUMERIC) AS billed_cost,
    CAST(SUM(effective_cost) AS BIGNUMERIC) AS effective_cost,
    CAST(SUM(list_cost) AS BIGNUMERIC) AS list_cost,
    CAST(SUM(contracted_cost) AS BIGNUMERIC) AS contracted_cost,
    CAST(SUM(consumed_quantity) AS BIGNUMERIC) AS consumed_quantity,
    CAST(SUM(line_items) AS INT64) AS line_items,
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
  provider_name AS `ProviderName`,
  invoice_issuer_name AS `InvoiceIssuerName`,
  billing_account_id AS `BillingAccountId`,
  billing_account_name AS `BillingAccountName`,
  sub_account_id AS `SubAccountId`,
  sub_account_name AS `SubAccountName`,
  service_category AS `ServiceCategory`,
  service_name AS `ServiceName`,
  x_service_code AS `x_ServiceCode`,
  x_sku_group AS `SkuMeter`,
  region_id AS `RegionId`,
  charge_category AS `ChargeCategory`,
  charge_class AS `ChargeClass`,
  charge_frequency AS `ChargeFrequency`,
  pricing_category AS `PricingCategory`,
  billing_currency AS `BillingCurrency`,
  consumed_unit AS `ConsumedUnit`,
  tags AS `Tags`,
  x_cost_categories AS `x_CostCategories`,
  day AS `ChargePeriodStart`,
  billed_cost AS `BilledCost`,
  effective_cost AS `EffectiveCost`,
  list_cost AS `ListCost`,
  contracted_cost AS `ContractedCost`,
  consumed_quantity AS `ConsumedQuantity`,
  line_items AS `x_LineItems`,
  problem AS `x_Problem`,
  CAST('2026-04-01' AS DATE) AS `BillingPeriodStart`
FROM charge
