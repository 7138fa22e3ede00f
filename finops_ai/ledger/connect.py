"""The engine behind the ledger: connections, migrations, and locks that one process at a time may hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import sqlalchemy as sa

import finops_ai
from finops_ai.domain.errors import ConfigError, Malformed, Problem, Unavailable

if TYPE_CHECKING:
    from alembic.config import Config

POLL_SECONDS = 0.1
SCHEMES = ("postgresql", "postgresql+psycopg", "postgres")


def open_engine(url: str) -> sa.Engine:
    """Pool of connections to the PostgreSQL at `url`; nothing is connected yet.

    Losing the server later raises Unavailable, with host and database but never the password. Raises ConfigError for
    an address that is not one of PostgreSQL.
    """
    try:
        address = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise ConfigError("the database URL cannot be read; expected postgresql://user@host:5432/database") from None
    if address.drivername not in SCHEMES:
        raise ConfigError(f"the database must be PostgreSQL, not {address.drivername}")
    engine = sa.create_engine(
        address.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        connect_args={
            "application_name": "finops-ai",
            "connect_timeout": 10,
            "options": "-c timezone=UTC",
            # A plan made for the given deliveries opens their partitions only; it also suits transaction pools.
            "prepare_threshold": None,
        },
    )
    sa.event.listen(engine, "handle_error", _tell)
    return engine


def _tell(context: sa.engine.ExceptionContext) -> Unavailable | None:
    return unavailable(context.original_exception, context.engine)


def unavailable(error: BaseException, engine: sa.Engine | None) -> Unavailable | None:
    """What a database error means to a caller who could try again later; None: it is a fault of ours."""
    if not isinstance(error, psycopg.OperationalError):
        return None
    where = f"{engine.url.host or engine.url.query.get('host')}/{engine.url.database}" if engine else "the database"
    return Unavailable(f"PostgreSQL at {where}: {str(error).strip().splitlines()[0]}")


def psycopg_connection(connection: sa.Connection) -> psycopg.Connection[tuple[object, ...]]:
    """The driver's own connection under SQLAlchemy's, in the same transaction: COPY needs it."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError(f"expected psycopg, not {type(driver).__name__}")
    return driver


@contextmanager
def transaction(target: sa.Engine | sa.Connection) -> Iterator[sa.Connection]:
    """The caller's transaction where it hands a connection over, else one of its own."""
    if isinstance(target, sa.Connection):
        yield target
    else:
        with target.begin() as connection:
            yield connection


@contextmanager
def driver_errors(engine: sa.Engine) -> Iterator[None]:
    """Around COPY, which goes past SQLAlchemy: the errors of the house instead of the driver's.

    Raises Unavailable for a lost server and Malformed for data that the tables refuse.
    """
    try:
        yield
    except psycopg.OperationalError as error:
        raise unavailable(error, engine) or error from error
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        where = f"ledger table {error.diag.table_name}" if error.diag.table_name else "ledger"
        raise Malformed([Problem(file=where, column=error.diag.column_name, message=str(error).strip())]) from error


@contextmanager
def exclusive(engine: sa.Engine, name: str, *, patience_seconds: float = 0) -> Iterator[None]:
    """Hold the lock `name` for the whole database on a connection of its own; a dead holder loses it.

    Raises Unavailable when another process still holds it after `patience_seconds`.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        key = sa.func.hashtextextended(f"finops-ai:{name}", 0)
        while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))):
            if patience_seconds <= 0:
                raise Unavailable(f"another process holds the lock {name!r}; try again when it has finished")
            connection.execute(sa.select(sa.func.pg_sleep(POLL_SECONDS)))
            patience_seconds -= POLL_SECONDS
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))


def upgrade(engine: sa.Engine) -> None:
    """Bring the schema to the newest version; does nothing when it is there. Raises Unavailable when locked out."""
    from alembic import command

    current, head = status(engine)
    if current != head:
        with _migrating(engine) as config:
            command.upgrade(config, "head")


def downgrade_one(engine: sa.Engine) -> None:
    """Undo the newest migration, with the data that only it could hold."""
    from alembic import command

    with _migrating(engine) as config:
        command.downgrade(config, "-1")


def status(engine: sa.Engine) -> tuple[str | None, str]:
    """Version of the schema (None: empty database) and the newest version that this program knows.

    Every command asks, so this does without Alembic, whose import costs more than most of the answers.
    """
    with engine.connect() as connection:
        if connection.scalar(sa.text("SELECT to_regclass('alembic_version')")) is None:
            return None, _newest()
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none(), _newest()


@contextmanager
def _migrating(engine: sa.Engine) -> Iterator[Config]:
    with exclusive(engine, "migration", patience_seconds=30), engine.connect() as connection:
        config = _config()
        config.attributes["connection"] = connection
        yield config
        # The settings of migrations/env.py belong to the session: it must not go back to the pool.
        connection.invalidate()


def _newest() -> str:
    """Files of migrations begin with their version, each with the number after that of the one before."""
    return max(file.name.partition("_")[0] for file in (_migrations() / "versions").glob("[0-9]*.py"))


def _migrations() -> Path:
    package = Path(finops_ai.__file__).parent
    for folder in (package / "migrations", package.parent / "migrations"):  # installed, or in the repository
        if (folder / "env.py").exists():
            return folder
    raise RuntimeError(f"no migrations beside {package}: the installation is incomplete")


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_migrations()).replace("%", "%%"))
    return config
