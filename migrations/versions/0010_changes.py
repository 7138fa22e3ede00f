"""What changed beside the bill."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE nearby_change (
            source text NOT NULL,
            key text NOT NULL,
            at timestamptz NOT NULL,
            known_at timestamptz NOT NULL,
            body jsonb NOT NULL,
            PRIMARY KEY (source, key)
        )
        """
    )
    op.execute("CREATE INDEX nearby_change_at ON nearby_change (at)")


def downgrade() -> None:
    op.execute("DROP TABLE nearby_change")
