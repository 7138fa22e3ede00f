"""One cause, one page: through late, partial and restated deliveries of a real ledger; and no gap pages as a drop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import sqlalchemy as sa

from finops_ai.detection.routes import Route
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.telling import AlertSettings
from finops_ai.domain.episode import Episode, EpisodeState, Severity
from finops_ai.domain.money import total
from finops_ai.domain.period import BillingPeriod
from finops_ai.jobs.detect import detect
from finops_ai.jobs.run import Turn
from finops_ai.jobs.voice import Voice
from finops_ai.ledger import findings, outbox
from tests.ledger.bills import bill, charge, load

LEAVES = (("search", "Compute", 400), ("search", "Storage", 120), ("ads", "Compute", 300), ("ads", "Tokens", 90))
FIRST = date(2026, 1, 1)
FAULT = date(2026, 4, 14)
TODAY = date(2026, 4, 16)
Costs = dict[tuple[date, str, str], Decimal]


def costs(through: date) -> Costs:
    random = np.random.default_rng(3)
    days = [FIRST + timedelta(days=n) for n in range((date(2026, 5, 1) - FIRST).days)]
    found = {
        (day, center, service): Decimal(str(round(level * float(np.exp(random.uniform(-0.04, 0.04))), 2)))
        for day in days
        for center, service, level in LEAVES
    }
    return {key: cost for key, cost in found.items() if key[0] <= through}


def with_fault(known: Costs, extra: int = 500) -> Costs:
    return {key: cost + (extra if key[0] >= FAULT and key[1:] == LEAVES[0][:2] else 0) for key, cost in known.items()}


def deliver(ledger: sa.Engine, known: Costs, at: datetime, *, only: date | None = None) -> None:
    """Every month of `known`, or only that of a day, as delivered at an instant."""
    for month in sorted({BillingPeriod.of(day) for day, _, _ in known}):
        if only is None or only in month.days:
            rows = [
                charge(day, cost, x_cost_center=center, service_name=service, region_id="eu", sub_account_id="1")
                for (day, center, service), cost in known.items()
                if day in month.days
            ]
            load(ledger, bill(*rows), period=str(month), known_at=at, fingerprint=at.isoformat())


def morning(day: date) -> datetime:
    return datetime.combine(day, time(6), tzinfo=UTC)


def look(ledger: sa.Engine, at: datetime) -> None:
    turn = Turn(engine=ledger, as_of=at, now=lambda: at)
    told = Voice(settings=AlertSettings(top=Route(sinks=("pager",), page_at=Severity.INFO), storm=0))
    detect(turn, cost_basis="effective", settle_days={}, settings=DetectSettings(floor=50.0), voice=told)


def told_of(ledger: sa.Engine) -> list[tuple[str, str]]:
    return [(one.message.kind, str(one.message.body["kind"])) for one in outbox.messages(ledger)]


def test_a_late_a_partial_and_a_restated_day_change_figures_and_page_once(ledger: sa.Engine) -> None:
    deliver(ledger, with_fault(costs(TODAY - timedelta(days=1))), morning(TODAY) - timedelta(hours=1))
    excess = []

    def step(day: date, known: Costs | None = None) -> None:
        if known is not None:
            deliver(ledger, known, morning(day) - timedelta(hours=1), only=FAULT)
        for _ in range(2):  # and once more: a rerun says nothing new
            look(ledger, morning(day))
        (one,) = findings.episodes(ledger, morning(day))
        assert total(cause.excess.amount for cause in one.causes) == one.excess.amount
        excess.append(one.excess.amount)

    step(TODAY)
    step(TODAY + timedelta(days=1))  # late: nothing came
    half = {
        key: cost / 2 if key[0] == TODAY + timedelta(days=1) else cost
        for key, cost in with_fault(costs(TODAY + timedelta(days=1))).items()
    }
    step(TODAY + timedelta(days=2), half)  # partial: the last day is half there
    step(TODAY + timedelta(days=3), with_fault(costs(TODAY + timedelta(days=2)), extra=450))  # restated
    assert told_of(ledger).count(("episode_opened", "rise")) == 1
    assert {kind for kind, _ in told_of(ledger)} <= {"episode_opened", "episode_updated"}
    assert len({one.message.key for one in outbox.messages(ledger)}) == 1
    assert len(set(excess)) >= 3
    deliver(ledger, costs(TODAY + timedelta(days=5)), morning(TODAY + timedelta(days=6)), only=FAULT)
    look(ledger, morning(TODAY + timedelta(days=6)) + timedelta(hours=1))
    (one,) = findings.episodes(ledger, morning(TODAY + timedelta(days=7)))
    assert (one.state, one.restated) == (EpisodeState.RESOLVED, True)
    last = outbox.messages(ledger)[-1].message
    assert last.kind == "episode_resolved"
    assert "the bill was corrected" in last.body["summary"]


def test_a_runaway_is_paged_on_its_own_day_and_not_again_the_next_morning(ledger: sa.Engine) -> None:
    """The bill is read through the day: at ten it shows half a day, at four more than any whole one."""
    whole = costs(FAULT)
    before = {key: cost for key, cost in whole.items() if key[0] < FAULT}
    place = (FAULT, *LEAVES[0][:2])

    def at(hour: int, day: date = FAULT) -> datetime:
        return datetime.combine(day, time(hour), tzinfo=UTC)

    def billed(hour: int, fault: int) -> None:
        begun = {key: (cost * hour / 24).quantize(Decimal("0.01")) for key, cost in whole.items() if key[0] == FAULT}
        deliver(ledger, before | begun | {place: begun[place] + fault}, at(hour), only=FAULT)

    deliver(ledger, before, at(1))
    billed(10, fault=100)
    look(ledger, at(10))
    assert findings.episodes(ledger, at(10)) == []
    billed(16, fault=500)
    for _ in range(2):
        look(ledger, at(16))
    (one,) = findings.episodes(ledger, at(16))
    assert (one.opened_on, one.last_day, one.scope.get("service_name")) == (FAULT, FAULT, "Compute")
    assert total(cause.excess.amount for cause in one.causes) == one.excess.amount
    (page,) = [each.message for each in outbox.messages(ledger)]
    assert "so far today vs" in page.body["summary"]
    assert "which is not over" in page.body["threshold"]
    assert page.body["chart"][-1] | {"day": FAULT.isoformat(), "incomplete": True} == page.body["chart"][-1]
    deliver(ledger, whole | {place: whole[place] + 800}, at(2, FAULT + timedelta(days=1)), only=FAULT)
    look(ledger, at(3, FAULT + timedelta(days=1)))
    (grown,) = findings.episodes(ledger, at(3, FAULT + timedelta(days=1)))
    assert (grown.key, grown.opened_on, grown.last_day) == (one.key, FAULT, FAULT)
    assert grown.excess.amount > one.excess.amount + 250
    assert [kind for kind, _ in told_of(ledger)].count("episode_opened") == 1


def test_a_missing_day_is_a_gap_of_the_data_and_no_drop(ledger: sa.Engine) -> None:
    whole = costs(TODAY - timedelta(days=1))
    gone = {key: cost for key, cost in whole.items() if key[0] != TODAY - timedelta(days=4)}
    deliver(ledger, gone, morning(TODAY) - timedelta(hours=1))
    look(ledger, morning(TODAY))
    (one,) = findings.episodes(ledger, morning(TODAY))
    assert (one.kind, one.severity, one.where["source"]) == ("gap", Severity.INFO, "acme")
    assert one.seen_in  # the scopes whose cost seemed to drop
    assert told_of(ledger) == []  # it is for the owner of the data: nobody on call hears of it
    deliver(ledger, whole, morning(TODAY) + timedelta(hours=2), only=FAULT)
    look(ledger, morning(TODAY) + timedelta(days=1))
    (one,) = findings.episodes(ledger, morning(TODAY) + timedelta(days=1))
    assert (one.kind, one.state) == ("gap", EpisodeState.RESOLVED)


def test_a_delivery_that_lost_its_rows_and_tags_is_told_as_such(ledger: sa.Engine) -> None:
    whole = costs(TODAY - timedelta(days=1))
    untagged = {}
    for (day, center, service), cost in whole.items():
        key = (day, "(untagged)" if day >= FAULT and center == "ads" else center, service)
        untagged[key] = untagged.get(key, Decimal(0)) + cost
    untagged |= {(day, "(untagged)", "Other"): Decimal(5) for day in {key[0] for key in whole} if day < FAULT}
    deliver(ledger, untagged, morning(TODAY) - timedelta(hours=1))
    look(ledger, morning(TODAY))
    kinds = {one.kind for one in findings.episodes(ledger, morning(TODAY))}
    assert kinds == {"tag_loss"}
    some = {key: cost for key, cost in whole.items() if key[0].day % 2}
    deliver(ledger, some, morning(TODAY) + timedelta(hours=1), only=FAULT)
    look(ledger, morning(TODAY) + timedelta(hours=2))
    found = {one.kind: one for one in findings.episodes(ledger, morning(TODAY) + timedelta(hours=2))}
    assert found["shrunk_delivery"].where["billing_period"] == "2026-04"
    assert "drop" not in found


def seen_in(ledger: sa.Engine, rows: Sequence[Mapping[str, Any]]) -> list[Episode]:
    """The episodes of a first look at a bill of these charges."""
    for month in sorted({BillingPeriod.of(row["day"]) for row in rows}):
        mine = bill(*(row for row in rows if row["day"] in month.days))
        load(ledger, mine, period=str(month), known_at=morning(TODAY))
    at = morning(TODAY) + timedelta(hours=1)
    look(ledger, at)
    return findings.episodes(ledger, at)


def test_two_accounts_that_hide_each_other_are_both_found(ledger: sa.Engine) -> None:
    """The total, the cost center and its service stay flat: only the accounts tell."""
    random = np.random.default_rng(8)
    rows = []
    for n in range((TODAY - FIRST).days):
        day = FIRST + timedelta(days=n)
        for account, level, moved in (("1", 400, 300), ("2", 500, -300), ("3", 200, 0)):
            cost = level * float(np.exp(random.uniform(-0.03, 0.03))) + (moved if day >= FAULT else 0)
            what = {"x_cost_center": "search", "service_name": "Compute", "sub_account_id": account}
            rows.append(charge(day, Decimal(str(round(cost, 2))), **what))
    found = seen_in(ledger, rows)
    assert {(str(one.scope), one.kind) for one in found} == {("1", "rise"), ("2", "drop")}


def test_models_that_change_places_in_two_cost_centers_are_found(ledger: sa.Engine) -> None:
    """No cost center, no model, no service moves: only a model in a cost center does."""
    random = np.random.default_rng(8)
    rows = []
    for n in range((TODAY - FIRST).days):
        day = FIRST + timedelta(days=n)
        for center, model, level, moved in (
            ("search", "clip", 400, 300),
            ("search", "whisper", 500, -300),
            ("ads", "clip", 450, -300),
            ("ads", "whisper", 420, 300),
        ):
            cost = level * float(np.exp(random.uniform(-0.03, 0.03))) + (moved if day >= FAULT else 0)
            what = {"x_cost_center": center, "service_name": "Compute", "x_ai_model": model}
            rows.append(charge(day, Decimal(str(round(cost, 2))), **what))
    found = seen_in(ledger, rows)
    assert {(*dict(one.scope.pairs).values(), one.kind) for one in found} == {
        ("search", "clip", "rise"),
        ("search", "whisper", "drop"),
        ("ads", "clip", "drop"),
        ("ads", "whisper", "rise"),
    }
