"""Series with one thing planted, lived through morning by morning, and the word that the engine has for it."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import numpy as np

from finops_ai.detection.holes import holes
from finops_ai.detection.levels import accepted
from finops_ai.detection.run import detect
from finops_ai.detection.settings import DetectSettings
from finops_ai.detection.shapes import Metered, shape
from finops_ai.domain.episode import Episode
from finops_ai.domain.scope import Scope
from tests.unit.forecasting.bills import START, one_series

SHAPES = ("spike", "step", "drift", "drop", "gap", "price", "commitment")
DAYS, AT, AFTER = 230, 200, 24
SETTINGS = DetectSettings(second_opinions=0, floor=50.0)
SOURCE = Scope((("source", "acme"),))


def plant(kind: str, seed: int) -> np.ndarray:
    """Two hundred calm days around 500 a day with weekends, then what `kind` says."""
    random = np.random.default_rng([seed, SHAPES.index(kind)])
    weekend = np.array([0.8 if (START + timedelta(days=i)).weekday() > 4 else 1.0 for i in range(DAYS)])
    values = 500 * weekend * np.exp(random.normal(0, 0.03, DAYS))
    size = random.uniform(1.6, 2.5)
    if kind == "spike":
        values[AT : AT + int(random.integers(1, 3))] *= size
    elif kind in ("step", "price", "commitment"):
        values[AT:] *= size
    elif kind == "drift":
        values[AT:] *= np.linspace(1.0, 1.0 + size / 2, DAYS - AT)
    elif kind == "drop":
        values[AT:] *= 0.4
    else:
        values[AT : AT + 2] = 0.0
    return values


def told(kind: str, seed: int) -> str:
    """The shape of the dearest episode after four weeks; `gap` where the whole source was empty."""
    values = plant(kind, seed)
    known: tuple[Episode, ...] = ()
    for today in range(AT + 1, AT + AFTER):
        series = one_series(values[:today])
        as_of = datetime.combine(START + timedelta(days=today), time(6), tzinfo=UTC)
        known = detect([series], known, as_of=as_of, settings=SETTINGS).episodes
    found = [one for one in known if one.last_day >= START + timedelta(days=AT)]
    if holes([one_series(values[: AT + AFTER], scope=SOURCE)], START + timedelta(days=AT + AFTER), SETTINGS):
        return "gap"
    if not found:
        return "nothing"
    dearest = max(found, key=lambda one: abs(one.excess.amount))
    series = one_series(values[: AT + AFTER])
    dearest = dearest.with_(accepted=accepted(dearest, series))
    return shape(dearest, _metered(kind, dearest), series)


def _metered(kind: str, one: Episode) -> Metered:
    """One part: as usual in quantity where the price is what changed, else as usual in price."""
    usual, now = np.array([float(one.expected.amount)]), np.array([float(one.observed.amount)])
    is_price = kind in ("price", "commitment")
    listed = usual * 1.3 if kind == "commitment" else now * 1.3
    return Metered(
        usual_cost=usual,
        cost=now,
        usual_list=usual * 1.3,
        list_cost=listed,
        usual_quantity=usual,
        quantity=usual if is_price else now,
    )
