"""Connections, migrations and locks."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from finops_ai.domain.errors import ConfigError, Unavailable
from finops_ai.ledger import connect
from finops_ai.ledger.tables import metadata
from tests.conftest import ROOT


def relations(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        query = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
        return list(connection.scalars(sa.text(query)))


def test_upgrade_from_empty_all_the_way_down_and_up_again(empty_url: str) -> None:
    engine = connect.open_engine(empty_url)
    assert connect.status(engine)[0] is None
    connect.upgrade(engine)
    current, head = connect.status(engine)
    assert current == head
    whole = relations(engine)
    connect.upgrade(engine)
    while connect.status(engine)[0] is not None:
        connect.downgrade_one(engine)
    assert relations(engine) == ["alembic_version", "alembic_version_pkc"]
    connect.upgrade(engine)
    assert relations(engine) == whole
    engine.dispose()


def test_the_newest_version_is_the_one_alembic_finds(empty_url: str) -> None:
    engine = connect.open_engine(empty_url)
    assert connect.status(engine) == (None, ScriptDirectory(str(ROOT / "migrations")).get_current_head())
    connect.upgrade(engine)
    with engine.connect() as connection:
        assert connect.status(engine)[0] == MigrationContext.configure(connection).get_current_revision()
    engine.dispose()


def test_migrations_make_what_the_tables_say(ledger: sa.Engine) -> None:
    options = {"compare_type": True, "compare_server_default": True}
    with ledger.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_two_processes_may_upgrade_at_once(empty_url: str) -> None:
    engine = connect.open_engine(empty_url)
    failures: list[Exception] = []

    def upgrade() -> None:
        try:
            connect.upgrade(engine)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert connect.status(engine)[0] == connect.status(engine)[1]
    engine.dispose()


def test_a_migration_gives_way_to_a_long_reader(ledger: sa.Engine) -> None:
    with ledger.connect() as reader:
        for table in metadata.tables:  # whatever the newest migration touches
            reader.execute(sa.text(f"SELECT FROM {table}"))
        with pytest.raises(Unavailable, match="lock timeout"):
            connect.downgrade_one(ledger)
    assert connect.status(ledger)[0] is not None


def test_sessions_are_in_utc_and_named(ledger: sa.Engine) -> None:
    with ledger.connect() as connection:
        assert connection.scalar(sa.text("SHOW timezone")) == "UTC"
        assert connection.scalar(sa.text("SHOW application_name")) == "finops-ai"


def test_exclusive_is_for_one_holder_and_ends_with_it(ledger: sa.Engine) -> None:
    with connect.exclusive(ledger, "ingest"):
        with pytest.raises(Unavailable, match="'ingest'"), connect.exclusive(ledger, "ingest"):
            pass
        with connect.exclusive(ledger, "detect"):
            pass
    with connect.exclusive(ledger, "ingest"):
        pass


def test_exclusive_waits_as_long_as_it_is_told(ledger: sa.Engine) -> None:
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with connect.exclusive(ledger, "migration"):
            held.set()
            release.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    threading.Timer(0.3, release.set).start()
    with connect.exclusive(ledger, "migration", patience_seconds=10):
        holder.join(10)
        assert not holder.is_alive()


@pytest.mark.parametrize(
    ("url", "words"),
    [("mysql://u:s3cret@h/d", "must be PostgreSQL, not mysql"), ("s3cret", "cannot be read")],
)
def test_a_wrong_address_is_a_configuration_error_without_the_password(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        connect.open_engine(url)
    assert "s3cret" not in str(caught.value)


def test_a_server_that_is_not_there_is_unavailable_without_the_password() -> None:
    engine = connect.open_engine("postgres://u:s3cret@127.0.0.1:1/d")
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1/d") as caught:
        connect.status(engine)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(engine)


def test_a_lost_connection_is_unavailable_and_the_next_one_works(ledger: sa.Engine) -> None:
    with ledger.connect() as victim, ledger.connect() as other:
        process = victim.scalar(sa.text("SELECT pg_backend_pid()"))
        other.execute(sa.text(f"SELECT pg_terminate_backend({process})"))
        with pytest.raises(Unavailable):
            victim.execute(sa.text("SELECT 1"))
    with ledger.connect() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1
