"""One real PostgreSQL for the session; every test gets a database of its own with the newest schema (a plug-in)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from finops_ai.ledger import connect
from finops_ai.world.postgres import embedded

NUMBERS = itertools.count()

NewDatabase = Callable[[str], str]
"""Name of the template to the address of the new one."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.URL]:
    with embedded(tmp_path_factory.mktemp("finops")) as url:
        address = sa.make_url(url)
        # These data need not outlive the machine: the tests should not wait for its disk.
        superuser = address.set(username="postgres", database="postgres")
        _execute(superuser, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        yield address


@pytest.fixture(scope="session")
def template(server: sa.URL) -> str:
    """Name of an upgraded, empty database."""
    _execute(server, "CREATE DATABASE ledger_template")
    engine = connect.open_engine(_address(server, "ledger_template"))
    connect.upgrade(engine)
    engine.dispose()
    return "ledger_template"


@pytest.fixture(scope="session")
def new_database(server: sa.URL) -> NewDatabase:
    """Makes a copy of a database that nothing is connected to, and tells the address of the copy."""
    return lambda template: _create(server, template)


@pytest.fixture
def empty_url(new_database: NewDatabase) -> str:
    """Address of a database without a schema."""
    return new_database("template1")


@pytest.fixture
def ledger_url(new_database: NewDatabase, template: str) -> str:
    return new_database(template)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[sa.Engine]:
    engine = connect.open_engine(ledger_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def ledger_of_module(new_database: NewDatabase, template: str) -> Iterator[sa.Engine]:
    """One ledger for the many examples of a property."""
    engine = connect.open_engine(new_database(template))
    yield engine
    engine.dispose()


def name_of(address: str) -> str:
    """Of the database at `address`."""
    return str(sa.make_url(address).database)


def _create(server: sa.URL, template: str) -> str:
    name = f"test_{next(NUMBERS)}"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    return _address(server, name)


def _address(server: sa.URL, database: str) -> str:
    return server.set(database=database).render_as_string(hide_password=False)


def _execute(server: sa.URL, *statements: str) -> None:
    engine = connect.open_engine(server.render_as_string(hide_password=False))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()
