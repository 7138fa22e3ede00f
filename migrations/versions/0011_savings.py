"""What merged changes really saved, what was said of it, and where clusters differ from Git."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


MERGED = """
CREATE TABLE merged (
    key text NOT NULL,
    known_at timestamptz NOT NULL,
    merged_on date NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (key, known_at)
)
"""
SAVING = """
CREATE TABLE saving (
    key text NOT NULL,
    merged_on date NOT NULL,
    number integer NOT NULL,
    as_of_day date NOT NULL,
    as_of timestamptz NOT NULL,
    workload text NOT NULL,
    start_day date NOT NULL,
    end_day date NOT NULL,
    currency text NOT NULL,
    identified numeric NOT NULL,
    estimate numeric NOT NULL,
    low numeric NOT NULL,
    high numeric NOT NULL,
    fall numeric NOT NULL,
    booked numeric NOT NULL,
    method text NOT NULL,
    proved_on date,
    body jsonb NOT NULL,
    PRIMARY KEY (key, merged_on, number, as_of_day)
)
"""
SAID = """
CREATE TABLE saving_said (
    key text NOT NULL,
    merged_on date NOT NULL,
    stage text NOT NULL,
    as_of timestamptz NOT NULL,
    text text NOT NULL,
    said_at timestamptz,
    PRIMARY KEY (key, merged_on, stage)
)
"""
DRIFT = "CREATE TABLE drift (as_of timestamptz PRIMARY KEY, body jsonb NOT NULL)"
VIEW = """
CREATE VIEW v_saving AS
SELECT DISTINCT ON (key, merged_on, number)
    key, workload, merged_on, number AS month, start_day, end_day, currency, identified,
    estimate AS realised, low AS low_80, high AS high_80, fall AS spend_fall, booked, method, proved_on, as_of
FROM saving
ORDER BY key, merged_on, number, as_of_day DESC
"""


def upgrade() -> None:
    for statement in (MERGED, SAVING, SAID, DRIFT, VIEW):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP VIEW v_saving")
    op.execute("DROP TABLE drift")
    op.execute("DROP TABLE saving_said")
    op.execute("DROP TABLE saving")
    op.execute("DROP TABLE merged")
