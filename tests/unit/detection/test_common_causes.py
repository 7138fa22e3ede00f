"""What all services of a cost center do alike is one episode, of the cost center, however long it is looked at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from finops_ai.domain.episode import Episode
from finops_ai.domain.scope import Scope
from tests.unit.detection.test_parts import CENTER, DAYS, TOTAL, Services, judged, part, series

OTHER = Scope((("x_cost_center", "ads"),))
SIZES = {"models": 900.0, "storage": 150.0, "network": 80.0}
AT = DAYS - 45


def calm(seed: int) -> Services:
    random = np.random.default_rng([40, seed])
    return {name: size * np.exp(random.normal(0, 0.05, DAYS)) for name, size in SIZES.items()}


def lived(bill: Services, until: int = DAYS) -> list[Episode]:
    """Every morning from the day before until `until`, with another cost center of as many services beside it."""
    beside = {f"ads {name}": costs for name, costs in calm(99).items()}
    told: tuple[Episode, ...] = ()
    for known in range(AT, until + 1):
        mine = [one for one in series(bill, known) if one.scope != TOTAL]
        others = [one for one in series(beside, known) if one.scope != TOTAL]
        moved = [replace(one, scope=Scope((*OTHER.pairs, *one.scope.pairs[1:]))) for one in others]
        told = judged([*mine, *moved], known, told).episodes
    return [one for one in told if one.last_day >= series(bill, AT)[0].days.end]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("days", [1, 5, 12])
def test_all_services_that_rise_alike_are_one_episode_of_their_cost_center(seed: int, days: int) -> None:
    bill = calm(seed)
    for costs in bill.values():
        costs[AT : AT + days] *= 1.6
    (episode,) = lived(bill)
    assert episode.scope == CENTER
    assert {part(name) for name in SIZES} & set(episode.seen_in)
    excess = sum(float(costs[AT : AT + days].sum()) for costs in bill.values()) * 0.6 / 1.6
    assert float(episode.excess.amount) == pytest.approx(excess, rel=0.3)


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("days", [1, 5])
def test_one_service_that_rises_is_one_episode_of_that_service(name: str, days: int) -> None:
    bill = calm(5)
    bill[name][AT : AT + days] *= 1.8
    (episode,) = lived(bill)
    assert episode.scope == part(name)


def test_a_second_thing_that_happens_elsewhere_is_told_by_itself() -> None:
    bill = calm(6)
    bill["storage"][AT : AT + 3] *= 2
    bill["network"][AT + 12 : AT + 14] *= 3
    assert {one.scope for one in lived(bill)} == {part("storage"), part("network")}
