-- Charges of 2026-04 in FOCUS, one row a day for each group of charges alike, UTC.
-- tag 'cost-center' is 'user_Cost_Center' or 'user_cost_center'.
-- tag 'model' is 'user_model'.
WITH typed AS (
  SELECT
    CAST(`bill_invoicing_entity` AS STRING) AS bill_invoicing_entity,
    CAST(`bill_payer_account_id` AS STRING) AS bill_payer_account_id,
    CAST(NULL AS STRING) AS bill_payer_account_name,
    CAST(`line_item_currency_code` AS STRING) AS line_item_currency_code,
    CAST(`line_item_line_item_type` AS STRING) AS line_item_line_item_type,
    CAST(`line_item_product_code` AS STRING) AS line_item_product_code,
    CAST(`line_item_usage_account_id` AS STRING) AS line_item_usage_account_id,
    CAST(NULL AS STRING) AS line_item_usage_account_name,
    CAST(`line_item_usage_type` AS STRING) AS line_item_usage_type,
    CAST(`pricing_unit` AS STRING) AS pricing_unit,
    CAST((
      SELECT
        value
      FROM UNNEST(`product`.key_value)
      WHERE
        key = 'product_name'
      LIMIT 1
    ) AS STRING) AS product_product_name,
    CAST(`line_item_availability_zone` AS STRING) AS line_item_availability_zone,
    CAST(`line_item_operation` AS STRING) AS line_item_operation,
    CAST(`product_region_code` AS STRING) AS product_region_code,
    CAST(`reservation_reservation_a_r_n` AS STRING) AS reservation_reservation_a_r_n,
    CAST(`split_line_item_parent_resource_id` AS STRING) AS split_line_item_parent_resource_id,
    CAST(SAFE_CAST(`line_item_usage_start_date` AS DATE) AS DATE) AS line_item_usage_start_date,
    cost_0 AS line_item_unblended_cost,
    cost_1 AS line_item_usage_amount,
    cost_2 AS pricing_public_on_demand_cost,
    cost_3 AS reservation_effective_cost,
    cost_4 AS reservation_unused_amortized_upfront_fee_for_billing_period,
    cost_5 AS reservation_unused_recurring_fee,
    cost_6 AS savings_plan_savings_plan_effective_cost,
    cost_7 AS savings_plan_total_commitment_to_date,
    cost_8 AS savings_plan_used_commitment,
    CASE
      WHEN NOT REGEXP_CONTAINS(NULL, '[^\t-\r -^`-~]')
      THEN ROUND(SAFE_CAST(NULL AS BIGNUMERIC), 18)
    END AS line_item_net_unblended_cost,
    CASE
      WHEN NOT REGEXP_CONTAINS(NULL, '[^\t-\r -^`-~]')
      THEN ROUND(SAFE_CAST(NULL AS BIGNUMERIC), 18)
    END AS reservation_net_effective_cost,
    CASE
      WHEN NOT REGEXP_CONTAINS(NULL, '[^\t-\r -^`-~]')
      THEN ROUND(SAFE_CAST(NULL AS BIGNUMERIC), 18)
    END AS reservation_net_unused_amortized_upfront_fee_for_billing_period,
    CASE
      WHEN NOT REGEXP_CONTAINS(NULL, '[^\t-\r -^`-~]')
      THEN ROUND(SAFE_CAST(NULL AS BIGNUMERIC), 18)
    END AS reservation_net_unused_recurring_fee,
    CASE
      WHEN NOT REGEXP_CONTAINS(NULL, '[^\t-\r -^`-~]')
      THEN ROUND(SAFE_CAST(NULL AS BIGNUMERIC), 18)
    END AS savings_plan_net_savings_plan_effective_cost,
    CASE
      WHEN (
        (
          NOT `line_item_unblended_cost` IS NULL
          AND (
            NOT (
              NOT (
                IS_NAN(`line_item_unblended_cost`) OR IS_INF(`line_item_unblended_cost`)
              )
            )
            OR cost_0 IS NULL
          )
        )
        OR cost_0 IS NULL
      )
      OR (
        NOT `line_item_usage_amount` IS NULL
        AND (
          NOT (
            NOT (
              IS_NAN(`line_item_usage_amount`) OR IS_INF(`line_item_usage_amount`)
            )
          )
          OR cost_1 IS NULL
        )
      )
      OR (
        NOT `pricing_public_on_demand_cost` IS NULL
        AND (
          NOT (
            NOT (
              IS_NAN(`pricing_public_on_demand_cost`)
              OR IS_INF(`pricing_public_on_demand_cost`)
            )
          )
          OR cost_2 IS NULL
        )
      )
      OR (
        NOT `reservation_effective_cost` IS NULL
        AND (
          NOT (
            NOT (
              IS_NAN(`reservation_effective_cost`) OR IS_INF(`reservation_effective_cost`)
            )
          )
          OR cost_3 IS NULL
        )
      )
      OR (
        NOT `reservation_unused_amortized_upfront_fee_for_billing_period` IS NULL
        AND (
          NOT (
            NOT (
              IS_NAN(`reservation_unused_amortized_upfront_fee_for_billing_period`)
              OR IS_INF(`reservation_unused_amortized_upfront_fee_for_billing_period`)
            )
          )
          OR cost_4 IS NULL
        )
      )
      OR (
        NOT `reservation_unused_recurring_fee` IS NULL
        AND (
          NOT (
            NOT (
              IS_NAN(`reservation_unused_recurring_fee`)
              OR IS_INF(`reservation_unused_recurring_fee`)
            )
          )
          OR cost_5 IS NULL
        )
      )
      OR (
        NOT `savings_plan_savings_plan_effective_cost` IS NULL
        AND (
          NOT (
            NOT (
              IS_NAN(`savings_plan_savings_plan_effective_cost`)
              OR IS_INF(`savings_plan_savings_plan_effective_cost`)
            )
          )
          OR cost_6 IS NULL
        )
      )
      OR (
        NOT `savings_plan_total_commitment_to_date` IS NULL
        AND (
          NOT (
            NOT (
              IS_NAN(`savings_plan_total_commitment_to_date`)
              OR IS_INF(`savings_plan_total_commitment_to_date`)
            )
          )
          OR cost_7 IS NULL
        )
      )
      OR (
        NOT `savings_plan_used_commitment` IS NULL
        AND (
          NOT (
            NOT (
              IS_NAN(`savings_plan_used_commitment`) OR IS_INF(`savings_plan_used_commitment`)
            )
          )
          OR cost_8 IS NULL
        )
      )
      THEN 1
      ELSE 0
    END | CASE WHEN NULL IS NULL THEN 4 ELSE 0 END | CASE WHEN cost_2 IS NULL THEN 8 ELSE 0 END | CASE WHEN NULL IS NULL THEN 16 ELSE 0 END | CASE WHEN NULL IS NULL THEN 32 ELSE 0 END | CASE WHEN NULL IS NULL THEN 64 ELSE 0 END | CASE WHEN NULL IS NULL THEN 128 ELSE 0 END AS flags,
    COALESCE(
      NULLIF(
        CAST((
          SELECT
            value
          FROM UNNEST(`resource_tags`.key_value)
          WHERE
            key = 'user_Cost_Center'
          LIMIT 1
        ) AS STRING),
        ''
      ),
      NULLIF(
        CAST((
          SELECT
            value
          FROM UNNEST(`resource_tags`.key_value)
          WHERE
            key = 'user_cost_center'
          LIMIT 1
        ) AS STRING),
        ''
      ),
      CAST(NULL AS STRING)
    ) AS tag_0,
    COALESCE(
      NULLIF(
        CAST((
          SELECT
            value
          FROM UNNEST(`resource_tags`.key_value)
          WHERE
            key = 'user_model'
          LIMIT 1
        ) AS STRING),
        ''
      ),
      CAST(NULL AS STRING)
    ) AS tag_1,
    CASE
      WHEN (
        NULLIF(
          CAST((
            SELECT
              value
            FROM UNNEST(`resource_tags`.key_value)
            WHERE
              key = 'user_Cost_Center'
            LIMIT 1
          ) AS STRING),
          ''
        ) <> NULLIF(
          CAST((
            SELECT
              value
            FROM UNNEST(`resource_tags`.key_value)
            WHERE
              key = 'user_cost_center'
            LIMIT 1
          ) AS STRING),
          ''
        )
      )
      THEN '\'user_Cost_Center\' and \'user_cost_center\' are both \'cost-center\''
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
      END AS cost_3,
      CASE
        WHEN ABS(scaled_4) < 9E18
        THEN CAST(CAST(CAST(scaled_4 AS INT64) AS BIGNUMERIC) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
        WHEN ABS(scaled_4) < 1E32
        THEN CAST((
          CAST(CAST(FLOOR(scaled_4 / 17592186044416E0) AS INT64) AS BIGNUMERIC) * CAST(17592186044416 AS BIGNUMERIC) + CAST(CAST(scaled_4 - CAST(FLOOR(scaled_4 / 17592186044416E0) AS FLOAT64) * 17592186044416E0 AS INT64) AS BIGNUMERIC)
        ) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
      END AS cost_4,
      CASE
        WHEN ABS(scaled_5) < 9E18
        THEN CAST(CAST(CAST(scaled_5 AS INT64) AS BIGNUMERIC) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
        WHEN ABS(scaled_5) < 1E32
        THEN CAST((
          CAST(CAST(FLOOR(scaled_5 / 17592186044416E0) AS INT64) AS BIGNUMERIC) * CAST(17592186044416 AS BIGNUMERIC) + CAST(CAST(scaled_5 - CAST(FLOOR(scaled_5 / 17592186044416E0) AS FLOAT64) * 17592186044416E0 AS INT64) AS BIGNUMERIC)
        ) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
      END AS cost_5,
      CASE
        WHEN ABS(scaled_6) < 9E18
        THEN CAST(CAST(CAST(scaled_6 AS INT64) AS BIGNUMERIC) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
        WHEN ABS(scaled_6) < 1E32
        THEN CAST((
          CAST(CAST(FLOOR(scaled_6 / 17592186044416E0) AS INT64) AS BIGNUMERIC) * CAST(17592186044416 AS BIGNUMERIC) + CAST(CAST(scaled_6 - CAST(FLOOR(scaled_6 / 17592186044416E0) AS FLOAT64) * 17592186044416E0 AS INT64) AS BIGNUMERIC)
        ) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
      END AS cost_6,
      CASE
        WHEN ABS(scaled_7) < 9E18
        THEN CAST(CAST(CAST(scaled_7 AS INT64) AS BIGNUMERIC) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
        WHEN ABS(scaled_7) < 1E32
        THEN CAST((
          CAST(CAST(FLOOR(scaled_7 / 17592186044416E0) AS INT64) AS BIGNUMERIC) * CAST(17592186044416 AS BIGNUMERIC) + CAST(CAST(scaled_7 - CAST(FLOOR(scaled_7 / 17592186044416E0) AS FLOAT64) * 17592186044416E0 AS INT64) AS BIGNUMERIC)
        ) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
      END AS cost_7,
      CASE
        WHEN ABS(scaled_8) < 9E18
        THEN CAST(CAST(CAST(scaled_8 AS INT64) AS BIGNUMERIC) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
        WHEN ABS(scaled_8) < 1E32
        THEN CAST((
          CAST(CAST(FLOOR(scaled_8 / 17592186044416E0) AS INT64) AS BIGNUMERIC) * CAST(17592186044416 AS BIGNUMERIC) + CAST(CAST(scaled_8 - CAST(FLOOR(scaled_8 / 17592186044416E0) AS FLOAT64) * 17592186044416E0 AS INT64) AS BIGNUMERIC)
        ) * CAST('0.000000000001' AS BIGNUMERIC) AS BIGNUMERIC)
      END AS cost_8
    FROM (
      SELECT
        *,
        SIGN(`line_item_unblended_cost`) * CASE
          WHEN ABS(`line_item_unblended_cost` * 1e12) < 4503599627370496E0
          THEN CAST(FLOOR(ABS(`line_item_unblended_cost` * 1e12)) AS FLOAT64) + CASE
            WHEN ABS(`line_item_unblended_cost` * 1e12) - CAST(FLOOR(ABS(`line_item_unblended_cost` * 1e12)) AS FLOAT64) >= 5E-1
            THEN 1E0
            ELSE 0E0
          END
          ELSE ABS(`line_item_unblended_cost` * 1e12)
        END AS scaled_0,
        SIGN(`line_item_usage_amount`) * CASE
          WHEN ABS(`line_item_usage_amount` * 1e12) < 4503599627370496E0
          THEN CAST(FLOOR(ABS(`line_item_usage_amount` * 1e12)) AS FLOAT64) + CASE
            WHEN ABS(`line_item_usage_amount` * 1e12) - CAST(FLOOR(ABS(`line_item_usage_amount` * 1e12)) AS FLOAT64) >= 5E-1
            THEN 1E0
            ELSE 0E0
          END
          ELSE ABS(`line_item_usage_amount` * 1e12)
        END AS scaled_1,
        SIGN(`pricing_public_on_demand_cost`) * CASE
          WHEN ABS(`pricing_public_on_demand_cost` * 1e12) < 4503599627370496E0
          THEN CAST(FLOOR(ABS(`pricing_public_on_demand_cost` * 1e12)) AS FLOAT64) + CASE
            WHEN ABS(`pricing_public_on_demand_cost` * 1e12) - CAST(FLOOR(ABS(`pricing_public_on_demand_cost` * 1e12)) AS FLOAT64) >= 5E-1
            THEN 1E0
            ELSE 0E0
          END
          ELSE ABS(`pricing_public_on_demand_cost` * 1e12)
        END AS scaled_2,
        SIGN(`reservation_effective_cost`) * CASE
          WHEN ABS(`reservation_effective_cost` * 1e12) < 4503599627370496E0
          THEN CAST(FLOOR(ABS(`reservation_effective_cost` * 1e12)) AS FLOAT64) + CASE
            WHEN ABS(`reservation_effective_cost` * 1e12) - CAST(FLOOR(ABS(`reservation_effective_cost` * 1e12)) AS FLOAT64) >= 5E-1
            THEN 1E0
            ELSE 0E0
          END
          ELSE ABS(`reservation_effective_cost` * 1e12)
        END AS scaled_3,
        SIGN(`reservation_unused_amortized_upfront_fee_for_billing_period`) * CASE
          WHEN ABS(`reservation_unused_amortized_upfront_fee_for_billing_period` * 1e12) < 4503599627370496E0
          THEN CAST(FLOOR(ABS(`reservation_unused_amortized_upfront_fee_for_billing_period` * 1e12)) AS FLOAT64) + CASE
            WHEN ABS(`reservation_unused_amortized_upfront_fee_for_billing_period` * 1e12) - CAST(FLOOR(ABS(`reservation_unused_amortized_upfront_fee_for_billing_period` * 1e12)) AS FLOAT64) >= 5E-1
            THEN 1E0
            ELSE 0E0
          END
          ELSE ABS(`reservation_unused_amortized_upfront_fee_for_billing_period` * 1e12)
        END AS scaled_4,
        SIGN(`reservation_unused_recurring_fee`) * CASE
          WHEN ABS(`reservation_unused_recurring_fee` * 1e12) < 4503599627370496E0
          THEN CAST(FLOOR(ABS(`reservation_unused_recurring_fee` * 1e12)) AS FLOAT64) + CASE
            WHEN ABS(`reservation_unused_recurring_fee` * 1e12) - CAST(FLOOR(ABS(`reservation_unused_recurring_fee` * 1e12)) AS FLOAT64) >= 5E-1
            THEN 1E0
            ELSE 0E0
          END
          ELSE ABS(`reservation_unused_recurring_fee` * 1e12)
        END AS scaled_5,
        SIGN(`savings_plan_savings_plan_effective_cost`) * CASE
          WHEN ABS(`savings_plan_savings_plan_effective_cost` * 1e12) < 4503599627370496E0
          THEN CAST(FLOOR(ABS(`savings_plan_savings_plan_effective_cost` * 1e12)) AS FLOAT64) + CASE
            WHEN ABS(`savings_plan_savings_plan_effective_cost` * 1e12) - CAST(FLOOR(ABS(`savings_plan_savings_plan_effective_cost` * 1e12)) AS FLOAT64) >= 5E-1
            THEN 1E0
            ELSE 0E0
          END
          ELSE ABS(`savings_plan_savings_plan_effective_cost` * 1e12)
        END AS scaled_6,
        SIGN(`savings_plan_total_commitment_to_date`) * CASE
          WHEN ABS(`savings_plan_total_commitment_to_date` * 1e12) < 4503599627370496E0
          THEN CAST(FLOOR(ABS(`savings_plan_total_commitment_to_date` * 1e12)) AS FLOAT64) + CASE
            WHEN ABS(`savings_plan_total_commitment_to_date` * 1e12) - CAST(FLOOR(ABS(`savings_plan_total_commitment_to_date` * 1e12)) AS FLOAT64) >= 5E-1
            THEN 1E0
            ELSE 0E0
          END
          ELSE ABS(`savings_plan_total_commitment_to_date` * 1e12)
        END AS scaled_7,
        SIGN(`savings_plan_used_commitment`) * CASE
          WHEN ABS(`savings_plan_used_commitment` * 1e12) < 4503599627370496E0
          THEN CAST(FLOOR(ABS(`savings_plan_used_commitment` * 1e12)) AS FLOAT64) + CASE
            WHEN ABS(`savings_plan_used_commitment` * 1e12) - CAST(FLOOR(ABS(`savings_plan_used_commitment` * 1e12)) AS FLOAT64) >= 5E-1
            THEN 1E0
            ELSE 0E0
          END
          ELSE ABS(`savings_plan_used_commitment` * 1e12)
        END AS scaled_8
      FROM finops.bill
    ) AS part
  ) AS part
), lines AS (
  SELECT
    *,
    COALESCE(
      split_line_item_parent_resource_id <> ''
      OR line_item_operation IN ('EKSPod-EC2', 'ECSTask-EC2'),
      FALSE
    ) AS outside,
    CASE
      WHEN product_region_code <> ''
      THEN product_region_code
      ELSE RTRIM(line_item_availability_zone, 'abcdefghijklmnopqrstuvwxyz')
    END AS region_id,
    COALESCE(reservation_reservation_a_r_n <> '', FALSE) AS is_reservation,
    NOT line_item_net_unblended_cost IS NULL
    AND NOT (
      SELECT
        COALESCE(
          LOGICAL_OR(
            line_item_line_item_type IN ('EdpDiscount', 'PrivateRateDiscount', 'BundledDiscount', 'SppDiscount')
          ),
          FALSE
        )
      FROM typed
    ) AS is_net
  FROM typed
  WHERE
    TRUE
), grouped AS (
  SELECT
    bill_invoicing_entity,
    bill_payer_account_id,
    line_item_currency_code,
    line_item_line_item_type,
    line_item_product_code,
    line_item_usage_account_id,
    line_item_usage_type,
    pricing_unit,
    product_product_name,
    line_item_usage_start_date,
    region_id,
    is_reservation,
    is_net,
    tag_0,
    tag_1,
    flags,
    collision,
    CAST(SUM(line_item_unblended_cost) AS BIGNUMERIC) AS line_item_unblended_cost,
    CAST(SUM(line_item_usage_amount) AS BIGNUMERIC) AS line_item_usage_amount,
    CAST(SUM(pricing_public_on_demand_cost) AS BIGNUMERIC) AS pricing_public_on_demand_cost,
    CAST(SUM(reservation_effective_cost) AS BIGNUMERIC) AS reservation_effective_cost,
    CAST(SUM(reservation_unused_amortized_upfront_fee_for_billing_period) AS BIGNUMERIC) AS reservation_unused_amortized_upfront_fee_for_billing_period,
    CAST(SUM(reservation_unused_recurring_fee) AS BIGNUMERIC) AS reservation_unused_recurring_fee,
    CAST(SUM(savings_plan_savings_plan_effective_cost) AS BIGNUMERIC) AS savings_plan_savings_plan_effective_cost,
    CAST(SUM(savings_plan_total_commitment_to_date) AS BIGNUMERIC) AS savings_plan_total_commitment_to_date,
    CAST(SUM(savings_plan_used_commitment) AS BIGNUMERIC) AS savings_plan_used_commitment,
    COUNT(*) AS line_items
  FROM lines
  WHERE
    NOT outside
  GROUP BY
    bill_invoicing_entity,
    bill_payer_account_id,
    line_item_currency_code,
    line_item_line_item_type,
    line_item_product_code,
    line_item_usage_account_id,
    line_item_usage_type,
    pricing_unit,
    product_product_name,
    line_item_usage_start_date,
    region_id,
    is_reservation,
    is_net,
    tag_0,
    tag_1,
    flags,
    collision
), `groups` AS (
  SELECT
    CASE WHEN NOT bill_invoicing_entity IN ('') THEN bill_invoicing_entity END AS bill_invoicing_entity,
    CASE WHEN NOT bill_payer_account_id IN ('') THEN bill_payer_account_id END AS bill_payer_account_id,
    CAST(NULL AS STRING) AS bill_payer_account_name,
    CASE WHEN NOT line_item_currency_code IN ('') THEN line_item_currency_code END AS line_item_currency_code,
    CASE WHEN NOT line_item_line_item_type IN ('') THEN line_item_line_item_type END AS line_item_line_item_type,
    CASE WHEN NOT line_item_product_code IN ('') THEN line_item_product_code END AS line_item_product_code,
    CASE
      WHEN NOT line_item_usage_account_id IN ('')
      THEN line_item_usage_account_id
    END AS line_item_usage_account_id,
    CAST(NULL AS STRING) AS line_item_usage_account_name,
    CASE WHEN NOT line_item_usage_type IN ('') THEN line_item_usage_type END AS line_item_usage_type,
    CASE WHEN NOT pricing_unit IN ('') THEN pricing_unit END AS pricing_unit,
    CASE WHEN NOT product_product_name IN ('') THEN product_product_name END AS product_product_name,
    line_item_usage_start_date,
    region_id,
    is_reservation,
    is_net,
    COALESCE(line_item_unblended_cost, 0) AS line_item_unblended_cost,
    COALESCE(line_item_usage_amount, 0) AS line_item_usage_amount,
    CASE WHEN (
      flags & 8 <> 0
    ) THEN NULL ELSE pricing_public_on_demand_cost END AS pricing_public_on_demand_cost,
    COALESCE(reservation_effective_cost, 0) AS reservation_effective_cost,
    COALESCE(reservation_unused_amortized_upfront_fee_for_billing_period, 0) AS reservation_unused_amortized_upfront_fee_for_billing_period,
    COALESCE(reservation_unused_recurring_fee, 0) AS reservation_unused_recurring_fee,
    COALESCE(savings_plan_savings_plan_effective_cost, 0) AS savings_plan_savings_plan_effective_cost,
    COALESCE(savings_plan_total_commitment_to_date, 0) AS savings_plan_total_commitment_to_date,
    COALESCE(savings_plan_used_commitment, 0) AS savings_plan_used_commitment,
    CAST(NULL AS BIGNUMERIC) AS line_item_net_unblended_cost,
    CAST(NULL AS BIGNUMERIC) AS reservation_net_effective_cost,
    CAST(NULL AS BIGNUMERIC) AS reservation_net_unused_amortized_upfront_fee_for_billing_period,
    CAST(NULL AS BIGNUMERIC) AS reservation_net_unused_recurring_fee,
    CAST(NULL AS BIGNUMERIC) AS savings_plan_net_savings_plan_effective_cost,
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
        '"model":' || CASE
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
        line_item_currency_code IS NULL OR line_item_currency_code IN ('')
      )
      OR (
        line_item_usage_start_date IS NULL
        OR line_item_usage_start_date < CAST('2000-01-01' AS DATE)
        OR line_item_usage_start_date >= CAST('2100-01-01' AS DATE)
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
    WITH told AS (
      SELECT
        *,
        COALESCE(CASE WHEN is_net THEN line_item_net_unblended_cost END, line_item_unblended_cost) AS unblended,
        COALESCE(
          CASE WHEN is_net THEN savings_plan_net_savings_plan_effective_cost END,
          savings_plan_savings_plan_effective_cost
        ) AS savings_plan_cost,
        COALESCE(
          CASE WHEN is_net THEN reservation_net_effective_cost END,
          reservation_effective_cost
        ) AS reservation_cost,
        COALESCE(
          CASE
            WHEN is_net
            THEN reservation_net_unused_amortized_upfront_fee_for_billing_period
          END,
          reservation_unused_amortized_upfront_fee_for_billing_period
        ) AS unused_upfront,
        COALESCE(
          CASE WHEN is_net THEN reservation_net_unused_recurring_fee END,
          reservation_unused_recurring_fee
        ) AS unused_recurring
      FROM raw
    ), line AS (
      SELECT
        *,
        line_item_line_item_type AS type,
        CASE
          WHEN line_item_line_item_type IN ('SavingsPlanCoveredUsage', 'SavingsPlanNegation')
          THEN 'covered'
          WHEN line_item_line_item_type IN ('SavingsPlanRecurringFee', 'SavingsPlanUpfrontFee', 'RIFee')
          THEN 'commitment'
          WHEN line_item_line_item_type = 'Fee' AND is_reservation
          THEN 'commitment'
          WHEN line_item_line_item_type IN ('Usage', 'DiscountedUsage', 'FlatRateSubscription')
          THEN 'usage'
          WHEN line_item_line_item_type IN (
            'EdpDiscount',
            'PrivateRateDiscount',
            'BundledDiscount',
            'SppDiscount',
            'RiVolumeDiscount',
            'DistributorDiscount',
            'Discount'
          )
          THEN 'discount'
          WHEN line_item_line_item_type IN ('Fee', 'Tax', 'Credit', 'Refund')
          THEN LOWER(line_item_line_item_type)
          ELSE 'unknown'
        END AS kind,
        line_item_line_item_type IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage', 'FlatRateSubscription')
        OR (
          CASE
            WHEN line_item_line_item_type IN ('SavingsPlanCoveredUsage', 'SavingsPlanNegation')
            THEN 'covered'
            WHEN line_item_line_item_type IN ('SavingsPlanRecurringFee', 'SavingsPlanUpfrontFee', 'RIFee')
            THEN 'commitment'
            WHEN line_item_line_item_type = 'Fee' AND is_reservation
            THEN 'commitment'
            WHEN line_item_line_item_type IN ('Usage', 'DiscountedUsage', 'FlatRateSubscription')
            THEN 'usage'
            WHEN line_item_line_item_type IN (
              'EdpDiscount',
              'PrivateRateDiscount',
              'BundledDiscount',
              'SppDiscount',
              'RiVolumeDiscount',
              'DistributorDiscount',
              'Discount'
            )
            THEN 'discount'
            WHEN line_item_line_item_type IN ('Fee', 'Tax', 'Credit', 'Refund')
            THEN LOWER(line_item_line_item_type)
            ELSE 'unknown'
          END
        ) = 'unknown' AS is_usage,
        CASE line_item_line_item_type
          WHEN 'SavingsPlanCoveredUsage'
          THEN savings_plan_cost
          WHEN 'SavingsPlanRecurringFee'
          THEN savings_plan_total_commitment_to_date - savings_plan_used_commitment
          WHEN 'SavingsPlanNegation'
          THEN 0
          WHEN 'SavingsPlanUpfrontFee'
          THEN 0
          WHEN 'DiscountedUsage'
          THEN reservation_cost
          WHEN 'RIFee'
          THEN unused_upfront + unused_recurring
          WHEN 'Fee'
          THEN CASE WHEN is_reservation THEN 0 ELSE unblended END
          WHEN 'Refund'
          THEN CASE WHEN line_item_product_code = 'ComputeSavingsPlans' THEN 0 ELSE unblended END
          ELSE unblended
        END AS amortised
      FROM told
    ), split AS (
      SELECT
        *
      FROM UNNEST([
        STRUCT('one' AS told_as, 'whole' AS leg),
        STRUCT('invoice', 'billed'),
        STRUCT('both', 'billed'),
        STRUCT('both', 'effective')
      ])
    ), leg AS (
      SELECT
        *
      FROM line
      JOIN split
        ON told_as = CASE
          WHEN NOT kind IN ('covered', 'commitment')
          THEN 'one'
          WHEN type = 'SavingsPlanCoveredUsage' OR kind = 'commitment' AND amortised <> 0
          THEN 'both'
          ELSE 'invoice'
        END
    ), category AS (
      SELECT
        *
      FROM UNNEST([
        STRUCT('AmazonBedrock' AS product_code, 'AI and Machine Learning' AS service_category),
        STRUCT('AmazonSageMaker', 'AI and Machine Learning'),
        STRUCT('AmazonRekognition', 'AI and Machine Learning'),
        STRUCT('AmazonTextract', 'AI and Machine Learning'),
        STRUCT('AmazonComprehend', 'AI and Machine Learning'),
        STRUCT('AmazonTranscribe', 'AI and Machine Learning'),
        STRUCT('AmazonPolly', 'AI and Machine Learning'),
        STRUCT('translate', 'AI and Machine Learning'),
        STRUCT('AmazonAthena', 'Analytics'),
        STRUCT('AWSGlue', 'Analytics'),
        STRUCT('ElasticMapReduce', 'Analytics'),
        STRUCT('AmazonES', 'Analytics'),
        STRUCT('AmazonKinesis', 'Analytics'),
        STRUCT('AmazonQuickSight', 'Analytics'),
        STRUCT('AmazonEC2', 'Compute'),
        STRUCT('AWSLambda', 'Compute'),
        STRUCT('AmazonECS', 'Compute'),
        STRUCT('AmazonEKS', 'Compute'),
        STRUCT('AmazonECR', 'Compute'),
        STRUCT('AWSBatch', 'Compute'),
        STRUCT('ComputeSavingsPlans', 'Compute'),
        STRUCT('MachineLearningSavingsPlans', 'AI and Machine Learning'),
        STRUCT('DatabaseSavingsPlans', 'Databases'),
        STRUCT('AmazonRDS', 'Databases'),
        STRUCT('AmazonDynamoDB', 'Databases'),
        STRUCT('AmazonElastiCache', 'Databases'),
        STRUCT('AmazonRedshift', 'Databases'),
        STRUCT('AmazonDocDB', 'Databases'),
        STRUCT('AmazonNeptune', 'Databases'),
        STRUCT('AmazonSNS', 'Integration'),
        STRUCT('AWSQueueService', 'Integration'),
        STRUCT('AmazonStates', 'Integration'),
        STRUCT('AWSEvents', 'Integration'),
        STRUCT('AmazonApiGateway', 'Integration'),
        STRUCT('AmazonCloudWatch', 'Management and Governance'),
        STRUCT('AWSCloudTrail', 'Management and Governance'),
        STRUCT('AWSConfig', 'Management and Governance'),
        STRUCT('AWSSystemsManager', 'Management and Governance'),
        STRUCT('AWSDataTransfer', 'Networking'),
        STRUCT('AmazonVPC', 'Networking'),
        STRUCT('AmazonCloudFront', 'Networking'),
        STRUCT('AmazonRoute53', 'Networking'),
        STRUCT('AWSELB', 'Networking'),
        STRUCT('AWSDirectConnect', 'Networking'),
        STRUCT('awskms', 'Security'),
        STRUCT('AWSSecretsManager', 'Security'),
        STRUCT('AmazonGuardDuty', 'Security'),
        STRUCT('awswaf', 'Security'),
        STRUCT('AmazonS3', 'Storage'),
        STRUCT('AmazonEFS', 'Storage'),
        STRUCT('AmazonFSx', 'Storage'),
        STRUCT('AWSBackup', 'Storage')
      ])
    )
    SELECT
      'AWS' AS provider_name,
      bill_invoicing_entity AS invoice_issuer_name,
      bill_payer_account_id AS billing_account_id,
      bill_payer_account_name AS billing_account_name,
      COALESCE(line_item_usage_account_id, bill_payer_account_id) AS sub_account_id,
      line_item_usage_account_name AS sub_account_name,
      COALESCE(service_category, 'Other') AS service_category,
      COALESCE(product_product_name, line_item_product_code) AS service_name,
      line_item_product_code AS x_service_code,
      line_item_usage_type AS x_sku_group,
      NULLIF(region_id, '') AS region_id,
      CASE
        WHEN kind = 'tax'
        THEN 'Tax'
        WHEN kind = 'credit'
        THEN 'Credit'
        WHEN kind = 'fee' OR kind = 'commitment' AND leg = 'billed'
        THEN 'Purchase'
        ELSE 'Usage'
      END AS charge_category,
      CASE WHEN kind = 'refund' THEN 'Correction' END AS charge_class,
      CASE
        WHEN leg = 'effective'
        THEN 'Usage-Based'
        WHEN type IN ('SavingsPlanRecurringFee', 'RIFee', 'Tax')
        THEN 'Recurring'
        WHEN kind IN ('commitment', 'fee', 'credit', 'refund')
        THEN 'One-Time'
        ELSE 'Usage-Based'
      END AS charge_frequency,
      CASE
        WHEN kind IN ('tax', 'credit')
        THEN NULL
        WHEN kind = 'covered' OR leg = 'effective' OR type = 'DiscountedUsage'
        THEN 'Committed'
        WHEN is_usage AND (
          STRPOS(line_item_usage_type, 'SpotUsage') > 0
        )
        THEN 'Dynamic'
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
        WHEN kind IN ('credit', 'discount')
        THEN 0
        WHEN kind = 'covered' AND leg = 'billed' OR kind = 'commitment' AND leg = 'effective'
        THEN 0
        ELSE COALESCE(pricing_public_on_demand_cost, line_item_unblended_cost)
      END AS list_cost,
      CASE
        WHEN kind = 'credit'
        OR kind = 'covered'
        AND leg = 'billed'
        OR kind = 'commitment'
        AND leg = 'effective'
        THEN 0
        WHEN type = 'DiscountedUsage'
        THEN COALESCE(pricing_public_on_demand_cost, unblended)
        ELSE unblended
      END AS contracted_cost,
      CASE WHEN is_usage AND leg <> 'billed' THEN line_item_usage_amount ELSE 0 END AS consumed_quantity,
      CASE WHEN leg = 'effective' THEN 0 ELSE line_items END AS line_items,
      CASE
        WHEN kind = 'unknown'
        THEN 'unknown line item type ' || COALESCE(type, '(none)') || ' is taken as usage'
        ELSE ''
      END AS problem
    FROM leg
    LEFT JOIN category
      ON product_code = line_item_product_code
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
