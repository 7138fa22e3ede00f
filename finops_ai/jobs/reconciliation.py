"""What the exports say beside what the ledger answers: by source, billing period, currency and sub account."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

from finops_ai.domain.money import total
from finops_ai.domain.period import Days
from finops_ai.domain.report import AccountFact, DeliveryFact
from finops_ai.jobs.run import Turn
from finops_ai.ledger import charges, costs
from finops_ai.ledger.charges import KnownDelivery
from finops_ai.ledger.costs import CostQuery

EVERY_DAY = Days(date.min, date.max)
WEEK = timedelta(days=7)
KEYS = ("source", "billing_period", "sub_account_id")

Loaded = Mapping[tuple[str, str, str, str], Decimal]
"""Billed cost by source, billing period (YYYY-MM), sub account and currency."""


def reconciliation(turn: Turn) -> tuple[list[DeliveryFact], list[AccountFact]]:
    """Control totals of every known export beside the ledger's own sums, attributing sources included."""
    known = charges.known_all(turn.engine, turn.as_of)
    # Sources that do not count answer only where they are named.
    named = tuple(("source", name) for name in sorted({one.source for one in known}))
    query = CostQuery(days=EVERY_DAY, group_by=KEYS, where=named, currency=None, as_of=turn.as_of)
    loaded = {
        (row["source"], row["billing_period"], row["sub_account_id"], row["currency"]): row["billed_cost"]
        for row in costs.costs(turn.engine, query)
    }
    return _deliveries(turn, known, loaded), _accounts(turn, loaded)


def _deliveries(turn: Turn, known: list[KnownDelivery], loaded: Loaded) -> list[DeliveryFact]:
    earlier = {(one.source, one.billing_period): one for one in charges.known_all(turn.engine, turn.as_of - WEEK)}
    by_period: dict[tuple[str, str, str], list[Decimal]] = {}
    for (source, period, _, currency), cost in loaded.items():
        by_period.setdefault((source, period, currency), []).append(cost)
    found = []
    for one in known:
        before = earlier.get((one.source, one.billing_period))
        if one.billing_period.end > (turn.as_of - WEEK).date():
            before = None  # a month that went on is not restated by growing
        for currency, exported in one.billed_cost.items():
            found.append(
                DeliveryFact(
                    source=one.source,
                    billing_period=one.billing_period,
                    currency=currency,
                    status="loaded" if one.counted else "attributes",
                    rows=one.rows,
                    rows_rejected=one.rows_rejected,
                    exported=exported,
                    loaded=total(by_period.get((one.source, str(one.billing_period), currency), ())),
                    previous=before.billed_cost.get(currency) if before else None,
                    loaded_at=one.known_at,
                )
            )
    return found


def _accounts(turn: Turn, loaded: Loaded) -> list[AccountFact]:
    """What each export's own lines say of a sub account beside what the ledger answers for it."""
    return [
        AccountFact(
            source=said["source"],
            billing_period=said["billing_period"],
            currency=said["currency"],
            sub_account_id=said["sub_account_id"],
            exported=said["billed_cost"],
            loaded=loaded.get((*(said[key] for key in KEYS), said["currency"]), Decimal(0)),
        )
        for said in charges.said_by_account(turn.engine, turn.as_of)
    ]
