-- Azure cost details (ActualCost or AmortizedCost, EA and MCA) to FOCUS 1.2 charges.
-- A file tells one cost only; here it stands as both, billed and effective. Which of the two counts is decided where
-- the two exports of a month are put together. `dataset` is actual, amortized, or either of them 'alone'.
-- Prices are known per unit of measure in billing currency, null where the file says 0 or nothing.
WITH line AS (
  SELECT
    *,
    cost_in_billing_currency AS cost,
    lower(coalesce(charge_type, 'Usage')) AS type,
    type IN ('unusedreservation', 'unusedsavingsplan') AS is_unused,
    coalesce(lower(pricing_model), '') IN ('reservation', 'savingsplan') OR is_unused AS is_commitment,
    type IN ('usage', 'purchase', 'refund', 'tax', 'roundingadjustment', 'adjustment') OR is_unused AS is_known,
    type = 'usage' OR NOT is_known AS is_usage,
    CASE WHEN is_usage THEN TRY_CAST(quantity AS DECIMAL(19, 8)) END AS units,
    coalesce(meter_category, '') IN ('Cognitive Services', 'Azure AI Services', 'Azure OpenAI', 'Foundry Models')
      AND (
        contains(lower(coalesce(meter_sub_category, '')), 'openai')
        OR regexp_matches(
          lower(coalesce(meter_name, '')), '^(gpt|o[1-9]|text-embedding|dall-?e|whisper|tts|sora|codex)\b'
        )
      ) AS is_openai
  FROM raw
),

service (meter_category, name, category) AS (
  VALUES
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
    ('service bus', 'Service Bus', 'Integration')
),

family (service_family, category) AS (
  VALUES
    ('ai + machine learning', 'AI and Machine Learning'), ('ai and machine learning', 'AI and Machine Learning'),
    ('analytics', 'Analytics'), ('compute', 'Compute'), ('containers', 'Compute'),
    ('windows virtual desktop', 'Compute'), ('databases', 'Databases'), ('developer tools', 'Developer Tools'),
    ('identity', 'Identity'), ('integration', 'Integration'), ('internet of things', 'Internet of Things'),
    ('management and governance', 'Management and Governance'), ('media', 'Media'), ('migration', 'Migration'),
    ('mobile', 'Mobile'), ('networking', 'Networking'), ('security', 'Security'), ('storage', 'Storage'),
    ('web', 'Web'), ('azure arc', 'Multicloud'), ('hybrid + multicloud', 'Multicloud')
),

-- Places under the names that price sheets give them; everything else is an Azure region already.
region (place, id) AS (
  VALUES
    ('useast', 'eastus'), ('useast2', 'eastus2'), ('uswest', 'westus'), ('uswest2', 'westus2'), ('uswest3', 'westus3'),
    ('uscentral', 'centralus'), ('usnorthcentral', 'northcentralus'), ('ussouthcentral', 'southcentralus'),
    ('uswestcentral', 'westcentralus'), ('euwest', 'westeurope'), ('eunorth', 'northeurope'), ('ukwest', 'ukwest'),
    ('apeast', 'eastasia'), ('apsoutheast', 'southeastasia'), ('jaeast', 'japaneast'), ('jawest', 'japanwest'),
    ('aueast', 'australiaeast'), ('ausoutheast', 'australiasoutheast'), ('cacentral', 'canadacentral'),
    ('caeast', 'canadaeast'), ('incentral', 'centralindia'), ('insouth', 'southindia'), ('brsouth', 'brazilsouth'),
    ('dewestcentral', 'germanywestcentral'), ('frcentral', 'francecentral'), ('chnorth', 'switzerlandnorth'),
    ('senorth', 'swedencentral'), ('krcentral', 'koreacentral'), ('unassigned', NULL), ('unknown', NULL),
    ('notapplicable', NULL), ('na', NULL), ('n/a', NULL), ('allregions', 'global')
)

SELECT
  'Microsoft' AS provider_name,
  coalesce(partner_name, 'Microsoft') AS invoice_issuer_name,
  billing_account_id,
  billing_account_name,
  coalesce(subscription_id, billing_account_id) AS sub_account_id,
  subscription_name AS sub_account_name,
  CASE
    WHEN is_openai THEN 'AI and Machine Learning'
    ELSE coalesce(service.category, family.category, 'Other')
  END AS service_category,
  CASE
    WHEN is_openai THEN 'Azure OpenAI Service'
    ELSE coalesce(service.name, line.meter_category, product_name, publisher_name, consumed_service, 'Azure')
  END AS service_name,
  coalesce(line.meter_category, consumed_service) AS x_service_code,
  coalesce(meter_name, product_name) AS x_sku_group,
  CASE WHEN place IS NULL THEN resource_location ELSE id END AS region_id,
  CASE
    WHEN type IN ('purchase', 'refund') THEN 'Purchase'
    WHEN type = 'tax' THEN 'Tax'
    WHEN type IN ('roundingadjustment', 'adjustment') THEN 'Adjustment'
    ELSE 'Usage'
  END AS charge_category,
  CASE WHEN type = 'refund' THEN 'Correction' END AS charge_class,
  CASE lower(coalesce(frequency, ''))
    WHEN 'onetime' THEN 'One-Time'
    WHEN 'recurring' THEN 'Recurring'
    WHEN 'usagebased' THEN 'Usage-Based'
    ELSE CASE WHEN is_usage OR is_unused THEN 'Usage-Based' ELSE 'One-Time' END
  END AS charge_frequency,
  CASE
    WHEN NOT (is_usage OR is_unused OR type IN ('purchase', 'refund')) THEN NULL
    WHEN is_commitment AND (is_usage OR is_unused) THEN 'Committed'
    WHEN lower(coalesce(pricing_model, '')) = 'spot' THEN 'Dynamic'
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
    WHEN is_unused THEN 0
    WHEN is_usage THEN coalesce(nullif(payg_cost_in_billing_currency, 0), list_price * units, contracted_price * units, cost)
    ELSE cost
  END AS list_cost,
  CASE
    WHEN is_unused THEN 0
    WHEN is_usage AND is_commitment THEN coalesce(contracted_price * units, cost)
    ELSE cost
  END AS contracted_cost,
  CASE WHEN is_usage THEN quantity ELSE 0 END AS consumed_quantity,
  line_items,
  CASE
    WHEN NOT is_known THEN 'unknown charge type ' || charge_type || ' is taken as usage'
    WHEN dataset IN ('actual', 'actual alone') AND is_unused
      THEN 'unused commitment does not belong into ActualCost: is this AmortizedCost?'
    WHEN dataset IN ('amortized', 'amortized alone') AND is_commitment AND type = 'purchase'
      THEN 'the purchase of a commitment does not belong into AmortizedCost: is this ActualCost?'
    WHEN malformed_labels THEN 'tags are not JSON and were left out'
    WHEN dataset = 'actual alone' AND is_commitment
      THEN 'what a commitment is worth per day is not in ActualCost: effective cost is taken as billed'
    WHEN dataset = 'amortized alone' AND is_commitment
      THEN 'what was invoiced for a commitment is not in AmortizedCost: billed cost is taken as amortized'
    ELSE ''
  END AS problem,
  origin
FROM line
LEFT JOIN service ON service.meter_category = lower(line.meter_category)
LEFT JOIN family ON family.service_family = lower(line.service_family)
LEFT JOIN region ON place = resource_location
