"""Deliveries that only attribute what other sources bill do not count; dated currency rates."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# As in 0001, where the reason for the lateral queries stands, and with `counted`.
CHARGE_DAY = """
CREATE VIEW v_charge_day AS
SELECT costs.day, current.source, to_char(current.billing_period, 'YYYY-MM') AS billing_period, costs.provider_name,
    costs.service_name, costs.charge_category, costs.currency, costs.x_cost_center, costs.x_ai_model,
    costs.billed_cost, costs.effective_cost
FROM (SELECT DISTINCT source, billing_period FROM delivery WHERE status = 'loaded') current
CROSS JOIN LATERAL (
    SELECT v.id, {counted} AS counted
    FROM delivery v
    WHERE v.source = current.source AND v.billing_period = current.billing_period AND v.status = 'loaded' AND (
        (SELECT true FROM charge c WHERE c.delivery_id = v.id LIMIT 1)
        OR NOT EXISTS (SELECT FROM delivery_total t WHERE t.delivery_id = v.id)
    )
    ORDER BY v.known_at DESC, v.id DESC
    LIMIT 1
) version
CROSS JOIN LATERAL (
    SELECT c.day, d.provider_name, d.service_name, d.charge_category, d.billing_currency AS currency,
        d.x_cost_center, d.x_ai_model, sum(c.billed_cost) AS billed_cost, sum(c.effective_cost) AS effective_cost
    FROM charge c
    JOIN dimension d ON d.id = c.dimension_id
    WHERE c.delivery_id = version.id AND version.counted
    GROUP BY c.day, d.provider_name, d.service_name, d.charge_category, d.billing_currency, d.x_cost_center,
        d.x_ai_model
) costs
"""


RATES = """
CREATE TABLE currency_rate (
    currency text NOT NULL,
    reporting_currency text NOT NULL,
    period text NOT NULL,
    known_at timestamptz NOT NULL,
    rate numeric(38, 18) NOT NULL CHECK (rate > 0 AND rate <> 'NaN'),
    PRIMARY KEY (currency, reporting_currency, period, known_at)
)
"""


def upgrade() -> None:
    op.execute("ALTER TABLE delivery ADD COLUMN counted boolean NOT NULL DEFAULT true")
    op.execute("DROP VIEW v_charge_day")
    op.execute(CHARGE_DAY.format(counted="v.counted"))
    op.execute(RATES)


def downgrade() -> None:
    op.execute("DROP TABLE currency_rate")
    op.execute("DROP VIEW v_charge_day")
    op.execute(CHARGE_DAY.format(counted="true"))
    op.execute("ALTER TABLE delivery DROP COLUMN counted")
