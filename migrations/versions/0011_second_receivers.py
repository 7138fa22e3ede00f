"""Since when a receiver takes nothing, and which page a second one was told in its place."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE receiver ADD COLUMN failing_since timestamptz")
    op.execute("ALTER TABLE message ADD COLUMN copy_of bigint REFERENCES message (id)")
    op.execute("CREATE UNIQUE INDEX message_copy_once ON message (copy_of, sink) WHERE copy_of IS NOT NULL")
    op.execute("CREATE INDEX message_outage ON message (sink) WHERE key LIKE 'finops/outage/%'")


def downgrade() -> None:
    op.execute("DROP INDEX message_outage")
    op.execute("ALTER TABLE message DROP COLUMN copy_of")
    op.execute("ALTER TABLE receiver DROP COLUMN failing_since")
