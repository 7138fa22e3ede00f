"""The simulated company: exact, repeatable, and honest about what was planted."""

from datetime import date, timedelta
from decimal import Decimal
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_ai.demo.company import Company, simulate
from finops_ai.domain.focus import NONE, UNTAGGED
from finops_ai.domain.money import total

AS_OF = date(2026, 4, 29)
YESTERDAY = AS_OF - timedelta(days=1)


@pytest.fixture(scope="module")
def company() -> Company:
    return simulate(as_of=AS_OF)


def every_charge(company, known_on=AS_OF):
    return [charge for provider in ("aws", "northwind") for charge in company.charges(provider, known_on)]


def daily_effective(company):
    """Effective cost by day, cost center, model and service."""
    found = {}
    for charge in every_charge(company):
        tags = charge.tags
        key = (
            charge.start.date(),
            tags.get("cost-center", UNTAGGED),
            tags.get("model", NONE),
            charge.meter.service.name,
        )
        found[key] = found.get(key, Decimal(0)) + charge.effective_cost
    return found


def test_same_arguments_give_the_same_company():
    assert every_charge(simulate(as_of=AS_OF)) == every_charge(simulate(as_of=AS_OF))
    assert every_charge(simulate(as_of=AS_OF)) != every_charge(simulate(as_of=AS_OF, seed=1))


def test_what_was_planted_is_exactly_what_differs_from_the_clean_company(company):
    planted, clean = daily_effective(company), daily_effective(simulate(as_of=AS_OF, incidents=False))
    extra = {key: cost - clean.get(key, Decimal(0)) for key, cost in planted.items() if cost != clean.get(key)}
    assert planted.keys() >= clean.keys()
    for incident in company.incidents:
        where = (incident.cost_center, incident.model, incident.service)
        days = sorted(key[0] for key in extra if key[1:] == where)
        last = (incident.end or AS_OF) - timedelta(days=1)
        assert (days[0], days[-1]) == (incident.start, last)
        assert total(cost for key, cost in extra.items() if key[1:] == where and key[0] < YESTERDAY) == incident.dollars
    struck = {(i.cost_center, i.model, i.service) for i in company.incidents}
    assert {key[1:] for key in extra} == struck


def test_there_are_three_incidents_worth_a_page_and_two_still_run(company):
    assert [(i.cost_center, i.model, i.service) for i in company.incidents] == [
        ("ml-serve", "clip-vit-l", "Amazon Elastic Compute Cloud"),
        ("search", "claude-sonnet", "Amazon Bedrock"),
        ("data-platform", NONE, "Network Egress"),
    ]
    assert all(incident.dollars > 1000 for incident in company.incidents)
    assert [incident.end is None for incident in company.incidents] == [True, True, False]


def test_a_clean_company_has_none():
    clean = simulate(as_of=AS_OF, start=AS_OF - timedelta(days=365), incidents=False)
    assert clean.incidents == ()
    assert not any(charge.meter.name == "serve-clip-large" for charge in every_charge(clean))
    for quantities in clean.quantities.values():
        for day in range(28, len(quantities)):
            usual = median(quantities[day - back] for back in (7, 14, 21, 28))
            assert quantities[day] <= usual * Decimal("1.6")


def test_commitments_balance_to_the_last_digit(company):
    lines = company.charges("aws", AS_OF)

    def billed(kind):
        return total(charge.billed_cost for charge in lines if charge.kind == kind)

    def effective(kind):
        return total(charge.effective_cost for charge in lines if charge.kind == kind)

    assert billed("SavingsPlanCoveredUsage") + billed("SavingsPlanNegation") == 0
    fees = [charge for charge in lines if charge.kind == "SavingsPlanRecurringFee"]
    assert effective("SavingsPlanCoveredUsage") == total(fee.used for fee in fees)
    assert effective("SavingsPlanRecurringFee") == billed("SavingsPlanRecurringFee") - total(fee.used for fee in fees)
    assert any(fee.effective_cost > 0 for fee in fees)
    whole_months = [charge for charge in lines if charge.start.date() < date(2026, 4, 1)]
    assert total(charge.billed_cost for charge in whole_months if charge.kind == "RIFee") == total(
        charge.effective_cost for charge in whole_months if charge.kind == "DiscountedUsage"
    )
    assert total(charge.billed_cost for charge in whole_months) == total(c.effective_cost for c in whole_months)


def test_yesterday_is_published_in_part_and_the_day_before_in_full(company):
    def costs(known_on):
        return {
            (charge.meter.name, charge.start.date()): charge.billed_cost
            for charge in company.charges("northwind", known_on)
            if charge.meter.terms != "fee"
        }

    today, tomorrow = costs(AS_OF - timedelta(days=1)), costs(AS_OF)
    day = AS_OF - timedelta(days=2)
    for name in {name for name, on in tomorrow if on == day}:
        assert 0 < today[name, day] < tomorrow[name, day] / 2
        assert today[name, day - timedelta(days=1)] == tomorrow[name, day - timedelta(days=1)]


def test_a_closed_month_is_restated_with_its_tax_refund_and_credit(company):
    def march(known_on):
        return [c for c in company.charges("aws", known_on) if c.billing_period == company.restated_month]

    first, final = march(date(2026, 4, 3)), march(date(2026, 4, 10))
    assert {c.kind for c in final} - {c.kind for c in first} == {"Tax", "Refund", "Credit"}
    assert march(AS_OF) == final


def test_the_bill_has_what_bills_have(company):
    lines = every_charge(company)
    assert {c.kind for c in lines} >= {
        "Usage",
        "SavingsPlanCoveredUsage",
        "SavingsPlanNegation",
        "SavingsPlanRecurringFee",
        "DiscountedUsage",
        "RIFee",
        "Tax",
        "Credit",
        "Refund",
        "Fee",
    }
    assert "012345600004" in {c.meter.account.number for c in lines}
    effective = total(c.effective_cost for c in lines)
    untagged = total(c.effective_cost for c in lines if not c.tags)
    assert Decimal("0.05") < untagged / effective < Decimal("0.10")
    assert all(fee.start.day == 1 for fee in lines if fee.kind in ("Fee", "RIFee", "Tax"))


@settings(max_examples=15)
@given(
    as_of=st.dates(date(2024, 1, 1), date(2030, 12, 31)),
    days=st.integers(min_value=20, max_value=70),
    seed=st.integers(min_value=0),
)
def test_any_company_is_exact_within_its_days(as_of, days, seed):
    company = simulate(as_of=as_of, start=as_of - timedelta(days=days), seed=seed)
    for charge in every_charge(company, as_of):
        assert company.days.start <= charge.start.date() < as_of
        for cost in (charge.list_cost, charge.billed_cost, charge.effective_cost):
            assert cost == cost.quantize(Decimal("1e-10"))
