"""Loading, replacing, refusing and pruning versions of billing periods."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.domain.delivery import ControlTotal
from finops_ai.domain.errors import Leak, Malformed, Problem, Unavailable
from finops_ai.domain.period import BillingPeriod
from finops_ai.ledger import charges, cube
from finops_ai.ledger.pruning import prune
from tests.ledger.bills import LATER, Bill, bill, billed, charge, dump, large_bill, load

MARCH = BillingPeriod(2026, 3)
FIRST, SECOND, THIRD = (datetime(2026, 4, day, 12, tzinfo=UTC) for day in (1, 2, 3))
TINY = Decimal("0.000000000000000001")


def count(engine: sa.Engine, query: str) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(query)) or 0)


def test_a_loaded_version_is_known_with_its_totals(ledger: sa.Engine) -> None:
    what = bill(
        charge("2026-03-01", "1.10", effective=Decimal("0.90")),
        charge("2026-03-02", TINY, service_name="B"),
        charge("2026-03-02", "5", billing_currency="EUR", charge_category="Tax"),
    )
    warning = Problem(file="a.csv", line=7, column="cost", value="x", message="odd", severity="warning")
    loaded = load(ledger, what, problems=(warning,))
    assert loaded == charges.known(ledger, "acme", MARCH, LATER)
    assert loaded.billed_cost == {"USD": Decimal("1.10") + TINY, "EUR": Decimal(5)}
    assert loaded.effective_cost == {"USD": Decimal("0.90") + TINY, "EUR": Decimal(5)}
    assert (loaded.rows, loaded.rows_rejected, loaded.fingerprint, loaded.rules_version) == (3, 0, "f1", "r1")
    assert loaded.problems == (warning,)
    assert loaded.last_usage_day == date(2026, 3, 2)


def test_a_restatement_answers_from_its_instant_and_the_old_one_before(ledger: sa.Engine) -> None:
    load(ledger, bill(charge("2026-03-01", 10)), known_at=FIRST)
    load(ledger, bill(charge("2026-03-01", 7), charge("2026-03-05", 2)), known_at=SECOND, fingerprint="f2")
    assert billed(ledger, FIRST - timedelta(seconds=1)) == 0
    assert billed(ledger, FIRST) == billed(ledger, SECOND - timedelta(microseconds=1)) == 10
    assert billed(ledger, SECOND) == 9
    before = charges.known(ledger, "acme", MARCH, FIRST)
    after = charges.known(ledger, "acme", MARCH, SECOND)
    assert before is not None
    assert after is not None
    assert (before.fingerprint, after.fingerprint) == ("f1", "f2")


def test_of_two_versions_of_one_instant_the_later_load_answers(ledger: sa.Engine) -> None:
    load(ledger, bill(charge("2026-03-01", 10)), known_at=FIRST)
    load(ledger, bill(charge("2026-03-01", 11)), known_at=FIRST)
    assert billed(ledger) == 11


def test_a_period_is_replaced_alone_even_where_days_lie_outside_it(ledger: sa.Engine) -> None:
    load(ledger, bill(charge("2026-03-31", 1), charge("2026-04-01", 2)), period="2026-03")
    load(ledger, bill(charge("2026-03-31", 4), charge("2026-04-01", 8)), period="2026-04")
    load(ledger, bill(charge("2026-03-31", 16)), source="other", period="2026-03")
    load(ledger, bill(charge("2026-04-01", 32)), period="2026-04", known_at=SECOND)
    assert billed(ledger) == 1 + 2 + 16 + 32
    assert [(k.source, str(k.billing_period)) for k in charges.known_all(ledger, LATER)] == [
        ("acme", "2026-03"),
        ("acme", "2026-04"),
        ("other", "2026-03"),
    ]
    assert [k.source for k in charges.known_all(ledger, LATER, "other")] == ["other"]


def test_a_bill_of_nothing_replaces_the_period_by_nothing(ledger: sa.Engine) -> None:
    load(ledger, bill(charge("2026-03-01", 10)), known_at=FIRST)
    empty = load(ledger, bill(), known_at=SECOND)
    assert (empty.rows, empty.billed_cost, empty.last_usage_day) == (0, {}, None)
    assert billed(ledger) == 0


def test_two_numbers_of_one_tuple_are_added_up(ledger: sa.Engine) -> None:
    what = bill(charge("2026-03-01", 1, x_cost_center="a"), charge("2026-03-01", 2, x_cost_center="b"))
    same = what.dimensions.set_column(
        what.dimensions.column_names.index("x_cost_center"), "x_cost_center", pa.array(["a", "a"])
    )
    load(ledger, Bill(dimensions=same, facts=what.facts, control=what.control))
    assert billed(ledger) == 3
    assert count(ledger, "SELECT count(*) FROM charge") == 1


def test_tuples_that_only_look_alike_stay_apart(ledger: sa.Engine) -> None:
    load(
        ledger,
        bill(
            charge("2026-03-01", 1, service_name="a:1:b", service_category=""),
            charge("2026-03-01", 2, service_name="a", service_category="1:b"),
            charge("2026-03-01", 4, service_name="a:1:b:", service_category=""),
        ),
    )
    assert count(ledger, "SELECT count(*) FROM dimension") == 3


def test_known_tuples_are_found_again_and_use_up_no_ids(ledger: sa.Engine) -> None:
    for known_at in (FIRST, SECOND, THIRD):
        load(ledger, large_bill(1, 900), known_at=known_at)
    assert count(ledger, "SELECT max(id) FROM dimension") == count(ledger, "SELECT count(*) FROM dimension") == 30


@pytest.mark.parametrize(
    "control",
    [
        ControlTotal(rows=1, billed_cost={"USD": Decimal(1) + TINY}),
        ControlTotal(rows=1, billed_cost={"EUR": Decimal(1)}),
        ControlTotal(rows=1, billed_cost={}),
        ControlTotal(rows=1, billed_cost={"USD": Decimal(1), "EUR": TINY}),
    ],
)
def test_a_control_total_that_differs_rolls_everything_back(ledger: sa.Engine, control: ControlTotal) -> None:
    load(ledger, bill(charge("2026-03-01", 10)), known_at=FIRST)
    before = dump(ledger)
    what = bill(charge("2026-03-01", 1))
    with pytest.raises(Leak, match="control total"):
        load(ledger, Bill(dimensions=what.dimensions, facts=what.facts, control=control), known_at=SECOND)
    assert dump(ledger) == before
    assert count(ledger, "SELECT count(*) FROM delivery") == 1


def test_what_arrives_must_be_what_was_sent(ledger: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is made to lose a row, which no code of ours does."""
    load(ledger, bill(charge("2026-03-01", 10)), known_at=FIRST)
    by_id = cube._by_id
    monkeypatch.setattr(cube, "_by_id", lambda facts, ids: by_id(facts, ids).slice(1))
    with pytest.raises(Leak, match="PostgreSQL"):
        load(ledger, bill(charge("2026-03-01", 1), charge("2026-03-02", 2)), known_at=SECOND)
    assert billed(ledger) == 10
    assert count(ledger, "SELECT count(*) FROM pg_class WHERE relname ~ '^charge_[0-9]+$'") == 1


@pytest.mark.parametrize("field", ["service_name", "tags"])
def test_text_that_the_tables_refuse_is_malformed_and_leaves_nothing(ledger: sa.Engine, field: str) -> None:
    load(ledger, bill(charge("2026-03-01", 10)), known_at=FIRST)
    with pytest.raises(Malformed):
        load(ledger, bill(charge("2026-03-01", 1, **{field: "\0"})), known_at=SECOND)
    assert billed(ledger) == 10


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity"])
def test_no_cost_is_ever_not_a_number(ledger: sa.Engine, amount: str) -> None:
    load(ledger, bill(charge("2026-03-01", 10)))
    insert = "INSERT INTO charge SELECT delivery_id, dimension_id + 1, day, :a, 0, 0, 0, NULL FROM charge"
    with pytest.raises(sa.exc.DBAPIError), ledger.begin() as connection:
        connection.execute(sa.text(insert), {"a": Decimal(amount)})


def test_untagged_quotes_newlines_and_long_values_come_back_as_they_were(ledger: sa.Engine) -> None:
    odd = "a\"b,\n\r\t\\N\\.'; DROP TABLE charge; --"
    load(ledger, bill(charge("2026-03-01", 1, service_name=odd, x_cost_center="ü" * 5000, tags='{"k":"v\\u0001"}')))
    with ledger.connect() as connection:
        row = connection.execute(sa.text("SELECT service_name, x_cost_center, tags, region_id FROM dimension")).one()
    assert tuple(row) == (odd, "ü" * 5000, {"k": "v\u0001"}, "")


def test_a_refusal_is_recorded_once_and_never_answers(ledger: sa.Engine) -> None:
    load(ledger, bill(charge("2026-03-01", 10)), known_at=FIRST)
    problem = Problem(file="x.csv.gz", line=3, column="cost", value="NaN", message="not a number")

    def refuse(known_at: datetime, fingerprint: str) -> int:
        return charges.refuse(
            ledger,
            source="acme",
            billing_period=MARCH,
            fingerprint=fingerprint,
            known_at=known_at,
            rows=5,
            rows_rejected=1,
            problems=(problem,),
        )

    assert refuse(SECOND, "bad") == refuse(THIRD, "bad") != refuse(THIRD, "worse")
    unlisted = charges.refuse(
        ledger, source="acme", billing_period=None, fingerprint="", known_at=THIRD, rows=0, rows_rejected=0, problems=()
    )
    assert unlisted > 0
    assert billed(ledger) == 10
    assert [known.fingerprint for known in charges.known_all(ledger, LATER)] == ["f1"]


def test_pruning_drops_what_no_later_reader_can_see(ledger: sa.Engine) -> None:
    for cost, known_at in ((1, FIRST), (2, SECOND), (4, THIRD)):
        load(ledger, bill(charge("2026-03-01", cost)), known_at=known_at)
    load(ledger, bill(charge("2026-02-01", 8)), period="2026-02", known_at=FIRST)
    assert prune(ledger, SECOND - timedelta(seconds=1)) == 0
    assert prune(ledger, SECOND) == 1
    assert [billed(ledger, at) for at in (SECOND, THIRD)] == [10, 12]
    assert count(ledger, "SELECT count(*) FROM pg_class WHERE relname ~ '^charge_[0-9]+$'") == 3
    assert prune(ledger, LATER) == 1
    assert billed(ledger) == 12
    assert prune(ledger, LATER) == 0


def test_a_prune_that_was_cut_off_is_finished_by_the_next(ledger: sa.Engine) -> None:
    for known_at in (FIRST, SECOND, THIRD):
        load(ledger, bill(charge("2026-03-01", 1)), known_at=known_at)
    with ledger.begin() as connection:
        first, second = connection.scalars(sa.text("SELECT id FROM delivery ORDER BY id LIMIT 2"))
        connection.execute(sa.text(f"DELETE FROM delivery WHERE id IN ({first}, {second})"))
        connection.execute(sa.text(f"ALTER TABLE charge DETACH PARTITION charge_{first}"))
    prune(ledger, FIRST)
    assert count(ledger, "SELECT count(*) FROM pg_class WHERE relname ~ '^charge_[0-9]+$'") == 1
    assert billed(ledger) == 1


def test_readers_never_wait_and_never_see_half(ledger: sa.Engine) -> None:
    """Totals are read by every path while versions are swapped and pruned; a lock wait would be an error."""
    whole = {billed_of: large_bill(seed, 6_000) for seed, billed_of in enumerate(("a", "b"))}
    allowed = {sum(what.facts["billed_cost"].to_pylist()) for what in whole.values()}
    load(ledger, whole["a"], known_at=FIRST)
    seen: list[Decimal] = []
    failures: list[Exception] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                with ledger.connect() as connection:
                    connection.execute(sa.text("SET lock_timeout = '50ms'"))
                    seen.append(connection.scalar(sa.text("SELECT sum(billed_cost) FROM v_charge_day")))
                    connection.invalidate()
                seen.append(billed(ledger))
        except Exception as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(6):
        load(ledger, whole["ab"[number % 2]], known_at=SECOND + timedelta(minutes=number))
        prune(ledger, SECOND + timedelta(minutes=number - 2))
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert len(seen) > 10
    assert set(seen) == allowed


def test_two_loads_of_one_source_queue_and_both_are_kept(ledger: sa.Engine) -> None:
    known_at = iter([FIRST, SECOND])
    threads = [
        threading.Thread(target=load, args=(ledger, large_bill(seed, 3_000)), kwargs={"known_at": next(known_at)})
        for seed in (1, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(ledger, "SELECT count(*) FROM delivery WHERE status = 'loaded'") == 2
    assert billed(ledger, FIRST) == sum(large_bill(1, 3_000).facts["billed_cost"].to_pylist())
    assert billed(ledger, SECOND) == sum(large_bill(2, 3_000).facts["billed_cost"].to_pylist())


AMOUNTS = st.decimals(min_value=-(10**15), max_value=10**15, places=18, allow_nan=False, allow_infinity=False)


@settings(max_examples=15)
@given(costs=st.lists(st.tuples(AMOUNTS, st.sampled_from(["USD", "EUR"])), min_size=1, max_size=20))
def test_the_ledger_holds_every_cost_to_the_last_digit(
    ledger_of_module: sa.Engine, costs: list[tuple[Decimal, str]]
) -> None:
    what = bill(
        *(
            charge("2026-03-01", cost, billing_currency=currency, x_sku_group=f"s{number}")
            for number, (cost, currency) in enumerate(costs)
        )
    )
    loaded = load(ledger_of_module, what)
    for currency, exact in what.control.billed_cost.items():
        assert loaded.billed_cost[currency] == exact
        assert billed(ledger_of_module, currency=currency) == exact


@pytest.mark.parametrize("statement", ["CREATE TABLE charge_", "CREATE UNIQUE INDEX", "ALTER TABLE charge ATTACH"])
def test_a_server_lost_while_loading_is_unavailable_and_leaves_the_old(ledger: sa.Engine, statement: str) -> None:
    load(ledger, bill(charge("2026-03-01", 10)), known_at=FIRST)

    def end(connection: sa.Connection, _cursor: object, text: str, *_: object) -> None:
        if text.startswith(statement):
            backend = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
            with ledger.connect() as other:
                other.execute(sa.text(f"SELECT pg_terminate_backend({backend}, 5000)"))

    sa.event.listen(ledger, "after_cursor_execute", end)
    with pytest.raises(Unavailable):
        load(ledger, bill(charge("2026-03-01", 1)), known_at=SECOND)
    sa.event.remove(ledger, "after_cursor_execute", end)
    assert billed(ledger) == 10
    assert load(ledger, bill(charge("2026-03-01", 1)), known_at=SECOND).billed_cost == {"USD": 1}
