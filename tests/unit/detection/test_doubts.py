"""Doubts about the bill: learned from how it came, told to the owner of the data, and no page of spending."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from finops_ai.detection.deliveries import overdue, shrunk
from finops_ai.detection.doubts import advance_doubts, excused
from finops_ai.detection.holes import holes
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.tag_loss import tag_losses
from finops_ai.domain.arrival import Arrival
from finops_ai.domain.doubt import Doubt
from finops_ai.domain.episode import Episode, EpisodeState, Severity
from finops_ai.domain.focus import UNTAGGED
from finops_ai.domain.money import total
from finops_ai.domain.period import BillingPeriod
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries
from tests.ledger.nouns import an_episode, usd
from tests.unit.forecasting.bills import one_series

NOON = datetime(2026, 4, 20, 12, tzinfo=UTC)
TODAY = NOON.date()
SETTINGS = DetectSettings()
A_DAY = {"acme": usd(100)}


def arrival(days_ago: float, *, usage_days_ago: float | None = None, rows: int = 1000, billed: int = 900) -> Arrival:
    known_at = NOON - timedelta(days=days_ago)
    newest = (NOON - timedelta(days=days_ago + 1 if usage_days_ago is None else usage_days_ago)).date()
    return Arrival(
        source="acme",
        billing_period=BillingPeriod.of(newest),
        fingerprint=f"{days_ago} {rows} {billed}",
        known_at=known_at,
        rows=rows,
        last_usage_day=newest,
        billed_cost={"USD": Decimal(billed)},
    )


@pytest.mark.parametrize(
    ("every", "last", "late"),
    [(1, 1, False), (1, 2.4, False), (1, 3, True), (7, 9, False), (7, 12, True), (0.25, 1, False), (0.25, 1.6, True)],
)
def test_a_source_is_overdue_by_its_own_cadence(every: float, last: float, late: bool) -> None:
    came = [arrival(last + every * n) for n in range(8, -1, -1)]
    found = overdue(came, NOON, A_DAY)
    assert [one.kind for one in found] == (["gap"] if late else [])
    if late:
        assert "nothing has arrived since" in found[0].words
        assert found[0].where == {"source": "acme"}


def test_what_was_loaded_at_once_teaches_no_cadence() -> None:
    assert overdue([replace(arrival(40), fingerprint=str(n)) for n in range(12)], NOON, A_DAY) == []


def test_arriving_without_new_days_is_late() -> None:
    came = [arrival(n) for n in range(20, 5, -1)]
    stuck = [arrival(n / 2, usage_days_ago=7) for n in range(10, -1, -1)]
    (doubt,) = overdue([*came, *stuck], NOON, A_DAY)
    assert (doubt.kind, doubt.first) == ("late_delivery", TODAY - timedelta(days=6))
    assert overdue([*came, *(arrival(n) for n in range(5, -1, -1))], NOON, A_DAY) == []


@pytest.mark.parametrize(
    ("rows", "billed", "told"),
    [(1000, 900, False), (1010, 850, False), (400, 350, True), (1000, 600, True), (300, 899, True), (650, 897, False)],
)
def test_a_delivery_that_takes_cost_or_rows_away(rows: int, billed: int, told: bool) -> None:
    came = [arrival(2, usage_days_ago=3), arrival(1, usage_days_ago=2, rows=rows, billed=billed)]
    found = shrunk(came, NOON, {"*": Decimal(5)})
    assert bool(found) is told
    healed = [*came, arrival(0.5, usage_days_ago=2, rows=1100, billed=990)]
    assert shrunk(healed, NOON, {"*": Decimal(5)}) == []


def of_source(values: np.ndarray) -> CostSeries:
    return one_series(values, scope=Scope((("source", "acme"),)), start=TODAY - timedelta(days=len(values)))


def test_empty_days_of_a_source_are_a_gap_and_a_weekend_is_none() -> None:
    weekly = np.tile([100.0, 100, 100, 100, 100, 0, 0], 20)
    assert holes([of_source(weekly)], TODAY, SETTINGS) == []
    gone = weekly.copy()
    gone[-12:-9] = 0.0
    (doubt,) = holes([of_source(gone)], TODAY, SETTINGS)
    lost = [i for i in range(len(weekly) - 12, len(weekly) - 9) if weekly[i]]
    assert doubt.kind == "gap"
    assert doubt.expected.amount == 100 * len(lost)
    assert doubt.first == TODAY - timedelta(days=len(weekly) - lost[0])


def on_the_morning(known: list[Episode], values: np.ndarray) -> list[Episode]:
    found = holes([of_source(values)], TODAY, SETTINGS)
    return advance_doubts(known, found, today=TODAY, owners={"acme": "data"}, cost_basis="billed")


def test_the_life_of_a_gap_is_one_episode_of_the_datas_owner() -> None:
    values = np.full(120, 100.0)
    values[-4:-2] = 0.0
    known = advance_doubts(
        [], holes([of_source(values)], TODAY, SETTINGS), today=TODAY, owners={"acme": "data"}, cost_basis="billed"
    )
    (one,) = known
    assert (one.kind, one.severity, one.where) == ("gap", Severity.INFO, {"source": "acme", "owner": "data"})
    values[-3] = 100.0  # one of its days came
    (still,) = advance_doubts(
        known, holes([of_source(values)], TODAY, SETTINGS), today=TODAY, owners={}, cost_basis="billed"
    )
    assert (still.key, still.state, still.excess) == (one.key, EpisodeState.OPEN, usd("-100.000000"))
    (over,) = on_the_morning([still], np.full(120, 100.0))
    assert (over.key, over.state, over.restated) == (one.key, EpisodeState.RESOLVED, True)
    assert on_the_morning([over], np.full(120, 100.0)) == [over]


def tagged(lost: float) -> list[CostSeries]:
    random = np.random.default_rng(4)
    names = {"search": 300.0, "ads": 200.0, UNTAGGED: 50.0}
    values = {name: level * np.exp(random.normal(0, 0.01, 140)) for name, level in names.items()}
    values["search"][-2:] -= lost
    values[UNTAGGED][-2:] += lost
    start = TODAY - timedelta(days=140)
    return [
        one_series(each, scope=Scope((("x_cost_center", name),)), start=start) for name, each in sorted(values.items())
    ]


def test_an_equal_and_opposite_move_to_untagged_is_a_loss_of_tags() -> None:
    assert tag_losses(tagged(0.0), "x_cost_center", TODAY, SETTINGS) == []
    (doubt,) = tag_losses(tagged(150.0), "x_cost_center", TODAY, SETTINGS)
    assert (doubt.kind, doubt.first) == ("tag_loss", TODAY - timedelta(days=2))
    moved = doubt.observed - doubt.expected
    assert float(moved.amount) == pytest.approx(300, rel=0.05)
    assert total(one.excess.amount for one in doubt.causes) == moved.amount
    assert doubt.causes[0].what == {"x_cost_center": "search"}
    grown = [replace(one, values=one.values + (one.scope.pairs[0][1] == "search") * 150.0) for one in tagged(150.0)]
    assert tag_losses(grown[1:], "x_cost_center", TODAY, SETTINGS) == []  # nobody lost what untagged gained


def doubt(kind: str, **where: str) -> Doubt:
    return Doubt(
        kind=kind,
        anchor="a",
        first=date(2026, 4, 1),
        last=date(2026, 4, 5),
        expected=usd(100),
        observed=usd(0),
        words="",
        where=where,
    )


def test_a_gap_is_no_drop_and_lost_tags_are_neither_a_rise_nor_a_drop() -> None:
    drop = an_episode(kind="drop", excess=usd(-20))
    gap, lost = doubt("gap", source="acme"), doubt("tag_loss", dimension="x_cost_center")
    assert excused(drop, [gap], {"acme": 0.9}) is gap
    assert excused(drop, [gap], {"acme": 0.1}) is None
    assert excused(drop, [replace(gap, last=date(2026, 4, 1))], {"acme": 0.9}) is None
    assert excused(an_episode(kind="rise"), [gap], {"acme": 1.0}) is None
    untagged = Scope((("x_cost_center", UNTAGGED),))
    assert excused(drop, [lost], {}) is lost
    assert excused(an_episode(kind="rise", scope=untagged), [lost], {}) is lost
    assert excused(an_episode(kind="rise"), [lost], {}) is None
