"""How the forecasts of past months turned out."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE forecast_accuracy (
            scope_digest bytea NOT NULL,
            cost_basis text NOT NULL,
            currency text NOT NULL,
            month date NOT NULL,
            as_of_day date NOT NULL,
            as_of timestamptz NOT NULL,
            scope text NOT NULL,
            issued_on date NOT NULL,
            forecaster text NOT NULL,
            days integer NOT NULL,
            expected double precision NOT NULL,
            actual double precision NOT NULL,
            wape double precision NOT NULL,
            naive_wape double precision NOT NULL,
            bias double precision NOT NULL,
            coverage_80 double precision NOT NULL,
            coverage_95 double precision NOT NULL,
            PRIMARY KEY (scope_digest, cost_basis, currency, month, as_of_day)
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE forecast_accuracy")
