-- A FOCUS line as it came, under the names of FOCUS 1.2: what it says is kept, what 1.2 asks for beyond that is filled.
SELECT
  charge,
  origin.availability_zone AS AvailabilityZone,
  coalesce(origin.billing_account_name, billing_account_id) AS BillingAccountName,
  coalesce(origin.billing_account_type, 'Billing Account') AS BillingAccountType,
  instant(origin.billing_period_start) AS BillingPeriodStart,
  coalesce(
    instant(origin.billing_period_end), date_trunc('month', instant(origin.billing_period_start)) + INTERVAL 1 MONTH
  ) AS BillingPeriodEnd,
  origin.capacity_reservation_id AS CapacityReservationId,
  origin.capacity_reservation_status AS CapacityReservationStatus,
  coalesce(origin.charge_description, origin.sku_meter, service_name) AS ChargeDescription,
  instant(origin.charge_period_start) AS ChargePeriodStart,
  coalesce(
    instant(origin.charge_period_end), date_trunc('day', instant(origin.charge_period_start)) + INTERVAL 1 DAY
  ) AS ChargePeriodEnd,
  origin.commitment_discount_category AS CommitmentDiscountCategory,
  origin.commitment_discount_id AS CommitmentDiscountId,
  origin.commitment_discount_name AS CommitmentDiscountName,
  amount(origin.commitment_discount_quantity) AS CommitmentDiscountQuantity,
  origin.commitment_discount_status AS CommitmentDiscountStatus,
  origin.commitment_discount_type AS CommitmentDiscountType,
  origin.commitment_discount_unit AS CommitmentDiscountUnit,
  origin.consumed_quantity AS ConsumedQuantity,
  amount(origin.contracted_unit_price) AS ContractedUnitPrice,
  origin.invoice_id AS InvoiceId,
  amount(origin.list_unit_price) AS ListUnitPrice,
  coalesce(origin.pricing_currency, billing_currency) AS PricingCurrency,
  CASE
    WHEN origin.pricing_currency <> billing_currency THEN amount(origin.pricing_currency_contracted_unit_price)
    ELSE coalesce(amount(origin.pricing_currency_contracted_unit_price), ContractedUnitPrice)
  END AS PricingCurrencyContractedUnitPrice,
  CASE
    WHEN origin.pricing_currency <> billing_currency THEN amount(origin.pricing_currency_effective_cost)
    ELSE coalesce(amount(origin.pricing_currency_effective_cost), effective_cost)
  END AS PricingCurrencyEffectiveCost,
  CASE
    WHEN origin.pricing_currency <> billing_currency THEN amount(origin.pricing_currency_list_unit_price)
    ELSE coalesce(amount(origin.pricing_currency_list_unit_price), ListUnitPrice)
  END AS PricingCurrencyListUnitPrice,
  amount(origin.pricing_quantity) AS PricingQuantity,
  origin.pricing_unit AS PricingUnit,
  coalesce(origin.publisher_name, provider_name) AS PublisherName,
  coalesce(origin.region_name, region_id) AS RegionName,
  origin.resource_id AS ResourceId,
  coalesce(origin.resource_name, origin.resource_id) AS ResourceName,
  CASE WHEN origin.resource_id IS NOT NULL THEN coalesce(origin.resource_type, service_name) END AS ResourceType,
  coalesce(origin.service_subcategory, 'Other (' || service_category || ')') AS ServiceSubcategory,
  origin.sku_id AS SkuId,
  CASE WHEN origin.sku_id IS NOT NULL THEN coalesce(nullif(x_sku_group, ''), ChargeDescription) END AS SkuMeter,
  origin.sku_price_details AS SkuPriceDetails,
  coalesce(origin.sku_price_id, origin.sku_id) AS SkuPriceId,
  origin.sub_account_id AS SubAccountId,
  CASE WHEN origin.sub_account_id IS NOT NULL THEN coalesce(origin.sub_account_name, origin.sub_account_id) END
    AS SubAccountName,
  CASE WHEN origin.sub_account_id IS NOT NULL THEN coalesce(origin.sub_account_type, 'Sub Account') END
    AS SubAccountType,
  CASE
    WHEN origin.allocated_tags IS NULL THEN origin.all_tags
    ELSE json_merge_patch(origin.allocated_tags, coalesce(origin.all_tags, '{}'))
  END AS Tags
FROM charge
