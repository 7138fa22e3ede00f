"""Who looks after which episode."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE acknowledgement (
            episode_key text NOT NULL,
            at timestamptz NOT NULL,
            by text NOT NULL,
            note text NOT NULL,
            PRIMARY KEY (episode_key, at)
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE acknowledgement")
