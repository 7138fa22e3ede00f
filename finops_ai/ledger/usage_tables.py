"""Tables of hourly usage beside the containers': GPUs, volumes and networks, a head and its hours each.

In a head's hours null and NaN are unknown, never 0.
"""

from __future__ import annotations

import sqlalchemy as sa

from finops_ai.ledger.tables import FLOAT, INSTANT
from finops_ai.ledger.tables import metadata as metadata

WORKLOAD = ("cluster", "namespace", "kind", "name")


def _head(name: str, texts: tuple[str, ...], *figures: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("usage_delivery_id", sa.ForeignKey("usage_delivery.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        *(sa.Column(text, sa.Text, nullable=False) for text in texts),
        *(sa.Column(figure, FLOAT) for figure in figures),
    )


def _hours(name: str, *figures: str, by_pod: bool = False) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("usage_delivery_id", sa.ForeignKey("usage_delivery.id", ondelete="CASCADE"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("hour", INSTANT, nullable=False),
        *((sa.Column("pod", sa.Text, nullable=False),) if by_pod else ()),
        *(sa.Column(figure, FLOAT, nullable=False) for figure in figures),
        sa.Index(f"{name}_delivery", "usage_delivery_id"),
    )


gpu = _head(
    "gpu",
    (*WORKLOAD, "pod", "container", "node", "uuid", "model", "slice_id", "profile", "measure"),
    "memory_total_bytes",
)
gpu_hour = _hours(
    "gpu_hour", "held", "seen", "active_avg", "active_max", "idle", "memory_bytes_avg", "memory_bytes_max"
)
volume = _head("volume", (*WORKLOAD, "claim", "storage_class"))
volume_hour = _hours("volume_hour", "seen", "capacity_bytes", "used_bytes_avg", "used_bytes_max")
network = _head("network", WORKLOAD)
network_hour = _hours("network_hour", "seen", "received_bytes", "transmitted_bytes", by_pod=True)
