"""A report's figures: right sums, right comparisons, and no report whose tables do not tie."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from finops_ai.allocation.splits import Pool, share
from finops_ai.domain.errors import Leak
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.domain.report import Coverage, NamedCost, Section, Versus
from finops_ai.domain.scope import Scope
from finops_ai.reporting.weekly import assemble, first_day, last_week
from tests.unit.reporting.facts import COMPLETE, WEEK, costs, facts, forecast

SHARES = {"search": Decimal("0.75"), "ml-serve": Decimal("0.25")}


def section(**changes: Any) -> Section:
    (found,) = assemble(facts(**changes)).sections
    return found


def summed(days: Days, **where: str) -> Decimal:
    rows = (r for r in costs() if r["day"] in days and all(r[k] == v for k, v in where.items()))
    return sum((row["effective_cost"] for row in rows), Decimal(0))


def test_headline_compares_the_week_with_its_weekdays_before() -> None:
    found = section()
    assert found.spend == Versus(summed(WEEK), summed(Days(date(2026, 5, 11), date(2026, 5, 18))))
    assert found.four_weeks_earlier == summed(Days(date(2026, 4, 20), date(2026, 4, 27)))
    assert found.month_to_date == summed(Days(date(2026, 5, 1), date(2026, 6, 1)))


def test_a_comparison_that_the_ledger_does_not_reach_is_none() -> None:
    assert section(costs=[row for row in costs() if row["day"] > date(2026, 4, 20)]).four_weeks_earlier is None


def test_month_end_is_complete_days_plus_the_forecast_of_the_rest() -> None:
    found = section()
    known = forecast(Scope(), 2850.0)
    billed = summed(Days(date(2026, 5, 1), date(2026, 5, 24)))
    rest = known.total_quantiles[date(2026, 5, 31)]
    assert found.month_end is not None
    assert found.month_end.expected == billed + Decimal(repr(float(rest[3]))).quantize(Decimal("0.01"))
    assert found.month_end.low < found.month_end.expected < found.month_end.high
    assert found.month_end.measured_coverage == 0.813


def test_forecasts_of_cost_centers_add_up_to_the_totals() -> None:
    found = section()
    assert found.month_end is not None
    ends = [owner.month_end for owner in found.by_cost_center]
    assert sum((end for end in ends if end is not None), Decimal(0)) == found.month_end.expected
    assert None not in ends


def test_a_shared_cost_is_forecast_where_it_is_split_to() -> None:
    pools = [Pool(name="training", match={"x_cost_center": "ml-train"}, method="fixed", shares=SHARES)]
    before = {one.name: one for one in section().by_cost_center}
    split = section(costs=share(list(costs()), pools), unsplit=list(costs()))
    after = {one.name: one for one in split.by_cost_center}
    assert "ml-train" not in {name for name, one in after.items() if one.month_end}
    for name, part in SHARES.items():
        was, now, given = before[name].month_end, after[name].month_end, before["ml-train"].month_end
        assert was is not None
        assert now is not None
        assert given is not None
        assert abs(now - was - part * given) < Decimal("0.05")
    assert split.month_end is not None
    assert sum((one.month_end or Decimal(0) for one in after.values()), Decimal(0)) == split.month_end.expected


def test_forecasts_that_do_not_add_up_are_not_told_by_owner() -> None:
    found = section(forecasts=[forecast(Scope(), 2850.0), forecast(Scope((("x_cost_center", "search"),)), 390.0)])
    assert found.month_end is not None
    assert {owner.month_end for owner in found.by_cost_center} == {None}


def test_a_month_that_is_over_needs_no_forecast() -> None:
    later = replace(forecast(Scope(), 1.0), days=Days(date(2026, 6, 1), date(2026, 6, 30)))
    found = section(forecasts=[later])
    assert found.month_end is not None
    assert found.month_end.low == found.month_end.high == found.month_to_date


def test_without_a_forecast_there_is_no_month_end() -> None:
    assert section(forecasts=[]).month_end is None


def test_owners_are_sorted_and_complete() -> None:
    found = section()
    assert [owner.name for owner in found.by_cost_center] == [
        "ml-serve",
        "ml-train",
        "search",
        "(untagged)",
        "data-platform",
    ]
    serve = found.by_cost_center[0]
    assert serve.spend.now == summed(WEEK, x_cost_center="ml-serve")
    assert sum(owner.spend.now for owner in found.by_ai_model) == found.spend.now


def test_shared_costs_are_told_apart() -> None:
    rows = list(costs())
    day = WEEK.start
    rows.append(
        {**rows[0], "day": day, "x_cost_center": "search", "effective_cost": Decimal(40), "x_shared_from": "net"}
    )
    found = section(costs=rows, coverage=())
    search = next(owner for owner in found.by_cost_center if owner.name == "search")
    assert search.shared == 40
    assert sum(owner.shared for owner in found.by_cost_center) == 40


def test_movers_add_up_and_know_their_episode() -> None:
    found = section()
    assert sum(mover.spend.delta for mover in found.movers) == found.spend.delta
    assert found.movers[0].what[0] == ("x_cost_center", "ml-serve")
    assert found.movers[0].episode == "ep-3f9a1c"
    assert {mover.episode for mover in found.movers[1:]} == {None}


def test_small_movers_become_one_row() -> None:
    rows = [
        {
            "day": WEEK.start,
            "currency": "USD",
            "x_cost_center": f"cc{i}",
            "x_ai_model": "(none)",
            "service_name": "s",
            "effective_cost": Decimal(i),
        }
        for i in range(1, 30)
    ]
    movers = section(costs=rows, coverage=(), episodes=(), proposals=()).movers
    assert len(movers) == 9
    assert movers[-1].others == 21
    assert sum(mover.spend.delta for mover in movers) == sum(range(1, 30))


def test_currencies_are_never_added() -> None:
    rows = list(costs())
    rows += [{**row, "currency": "JPY", "effective_cost": row["effective_cost"] * 150} for row in rows]
    jpy, usd = assemble(facts(costs=rows)).sections
    assert (jpy.currency, usd.currency) == ("JPY", "USD")
    assert jpy.spend.now == usd.spend.now * 150
    assert usd == section()
    assert jpy.episodes == ()


def test_an_incomplete_week_a_restatement_and_a_problem_are_told() -> None:
    notes = [note.text for note in assemble(facts()).notes]
    assert notes[0] == "The bill is not complete for Sun 24 May: shown, and no fall of it is told."
    assert notes[1] == "acme-cur 2026-04: restated by -250.25 USD since the week before."
    assert "line item types" in notes[2]


def test_a_ledger_that_differs_from_its_export_is_told() -> None:
    wrong = replace(facts().deliveries[0], loaded=Decimal("66210.117"))
    report = assemble(facts(deliveries=(wrong,)))
    assert not report.reconciled
    assert any("ledger and export differ by -0.001 USD" in note.text for note in report.notes)


def test_a_refused_delivery_has_no_difference() -> None:
    refused = replace(facts().deliveries[0], status="refused", exported=None, loaded=None)
    report = assemble(facts(deliveries=(refused,)))
    assert report.reconciled
    assert any(note.level == "error" and "refused" in note.text for note in report.notes)


def test_coverage_of_another_week_is_a_leak() -> None:
    wrong = Coverage(currency="USD", cost=Decimal(5), by_rule=(), untagged=Decimal(5), leaders=())
    with pytest.raises(Leak, match="allocation coverage in USD adds up to 5"):
        section(coverage=(wrong,))
    with pytest.raises(Leak, match="allocation coverage"):
        Coverage(
            currency="USD", cost=Decimal(5), by_rule=(NamedCost("x", Decimal(1)),), untagged=Decimal(5), leaders=()
        )


def test_a_table_that_does_not_tie_cannot_be_made() -> None:
    found = section()
    with pytest.raises(Leak, match="spend by cost center in USD, this week"):
        replace(found, by_cost_center=found.by_cost_center[1:])
    with pytest.raises(Leak, match="movers in USD"):
        replace(found, movers=found.movers[1:])


def test_incomplete_days_are_shown_as_such() -> None:
    daily = {figure.day: figure for figure in section().daily}
    assert daily[COMPLETE].complete
    assert daily[COMPLETE].expected is None
    assert not daily[date(2026, 5, 24)].complete
    assert daily[date(2026, 5, 24)].observed is not None
    assert daily[date(2026, 5, 25)].observed is None
    assert daily[date(2026, 5, 31)].expected is not None


def test_an_empty_ledger_makes_an_empty_report() -> None:
    report = assemble(facts(costs=[], forecasts=[], episodes=(), proposals=(), coverage=(), complete_through=None))
    assert report.sections == ()
    assert report.notes[0].text.startswith("No day of the bill is complete")


def test_weeks_are_iso_weeks() -> None:
    assert assemble(facts()).week_name == "2026-W21"
    assert last_week(date(2026, 5, 25)) == WEEK
    assert last_week(date(2026, 5, 24)) == Days(date(2026, 5, 11), date(2026, 5, 18))
    assert first_day(WEEK) == date(2026, 4, 20)
    assert first_day(Days(date(2026, 4, 27), date(2026, 5, 4))) < BillingPeriod(2026, 5).start
