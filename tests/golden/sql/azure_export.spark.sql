-- Charges of 2026-04 in FOCUS, one row a day for each group of charges alike, UTC.
-- tag 'cost-center' is 'cost-center' or 'cost_center'.
-- tag 'env' is 'env'.
WITH typed AS (
  SELECT
    REGEXP_REPLACE(
      CAST(`billing_account_id` AS STRING),
      '(?i)^/?providers/microsoft\\.billing/billingaccounts/([^/]+).*\\z',
      '$1'
    ) AS billing_account_id,
    CAST(`billing_account_name` AS STRING) AS billing_account_name,
    CAST(`billing_currency` AS STRING) AS billing_currency,
    CAST(`charge_type` AS STRING) AS charge_type,
    CAST(`consumed_service` AS STRING) AS consumed_service,
    CAST(`frequency` AS STRING) AS frequency,
    CAST(`meter_category` AS STRING) AS meter_category,
    CAST(`meter_name` AS STRING) AS meter_name,
    CAST(`meter_sub_category` AS STRING) AS meter_sub_category,
    CAST(`partner_name` AS STRING) AS partner_name,
    CAST(`pricing_model` AS STRING) AS pricing_model,
    CAST(`product_name` AS STRING) AS product_name,
    CAST(`publisher_name` AS STRING) AS publisher_name,
    LOWER(REPLACE(CAST(`resource_location` AS STRING), ' ', '')) AS resource_location,
    CAST(`service_family` AS STRING) AS service_family,
    LOWER(REGEXP_REPLACE(CAST(`subscription_id` AS STRING), '(?i)^/subscriptions/', '')) AS subscription_id,
    CAST(`subscription_name` AS STRING) AS subscription_name,
    CAST(`unit_of_measure` AS STRING) AS unit_of_measure,
    CAST(`exchange_rate_pricing_to_billing` AS STRING) AS exchange_rate_pricing_to_billing,
    CAST(`pay_g_price` AS STRING) AS pay_g_price,
    CAST(`pricing_currency` AS STRING) AS pricing_currency,
    CAST(`unit_price` AS STRING) AS unit_price,
    CAST(CASE
      WHEN `billing_period_start_date` RLIKE '^\\d{4}-\\d{2}-\\d{2}([T ]|\\z)'
      THEN CAST(CAST(CASE
        WHEN `billing_period_start_date` RLIKE '\\A\\d{4}-\\d{2}-\\d{2}([T ]\\d{1,2}:\\d{1,2}(:\\d{1,2}(\\.\\d+)?( ?UTC)?)?(Z|[+-]\\d{2}(:?\\d{2})?)?)?\\z'
        THEN TRY_CAST(`billing_period_start_date` AS TIMESTAMP)
      END AS TIMESTAMP_NTZ) AS DATE)
      WHEN `billing_period_start_date` RLIKE '^\\d{1,2}/\\d{1,2}/(\\d{2}|\\d{4})( |\\z)'
      THEN CAST(TRY_TO_TIMESTAMP(
        REGEXP_REPLACE(SPLIT_PART(`billing_period_start_date`, ' ', 1), '/(\\d{2})\\z', '/20$1'),
        'M/d/yyyy'
      ) AS DATE)
    END AS DATE) AS billing_period_start_date,
    CAST(TRY_CAST(`date` AS DATE) AS DATE) AS date,
    cost_0 AS cost_in_billing_currency,
    cost_1 AS payg_cost_in_billing_currency,
    cost_2 AS quantity,
    CASE
      WHEN (
        (
          NOT `cost_in_billing_currency` IS NULL
          AND (
            NOT (
              ABS(`cost_in_billing_currency`) <= 1.7976931348623157E308
            )
            OR cost_0 IS NULL
          )
        )
        OR cost_0 IS NULL
      )
      OR (
        NOT `payg_cost_in_billing_currency` IS NULL
        AND (
          NOT (
            ABS(`payg_cost_in_billing_currency`) <= 1.7976931348623157E308
          )
          OR cost_1 IS NULL
        )
      )
      OR (
        NOT `quantity` IS NULL
        AND (
          NOT (
            ABS(`quantity`) <= 1.7976931348623157E308
          ) OR cost_2 IS NULL
        )
      )
      THEN 1
      ELSE 0
    END | CASE
      WHEN NOT CASE
        WHEN STARTSWITH(LTRIM(`tags`), '"')
        THEN '{' || CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END || '}'
        ELSE CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END
      END IN ('')
      AND CASE
        WHEN NOT CASE
          WHEN STARTSWITH(LTRIM(`tags`), '"')
          THEN '{' || CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END || '}'
          ELSE CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END
        END IN ('')
        THEN labels_3
      END IS NULL
      THEN 2
      ELSE 0
    END | CASE WHEN cost_1 IS NULL THEN 4 ELSE 0 END AS flags,
    COALESCE(
      NULLIF(
        CASE
          WHEN NOT CASE
            WHEN STARTSWITH(LTRIM(`tags`), '"')
            THEN '{' || CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END || '}'
            ELSE CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END
          END IN ('')
          THEN labels_3
        END['cost-center'],
        ''
      ),
      NULLIF(
        CASE
          WHEN NOT CASE
            WHEN STARTSWITH(LTRIM(`tags`), '"')
            THEN '{' || CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END || '}'
            ELSE CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END
          END IN ('')
          THEN labels_3
        END['cost_center'],
        ''
      ),
      CAST(NULL AS STRING)
    ) AS tag_0,
    COALESCE(
      NULLIF(
        CASE
          WHEN NOT CASE
            WHEN STARTSWITH(LTRIM(`tags`), '"')
            THEN '{' || CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END || '}'
            ELSE CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END
          END IN ('')
          THEN labels_3
        END['env'],
        ''
      ),
      CAST(NULL AS STRING)
    ) AS tag_1,
    CASE
      WHEN LEAST(
        NULLIF(
          CASE
            WHEN NOT CASE
              WHEN STARTSWITH(LTRIM(`tags`), '"')
              THEN '{' || CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END || '}'
              ELSE CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END
            END IN ('')
            THEN labels_3
          END['cost-center'],
          ''
        ),
        NULLIF(
          CASE
            WHEN NOT CASE
              WHEN STARTSWITH(LTRIM(`tags`), '"')
              THEN '{' || CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END || '}'
              ELSE CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END
            END IN ('')
            THEN labels_3
          END['cost_center'],
          ''
        )
      ) <> GREATEST(
        NULLIF(
          CASE
            WHEN NOT CASE
              WHEN STARTSWITH(LTRIM(`tags`), '"')
              THEN '{' || CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END || '}'
              ELSE CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END
            END IN ('')
            THEN labels_3
          END['cost-center'],
          ''
        ),
        NULLIF(
          CASE
            WHEN NOT CASE
              WHEN STARTSWITH(LTRIM(`tags`), '"')
              THEN '{' || CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END || '}'
              ELSE CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END
            END IN ('')
            THEN labels_3
          END['cost_center'],
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
        THEN CAST(CAST(CAST(scaled_0 AS BIGINT) AS DECIMAL(19, 0)) * CAST('0.000000000001' AS DECIMAL(12, 12)) AS DECIMAL(32, 12))
        WHEN ABS(scaled_0) < 1E32
        THEN CAST((
          CAST(CAST(FLOOR(scaled_0 / 17592186044416E0) AS BIGINT) AS DECIMAL(19, 0)) * CAST(17592186044416 AS DECIMAL(14, 0)) + CAST(CAST(scaled_0 - CAST(FLOOR(scaled_0 / 17592186044416E0) AS DOUBLE) * 17592186044416E0 AS BIGINT) AS DECIMAL(19, 0))
        ) * CAST('0.000000000001' AS DECIMAL(12, 12)) AS DECIMAL(32, 12))
      END AS cost_0,
      CASE
        WHEN ABS(scaled_1) < 9E18
        THEN CAST(CAST(CAST(scaled_1 AS BIGINT) AS DECIMAL(19, 0)) * CAST('0.000000000001' AS DECIMAL(12, 12)) AS DECIMAL(32, 12))
        WHEN ABS(scaled_1) < 1E32
        THEN CAST((
          CAST(CAST(FLOOR(scaled_1 / 17592186044416E0) AS BIGINT) AS DECIMAL(19, 0)) * CAST(17592186044416 AS DECIMAL(14, 0)) + CAST(CAST(scaled_1 - CAST(FLOOR(scaled_1 / 17592186044416E0) AS DOUBLE) * 17592186044416E0 AS BIGINT) AS DECIMAL(19, 0))
        ) * CAST('0.000000000001' AS DECIMAL(12, 12)) AS DECIMAL(32, 12))
      END AS cost_1,
      CASE
        WHEN ABS(scaled_2) < 9E18
        THEN CAST(CAST(CAST(scaled_2 AS BIGINT) AS DECIMAL(19, 0)) * CAST('0.000000000001' AS DECIMAL(12, 12)) AS DECIMAL(32, 12))
        WHEN ABS(scaled_2) < 1E32
        THEN CAST((
          CAST(CAST(FLOOR(scaled_2 / 17592186044416E0) AS BIGINT) AS DECIMAL(19, 0)) * CAST(17592186044416 AS DECIMAL(14, 0)) + CAST(CAST(scaled_2 - CAST(FLOOR(scaled_2 / 17592186044416E0) AS DOUBLE) * 17592186044416E0 AS BIGINT) AS DECIMAL(19, 0))
        ) * CAST('0.000000000001' AS DECIMAL(12, 12)) AS DECIMAL(32, 12))
      END AS cost_2
    FROM (
      SELECT
        *,
        SIGN(`cost_in_billing_currency`) * CASE
          WHEN ABS(`cost_in_billing_currency` * 1e12) < 4503599627370496E0
          THEN CAST(FLOOR(ABS(`cost_in_billing_currency` * 1e12)) AS DOUBLE) + CASE
            WHEN ABS(`cost_in_billing_currency` * 1e12) - CAST(FLOOR(ABS(`cost_in_billing_currency` * 1e12)) AS DOUBLE) >= 5E-1
            THEN 1E0
            ELSE 0E0
          END
          ELSE ABS(`cost_in_billing_currency` * 1e12)
        END AS scaled_0,
        SIGN(`payg_cost_in_billing_currency`) * CASE
          WHEN ABS(`payg_cost_in_billing_currency` * 1e12) < 4503599627370496E0
          THEN CAST(FLOOR(ABS(`payg_cost_in_billing_currency` * 1e12)) AS DOUBLE) + CASE
            WHEN ABS(`payg_cost_in_billing_currency` * 1e12) - CAST(FLOOR(ABS(`payg_cost_in_billing_currency` * 1e12)) AS DOUBLE) >= 5E-1
            THEN 1E0
            ELSE 0E0
          END
          ELSE ABS(`payg_cost_in_billing_currency` * 1e12)
        END AS scaled_1,
        SIGN(`quantity`) * CASE
          WHEN ABS(`quantity` * 1e12) < 4503599627370496E0
          THEN CAST(FLOOR(ABS(`quantity` * 1e12)) AS DOUBLE) + CASE
            WHEN ABS(`quantity` * 1e12) - CAST(FLOOR(ABS(`quantity` * 1e12)) AS DOUBLE) >= 5E-1
            THEN 1E0
            ELSE 0E0
          END
          ELSE ABS(`quantity` * 1e12)
        END AS scaled_2,
        CASE
          WHEN SIZE(
            FROM_JSON(
              CONCAT(
                '[',
                CASE
                  WHEN STARTSWITH(LTRIM(`tags`), '"')
                  THEN '{' || CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END || '}'
                  ELSE CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END
                END,
                ']'
              ),
              'array<map<string,string>>',
              MAP('allowSingleQuotes', 'false', 'allowNonNumericNumbers', 'false')
            )
          ) = 1
          THEN TRY_ELEMENT_AT(
            FILTER(
              FROM_JSON(
                CONCAT(
                  '[',
                  CASE
                    WHEN STARTSWITH(LTRIM(`tags`), '"')
                    THEN '{' || CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END || '}'
                    ELSE CASE WHEN TRIM(' "' FROM `tags`) <> '' THEN `tags` END
                  END,
                  ']'
                ),
                'array<map<string,string>>',
                MAP('allowSingleQuotes', 'false', 'allowNonNumericNumbers', 'false')
              ),
              m -> SIZE(MAP_KEYS(m)) = SIZE(ARRAY_DISTINCT(MAP_KEYS(m)))
            ),
            1
          )
        END AS labels_3
      FROM finops.bill
    ) AS part
  ) AS part
), lines AS (
  SELECT
    *,
    COALESCE(FALSE, FALSE) AS outside,
    NULLIF(
      TRY_CAST(TRY_CAST(pay_g_price AS DECIMAL(19, 10)) * (
        CASE
          WHEN COALESCE(NULLIF(pricing_currency, ''), billing_currency) = billing_currency
          THEN 1
          ELSE TRY_CAST(exchange_rate_pricing_to_billing AS DECIMAL(17, 8))
        END
      ) AS DECIMAL(19, 10)),
      0
    ) AS list_price,
    NULLIF(
      TRY_CAST(TRY_CAST(unit_price AS DECIMAL(19, 10)) * (
        CASE
          WHEN COALESCE(NULLIF(pricing_currency, ''), billing_currency) = billing_currency
          THEN 1
          ELSE TRY_CAST(exchange_rate_pricing_to_billing AS DECIMAL(17, 8))
        END
      ) AS DECIMAL(19, 10)),
      0
    ) AS contracted_price
  FROM typed
  WHERE
    TRUE
), grouped AS (
  SELECT
    billing_account_id,
    billing_account_name,
    billing_currency,
    charge_type,
    consumed_service,
    frequency,
    meter_category,
    meter_name,
    meter_sub_category,
    partner_name,
    pricing_model,
    product_name,
    publisher_name,
    resource_location,
    service_family,
    subscription_id,
    subscription_name,
    unit_of_measure,
    billing_period_start_date,
    date,
    list_price,
    contracted_price,
    tag_0,
    tag_1,
    flags,
    collision,
    CAST(SUM(cost_in_billing_currency) AS DECIMAL(38, 18)) AS cost_in_billing_currency,
    CAST(SUM(payg_cost_in_billing_currency) AS DECIMAL(38, 18)) AS payg_cost_in_billing_currency,
    CAST(SUM(quantity) AS DECIMAL(38, 18)) AS quantity,
    COUNT(*) AS line_items
  FROM lines
  WHERE
    NOT outside
  GROUP BY
    billing_account_id,
    billing_account_name,
    billing_currency,
    charge_type,
    consumed_service,
    frequency,
    meter_category,
    meter_name,
    meter_sub_category,
    partner_name,
    pricing_model,
    product_name,
    publisher_name,
    resource_location,
    service_family,
    subscription_id,
    subscription_name,
    unit_of_measure,
    billing_period_start_date,
    date,
    list_price,
    contracted_price,
    tag_0,
    tag_1,
    flags,
    collision
), groups AS (
  SELECT
    CASE WHEN NOT billing_account_id IN ('') THEN billing_account_id END AS billing_account_id,
    CASE WHEN NOT billing_account_name IN ('') THEN billing_account_name END AS billing_account_name,
    CASE WHEN NOT billing_currency IN ('') THEN billing_currency END AS billing_currency,
    CASE WHEN NOT charge_type IN ('') THEN charge_type END AS charge_type,
    CASE WHEN NOT consumed_service IN ('') THEN consumed_service END AS consumed_service,
    CASE WHEN NOT frequency IN ('') THEN frequency END AS frequency,
    CASE WHEN NOT meter_category IN ('') THEN meter_category END AS meter_category,
    CASE WHEN NOT meter_name IN ('') THEN meter_name END AS meter_name,
    CASE WHEN NOT meter_sub_category IN ('') THEN meter_sub_category END AS meter_sub_category,
    CASE WHEN NOT partner_name IN ('') THEN partner_name END AS partner_name,
    CASE WHEN NOT pricing_model IN ('') THEN pricing_model END AS pricing_model,
    CASE WHEN NOT product_name IN ('') THEN product_name END AS product_name,
    CASE WHEN NOT publisher_name IN ('') THEN publisher_name END AS publisher_name,
    CASE WHEN NOT resource_location IN ('') THEN resource_location END AS resource_location,
    CASE WHEN NOT service_family IN ('') THEN service_family END AS service_family,
    CASE WHEN NOT subscription_id IN ('') THEN subscription_id END AS subscription_id,
    CASE WHEN NOT subscription_name IN ('') THEN subscription_name END AS subscription_name,
    CASE WHEN NOT unit_of_measure IN ('') THEN unit_of_measure END AS unit_of_measure,
    billing_period_start_date,
    date,
    list_price,
    contracted_price,
    COALESCE(cost_in_billing_currency, 0) AS cost_in_billing_currency,
    CASE WHEN (
      flags & 4 <> 0
    ) THEN NULL ELSE payg_cost_in_billing_currency END AS payg_cost_in_billing_currency,
    COALESCE(quantity, 0) AS quantity,
    line_items,
    flags,
    (
      flags & 2 <> 0
    ) AS malformed_labels,
    collision,
    '{' || CONCAT_WS(
      ',',
      '"cost-center":' || CASE
        WHEN NOT REPLACE(tag_0, CHR(0), '�') IS NULL
        THEN SUBSTRING(
          TO_JSON(ARRAY(REPLACE(tag_0, CHR(0), '�'))),
          2,
          LENGTH(TO_JSON(ARRAY(REPLACE(tag_0, CHR(0), '�')))) - 2
        )
      END,
      '"env":' || CASE
        WHEN NOT REPLACE(tag_1, CHR(0), '�') IS NULL
        THEN SUBSTRING(
          TO_JSON(ARRAY(REPLACE(tag_1, CHR(0), '�'))),
          2,
          LENGTH(TO_JSON(ARRAY(REPLACE(tag_1, CHR(0), '�')))) - 2
        )
      END
    ) || '}' AS tags,
    '{}' AS cost_categories
  FROM grouped
), raw AS (
  SELECT
    *
  FROM groups
  WHERE
    NOT (
      (
        flags & 1 <> 0
      )
      OR (
        billing_currency IS NULL OR billing_currency IN ('')
      )
      OR (
        date IS NULL
        OR date < CAST('2000-01-01' AS DATE)
        OR date >= CAST('2100-01-01' AS DATE)
      )
    )
), line AS (
  SELECT
    *,
    cost_in_billing_currency AS cost,
    LOWER(COALESCE(charge_type, 'Usage')) AS type,
    (
      LOWER(COALESCE(charge_type, 'Usage'))
    ) IN ('unusedreservation', 'unusedsavingsplan') AS is_unused,
    COALESCE(LOWER(pricing_model), '') IN ('reservation', 'savingsplan')
    OR (
      (
        LOWER(COALESCE(charge_type, 'Usage'))
      ) IN ('unusedreservation', 'unusedsavingsplan')
    ) AS is_commitment,
    (
      LOWER(COALESCE(charge_type, 'Usage'))
    ) IN ('usage', 'purchase', 'refund', 'tax', 'roundingadjustment', 'adjustment')
    OR (
      (
        LOWER(COALESCE(charge_type, 'Usage'))
      ) IN ('unusedreservation', 'unusedsavingsplan')
    ) AS is_known,
    (
      LOWER(COALESCE(charge_type, 'Usage'))
    ) = 'usage'
    OR NOT (
      (
        LOWER(COALESCE(charge_type, 'Usage'))
      ) IN ('usage', 'purchase', 'refund', 'tax', 'roundingadjustment', 'adjustment')
      OR (
        (
          LOWER(COALESCE(charge_type, 'Usage'))
        ) IN ('unusedreservation', 'unusedsavingsplan')
      )
    ) AS is_usage,
    CASE
      WHEN (
        (
          LOWER(COALESCE(charge_type, 'Usage'))
        ) = 'usage'
        OR NOT (
          (
            LOWER(COALESCE(charge_type, 'Usage'))
          ) IN ('usage', 'purchase', 'refund', 'tax', 'roundingadjustment', 'adjustment')
          OR (
            (
              LOWER(COALESCE(charge_type, 'Usage'))
            ) IN ('unusedreservation', 'unusedsavingsplan')
          )
        )
      )
      THEN TRY_CAST(quantity AS DECIMAL(19, 8))
    END AS units,
    COALESCE(meter_category, '') IN ('Cognitive Services', 'Azure AI Services', 'Azure OpenAI', 'Foundry Models')
    AND (
      CONTAINS(LOWER(COALESCE(meter_sub_category, '')), 'openai')
      OR LOWER(COALESCE(meter_name, '')) RLIKE '^(gpt|o[1-9]|text-embedding|dall-?e|whisper|tts|sora|codex)\\b'
    ) AS is_openai
  FROM raw
), service(meter_category, name, category) AS (
  SELECT
    *
  FROM VALUES
    ('virtual machines', 'Virtual Machines', 'Compute'),
    ('virtual machines licenses', 'Virtual Machines', 'Compute'),
    ('azure app service', 'Azure App Service', 'Web'),
    ('functions', 'Azure Functions', 'Compute'),
    ('azure kubernetes service', 'Azure Kubernetes Service', 'Compute'),
    ('container instances', 'Container Instances', 'Compute'),
    ('container registry', 'Container Registry', 'Compute'),
    ('azure container apps', 'Azure Container Apps', 'Compute'),
    ('cognitive services', 'Azure AI Services', 'AI and Machine Learning'),
    ('azure ai services', 'Azure AI Services', 'AI and Machine Learning'),
    ('foundry models', 'Azure AI Services', 'AI and Machine Learning'),
    ('azure openai', 'Azure OpenAI Service', 'AI and Machine Learning'),
    ('azure machine learning', 'Azure Machine Learning', 'AI and Machine Learning'),
    ('azure cognitive search', 'Azure AI Search', 'AI and Machine Learning'),
    ('azure bot service', 'Azure Bot Service', 'AI and Machine Learning'),
    ('storage', 'Storage', 'Storage'),
    ('backup', 'Backup', 'Storage'),
    ('azure netapp files', 'Azure NetApp Files', 'Storage'),
    ('sql database', 'SQL Database', 'Databases'),
    ('sql managed instance', 'SQL Managed Instance', 'Databases'),
    ('azure cosmos db', 'Azure Cosmos DB', 'Databases'),
    ('redis cache', 'Azure Cache for Redis', 'Databases'),
    ('azure database for postgresql', 'Azure Database for PostgreSQL', 'Databases'),
    ('azure database for mysql', 'Azure Database for MySQL', 'Databases'),
    ('azure databricks', 'Azure Databricks', 'Analytics'),
    ('azure synapse analytics', 'Azure Synapse Analytics', 'Analytics'),
    ('azure data factory v2', 'Azure Data Factory', 'Analytics'),
    ('event hubs', 'Event Hubs', 'Analytics'),
    ('log analytics', 'Azure Monitor', 'Management and Governance'),
    ('azure monitor', 'Azure Monitor', 'Management and Governance'),
    ('load balancer', 'Load Balancer', 'Networking'),
    ('virtual network', 'Virtual Network', 'Networking'),
    ('bandwidth', 'Bandwidth', 'Networking'),
    ('nat gateway', 'NAT Gateway', 'Networking'),
    ('application gateway', 'Application Gateway', 'Networking'),
    ('azure dns', 'Azure DNS', 'Networking'),
    ('key vault', 'Key Vault', 'Security'),
    ('microsoft defender for cloud', 'Microsoft Defender for Cloud', 'Security'),
    ('service bus', 'Service Bus', 'Integration') AS _values
), family(service_family, category) AS (
  SELECT
    *
  FROM VALUES
    ('ai + machine learning', 'AI and Machine Learning'),
    ('ai and machine learning', 'AI and Machine Learning'),
    ('analytics', 'Analytics'),
    ('compute', 'Compute'),
    ('containers', 'Compute'),
    ('windows virtual desktop', 'Compute'),
    ('databases', 'Databases'),
    ('developer tools', 'Developer Tools'),
    ('identity', 'Identity'),
    ('integration', 'Integration'),
    ('internet of things', 'Internet of Things'),
    ('management and governance', 'Management and Governance'),
    ('media', 'Media'),
    ('migration', 'Migration'),
    ('mobile', 'Mobile'),
    ('networking', 'Networking'),
    ('security', 'Security'),
    ('storage', 'Storage'),
    ('web', 'Web'),
    ('azure arc', 'Multicloud'),
    ('hybrid + multicloud', 'Multicloud') AS _values
), region(place, id) AS (
  SELECT
    *
  FROM VALUES
    ('useast', 'eastus'),
    ('useast2', 'eastus2'),
    ('uswest', 'westus'),
    ('uswest2', 'westus2'),
    ('uswest3', 'westus3'),
    ('uscentral', 'centralus'),
    ('usnorthcentral', 'northcentralus'),
    ('ussouthcentral', 'southcentralus'),
    ('uswestcentral', 'westcentralus'),
    ('euwest', 'westeurope'),
    ('eunorth', 'northeurope'),
    ('ukwest', 'ukwest'),
    ('apeast', 'eastasia'),
    ('apsoutheast', 'southeastasia'),
    ('jaeast', 'japaneast'),
    ('jawest', 'japanwest'),
    ('aueast', 'australiaeast'),
    ('ausoutheast', 'australiasoutheast'),
    ('cacentral', 'canadacentral'),
    ('caeast', 'canadaeast'),
    ('incentral', 'centralindia'),
    ('insouth', 'southindia'),
    ('brsouth', 'brazilsouth'),
    ('dewestcentral', 'germanywestcentral'),
    ('frcentral', 'francecentral'),
    ('chnorth', 'switzerlandnorth'),
    ('senorth', 'swedencentral'),
    ('krcentral', 'koreacentral'),
    ('unassigned', NULL),
    ('unknown', NULL),
    ('notapplicable', NULL),
    ('na', NULL),
    ('n/a', NULL),
    ('allregions', 'global') AS _values
), charged AS (
  SELECT
    REPLACE(COALESCE(CAST(provider_name AS STRING), ''), CHR(0), '�') AS provider_name,
    REPLACE(COALESCE(CAST(invoice_issuer_name AS STRING), ''), CHR(0), '�') AS invoice_issuer_name,
    REPLACE(COALESCE(CAST(billing_account_id AS STRING), ''), CHR(0), '�') AS billing_account_id,
    REPLACE(COALESCE(CAST(billing_account_name AS STRING), ''), CHR(0), '�') AS billing_account_name,
    REPLACE(COALESCE(CAST(sub_account_id AS STRING), ''), CHR(0), '�') AS sub_account_id,
    REPLACE(COALESCE(CAST(sub_account_name AS STRING), ''), CHR(0), '�') AS sub_account_name,
    REPLACE(COALESCE(CAST(service_category AS STRING), ''), CHR(0), '�') AS service_category,
    REPLACE(COALESCE(CAST(service_name AS STRING), ''), CHR(0), '�') AS service_name,
    REPLACE(COALESCE(CAST(x_service_code AS STRING), ''), CHR(0), '�') AS x_service_code,
    REPLACE(COALESCE(CAST(x_sku_group AS STRING), ''), CHR(0), '�') AS x_sku_group,
    REPLACE(COALESCE(CAST(region_id AS STRING), ''), CHR(0), '�') AS region_id,
    REPLACE(COALESCE(CAST(charge_category AS STRING), ''), CHR(0), '�') AS charge_category,
    REPLACE(COALESCE(CAST(charge_class AS STRING), ''), CHR(0), '�') AS charge_class,
    REPLACE(COALESCE(CAST(charge_frequency AS STRING), ''), CHR(0), '�') AS charge_frequency,
    REPLACE(COALESCE(CAST(pricing_category AS STRING), ''), CHR(0), '�') AS pricing_category,
    REPLACE(COALESCE(CAST(billing_currency AS STRING), ''), CHR(0), '�') AS billing_currency,
    REPLACE(COALESCE(CAST(consumed_unit AS STRING), ''), CHR(0), '�') AS consumed_unit,
    REPLACE(COALESCE(CAST(tags AS STRING), ''), CHR(0), '�') AS tags,
    REPLACE(COALESCE(CAST(x_cost_categories AS STRING), ''), CHR(0), '�') AS x_cost_categories,
    day,
    billed_cost,
    effective_cost,
    list_cost,
    contracted_cost,
    consumed_quantity,
    line_items,
    problem
  FROM (
    SELECT
      'Microsoft' AS provider_name,
      COALESCE(partner_name, 'Microsoft') AS invoice_issuer_name,
      billing_account_id,
      billing_account_name,
      COALESCE(subscription_id, billing_account_id) AS sub_account_id,
      subscription_name AS sub_account_name,
      CASE
        WHEN is_openai
        THEN 'AI and Machine Learning'
        ELSE COALESCE(service.category, family.category, 'Other')
      END AS service_category,
      CASE
        WHEN is_openai
        THEN 'Azure OpenAI Service'
        ELSE COALESCE(service.name, line.meter_category, product_name, publisher_name, consumed_service, 'Azure')
      END AS service_name,
      COALESCE(line.meter_category, consumed_service) AS x_service_code,
      COALESCE(meter_name, product_name) AS x_sku_group,
      CASE WHEN place IS NULL THEN resource_location ELSE id END AS region_id,
      CASE
        WHEN type IN ('purchase', 'refund')
        THEN 'Purchase'
        WHEN type = 'tax'
        THEN 'Tax'
        WHEN type IN ('roundingadjustment', 'adjustment')
        THEN 'Adjustment'
        ELSE 'Usage'
      END AS charge_category,
      CASE WHEN type = 'refund' THEN 'Correction' END AS charge_class,
      CASE LOWER(COALESCE(frequency, ''))
        WHEN 'onetime'
        THEN 'One-Time'
        WHEN 'recurring'
        THEN 'Recurring'
        WHEN 'usagebased'
        THEN 'Usage-Based'
        ELSE CASE WHEN is_usage OR is_unused THEN 'Usage-Based' ELSE 'One-Time' END
      END AS charge_frequency,
      CASE
        WHEN NOT (
          is_usage OR is_unused OR type IN ('purchase', 'refund')
        )
        THEN NULL
        WHEN is_commitment AND (
          is_usage OR is_unused
        )
        THEN 'Committed'
        WHEN LOWER(COALESCE(pricing_model, '')) = 'spot'
        THEN 'Dynamic'
        ELSE 'Standard'
      END AS pricing_category,
      billing_currency,
      CASE WHEN is_usage THEN unit_of_measure END AS consumed_unit,
      tags,
      cost_categories AS x_cost_categories,
      date AS day,
      cost AS billed_cost,
      cost AS effective_cost,
      CASE
        WHEN is_unused
        THEN 0
        WHEN is_usage
        THEN COALESCE(
          NULLIF(payg_cost_in_billing_currency, 0),
          list_price * units,
          contracted_price * units,
          cost
        )
        ELSE cost
      END AS list_cost,
      CASE
        WHEN is_unused
        THEN 0
        WHEN is_usage AND is_commitment
        THEN COALESCE(contracted_price * units, cost)
        ELSE cost
      END AS contracted_cost,
      CASE WHEN is_usage THEN quantity ELSE 0 END AS consumed_quantity,
      line_items,
      CASE
        WHEN NOT is_known
        THEN 'unknown charge type ' || charge_type || ' is taken as usage'
        WHEN dataset IN ('actual', 'actual alone') AND is_unused
        THEN 'unused commitment does not belong into ActualCost: is this AmortizedCost?'
        WHEN dataset IN ('amortized', 'amortized alone')
        AND is_commitment
        AND type = 'purchase'
        THEN 'the purchase of a commitment does not belong into AmortizedCost: is this ActualCost?'
        WHEN malformed_labels
        THEN 'tags are not JSON and were left out'
        WHEN dataset = 'actual alone' AND is_commitment
        THEN 'what a commitment is worth per day is not in ActualCost: effective cost is taken as billed'
        WHEN dataset = 'amortized alone' AND is_commitment
        THEN 'what was invoiced for a commitment is not in AmortizedCost: billed cost is taken as amortized'
        ELSE ''
      END AS problem
    FROM line
    LEFT JOIN service
      ON service.meter_category = LOWER(line.meter_category)
    LEFT JOIN family
      ON family.service_family = LOWER(line.service_family)
    LEFT JOIN region
      ON place = resource_location
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
