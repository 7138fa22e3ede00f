"""One small week of one company, with an incident, and the same week full of hostile names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from finops_ai.domain.episode import Cause, Episode, EpisodeState, Feedback, FeedbackVerdict, Severity
from finops_ai.domain.errors import Problem
from finops_ai.domain.forecast import LEVELS, Forecast
from finops_ai.domain.money import Money
from finops_ai.domain.period import BillingPeriod, Days
from finops_ai.domain.proposal import ProposalState, Saving
from finops_ai.domain.report import (
    Accuracy,
    Coverage,
    DayFigure,
    DeliveryFact,
    Leader,
    NamedCost,
    ProposalFact,
    ProposedRule,
)
from finops_ai.domain.scope import Scope
from finops_ai.reporting.page import PageContext
from finops_ai.reporting.weekly import Facts

WEEK = Days(date(2026, 5, 18), date(2026, 5, 25))
COMPLETE = date(2026, 5, 23)
AS_OF = datetime(2026, 5, 25, 7, 30, tzinfo=UTC)
MAY = BillingPeriod(2026, 5)

LINES = (
    ("ml-serve", "clip-vit-l", "Amazon EC2", Decimal("610.25")),
    ("ml-serve", "whisper-v3", "Amazon EC2", Decimal("402.10")),
    ("ml-train", "clip-vit-l", "Amazon SageMaker", Decimal("1204.331")),
    ("search", "(none)", "Amazon OpenSearch Service", Decimal("288.40")),
    ("search", "titan-embed", "Amazon Bedrock", Decimal("97.015")),
    ("(untagged)", "(none)", "Amazon S3", Decimal("151.93")),
    ("data-platform", "(none)", "AWS Glue", Decimal("88.80")),
)


def usd(text: str) -> Money:
    return Money(Decimal(text), "USD")


def costs() -> Iterator[dict[str, Any]]:
    """Weekdays at full cost, weekends at 70 %; the incident from 21 May; the 24th only half charged."""
    day = date(2026, 4, 20)
    while day <= date(2026, 5, 24):
        for n, (owner, model, service, base) in enumerate(LINES):
            cost = base * (Decimal("0.7") if day.weekday() >= 5 else Decimal(1))
            cost *= Decimal(100 + (day.toordinal() * (n + 3)) % 7) / 100
            if service == "AWS Glue" and day >= date(2026, 5, 19):
                continue
            if (owner, model) == ("ml-serve", "clip-vit-l") and day >= date(2026, 5, 21):
                cost *= 3
            if day > COMPLETE:
                cost /= 2
            yield {
                "day": day,
                "currency": "USD",
                "x_cost_center": owner,
                "x_ai_model": model,
                "service_name": service,
                "effective_cost": cost,
                "billed_cost": cost,
            }
        day += timedelta(days=1)


def forecast(scope: Scope, level: float) -> Forecast:
    days = Days(COMPLETE + timedelta(days=1), date(2026, 6, 30))
    spread = np.array([-0.22, -0.12, -0.05, 0.0, 0.05, 0.12, 0.22])
    shape = np.array([0.7 if day.weekday() >= 5 else 1.0 for day in days]) * level
    quantiles = shape[None, :] * (1 + spread[:, None])
    running = np.cumsum(shape)
    assert len(spread) == len(LEVELS)
    return Forecast(
        scope=scope,
        cost_basis="effective",
        currency="USD",
        issued_on=date(2026, 5, 24),
        forecaster="seasonal-naive",
        days=days,
        quantiles=quantiles,
        total_quantiles={day: running[i] * (1 + spread / (i + 1) ** 0.4) for i, day in enumerate(days)},
        measured_coverage={0.8: 0.813, 0.95: 0.94},
    )


def episode(**changes: Any) -> Episode:
    known = Episode(
        key="ep-3f9a1c",
        scope=Scope((("x_cost_center", "ml-serve"),)),
        cost_basis="effective",
        kind="spike",
        state=EpisodeState.OPEN,
        severity=Severity.WARNING,
        opened_on=date(2026, 5, 21),
        last_day=COMPLETE,
        resolved_on=None,
        expected=usd("1647.68"),
        observed=usd("4943.03"),
        excess=usd("3295.35"),
        projected=usd("11820.00"),
        p_value=0.0004,
        forecaster="seasonal-naive",
        threshold="excess above $200 and p below 0.01",
        where={"x_ai_model": "clip-vit-l", "service_name": "Amazon EC2"},
        causes=(
            Cause(
                what={"x_sku_group": "p4d.24xlarge", "region_id": "us-east-1"},
                expected=usd("1500"),
                observed=usd("4650.35"),
                excess=usd("3150.35"),
                note="3.1 times the hours at the same price",
            ),
            Cause(what={"x_sku_group": "EBS"}, expected=usd("147.68"), observed=usd("292.68"), excess=usd("145.00")),
        ),
    )
    return replace(known, **changes)


def episodes() -> tuple[Episode, ...]:
    dropped = episode(
        key="ep-77b0aa",
        scope=Scope((("x_cost_center", "data-platform"),)),
        kind="drop",
        severity=Severity.INFO,
        state=EpisodeState.RESOLVED,
        opened_on=date(2026, 5, 19),
        resolved_on=date(2026, 5, 23),
        expected=usd("444.00"),
        observed=usd("0"),
        excess=usd("-444.00"),
        projected=usd("-444.00"),
        where={"service_name": "AWS Glue"},
        causes=(),
        feedback=Feedback(episode_key="ep-77b0aa", verdict=FeedbackVerdict.EXPECTED, at=AS_OF, note="moved to Spark"),
    )
    return (episode(), dropped)


def trace() -> tuple[DayFigure, ...]:
    days = Days(date(2026, 5, 4), date(2026, 5, 25))
    return tuple(
        DayFigure(
            day=day,
            observed=Decimal(600 if day < date(2026, 5, 21) else 1840) + day.day % 3 * 20,
            complete=day <= COMPLETE,
            expected=Decimal(610),
            low=Decimal(520),
            high=Decimal(700),
        )
        for day in days
    )


def coverage(rows: list[dict[str, Any]]) -> Coverage:
    week = [row for row in rows if row["day"] in WEEK]
    untagged = sum((r["effective_cost"] for r in week if r["x_cost_center"] == "(untagged)"), Decimal(0))
    cost = sum((r["effective_cost"] for r in week), Decimal(0))
    mapped, unknown = Decimal("1000"), Decimal("200")
    rule = ProposedRule(
        text='accounts: {"444455556666": "data-platform"}',
        cost_center="data-platform",
        share=0.97,
        among="this account",
    )
    return Coverage(
        currency="USD",
        cost=cost,
        by_rule=(NamedCost("tag:cost-center", cost - untagged - mapped), NamedCost("account", mapped)),
        untagged=untagged,
        leaders=(
            Leader("444455556666 · Amazon S3", untagged - unknown, rule),
            Leader("777788889999 · Amazon EC2", unknown),
        ),
    )


def facts(**changes: Any) -> Facts:
    rows = list(costs())
    owners = {"ml-serve": 1010.0, "ml-train": 1220.0, "search": 390.0, "(untagged)": 152.0, "data-platform": 78.0}
    known = Facts(
        as_of=AS_OF,
        week=WEEK,
        cost_basis="effective",
        rules_version="48f8fca825bc",
        complete_through=COMPLETE,
        costs=rows,
        forecasts=[
            forecast(Scope(), 2850.0),
            *(forecast(Scope((("x_cost_center", name),)), level) for name, level in owners.items()),
        ],
        episodes=episodes(),
        traces={"ep-3f9a1c": trace()},
        coverage=(coverage(rows),),
        accuracy=(
            Accuracy(
                currency="USD",
                month=BillingPeriod(2026, 4),
                forecaster="seasonal-naive",
                days=30,
                wape=0.062,
                bias=-0.011,
                coverage_80=0.79,
            ),
        ),
        proposals=proposals(),
        deliveries=deliveries(),
        problems=(Problem(file="acme-cur", message="2 new line item types are mapped as Usage", severity="warning"),),
    )
    return replace(known, **changes)


def proposals() -> tuple[ProposalFact, ...]:
    return (
        ProposalFact(
            key="finops/ml-serve-clip-api",
            workload="ml-serve/clip-api",
            changes=("clip: requests.cpu 4 → 1500m", "clip: requests.memory 16Gi → 9Gi"),
            saving=Saving(low=usd("310"), high=usd("420"), rate="$0.0336 per vCPU hour"),
            state=ProposalState.OPEN,
        ),
        ProposalFact(
            key="finops/search-indexer",
            workload="search/indexer",
            changes=("indexer: requests.cpu 2 → 500m",),
            saving=Saving(low=usd("88"), high=usd("96"), rate="$0.0336 per vCPU hour"),
            state=ProposalState.BLOCKED,
            blocked_by=("cost-tags: label cost-center is missing",),
        ),
    )


def deliveries() -> tuple[DeliveryFact, ...]:
    return (
        DeliveryFact(
            source="acme-cur",
            billing_period=MAY,
            currency="USD",
            status="loaded",
            rows=184_233,
            rows_rejected=0,
            exported=Decimal("66210.118"),
            loaded=Decimal("66210.118"),
        ),
        DeliveryFact(
            source="acme-cur",
            billing_period=BillingPeriod(2026, 4),
            currency="USD",
            status="loaded",
            rows=201_114,
            rows_rejected=0,
            exported=Decimal("80990.5"),
            loaded=Decimal("80990.5"),
            previous=Decimal("81240.75"),
        ),
    )


def context(**changes: Any) -> PageContext:
    known = PageContext(
        as_of=datetime(2026, 5, 24, 9, 0, tzinfo=UTC),
        complete_through=COMPLETE,
        last_observed=usd("1840.20"),
        last_low=usd("610"),
        last_high=usd("790"),
        links={"report": "https://finops.example.com/reports/2026-W21"},
    )
    return replace(known, **changes)
