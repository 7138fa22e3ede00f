"""A scan's engine may have served another scan before: nothing of that is left, and nobody shares one."""

from __future__ import annotations

import pytest

from finops_ai.domain.errors import Malformed, Unavailable
from finops_ai.sources.staging import Engine, engine

SETTINGS = "SELECT current_setting('preserve_insertion_order'), current_setting('TimeZone')"


def leave_something(duck: Engine) -> None:
    duck.con.execute("CREATE TEMP TABLE left_behind AS SELECT 1 AS one; CREATE TEMP VIEW seen AS SELECT 2 AS two")
    duck.con.execute("SET preserve_insertion_order = true")
    (duck.scratch / "part").write_text("x")


def is_new(duck: Engine) -> bool:
    named = duck.con.execute("SELECT count(*) FROM duckdb_tables() WHERE NOT internal").fetchall()
    seen = duck.con.execute("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall()
    settings = duck.con.execute(SETTINGS).fetchall()
    return (named, seen, settings, list(duck.scratch.iterdir())) == ([(0,)], [(0,)], [(False, "UTC")], [])


@pytest.mark.parametrize("error", [None, Malformed, Unavailable, ValueError])
def test_the_next_scan_finds_nothing_of_the_one_before(error: type[Exception] | None) -> None:
    for _ in range(3):
        try:
            with engine() as duck:
                assert is_new(duck)
                leave_something(duck)
                if error is not None:
                    raise error("no")
        except (Malformed, Unavailable, ValueError):
            assert error is not None
        assert not duck.scratch.exists()


def test_two_scans_at_once_do_not_meet() -> None:
    with engine() as one, engine() as other:
        leave_something(one)
        assert is_new(other)
        one.con.execute("SET memory_limit = '64MB'")
        (limit,) = other.con.execute("SELECT current_setting('memory_limit')").fetchall()
        assert limit == ("610.3 MiB",)
        one.con.execute("SET memory_limit = '640MB'")


def test_settings_of_an_engine_of_ones_own_stay_there() -> None:
    with engine(kept=False) as duck:
        duck.con.execute("SET threads = 1; SET disabled_optimizers = 'join_order'")
    with engine() as duck:
        assert duck.con.execute("SELECT current_setting('disabled_optimizers')").fetchall() == [("",)]
