"""Tables of the ledger: deliveries, the daily cube, findings, outbox, proposals, runs and container usage."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from finops_ai.domain import focus

metadata = sa.MetaData(
    naming_convention={"pk": "%(table_name)s_pkey", "fk": "%(table_name)s_%(column_0_name)s_fkey"},
)

COST = sa.Numeric(38, 18)
INSTANT = sa.DateTime(timezone=True)
FLOAT: sa.Double[float] = sa.Double()

JSON_DIMENSIONS = ("tags", "x_cost_categories")
DIMENSION_COLUMNS = ("source", *focus.DIMENSIONS, *focus.ALLOCATED)
COSTS = ("billed_cost", "effective_cost", "list_cost", "contracted_cost")


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True)


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, pg.JSONB, nullable=False)


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, primary_key=key)


# One row for each version of (source, billing period); a version's costs never change once it is loaded.
delivery = sa.Table(
    "delivery",
    metadata,
    _id(),
    _text("source"),
    sa.Column("billing_period", sa.Date),
    _text("fingerprint"),
    _text("rules_version"),
    sa.Column("status", sa.Text, sa.CheckConstraint("status IN ('loaded', 'refused')"), nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("rows_rejected", sa.BigInteger, nullable=False),
    sa.Column("last_usage_day", sa.Date),
    # False where the delivery only tells whose the cost is that other sources bill.
    sa.Column("counted", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("known_at", INSTANT, nullable=False),
    sa.Column("loaded_at", INSTANT, nullable=False),
    _json("problems"),
    sa.Index("delivery_version", "source", "billing_period", sa.desc("known_at"), sa.desc("id")),
)

delivery_total = sa.Table(
    "delivery_total",
    metadata,
    sa.Column("delivery_id", sa.ForeignKey("delivery.id", ondelete="CASCADE"), primary_key=True),
    _text("currency", key=True),
    *(sa.Column(name, sa.Numeric, nullable=False) for name in COSTS),
)

# What the export says of each sub account, kept to be held against the cube.
delivery_account = sa.Table(
    "delivery_account",
    metadata,
    sa.Column("delivery_id", sa.ForeignKey("delivery.id", ondelete="CASCADE"), primary_key=True),
    _text("currency", key=True),
    _text("sub_account_id", key=True),
    sa.Column("billed_cost", sa.Numeric, nullable=False),
)

# The dictionary of the cube, shared by all versions; `digest` is the SHA-256 of the tuple.
dimension = sa.Table(
    "dimension",
    metadata,
    _id(),
    sa.Column("digest", pg.BYTEA, nullable=False),
    *(_json(name) if name in JSON_DIMENSIONS else _text(name) for name in DIMENSION_COLUMNS),
    sa.UniqueConstraint("digest", name="dimension_digest_key"),
)

# The facts of the cube: one partition for each version (`charges.load` makes them), so that a version comes whole.
charge = sa.Table(
    "charge",
    metadata,
    sa.Column("delivery_id", sa.BigInteger, nullable=False),
    sa.Column("dimension_id", sa.BigInteger, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    *(sa.Column(name, COST, nullable=False) for name in COSTS),
    sa.Column("consumed_quantity", COST),
    sa.CheckConstraint(
        " AND ".join(f"{name} <> 'NaN'" for name in (*COSTS, "consumed_quantity")), name="charge_is_a_number"
    ),
    postgresql_partition_by="LIST (delivery_id)",
)

# Units of the reporting currency for one of the currency, in a month (YYYY-MM) or from a day (YYYY-MM-DD) on.
currency_rate = sa.Table(
    "currency_rate",
    metadata,
    _text("currency", key=True),
    _text("reporting_currency", key=True),
    _text("period", key=True),
    sa.Column("known_at", INSTANT, primary_key=True),
    sa.Column("rate", COST, sa.CheckConstraint("rate > 0 AND rate <> 'NaN'"), nullable=False),
)

# Findings: one version for each day of knowledge, so that any day can be read as it was known. A scope's text may be
# longer than an index entry, hence its SHA-256.
forecast = sa.Table(
    "forecast",
    metadata,
    sa.Column("scope_digest", pg.BYTEA, primary_key=True),
    _text("cost_basis", key=True),
    _text("currency", key=True),
    sa.Column("as_of_day", sa.Date, primary_key=True),
    sa.Column("as_of", INSTANT, nullable=False),
    _text("scope"),
    _json("body"),
    sa.Column("quantiles", pg.BYTEA, nullable=False),
    sa.Column("total_quantiles", pg.BYTEA, nullable=False),
)

# How the forecast known when a month began turned out, as it was seen on each day that looked.
forecast_accuracy = sa.Table(
    "forecast_accuracy",
    metadata,
    sa.Column("scope_digest", pg.BYTEA, primary_key=True),
    _text("cost_basis", key=True),
    _text("currency", key=True),
    sa.Column("month", sa.Date, primary_key=True),
    sa.Column("as_of_day", sa.Date, primary_key=True),
    sa.Column("as_of", INSTANT, nullable=False),
    _text("scope"),
    sa.Column("issued_on", sa.Date, nullable=False),
    _text("forecaster"),
    sa.Column("days", sa.Integer, nullable=False),
    *(
        sa.Column(name, FLOAT, nullable=False)
        for name in ("expected", "actual", "wape", "naive_wape", "bias", "coverage_80", "coverage_95")
    ),
)

score = sa.Table(
    "score",
    metadata,
    sa.Column("scope_digest", pg.BYTEA, primary_key=True),
    _text("currency", key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("as_of_day", sa.Date, primary_key=True),
    sa.Column("as_of", INSTANT, nullable=False),
    _text("scope"),
    *(sa.Column(name, FLOAT, nullable=False) for name in ("observed", "expected", "upper", "z", "p_value")),
    _text("scorer"),
    sa.Column("second_opinion", FLOAT),
)

episode = sa.Table(
    "episode",
    metadata,
    _text("key", key=True),
    sa.Column("as_of_day", sa.Date, primary_key=True),
    sa.Column("as_of", INSTANT, nullable=False),
    _text("scope"),
    _text("state"),
    _text("severity"),
    sa.Column("opened_on", sa.Date, nullable=False),
    sa.Column("resolved_on", sa.Date),
    sa.Column("excess", sa.Numeric, nullable=False),
    _text("currency"),
    _json("body"),
)

feedback = sa.Table(
    "feedback",
    metadata,
    _id(),
    _text("episode_key"),
    _text("verdict"),
    sa.Column("at", INSTANT, nullable=False),
    sa.Column("until", sa.Date),
    _text("note"),
    _text("by"),
    sa.Column("projected", sa.Numeric),
    sa.Column("currency", sa.Text),
    sa.Column("p_value", FLOAT),
    sa.UniqueConstraint("episode_key", "at", "verdict", "by", name="feedback_once"),
)

# The outbox: `digest` is the SHA-256 of kind and body, so that saying the same again changes nothing.
message = sa.Table(
    "message",
    metadata,
    _id(),
    _text("key"),
    _text("kind"),
    _text("sink"),
    _json("body"),
    sa.Column("digest", pg.BYTEA, nullable=False),
    sa.Column("as_of", INSTANT, nullable=False),
    sa.Column(
        "state",
        sa.Text,
        sa.CheckConstraint("state IN ('queued', 'claimed', 'sent', 'rejected', 'superseded')"),
        nullable=False,
    ),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    # Attempts of which nobody knows whether the receiver took them: the sender died, or no answer came.
    sa.Column("unsure", sa.Integer, nullable=False, server_default="0"),
    sa.Column("tried_at", INSTANT),
    sa.Column("not_before", INSTANT),
    sa.Column("owner", sa.Text),
    sa.Column("lease_until", INSTANT),
    sa.Column("error", sa.Text),
    sa.Column("remote_id", sa.Text),
    sa.Column("sent_at", INSTANT),
    sa.Column("certain", sa.Boolean),
    # The page of another receiver that this one is told in its place.
    sa.Column("copy_of", sa.BigInteger, sa.ForeignKey("message.id")),
    sa.UniqueConstraint("sink", "key", "digest", name="message_once"),
    sa.Index("message_outage", "sink", postgresql_where=sa.text("key LIKE 'finops/outage/%'")),
    sa.Index("message_copy_once", "copy_of", "sink", unique=True, postgresql_where=sa.text("copy_of IS NOT NULL")),
    sa.Index("message_unsent", "sink", "key", "id", postgresql_where=sa.text("state IN ('queued', 'claimed')")),
)

proposal = sa.Table(
    "proposal",
    metadata,
    _id(),
    _text("key"),
    sa.Column("as_of", INSTANT, nullable=False),
    _text("state"),
    _text("workload"),
    sa.Column("saving", sa.Numeric, nullable=False),
    _text("currency"),
    _json("body"),
    sa.Index("proposal_version", "key", sa.desc("id")),
)

job_run = sa.Table(
    "job_run",
    metadata,
    _id(),
    _text("job"),
    sa.Column("as_of", INSTANT, nullable=False),
    _text("state"),
    sa.Column("started_at", INSTANT, nullable=False),
    sa.Column("ended_at", INSTANT),
    _json("counts"),
    _json("problems"),
)

usage_delivery = sa.Table(
    "usage_delivery",
    metadata,
    _id(),
    _text("source"),
    _text("fingerprint"),
    # The UTC day that the reading tells of; null where it tells all that its source knows.
    sa.Column("day", sa.Date),
    sa.Column("known_at", INSTANT, nullable=False),
    sa.Index("usage_delivery_version", "source", "day", sa.desc("known_at"), sa.desc("id")),
)

container = sa.Table(
    "container",
    metadata,
    sa.Column("usage_delivery_id", sa.ForeignKey("usage_delivery.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    *(_text(name) for name in ("cluster", "namespace", "kind", "name", "container")),
    # Null where nothing tells of them, which is not the same as none.
    sa.Column("restarts", sa.BigInteger),
    sa.Column("oom_kills", sa.BigInteger),
    sa.Column("cpu_request_cores", FLOAT),
    sa.Column("cpu_limit_cores", FLOAT),
    sa.Column("memory_request_bytes", FLOAT),
    sa.Column("memory_limit_bytes", FLOAT),
)

container_hour = sa.Table(
    "container_hour",
    metadata,
    sa.Column("usage_delivery_id", sa.ForeignKey("usage_delivery.id", ondelete="CASCADE"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("hour", INSTANT, nullable=False),
    _text("pod"),
    sa.Column("cpu_cores_avg", FLOAT, nullable=False),
    sa.Column("cpu_cores_max", FLOAT, nullable=False),
    sa.Column("memory_bytes_avg", FLOAT, nullable=False),
    sa.Column("memory_bytes_max", FLOAT, nullable=False),
    sa.Column("throttled_ratio", FLOAT, nullable=False),
    sa.Column("seen", FLOAT),
    sa.Index("container_hour_delivery", "usage_delivery_id"),
)
