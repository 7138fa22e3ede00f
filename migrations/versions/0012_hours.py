"""What the hours of a day cost, of sources that are asked for hours."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE charge_hour (
            delivery_id bigint NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
            dimension_id bigint NOT NULL,
            day date NOT NULL,
            billed_cost double precision[] NOT NULL,
            effective_cost double precision[] NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX charge_hour_delivery ON charge_hour (delivery_id, day)")


def downgrade() -> None:
    op.execute("DROP TABLE charge_hour")
