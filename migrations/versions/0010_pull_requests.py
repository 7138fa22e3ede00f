"""Approvals and commands that people gave on the forge."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE approval (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            key text NOT NULL,
            evidence text NOT NULL,
            by text NOT NULL,
            at timestamptz NOT NULL,
            how text NOT NULL,
            commit text NOT NULL,
            url text NOT NULL,
            CONSTRAINT approval_once UNIQUE (key, evidence)
        );

        CREATE TABLE pull_command (
            forge text NOT NULL,
            comment text NOT NULL,
            number integer NOT NULL,
            key text NOT NULL,
            command text NOT NULL,
            by text NOT NULL,
            at timestamptz NOT NULL,
            allowed boolean NOT NULL,
            until date,
            PRIMARY KEY (forge, comment, number)
        );
        CREATE INDEX pull_command_key ON pull_command (key, at);

        CREATE VIEW v_approval AS
        SELECT key, evidence, by, at, how, commit, url FROM approval
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW v_approval; DROP TABLE pull_command; DROP TABLE approval")
