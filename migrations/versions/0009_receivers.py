"""What is known of receivers, and how sure it is that they took a message."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE message ADD COLUMN unsure integer NOT NULL DEFAULT 0, ADD COLUMN tried_at timestamptz")
    _states("'queued', 'claimed', 'sent', 'rejected', 'superseded'")
    op.execute(
        """
        CREATE TABLE receiver (
            name text PRIMARY KEY,
            paused_until timestamptz,
            free_at timestamptz,
            failures integer NOT NULL DEFAULT 0
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE receiver")
    op.execute("UPDATE message SET state = 'rejected' WHERE state = 'superseded'")
    _states("'queued', 'claimed', 'sent', 'rejected'")
    op.execute("ALTER TABLE message DROP COLUMN unsure, DROP COLUMN tried_at")


def _states(allowed: str) -> None:
    op.execute("ALTER TABLE message DROP CONSTRAINT message_state_check")
    op.execute(f"ALTER TABLE message ADD CONSTRAINT message_state_check CHECK (state IN ({allowed}))")
