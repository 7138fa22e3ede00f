"""The first ledger: deliveries, the daily cube, findings, outbox, proposals, runs, container usage, public views."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE delivery (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT delivery_pkey PRIMARY KEY,
    source text NOT NULL,
    billing_period date,
    fingerprint text NOT NULL,
    rules_version text NOT NULL,
    status text NOT NULL CHECK (status IN ('loaded', 'refused')),
    rows bigint NOT NULL,
    rows_rejected bigint NOT NULL,
    last_usage_day date,
    known_at timestamptz NOT NULL,
    loaded_at timestamptz NOT NULL,
    problems jsonb NOT NULL
);
CREATE INDEX delivery_version ON delivery (source, billing_period, known_at DESC, id DESC);

CREATE TABLE delivery_total (
    delivery_id bigint NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
    currency text NOT NULL,
    billed_cost numeric NOT NULL,
    effective_cost numeric NOT NULL,
    list_cost numeric NOT NULL,
    contracted_cost numeric NOT NULL,
    PRIMARY KEY (delivery_id, currency)
);

CREATE TABLE delivery_account (
    delivery_id bigint NOT NULL REFERENCES delivery (id) ON DELETE CASCADE,
    currency text NOT NULL,
    sub_account_id text NOT NULL,
    billed_cost numeric NOT NULL,
    PRIMARY KEY (delivery_id, currency, sub_account_id)
);

CREATE TABLE dimension (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    source text NOT NULL,
    provider_name text NOT NULL,
    invoice_issuer_name text NOT NULL,
    billing_account_id text NOT NULL,
    billing_account_name text NOT NULL,
    sub_account_id text NOT NULL,
    sub_account_name text NOT NULL,
    service_category text NOT NULL,
    service_name text NOT NULL,
    x_service_code text NOT NULL,
    x_sku_group text NOT NULL,
    region_id text NOT NULL,
    charge_category text NOT NULL,
    charge_class text NOT NULL,
    charge_frequency text NOT NULL,
    pricing_category text NOT NULL,
    billing_currency text NOT NULL,
    consumed_unit text NOT NULL,
    tags jsonb NOT NULL,
    x_cost_categories jsonb NOT NULL,
    x_cost_center text NOT NULL,
    x_ai_model text NOT NULL,
    x_environment text NOT NULL,
    x_allocation_rule text NOT NULL
);

CREATE TABLE charge (
    delivery_id bigint NOT NULL,
    dimension_id bigint NOT NULL,
    day date NOT NULL,
    billed_cost numeric(38, 18) NOT NULL,
    effective_cost numeric(38, 18) NOT NULL,
    list_cost numeric(38, 18) NOT NULL,
    contracted_cost numeric(38, 18) NOT NULL,
    consumed_quantity numeric(38, 18),
    -- numeric(38, 18) refuses infinity by itself
    CONSTRAINT charge_is_a_number CHECK (
        billed_cost <> 'NaN' AND effective_cost <> 'NaN' AND list_cost <> 'NaN' AND contracted_cost <> 'NaN'
        AND consumed_quantity <> 'NaN'
    )
) PARTITION BY LIST (delivery_id);

CREATE TABLE forecast (
    scope_digest bytea NOT NULL,
    cost_basis text NOT NULL,
    currency text NOT NULL,
    as_of_day date NOT NULL,
    as_of timestamptz NOT NULL,
    scope text NOT NULL,
    body jsonb NOT NULL,
    quantiles bytea NOT NULL,
    total_quantiles bytea NOT NULL,
    PRIMARY KEY (scope_digest, cost_basis, currency, as_of_day)
);

CREATE TABLE score (
    scope_digest bytea NOT NULL,
    currency text NOT NULL,
    day date NOT NULL,
    as_of_day date NOT NULL,
    as_of timestamptz NOT NULL,
    scope text NOT NULL,
    observed double precision NOT NULL,
    expected double precision NOT NULL,
    upper double precision NOT NULL,
    z double precision NOT NULL,
    p_value double precision NOT NULL,
    scorer text NOT NULL,
    second_opinion double precision,
    PRIMARY KEY (scope_digest, currency, day, as_of_day)
);

CREATE TABLE episode (
    key text NOT NULL,
    as_of_day date NOT NULL,
    as_of timestamptz NOT NULL,
    scope text NOT NULL,
    state text NOT NULL,
    severity text NOT NULL,
    opened_on date NOT NULL,
    resolved_on date,
    excess numeric NOT NULL,
    currency text NOT NULL,
    body jsonb NOT NULL,
    PRIMARY KEY (key, as_of_day)
);

CREATE TABLE feedback (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    episode_key text NOT NULL,
    verdict text NOT NULL,
    at timestamptz NOT NULL,
    until date,
    note text NOT NULL,
    by text NOT NULL,
    CONSTRAINT feedback_once UNIQUE (episode_key, at, verdict, by)
);

CREATE TABLE message (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL,
    kind text NOT NULL,
    sink text NOT NULL,
    body jsonb NOT NULL,
    digest bytea NOT NULL,
    as_of timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('queued', 'claimed', 'sent', 'rejected')),
    attempts integer NOT NULL DEFAULT 0,
    not_before timestamptz,
    owner text,
    lease_until timestamptz,
    error text,
    remote_id text,
    sent_at timestamptz,
    certain boolean,
    CONSTRAINT message_once UNIQUE (sink, key, digest)
);
CREATE INDEX message_unsent ON message (sink, key, id) WHERE state IN ('queued', 'claimed');

CREATE TABLE proposal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL,
    as_of timestamptz NOT NULL,
    state text NOT NULL,
    workload text NOT NULL,
    saving numeric NOT NULL,
    currency text NOT NULL,
    body jsonb NOT NULL
);
CREATE INDEX proposal_version ON proposal (key, id DESC);

CREATE TABLE job_run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    as_of timestamptz NOT NULL,
    state text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    counts jsonb NOT NULL,
    problems jsonb NOT NULL
);

CREATE TABLE usage_delivery (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL,
    fingerprint text NOT NULL,
    known_at timestamptz NOT NULL
);

CREATE TABLE container (
    usage_delivery_id bigint NOT NULL REFERENCES usage_delivery (id) ON DELETE CASCADE,
    number integer NOT NULL,
    cluster text NOT NULL,
    namespace text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    container text NOT NULL,
    restarts bigint NOT NULL,
    oom_kills bigint NOT NULL,
    cpu_request_cores double precision,
    cpu_limit_cores double precision,
    memory_request_bytes double precision,
    memory_limit_bytes double precision,
    PRIMARY KEY (usage_delivery_id, number)
);

CREATE TABLE container_hour (
    usage_delivery_id bigint NOT NULL REFERENCES usage_delivery (id) ON DELETE CASCADE,
    number integer NOT NULL,
    hour timestamptz NOT NULL,
    pod text NOT NULL,
    cpu_cores_avg double precision NOT NULL,
    cpu_cores_max double precision NOT NULL,
    memory_bytes_avg double precision NOT NULL,
    memory_bytes_max double precision NOT NULL,
    throttled_ratio double precision NOT NULL
);
CREATE INDEX container_hour_delivery ON container_hour (usage_delivery_id);
"""

VIEWS = """
CREATE VIEW v_delivery AS
SELECT d.source, to_char(d.billing_period, 'YYYY-MM') AS billing_period, d.fingerprint,
    CASE
        WHEN d.status = 'loaded' AND EXISTS (
            SELECT FROM delivery newer
            WHERE newer.source = d.source AND newer.billing_period = d.billing_period AND newer.status = 'loaded'
                AND (newer.known_at, newer.id) > (d.known_at, d.id)
        ) THEN 'superseded'
        ELSE d.status
    END AS status,
    d.rows, d.rows_rejected, t.currency, t.billed_cost, t.effective_cost, d.loaded_at
FROM delivery d
LEFT JOIN delivery_total t ON t.delivery_id = d.id;

-- A statement may be planned before a load commits and executed after: it then sees the new delivery but knows nothing
-- of its partition. Such a version is passed over for the one before it, unless it has no charges at all.
-- Grouping inside the lateral query lets PostgreSQL open the partitions of the current versions only.
CREATE VIEW v_charge_day AS
SELECT costs.day, current.source, to_char(current.billing_period, 'YYYY-MM') AS billing_period, costs.provider_name,
    costs.service_name, costs.charge_category, costs.currency, costs.x_cost_center, costs.x_ai_model,
    costs.billed_cost, costs.effective_cost
FROM (SELECT DISTINCT source, billing_period FROM delivery WHERE status = 'loaded') current
CROSS JOIN LATERAL (
    SELECT v.id
    FROM delivery v
    WHERE v.source = current.source AND v.billing_period = current.billing_period AND v.status = 'loaded' AND (
        (SELECT true FROM charge c WHERE c.delivery_id = v.id LIMIT 1)
        OR NOT EXISTS (SELECT FROM delivery_total t WHERE t.delivery_id = v.id)
    )
    ORDER BY v.known_at DESC, v.id DESC
    LIMIT 1
) version
CROSS JOIN LATERAL (
    SELECT c.day, d.provider_name, d.service_name, d.charge_category, d.billing_currency AS currency,
        d.x_cost_center, d.x_ai_model, sum(c.billed_cost) AS billed_cost, sum(c.effective_cost) AS effective_cost
    FROM charge c
    JOIN dimension d ON d.id = c.dimension_id
    WHERE c.delivery_id = version.id
    GROUP BY c.day, d.provider_name, d.service_name, d.charge_category, d.billing_currency, d.x_cost_center,
        d.x_ai_model
) costs;

CREATE VIEW v_episode AS
SELECT DISTINCT ON (key) key, scope, state, severity, opened_on, resolved_on, excess, currency
FROM episode
ORDER BY key, as_of_day DESC;

CREATE VIEW v_message AS
SELECT key, kind, sink, state, attempts, remote_id FROM message;

CREATE VIEW v_proposal AS
SELECT DISTINCT ON (key) key, workload, key AS branch, state, saving, currency FROM proposal ORDER BY key, id DESC;

CREATE VIEW v_job_run AS SELECT job, as_of, state, started_at, ended_at, problems FROM job_run;
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(VIEWS)


def downgrade() -> None:
    op.execute("DROP VIEW v_delivery, v_charge_day, v_episode, v_message, v_proposal, v_job_run")
    op.execute(
        "DROP TABLE container_hour, container, usage_delivery, job_run, proposal, message, feedback, episode, score,"
        " forecast, charge, dimension, delivery_account, delivery_total, delivery"
    )
