"""Runs the migrations on the connection that `finops_ai.ledger.connect` hands over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from finops_ai.ledger import acknowledgement_tables as acknowledgement_tables
from finops_ai.ledger import alert_tables as alert_tables
from finops_ai.ledger import change_tables as change_tables
from finops_ai.ledger import hour_tables as hour_tables
from finops_ai.ledger import outbox_tables as outbox_tables
from finops_ai.ledger import pull_tables as pull_tables
from finops_ai.ledger import saving_tables as saving_tables
from finops_ai.ledger import tables
from finops_ai.ledger import usage_tables as usage_tables

connection: sa.Connection = context.config.attributes["connection"]
# A migration waits briefly for its locks and gives way; queueing behind a long query would stop every reader.
connection.execute(sa.text("SET lock_timeout = '4s'"))
connection.execute(sa.text("SET statement_timeout = '10min'"))
connection.commit()

context.configure(connection=connection, target_metadata=tables.metadata, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
