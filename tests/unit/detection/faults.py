"""Bills of many parts with one fault planted, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finops_ai.detection.localise import Parts, Place

KEYS = ("x_sku_group", "x_ai_model", "service_name", "x_cost_center", "sub_account_id", "region_id")
KINDS = ("single", "double", "price")
PARTS = 160


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fault:
    """`keys` and `element` say where the fault is, `hit` which parts it touched."""

    kind: str
    parts: Parts
    quantity: np.ndarray
    usual_quantity: np.ndarray
    keys: tuple[str, ...]
    element: tuple[str, ...]
    hit: np.ndarray

    def found_by(self, place: Place) -> bool:
        """True where the place is the fault's own, or names exactly the same parts by other words."""
        of_part = list(zip(*(self.parts.values[key] for key in place.keys), strict=True))
        named = np.array([element in place.elements for element in of_part])
        return bool((named == self.hit).all())


def plant(seed: int, kind: str) -> Fault:
    """A bill of 160 parts over six keys, as its four weeks before and an episode of a few days leave it."""
    random = np.random.default_rng([seed, KINDS.index(kind)])
    service = random.integers(0, 6, PARTS)
    columns = {
        "x_sku_group": [f"s{a}-sku{b}" for a, b in zip(service, random.integers(0, 3, PARTS), strict=True)],
        "x_ai_model": [f"m{n}" if n else "(none)" for n in random.integers(0, 4, PARTS)],
        "service_name": [f"s{n}" for n in service],
        "x_cost_center": [f"c{n}" for n in random.integers(0, 5, PARTS)],
        "sub_account_id": [f"a{n}" for n in random.integers(0, 5, PARTS)],
        "region_id": [f"r{n}" for n in random.integers(0, 4, PARTS)],
    }
    days = int(random.integers(1, 5))
    cost = np.exp(random.normal(2.0, 1.2, PARTS))
    # What was usual is the mean of four alike weekdays, what is observed a day or a few: both are noisy.
    expected = cost * days * np.exp(random.normal(0, 0.08 / np.sqrt(4 * days), PARTS))
    observed = cost * days * np.exp(random.normal(0, 0.08 / np.sqrt(days), PARTS))
    usual_quantity = expected / 0.02
    quantity = observed / 0.02
    keys, element, hit = _place(random, columns, cost, 2 if kind == "double" else 1)
    factor = random.uniform(1.5, 4.0)
    observed = np.where(hit, observed * factor, observed)
    if kind != "price":
        quantity = np.where(hit, quantity * factor, quantity)
    return Fault(
        kind=kind,
        parts=Parts(values=columns, expected=expected, observed=observed),
        quantity=quantity,
        usual_quantity=usual_quantity,
        keys=keys,
        element=element,
        hit=hit,
    )


def _place(
    random: np.random.Generator, columns: dict[str, list[str]], cost: np.ndarray, size: int
) -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray]:
    """Keys and values that hold between 3 and 50 percent of the cost, in at least three parts."""
    while True:
        chosen = sorted(random.choice(len(KEYS), size, replace=False).tolist())
        keys = tuple(KEYS[i] for i in chosen)
        at = int(random.integers(0, PARTS))
        element = tuple(columns[key][at] for key in keys)
        hit = np.all(
            [[value == wanted for value in columns[key]] for key, wanted in zip(keys, element, strict=True)], axis=0
        )
        if hit.sum() >= 3 and 0.03 <= cost[hit].sum() / cost.sum() <= 0.5:
            return keys, element, hit
