-- Allocations of OpenCost and Kubecost to FOCUS 1.2 charges: one charge for each resource that a workload cost.
-- The cost of a resource includes its adjustment (the step from list prices to the bill); the list cost does not.
-- What the total has beyond its parts is a charge of its own, so that charges add up to the total.
WITH line AS (
  SELECT
    *,
    total_cost - (
      cpu_cost + cpu_cost_adjustment + ram_cost + ram_cost_adjustment + gpu_cost + gpu_cost_adjustment
      + pv_cost + pv_cost_adjustment + network_cost + network_cost_adjustment
      + load_balancer_cost + load_balancer_cost_adjustment + shared_cost + external_cost
    ) AS rest
  FROM raw
),

resource (sku_group) AS (
  VALUES ('CPU'), ('Memory'), ('GPU'), ('Storage'), ('Network'), ('Load balancer'), ('Shared'), ('External'), ('Other')
),

part AS (
  SELECT
    *,
    CASE sku_group
      WHEN 'CPU' THEN cpu_cost
      WHEN 'Memory' THEN ram_cost
      WHEN 'GPU' THEN gpu_cost
      WHEN 'Storage' THEN pv_cost
      WHEN 'Network' THEN network_cost
      WHEN 'Load balancer' THEN load_balancer_cost
      WHEN 'Shared' THEN shared_cost
      WHEN 'External' THEN external_cost
      ELSE rest
    END AS list,
    CASE sku_group
      WHEN 'CPU' THEN cpu_cost_adjustment
      WHEN 'Memory' THEN ram_cost_adjustment
      WHEN 'GPU' THEN gpu_cost_adjustment
      WHEN 'Storage' THEN pv_cost_adjustment
      WHEN 'Network' THEN network_cost_adjustment
      WHEN 'Load balancer' THEN load_balancer_cost_adjustment
      ELSE 0
    END AS adjustment,
    sku_group = 'GPU' AND gpu_hours <> 0 AS has_hours
  FROM line
  CROSS JOIN resource
)

SELECT
  'Kubernetes' AS provider_name,
  'Kubernetes' AS invoice_issuer_name,
  cluster AS billing_account_id,
  cluster AS billing_account_name,
  cluster AS sub_account_id,
  cluster AS sub_account_name,
  'Compute' AS service_category,
  'Kubernetes' AS service_name,
  'kubernetes' AS x_service_code,
  sku_group AS x_sku_group,
  NULL AS region_id,
  'Usage' AS charge_category,
  NULL AS charge_class,
  'Usage-Based' AS charge_frequency,
  'Standard' AS pricing_category,
  billing_currency,
  CASE WHEN has_hours THEN 'GPU-Hours' END AS consumed_unit,
  tags,
  cost_categories AS x_cost_categories,
  window_start AS day,
  list + adjustment AS billed_cost,
  list + adjustment AS effective_cost,
  list AS list_cost,
  list + adjustment AS contracted_cost,
  CASE WHEN has_hours THEN gpu_hours ELSE 0 END AS consumed_quantity,
  CASE WHEN sku_group = 'CPU' THEN line_items ELSE 0 END AS line_items,
  CASE
    WHEN note <> '' THEN note
    WHEN sku_group = 'Other' AND abs(rest) > 0.001 * line_items
      THEN 'total cost is not the sum of its parts: the rest is booked as Other'
    WHEN namespace = '__idle__' AND list + adjustment < 0
      THEN 'idle ' || sku_group || ' is negative: more is allocated than the nodes cost'
    ELSE ''
  END AS problem
FROM part
WHERE sku_group = 'CPU' OR list <> 0 OR adjustment <> 0 OR has_hours
