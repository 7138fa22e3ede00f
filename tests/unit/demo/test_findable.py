"""The simulator's promise: its incidents can be found by the engines, and a clean year gives them nothing to say."""

from collections import defaultdict
from datetime import date, timedelta

import numpy as np
import pytest

from finops_ai.demo.company import simulate
from finops_ai.detection.run import detect
from finops_ai.detection.settings import DetectSettings
from finops_ai.domain.focus import NONE, UNTAGGED
from finops_ai.domain.period import Days, end_of_day
from finops_ai.domain.scope import Scope
from finops_ai.domain.series import CostSeries

AS_OF = date(2026, 4, 29)
NOT_USAGE = ("RIFee", "Tax", "Credit", "Refund")


def series_of(company, known_on):
    """Effective usage cost per scope, as the ledger gives it."""
    days = Days(company.days.start, known_on)
    found = defaultdict(lambda: np.zeros(len(days)))
    for charge in (*company.charges("aws", known_on), *company.charges("northwind", known_on)):
        if charge.kind in NOT_USAGE or charge.meter.terms == "fee":
            continue  # as the ledger tells usage from what follows the calendar
        owner = ("x_cost_center", charge.tags.get("cost-center", UNTAGGED))
        model = ("x_ai_model", charge.tags.get("model", NONE))
        for pairs in ((), (owner,), (model,), (owner, ("service_name", charge.meter.service.name))):
            found[pairs][(charge.start.date() - days.start).days] += float(charge.effective_cost)
    return [
        CostSeries(
            scope=Scope(pairs),
            cost_basis="effective",
            currency="USD",
            days=days,
            values=values,
            complete_through=known_on - timedelta(days=2),
        )
        for pairs, values in sorted(found.items())
    ]


def episodes(company, mornings):
    told, most = [], 0
    for morning in mornings:
        series = series_of(company, morning)
        settings = DetectSettings(floor=25.0)
        told = detect(series, told, as_of=end_of_day(morning), settings=settings).episodes
        most = max(most, len(series))
    return told, most


def test_every_incident_opens_one_episode_on_its_first_day_and_nothing_else_opens():
    company = simulate(as_of=AS_OF)
    told, _ = episodes(company, [AS_OF])
    truth = {
        (incident.cost_center, incident.service): (incident.start, incident.end, float(incident.dollars))
        for incident in company.incidents
    }
    found = {(e.scope.get("x_cost_center"), e.scope.get("service_name")): e for e in told}
    assert len(told) == len(truth)
    assert found.keys() == truth.keys()
    for where, (start, end, dollars) in truth.items():
        episode = found[where]
        assert episode.opened_on == start
        last = (end or AS_OF - timedelta(days=1)) - timedelta(days=1)
        # What lasts longer is the new level then.
        accepted = start + timedelta(days=DetectSettings().accept_days + DetectSettings().hold_days)
        assert min(last, accepted - timedelta(days=2)) <= episode.last_day <= min(last, accepted)
        assert float(episode.excess.amount) == pytest.approx(dollars, rel=0.25)


@pytest.mark.parametrize("start", [date(2025, 1, 1), AS_OF - timedelta(days=365)], ids=["with history", "from nothing"])
def test_a_clean_year_opens_fewer_than_one_episode_per_ten_series(start):
    """A year looked at every four weeks: every day is judged that can be."""
    mornings = (AS_OF - timedelta(days=28 * number) for number in reversed(range(13)))
    year = [morning for morning in mornings if morning > start + timedelta(days=28)]
    company = simulate(as_of=AS_OF, start=start, incidents=False)
    told, most = episodes(company, year)
    assert most > 30
    assert len(told) < most / 10
