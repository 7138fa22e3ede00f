"""Findings and proposals of every shape, for tests of how they are kept."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from finops_ai.domain.episode import Cause, Episode, EpisodeState, Severity
from finops_ai.domain.forecast import LEVELS, Forecast, Score
from finops_ai.domain.money import Money
from finops_ai.domain.period import Days
from finops_ai.domain.proposal import (
    Change,
    Decision,
    FileEdit,
    Proposal,
    ProposalState,
    Recommendation,
    Saving,
    Verdict,
)
from finops_ai.domain.scope import Scope
from finops_ai.domain.usage import Workload

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
KEYS = TEXTS.filter(bool)
DAYS = st.dates(date(2020, 1, 1), date(2030, 1, 1))
AMOUNTS = st.decimals(min_value=-(10**12), max_value=10**12, places=18, allow_nan=False)
MONEY = st.builds(Money, AMOUNTS, st.sampled_from(["USD", "EUR"]))
FLOATS = st.floats(allow_nan=False)
SCOPES = st.builds(lambda pairs: Scope(tuple(pairs)), st.lists(st.tuples(KEYS, TEXTS), max_size=3))
MAPS = st.dictionaries(KEYS, TEXTS, max_size=3)

CAUSES = st.builds(
    Cause,
    what=MAPS,
    expected=MONEY,
    observed=MONEY,
    excess=MONEY,
    quantity_effect=st.none() | MONEY,
    price_effect=st.none() | MONEY,
    mix_effect=st.none() | MONEY,
    note=TEXTS,
)
EPISODES = st.builds(
    Episode,
    key=KEYS,
    scope=SCOPES,
    cost_basis=st.sampled_from(["billed", "effective"]),
    kind=TEXTS,
    state=st.sampled_from(EpisodeState),
    severity=st.sampled_from(Severity),
    opened_on=DAYS,
    last_day=DAYS,
    resolved_on=st.none() | DAYS,
    expected=MONEY,
    observed=MONEY,
    excess=MONEY,
    projected=MONEY,
    p_value=FLOATS,
    forecaster=TEXTS,
    threshold=TEXTS,
    where=MAPS,
    causes=st.lists(CAUSES, max_size=3).map(tuple),
    seen_in=st.lists(SCOPES, max_size=3).map(tuple),
    second_opinion=st.none() | FLOATS,
    accepted=st.booleans(),
    restated=st.booleans(),
    shape=TEXTS,
    feedback=st.none(),
)

WORKLOADS = st.builds(Workload, cluster=TEXTS, namespace=TEXTS, kind=TEXTS, name=TEXTS)
PROPOSALS = st.builds(
    Proposal,
    key=KEYS,
    recommendation=st.builds(
        Recommendation,
        workload=WORKLOADS,
        changes=st.lists(
            st.builds(Change, container=TEXTS, path=TEXTS, now=st.none() | TEXTS, proposed=TEXTS), max_size=3
        ).map(tuple),
        saving=st.builds(
            lambda low, high, rate: Saving(low=Money(low, "USD"), high=Money(high, "USD"), rate=rate),
            AMOUNTS,
            AMOUNTS,
            TEXTS,
        ),
        evidence=st.dictionaries(KEYS, MAPS, max_size=2),
        risk=TEXTS,
        reasons=st.lists(TEXTS, max_size=2).map(tuple),
        strategy=TEXTS,
    ),
    edits=st.lists(st.builds(FileEdit, path=TEXTS, before=TEXTS, after=TEXTS), max_size=2).map(tuple),
    verdicts=st.lists(
        st.builds(Verdict, rule=TEXTS, decision=st.sampled_from(Decision), message=TEXTS, resource=TEXTS), max_size=2
    ).map(tuple),
    state=st.sampled_from(ProposalState),
    title=TEXTS,
    body=TEXTS,
    labels=st.lists(TEXTS, max_size=2).map(tuple),
)


@st.composite
def forecasts(draw: st.DrawFn) -> Forecast:
    start, length = draw(DAYS), draw(st.integers(0, 12))
    days = Days(start, start + timedelta(days=length))
    matrix = arrays(np.float64, (len(LEVELS), length), elements=FLOATS)
    totals = draw(st.sets(st.sampled_from(list(days)))) if length else set()
    row = arrays(np.float64, (len(LEVELS),), elements=FLOATS)
    return Forecast(
        scope=draw(SCOPES),
        cost_basis=draw(st.sampled_from(["billed", "effective"])),
        currency=draw(st.sampled_from(["USD", "EUR"])),
        issued_on=draw(DAYS),
        forecaster=draw(TEXTS),
        days=days,
        quantiles=draw(matrix),
        total_quantiles={day: draw(row) for day in sorted(totals)},
        measured_coverage={0.8: draw(st.floats(0, 1)) + 0.0, 0.95: float("nan")},
        backtest_error=draw(st.dictionaries(KEYS, FLOATS, max_size=2)),
        degraded=draw(st.none() | TEXTS),
    )


def same_forecast(one: Forecast, other: Forecast) -> bool:
    """Forecasts hold arrays and nan, hence no ==."""
    plain = ("scope", "cost_basis", "currency", "issued_on", "forecaster", "days", "backtest_error", "degraded")
    return (
        all(getattr(one, name) == getattr(other, name) for name in plain)
        and one.quantiles.shape == other.quantiles.shape
        and np.array_equal(one.quantiles, other.quantiles)
        and list(one.total_quantiles) == list(other.total_quantiles)
        and all(np.array_equal(one.total_quantiles[day], row) for day, row in other.total_quantiles.items())
        and repr(dict(one.measured_coverage)) == repr(dict(other.measured_coverage))
    )


def usd(amount: int | str) -> Money:
    return Money(Decimal(amount), "USD")


def an_episode(key: str = "e1", **changes: object) -> Episode:
    episode = Episode(
        key=key,
        scope=Scope((("x_cost_center", "search"),)),
        cost_basis="effective",
        kind="spike",
        state=EpisodeState.OPEN,
        severity=Severity.WARNING,
        opened_on=date(2026, 4, 2),
        last_day=date(2026, 4, 3),
        resolved_on=None,
        expected=usd(10),
        observed=usd(30),
        excess=usd(20),
        projected=usd("200.5"),
        p_value=0.01,
        forecaster="seasonal",
        threshold="p < 0.02",
        causes=(Cause(what={"service_name": "S"}, expected=usd(10), observed=usd(30), excess=usd(20)),),
    )
    return episode.with_(**changes)


def a_forecast(day: date = date(2026, 4, 4), level: float = 1.0, scope: Scope = Scope()) -> Forecast:  # noqa: B008
    days = Days(day, day + timedelta(days=3))
    return Forecast(
        scope=scope,
        cost_basis="effective",
        currency="USD",
        issued_on=day,
        forecaster="seasonal",
        days=days,
        quantiles=np.full((len(LEVELS), 3), level),
        total_quantiles={day + timedelta(days=2): np.full(len(LEVELS), 3 * level)},
        measured_coverage={0.8: 0.79, 0.95: float("nan")},
    )


def a_score(day: date = date(2026, 4, 3), p_value: float = 0.01) -> Score:
    return Score(
        scope=Scope((("x_cost_center", "search"),)),
        currency="USD",
        day=day,
        observed=30.0,
        expected=10.0,
        upper=15.0,
        z=4.0,
        p_value=p_value,
        scorer="residual",
        second_opinion=0.99,
    )


def a_proposal(key: str = "finops/web", **changes: object) -> Proposal:
    values: dict[str, object] = {
        "key": key,
        "recommendation": Recommendation(
            workload=Workload("c1", "shop", "Deployment", "web"),
            changes=(Change(container="web", path="requests.cpu", now="1", proposed="200m"),),
            saving=Saving(low=usd(10), high=usd(30), rate="on demand"),
            evidence={"web": {"p95": "120m"}},
            risk="low",
            reasons=("idle",),
            strategy="cpu-p95",
        ),
        "edits": (FileEdit(path="web.yaml", before="a", after="b"),),
        "verdicts": (Verdict(rule="cost-tags", decision=Decision.ALLOW, message=""),),
        "state": ProposalState.OPEN,
    }
    return Proposal(**{**values, **changes})  # type: ignore[arg-type]
