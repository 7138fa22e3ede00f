"""The savings ledger and the looks at clusters: kept as they are, read as known on a day, said once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finops_ai.domain.drift import Difference, Drift
from finops_ai.domain.money import Money
from finops_ai.domain.period import Days
from finops_ai.domain.proposal import ProposalState
from finops_ai.domain.realised import Realised
from finops_ai.domain.usage import Workload
from finops_ai.ledger import drifts, proposals, savings
from tests.ledger.nouns import AMOUNTS, DAYS, KEYS, MAPS, MONEY, PROPOSALS, TEXTS, a_proposal

AS_OF, HOUR = datetime(2026, 5, 1, tzinfo=UTC), timedelta(hours=1)
WORKLOADS = st.builds(Workload, TEXTS, TEXTS, TEXTS, TEXTS)
OPTIONAL = st.none() | TEXTS
DRIFTS = st.builds(
    Drift,
    kind=TEXTS,
    workload=WORKLOADS,
    owner=TEXTS,
    differences=st.lists(
        st.builds(Difference, path=TEXTS, desired=OPTIONAL, live=OPTIONAL, by=TEXTS, at=TEXTS), max_size=2
    ).map(tuple),
    monthly=st.none() | MONEY,
    heals=TEXTS,
    why=TEXTS,
)
USD = AMOUNTS.map(lambda amount: Money(amount, "USD"))
ROWS = st.builds(
    Realised,
    key=KEYS,
    merged_on=DAYS,
    number=st.integers(1, 12),
    days=DAYS.map(lambda day: Days(day, day + timedelta(days=14))),
    workload=WORKLOADS,
    identified=USD,
    estimate=USD,
    low=USD,
    high=USD,
    counterfactual=USD,
    actual=USD,
    fall=USD,
    booked=USD,
    controls=st.integers(0, 9),
    method=TEXTS,
    proved_on=st.none() | DAYS,
    utilisation=MAPS,
)
MODEST = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_each_merge_waits_to_be_kept_once(ledger: sa.Engine) -> None:
    """Two merges of one key with other states between them; what is said again is no second merge."""
    states = ("open", "merged", "merged", "open", "merged")
    for hour, state in enumerate(states):
        saving = replace(a_proposal().recommendation, risk=f"{hour}")
        proposals.save(ledger, a_proposal(state=ProposalState(state), recommendation=saving), AS_OF + HOUR * hour)
    proposals.save(ledger, a_proposal("finops/api"), AS_OF)

    def waiting(hours: int) -> list[datetime]:
        return [known_at for _, known_at, _ in savings.unkept(ledger, AS_OF + HOUR * hours)]

    assert waiting(0) == []
    assert waiting(3) == [AS_OF + HOUR]
    assert waiting(9) == [AS_OF + HOUR, AS_OF + HOUR * 4]
    (key, known_at, proposal), _ = savings.unkept(ledger, AS_OF + HOUR * 9)
    assert (key, proposal.state) == ("finops/web", ProposalState.MERGED)
    savings.keep_merge(ledger, savings.Merged(key=key, known_at=known_at, on=AS_OF.date(), proposal=proposal))
    assert waiting(9) == [AS_OF + HOUR * 4]


@given(row=ROWS)
@MODEST
def test_a_saving_comes_back_as_it_was_and_as_known_then(ledger_of_module: sa.Engine, row: Realised) -> None:
    later = replace(row, estimate=row.low)
    savings.keep(ledger_of_module, [row], AS_OF)
    savings.keep(ledger_of_module, [row], AS_OF)
    savings.keep(ledger_of_module, [later], AS_OF + timedelta(days=1))
    assert row in savings.savings(ledger_of_module, AS_OF)
    assert later in savings.savings(ledger_of_module)
    assert savings.savings(ledger_of_module, AS_OF - timedelta(days=1)) == []


@given(found=st.lists(DRIFTS, max_size=3))
@MODEST
def test_a_look_comes_back_as_it_was(ledger_of_module: sa.Engine, found: list[Drift]) -> None:
    drifts.keep(ledger_of_module, found, AS_OF)
    assert drifts.drifts(ledger_of_module, AS_OF + timedelta(hours=1)) == found
    assert drifts.drifts(ledger_of_module, AS_OF - timedelta(hours=1)) == []
    assert drifts.prune(ledger_of_module, AS_OF + timedelta(hours=1)) == 1


@given(proposal=PROPOSALS)
@settings(MODEST, max_examples=5)
def test_a_merge_is_kept_once(ledger_of_module: sa.Engine, proposal: object) -> None:
    merged = savings.Merged(key="k", known_at=AS_OF, on=date(2026, 4, 30), proposal=proposal)  # type: ignore[arg-type]
    with ledger_of_module.begin() as connection:
        connection.execute(sa.text("TRUNCATE merged"))
    savings.keep_merge(ledger_of_module, merged)
    savings.keep_merge(ledger_of_module, replace(merged, on=date(2026, 4, 1)))
    assert savings.merges(ledger_of_module, AS_OF) == [merged]
    assert savings.merges(ledger_of_module, AS_OF - timedelta(hours=1)) == []


def test_what_was_written_down_is_said_until_it_was_heard(ledger: sa.Engine) -> None:
    key, on = "finops/x", date(2026, 4, 1)
    assert savings.to_say(ledger, key, on, "week", "first", AS_OF) == "first"
    assert savings.to_say(ledger, key, on, "week", "second", AS_OF) == "first"
    assert not savings.is_said(ledger, key, on, "week")
    savings.was_said(ledger, key, on, "week", AS_OF)
    assert savings.is_said(ledger, key, on, "week")
    assert savings.to_say(ledger, key, on, "week", "third", AS_OF) is None
    assert savings.to_say(ledger, key, on, "month", "other", AS_OF) == "other"
