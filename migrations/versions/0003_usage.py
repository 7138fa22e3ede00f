"""Usage by day, and of GPUs, volumes and networks beside containers."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

HEAD = """
CREATE TABLE {name} (
    usage_delivery_id bigint NOT NULL REFERENCES usage_delivery (id) ON DELETE CASCADE,
    number integer NOT NULL,
    {columns},
    PRIMARY KEY (usage_delivery_id, number)
)
"""
HOURS = """
CREATE TABLE {name}_hour (
    usage_delivery_id bigint NOT NULL REFERENCES usage_delivery (id) ON DELETE CASCADE,
    number integer NOT NULL,
    hour timestamptz NOT NULL,
    {columns}
)
"""
WORKLOAD = "cluster namespace kind name"
TABLES = {
    "gpu": (
        f"{WORKLOAD} pod container node uuid model slice_id profile measure",
        "memory_total_bytes",
        "",
        "held seen active_avg active_max idle memory_bytes_avg memory_bytes_max",
    ),
    "volume": (f"{WORKLOAD} claim storage_class", "", "", "seen capacity_bytes used_bytes_avg used_bytes_max"),
    "network": (WORKLOAD, "", "pod", "seen received_bytes transmitted_bytes"),
}


def upgrade() -> None:
    op.execute("ALTER TABLE usage_delivery ADD COLUMN day date")
    op.execute("CREATE INDEX usage_delivery_version ON usage_delivery (source, day, known_at DESC, id DESC)")
    op.execute("ALTER TABLE container_hour ADD COLUMN seen double precision")
    op.execute("ALTER TABLE container ALTER COLUMN restarts DROP NOT NULL, ALTER COLUMN oom_kills DROP NOT NULL")
    for name, (texts, figures, hour_texts, hour_figures) in TABLES.items():
        head = [f"{text} text NOT NULL" for text in texts.split()]
        head += [f"{figure} double precision" for figure in figures.split()]
        hours = [f"{text} text NOT NULL" for text in hour_texts.split()]
        hours += [f"{figure} double precision NOT NULL" for figure in hour_figures.split()]
        op.execute(HEAD.format(name=name, columns=",\n    ".join(head)))
        op.execute(HOURS.format(name=name, columns=",\n    ".join(hours)))
        op.execute(f"CREATE INDEX {name}_hour_delivery ON {name}_hour (usage_delivery_id)")


def downgrade() -> None:
    op.execute(f"DROP TABLE {', '.join(f'{name}_hour, {name}' for name in TABLES)}")
    op.execute("DELETE FROM usage_delivery WHERE day IS NOT NULL")
    op.execute("DELETE FROM usage_delivery u USING container c WHERE c.usage_delivery_id = u.id AND c.restarts IS NULL")
    op.execute("ALTER TABLE container ALTER COLUMN restarts SET NOT NULL, ALTER COLUMN oom_kills SET NOT NULL")
    op.execute("ALTER TABLE container_hour DROP COLUMN seen")
    op.execute("DROP INDEX usage_delivery_version")
    op.execute("ALTER TABLE usage_delivery DROP COLUMN day")
